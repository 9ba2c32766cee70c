"""What a network could explain of the difference of two frames at the most, by its build.

Each number is the share of the squared difference Σ‖v‖² that an oracle explains which is given the
answer: kernels fitted to it by least squares, one for the whole picture or one for each cell of it;
flow estimated from both frames; the true difference at a half or a quarter of the resolution.
"""

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from cdvae.data.clips.flow import flow as estimated_flow
from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics.flow_copy import warped
from cdvae.methods.crossconv_layers import resized

PAIRS = 150  # test pairs that are looked at, the first
KERNEL = 5  # side
RIDGE = (
    1e-3  # added to the mean square of each kernel entry's input, so that flat cells can be solved
)
CELLS = (64, 32, 16, 8)  # sides of the cells that share a kernel, in pixels of a 64 × 64 picture


def limits(pairs: Pairs) -> pd.DataFrame:
    """Columns oracle, explained, n_test."""
    first, second = (x[:PAIRS].float() / 255 for x in pairs[:2])
    v, side = second - first, first.shape[-1]
    found = [("the true difference at half the side", at_side(v, side // 2))]
    found += [("the true difference at a quarter of the side", at_side(v, side // 4))]
    found += [("flow of both frames, warped", warp_of(pairs) - first)]
    for cell in (c for c in CELLS if c <= side and side % c == 0):
        name = (
            "one kernel for the picture" if cell == side else f"a kernel for each {cell} × {cell}"
        )
        found.append((f"{name}, {KERNEL} × {KERNEL}", by_kernels(first, v, cell)))
    whole = v.square().sum()
    shares = [(name, float(1 - (v - best).square().sum() / whole), len(v)) for name, best in found]
    return pd.DataFrame(shares, columns=["oracle", "explained", "n_test"])


def at_side(v: Tensor, side: int) -> Tensor:
    """Differences brought to a smaller side and back."""
    return resized(resized(v, side), v.shape[-1])


def warp_of(pairs: Pairs) -> Tensor:
    """The second frames as the estimated flow makes them of the first."""
    first, second = (x[:PAIRS] for x in pairs[:2])
    fields = [
        estimated_flow(*(x.permute(1, 2, 0).numpy() for x in frames))
        for frames in zip(second, first, strict=True)  # where each pixel came from
    ]
    field = torch.stack([torch.from_numpy(each).permute(2, 0, 1) for each in fields])
    return warped(first.float() / 255, -field)


def by_kernels(x: Tensor, v: Tensor, cell: int) -> Tensor:
    """Differences (N, 3, H, W) as the best KERNEL × KERNEL kernel of each cell makes them of
    pictures x, the same for the three colours: ridge regression, cell by cell."""
    n, channels, side, _ = x.shape
    taps, across = KERNEL**2, side // cell
    patches = F.unfold(x, KERNEL, padding=KERNEL // 2).unflatten(1, (channels, taps))
    patches = patches.unflatten(3, (across, cell, across, cell)).permute(0, 3, 5, 1, 4, 6, 2)
    rows = patches.reshape(n * across**2, channels * cell**2, taps)
    target = v.unflatten(3, (across, cell)).unflatten(2, (across, cell)).permute(0, 2, 4, 1, 3, 5)
    target = target.reshape(n * across**2, channels * cell**2, 1)
    square = rows.transpose(1, 2) @ rows + RIDGE * cell**2 * torch.eye(taps)
    best = rows @ torch.linalg.solve(square, rows.transpose(1, 2) @ target)
    best = best.reshape(n, across, across, channels, cell, cell).permute(0, 3, 1, 4, 2, 5)
    return best.reshape(n, channels, side, side)
