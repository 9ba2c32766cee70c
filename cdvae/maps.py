"""Building blocks of the spatial networks: residual blocks, a contracting and an expanding path.

Scales are numbered from the finest: maps[0] has the largest side, maps[-1] the smallest; above
the maps stands a vector that sees the whole field.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from cdvae.dvae import Gaussian
from cdvae.networks import PATCH, SIZE, SLOPE, GaussianHead

Scale = Callable[[int, Tensor], Tensor]  # (number of the scale, its maps) -> maps


def same(scale: int, maps: Tensor) -> Tensor:
    """Leaves the maps of every scale as they are."""
    return maps


class Residual(nn.Module):
    """x + convolutions of x; the identity when training starts: (batch, n, side, side)."""

    def __init__(self, n: int, dropout: float = 0.0):
        super().__init__()
        self.drop = nn.Dropout2d(dropout)
        self.first, self.second = (nn.Conv2d(n, n, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.drop(leaky_relu(self.first(leaky_relu(x, SLOPE)), SLOPE)))


def least_side(widths: tuple[int, ...]) -> int:
    """Side of the smallest maps: the first are of SIZE / PATCH, each further half of that."""
    return (SIZE // PATCH) >> (len(widths) - 1)


class Contraction(nn.Module):
    """A field (batch, channels, 32, 32) -> maps of each scale, finest first, and a vector.

    widths: channels of the maps of each scale; vector: size of what stands above them.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], vector: int, dropout: float = 0.0):
        super().__init__()
        self.start = nn.Sequential(
            nn.PixelUnshuffle(PATCH), nn.Conv2d(PATCH**2 * channels, widths[0], 3, padding=1)
        )
        self.blocks = nn.ModuleList(Residual(n, dropout) for n in widths)
        self.coarser = nn.ModuleList(
            nn.Conv2d(*n, 4, stride=2, padding=1) for n in pairwise(widths)
        )
        self.top = nn.Linear(widths[-1] * least_side(widths) ** 2, vector)

    def forward(self, x: Tensor, at_scale: Scale = same) -> list[Tensor]:
        maps, h = [], self.start(x)
        for scale, block in enumerate(self.blocks):
            if scale:
                h = self.coarser[scale - 1](leaky_relu(h, SLOPE))
            h = block(at_scale(scale, h))
            maps.append(h)
        top = self.top(leaky_relu(h, SLOPE).flatten(1))
        return [*maps, leaky_relu(top, SLOPE)]


class Expansion(nn.Module):
    """A vector and maps that guide it -> a field (batch, channels, 32, 32).

    vector: size of the vector; guides: channels of the guiding maps of each scale, finest first.
    `at_scale` may change the maps of a scale before the next finer one is made of them.
    """

    def __init__(
        self,
        vector: int,
        guides: tuple[int, ...],
        widths: tuple[int, ...],
        channels: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        side = least_side(widths)
        self.start = nn.Sequential(
            nn.Linear(vector, widths[-1] * side**2), nn.Unflatten(1, (widths[-1], side, side))
        )
        self.guide = nn.ModuleList(nn.Conv2d(*n, 1) for n in zip(guides, widths, strict=True))
        self.blocks = nn.ModuleList(Residual(n, dropout) for n in widths)
        self.finer = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1)
            for fine, coarse in pairwise(widths)
        )
        self.end = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(widths[0], PATCH**2 * channels, 3, padding=1),
            nn.PixelShuffle(PATCH),
        )

    def forward(
        self, vector: Tensor, guides: list[Tensor], at_scale: Scale = same, n: int = 1
    ) -> Tensor:
        """n: vectors for each example of the guides, one after the other in (batch · n) rows."""
        h = self.start(vector)
        for scale in reversed(range(len(self.blocks))):
            h = h + self.guide[scale](guides[scale]).repeat_interleave(n, 0)
            h = at_scale(scale, self.blocks[scale](h))
            if scale:
                h = self.finer[scale - 1](leaky_relu(h, SLOPE))
        return self.end(h)


class MapHead(nn.Module):
    """Maps (batch, n_in, side, side) -> mean and log-variance of a code of n_out maps each."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.layer = nn.Conv2d(n_in, 2 * n_out, 1)
        nn.init.constant_(self.layer.bias[n_out:], GaussianHead.LOG_VAR_START)

    def forward(self, maps: Tensor) -> Gaussian:
        mu, log_var = self.layer(leaky_relu(maps, SLOPE)).chunk(2, dim=1)
        return mu, log_var.clamp(GaussianHead.LOG_VAR_MIN, GaussianHead.LOG_VAR_MAX)


def energy_loss(samples: Tensor, truth: Tensor) -> Tensor:
    """The energy score of samples (batch, m, …) of a truth (batch, …), differentiable: (batch,).

    E‖X − y‖ − ½ E‖X − X'‖, unbiased, as `metrics.energy_score` has it; distances are rooted with a
    little added, whose gradient is finite where two samples meet.
    """
    x, y = samples.flatten(2), truth.flatten(1)[:, None]
    first, second = torch.triu_indices(x.shape[1], x.shape[1], 1)
    to_truth = ((x - y).square().sum(2) + 1e-6).sqrt().mean(1)
    apart = ((x[:, first] - x[:, second]).square().sum(2) + 1e-6).sqrt().mean(1)
    return to_truth - 0.5 * apart
