"""The flow baseline of Visual Dynamics: flow of the nearest training pictures, laid over a picture.

Where pictures are moving shapes the flow is exact; on clips it is estimated (`data/clips/flow.py`).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from cdvae.data.clips.flow import flow as estimated_flow
from cdvae.data.drawn.shapes import Pairs, Shapes, flow, render
from cdvae.methods.crossconv_layers import resized
from cdvae.methods.neighbours import NearestNeighbour

KEYS = 32  # side of the pictures among which the nearest is looked for


class FlowCopy:
    """Futures of test pictures by the flow of the n nearest training pictures; nothing is random.

    Shapes move as a whole by the mean flow over their visible pixels. To be told the shapes is
    generous: warped pixel by pixel they would be torn, as what a clip shows is.
    """

    def __init__(self, train: Pairs, test: Pairs):
        self.train, self.test = train, test
        keys = torch.cat([resized(part.float() / 255, KEYS) for part in train.first.split(500)])
        self.nearest = NearestNeighbour(keys, keys, 0.0)

    def __call__(self, part: slice, n: int) -> Tensor:
        """Differences (batch, n, 3, H, W) for the test pictures of a slice."""
        x_c = self.test.first[part].float() / 255
        index = self.nearest.nearest(resized(x_c, KEYS), n).flatten()
        if self.test.shapes is None:
            field = torch.stack([self.flow_of(int(i)) for i in index])
            after = warped(x_c.repeat_interleave(n, 0), field)
        else:
            rows = torch.arange(len(self.test.first))[part].repeat_interleave(n)
            before = self.test.shapes.rows(rows)
            field = flow(self.train.shapes.rows(index), self.train.motion[index])
            after = render(before.moved(mean_flow(before, field)), x_c.shape[-1])
        return after.unflatten(0, (-1, n)) - x_c[:, None]

    def flow_of(self, index: int) -> Tensor:
        """The estimated flow of a training pair, (2, H, W) in its pixels."""
        first, second = (x[index].permute(1, 2, 0).numpy() for x in self.train[:2])
        return torch.from_numpy(estimated_flow(first, second)).permute(2, 0, 1)


def warped(x: Tensor, field: Tensor) -> Tensor:
    """Pictures (N, C, H, W) whose pixels come from where the flow (N, 2, H, W), in pixels and read
    at its own place, says that they were; bilinear, edges repeated."""
    height, width = x.shape[-2:]
    there_y = torch.arange(height)[:, None] - field[:, 1]
    there_x = torch.arange(width) - field[:, 0]
    grid = torch.stack([(2 * there_x + 1) / width - 1, (2 * there_y + 1) / height - 1], -1)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def mean_flow(shapes: Shapes, field: Tensor) -> Tensor:
    """The mean of a flow (N, 2, H, H) over the visible pixels of each shape: (N, 3, 2)."""
    number = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]).expand(len(field), 3, 2)
    label = flow(shapes, number, field.shape[-1])[:, :1]  # painted as motions are
    here = (label == torch.tensor([1, 2, 3])[:, None, None]).float()
    total = torch.einsum("nkyx,ncyx->nkc", here, field)
    return total / here.sum((2, 3)).clamp_min(1)[..., None]
