"""The path of `spatial` that a draw of x_g takes: up to maps of 8 × 8, and from there to pixels.

All that x_c decides alone is made once, whatever the number of draws: a draw costs some
convolutions at 4 × 4 and one product of matrices for each cell.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_shuffle, pixel_unshuffle

from cdvae.networks import PATCH, SIZE, SLOPE, Residual, Scale, same, side_after

CELLS = (SIZE // PATCH) ** 2


class Rising(nn.Module):
    """A vector and maps that guide it -> maps of the finest scale (batch, widths[0], 8, 8).

    vector: size of the vector; guides: channels of the guiding maps of each scale, finest first.
    As `Expansion`, but convolutions work at the coarser scales alone, and there is no end.
    """

    def __init__(
        self, vector: int, guides: tuple[int, ...], widths: tuple[int, ...], dropout: float
    ):
        super().__init__()
        self.side = side_after(widths)
        self.start = nn.Linear(vector, self.side**2 * widths[-1])
        self.guide = nn.ModuleList(nn.Conv2d(*n, 1) for n in zip(guides, widths, strict=True))
        self.blocks = nn.ModuleList(Residual(n, dropout) for n in widths[1:])
        self.finer = nn.ModuleList(finer(coarse, fine) for fine, coarse in pairwise(widths))

    def forward(
        self, vector: Tensor, guides: list[Tensor], at_scale: Scale = same, n: int = 1
    ) -> Tensor:
        """n: vectors for each example of the guides, one after the other in (batch · n) rows."""
        h = self.start(vector).unflatten(1, (self.side, self.side, -1))
        h = h.permute(0, 3, 1, 2)  # the channels of a place lie side by side, here and below
        for scale in reversed(range(len(self.guide))):
            guide = self.guide[scale](guides[scale]).to(memory_format=torch.channels_last)
            h = (h.unflatten(0, (-1, n)) + guide[:, None]).flatten(0, 1)
            h = at_scale(scale, self.blocks[scale - 1](h) if scale else h)
            if scale:
                h = self.finer[scale - 1](leaky_relu(h, SLOPE))
        return h


class Canvas(NamedTuple):
    """What x_c says of each pixel, cell by cell in (batch · CELLS) rows."""

    offset: Tensor  # (rows, 1, PATCH² · C_g)
    weights: Tensor  # (rows, width, PATCH² · C_g), of the maps at the cell

    def paint(self, maps: Tensor) -> Tensor:
        """Fields (batch · n, C_g, 32, 32) of maps (batch · n, width, 8, 8), n for each x_c.

        A pixel is its offset plus the sum of the maps at its cell, each by the pixel's weight: a
        line that x_c shows is a line of every draw, as fine as the pixels.
        """
        rows, width, _ = self.weights.shape
        n = len(maps) * CELLS // rows
        h = leaky_relu(maps, SLOPE).flatten(2).unflatten(0, (-1, n)).permute(0, 3, 1, 2)
        offset = self.offset.expand(-1, n, -1)
        x = torch.baddbmm(offset, h.flatten(0, 1), self.weights, alpha=width**-0.5)
        x = x.unflatten(0, (-1, CELLS)).permute(0, 2, 3, 1).flatten(0, 1)
        return pixel_shuffle(x.unflatten(2, (SIZE // PATCH, -1)), PATCH)


class Stretcher(nn.Module):
    """x_c and what is known of its cells -> a canvas.

    Features of each pixel, from full resolution (side 32) by way of 16 down to 8, where z_c joins,
    and up again: a pixel learns what thing it is part of.
    widths: channels at 32, 16 and 8; maps: of z_c at 8 × 8; width: of the maps that are read.
    """

    def __init__(
        self, channels_c: int, channels_g: int, maps: int, width: int, widths: tuple[int, int, int]
    ):
        super().__init__()
        whole, half, quarter = widths
        self.width = width
        self.start = nn.Conv2d(channels_c, whole, 3, padding=1)
        self.coarser = nn.ModuleList(
            nn.Conv2d(*n, 4, stride=2, padding=1) for n in ((whole, half), (half, quarter))
        )
        self.down = Residual(half)
        self.guide = nn.Conv2d(maps, quarter, 1)
        self.cells = Residual(quarter)
        self.finer = nn.ModuleList(finer(*n) for n in ((quarter, half), (half, whole)))
        self.up = nn.ModuleList(Residual(n) for n in (half, whole))
        self.end = nn.Conv2d(whole, (width + 1) * channels_g, 1)

    def forward(self, x_c: Tensor, maps: Tensor) -> Canvas:
        """From standardised x_c (batch, C_c, 32, 32) and maps (batch, ., 8, 8)."""
        whole = self.start(x_c)
        half = self.down(self.coarser[0](leaky_relu(whole, SLOPE)))
        cells = self.cells(self.coarser[1](leaky_relu(half, SLOPE)) + self.guide(maps))
        half = self.up[0](half + self.finer[0](leaky_relu(cells, SLOPE)))
        whole = self.up[1](whole + self.finer[1](leaky_relu(half, SLOPE)))
        pixels = pixel_unshuffle(self.end(leaky_relu(whole, SLOPE)), PATCH).flatten(2)
        pixels = pixels.unflatten(1, (self.width + 1, -1)).permute(0, 3, 1, 2).flatten(0, 1)
        return Canvas(pixels[:, :1], pixels[:, 1:])


def finer(n_in: int, n_out: int) -> nn.Sequential:
    """Maps -> maps of twice the side."""
    return nn.Sequential(nn.Conv2d(n_in, 4 * n_out, 1), nn.PixelShuffle(2))
