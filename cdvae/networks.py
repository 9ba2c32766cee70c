"""Building blocks: image stems, Gaussian heads, the two fully connected layers between codes, and
the contracting and expanding paths of the models whose codes or features are maps.

Scales are numbered from the finest: maps[0] has the largest side, maps[-1] the smallest; above
the maps stands a vector that sees the whole field.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_shuffle, pixel_unshuffle, softplus

from cdvae.gaussian import LOG_2PI, Gaussian

SIZE = 32  # fields are SIZE × SIZE
PATCH = 4  # side of the patches that the image stems begin with
SLOPE = 0.1  # of the leaky rectifiers

Scale = Callable[[int, Tensor], Tensor]  # (number of the scale, its maps) -> maps


class Standard(nn.Module):
    """Shift and scale of each channel that bring a layer to zero mean and unit variance."""

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def fit(self, x: Tensor) -> None:
        """Take mean and deviation from examples x (N, C, H, W), without a copy of them."""
        self.mean.copy_(x.mean((0, 2, 3))[:, None, None])
        self.std.copy_(x.std((0, 2, 3)).clamp_min(1e-6)[:, None, None])

    def apply_to(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def undo(self, x: Tensor) -> Tensor:
        return x * self.std + self.mean

    def log_det(self, size: int) -> Tensor:
        """log |d apply_to / d x| of a field with `size` pixels a channel, in nats."""
        return -self.std.log().sum() * size


def contracting(channels_in: int, channels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions (batch, channels_in, 32, 32) -> (batch, channels[-1], side, side).

    The first works on patches of 4 × 4 pixels (8 × 8 of them), each further one halves the side.
    """
    layers = [
        nn.PixelUnshuffle(PATCH),
        nn.Conv2d(PATCH**2 * channels_in, channels[0], 3, padding=1),
    ]
    for n_in, n_out in pairwise(channels):
        layers += [nn.LeakyReLU(SLOPE), nn.Conv2d(n_in, n_out, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, nn.LeakyReLU(SLOPE))


def expanding(channels: tuple[int, ...], channels_out: int) -> nn.Sequential:
    """The mirror of `contracting`: (batch, channels[-1], side, side) -> patches of the field,
    (batch, PATCH² · channels_out, 8, 8)."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(channels[::-1]):
        layers += [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
    layers.append(nn.Conv2d(channels[0], PATCH**2 * channels_out, 3, padding=1))
    return nn.Sequential(*layers)


def side_after(channels: tuple[int, ...]) -> int:
    """The side of the smallest feature map of a stem with these channels."""
    return (SIZE // PATCH) >> (len(channels) - 1)


class Encoder(nn.Module):
    """Image stem: (batch, channels_in, 32, 32) -> (batch, hidden)."""

    def __init__(self, channels_in: int, channels: tuple[int, ...], hidden: int):
        super().__init__()
        n_flat = channels[-1] * side_after(channels) ** 2
        self.layers = nn.Sequential(
            contracting(channels_in, channels),
            nn.Flatten(),
            nn.Linear(n_flat, hidden),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Decoder(nn.Module):
    """Image head: a code (batch, n_code) -> (batch, channels_out, 32, 32)."""

    def __init__(self, n_code: int, hidden: int, channels: tuple[int, ...], channels_out: int):
        super().__init__()
        side = side_after(channels)
        self.layers = nn.Sequential(
            nn.Linear(n_code, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, channels[-1] * side**2),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (channels[-1], side, side)),
            expanding(channels, channels_out),
        )

    def forward(self, z: Tensor) -> Tensor:
        return pixel_shuffle(self.patches(z), PATCH)

    def patches(self, z: Tensor) -> Tensor:
        """The field as patches, (batch, PATCH² · channels_out, 8, 8): enough for a loss, whose
        sum does not see the order of pixels."""
        return self.layers(z)


def two_layers(n_in: int, hidden: int) -> nn.Sequential:
    """The two fully connected layers with leaky rectifiers between latent layers (Figure 2).

    Batch-normalised, as the ladder VAE is; without it the middle code carries nothing.
    """
    return nn.Sequential(*dense(n_in, hidden), *dense(hidden, hidden))


def dense(n_in: int, n_out: int) -> list[nn.Module]:
    """One fully connected layer, batch-normalised, with its leaky rectifier."""
    return [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(SLOPE)]


class GaussianHead(nn.Module):
    """Features (batch, n_in) -> mean and log-variance of a code, (batch, n_out) each."""

    LOG_VAR_MIN, LOG_VAR_MAX = -8.0, 4.0  # keeps exp() finite while the network is still wild

    LOG_VAR_START = -3.0  # codes start almost noiseless, so that the layers above are heard

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.linear = nn.Linear(n_in, 2 * n_out)
        nn.init.constant_(self.linear.bias[n_out:], self.LOG_VAR_START)  # a view: in place

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.linear(features).chunk(2, dim=1)
        return mu, log_var.clamp(self.LOG_VAR_MIN, self.LOG_VAR_MAX)


def with_floor(raw: Tensor, noise_floor: float) -> Gaussian:
    """Mean and log-variance (batch, C, …) of P(x | z) from a head's 2 C channels (Eq. 20).

    The standard deviation is at least `noise_floor`, in units of the field's own deviation.
    """
    mu, variance = raw.chunk(2, dim=1)
    return mu, (noise_floor**2 + softplus(variance)).log()


def log_density(x: Tensor, patches: Tensor, noise_floor: float) -> Tensor:
    """log P(x | z) of standardised fields x (batch, C, 32, 32) in nats per example, (batch,): the
    Gaussian is `with_floor`'s of a head's 2 C channels, given as patches."""
    mu, raw = patches.chunk(2, dim=1)
    variance = noise_floor**2 + softplus(raw)
    distance = (pixel_unshuffle(x, PATCH) - mu).square() / variance
    return -0.5 * (LOG_2PI + variance.log() + distance).flatten(1).sum(1)


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
        self.top = nn.Linear(widths[-1] * side_after(widths) ** 2, vector)

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
        side = side_after(widths)
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
