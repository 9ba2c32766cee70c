"""Visual Dynamics with kernels that differ by place, for real clips.

On the moving shapes a handful of kernels serves the whole picture, since a few things move, each by
one step. On a clip every place moves its own way: one kernel for the whole picture explains much
less of the difference than kernels that differ from one place to the next (`dynamics.limits`
measures both). So z is a map here, C codes at each place of a coarse grid, and the kernel at a
place is a mixture Σ_m k_m(z) B_m of learned ones: the maps B_m ∗ I are multiplied by coefficients
that z gives and that vary slowly over the picture. That is the cross convolution of A.2 with a
kernel for each place.

Three more things differ from A.2: the motion encoder is given the products of gradient and
difference from which Lucas and Kanade find flow, since sums of products are what a convolution
finds last; the difference has the picture's own resolution; and P(z | I) sees the picture, where
A.1 has N(0, I), for what can move is seen in it.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cdvae import gaussian
from cdvae.methods.crossconv import UNGUIDED
from cdvae.methods.crossconv_layers import layer
from cdvae.methods.registry import Table
from cdvae.model import Batch, Model
from cdvae.tools.registry import register
from cdvae.training import Training

CELL = 8  # pixels of the picture to a place of z
RANGE_P, RANGE_Q = (-6.0, 4.0), (-8.0, 4.0)  # of log-variances, so that no step can leave them
SMALLEST = 1e-8  # under roots of products


@dataclass(frozen=True)
class LocalSizes:
    """The layers of the network: channels at a half, a quarter and an eighth of the picture."""

    code: int = 6  # of z at each place
    half: int = 48  # also the number of kernels mixed there …
    quarter: int = 64  # … and there
    eighth: int = 96


@dataclass(frozen=True)
class ClipFrames:
    """Settings of the network on clips, and of the pairs of frames that it sees."""

    seeds: tuple = (0,)
    step: float = 1 / 6  # from the first frame of a pair to the second, seconds
    per_clip: int = 48  # pairs of a clip, evenly spaced
    least: float = 2e-4  # mean squared difference below which a pair counts as still, unit²
    n_train: int = 40000  # pairs at the most
    n_valid: int = 400
    n_test: int = 676  # two for each test clip of the nine classes
    n_samples: int = 20  # for each test picture
    size: int = 64  # side of the frames, pixels; a multiple of 8
    network: LocalSizes = LocalSizes()
    sigma: float = 0.06  # deviation of P(v | I, z) as training begins; it is learned
    training: Training = replace(
        UNGUIDED, steps=600, checks=10, batch_size=32, learning_rate=2e-3, gradient_norm=2000.0
    )


register(Table("clip_dynamics", ClipFrames))


def products(x: Tensor, v: Tensor) -> Tensor:
    """What flow is found from (Lucas and Kanade 1981): means over 2 × 2 pixels of I_x v, I_y v,
    I_x², I_x I_y and I_y² of grey pictures (N, 3, H, W), rooted: (N, 5, H/2, W/2)."""
    grey, change = x.mean(1, keepdim=True), v.mean(1, keepdim=True)
    along = F.pad((grey[..., 2:] - grey[..., :-2]) / 2, (1, 1))
    down = F.pad((grey[..., 2:, :] - grey[..., :-2, :]) / 2, (0, 0, 1, 1))
    both = torch.cat([along * change, down * change, along**2, along * down, down**2], 1)
    mean = F.avg_pool2d(both, 2)
    return 8 * mean.sign() * (mean.abs() + SMALLEST).sqrt()


def strided(n_in: int, n_out: int) -> list[nn.Module]:
    """A layer that halves the side."""
    halving = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
    return [halving, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]


def enlarged(x: Tensor, by: int) -> Tensor:
    return F.interpolate(x, scale_factor=by, mode="bilinear", align_corners=False)


class LocalCrossConv(Model):
    """P(v | I), v and I (N, 3, H, W), by cross convolution with a kernel for each place.

    sampled: False makes it an autoencoder, whose code is not sampled and has no prior.
    A code has `code` × (H / 8)² dimensions and is passed flat.
    """

    def __init__(self, s: LocalSizes, sigma: float, size: int, sampled: bool = True):
        super().__init__()
        self.sizes, self.sampled, self.side = s, sampled, size // CELL
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)))
        self.register_buffer("spread", torch.ones(()))
        self.encoder = nn.Sequential(
            *layer(2 * 12 + 2 * 5, s.half, 3, 1),
            *strided(s.half, s.quarter),
            *strided(s.quarter, s.eighth),
            *layer(s.eighth, s.eighth, 3, 1),
            nn.Conv2d(s.eighth, 2 * s.code, 1),
        )
        self.image_half = nn.Sequential(*layer(12, s.half, 3, 1), *layer(s.half, s.half, 3, 1))
        self.image_quarter = nn.Sequential(*strided(s.half, s.quarter))
        eighth = strided(s.quarter, s.eighth) + layer(s.eighth, s.eighth, 3, 1)
        self.image_eighth = nn.Sequential(*eighth)
        self.prior = nn.Conv2d(s.eighth, 2 * s.code, 1)
        first = layer(s.code + s.eighth, s.eighth, 3, 1)
        self.kernel_decoder = nn.Sequential(*first, *layer(s.eighth, s.eighth, 3, 1))
        self.mix_half = nn.Conv2d(s.eighth, s.half, 1)
        self.mix_quarter = nn.Sequential(
            *layer(s.eighth, s.quarter, 3, 1), nn.Conv2d(s.quarter, s.quarter, 3, padding=1)
        )
        self.kernels_half = nn.Conv2d(s.half, s.half, 5, padding=2)
        self.kernels_quarter = nn.Conv2d(s.quarter, s.quarter, 5, padding=2)
        self.moved_quarter = nn.Conv2d(s.quarter, s.half, 3, padding=1)
        self.decoder = nn.Sequential(
            *layer(2 * s.half, s.quarter, 3, 1), nn.Conv2d(s.quarter, 12, 3, padding=1)
        )

    def standardise(self, x_c: Tensor, x_g: Tensor) -> None:
        """Take the scale of v from examples; pictures stay as they are."""
        self.spread.copy_(x_g.square().mean().sqrt())

    def q_z_given_x(self, x_c: Tensor, x_g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | v, I): (N, n_code) each."""
        frames = [F.pixel_unshuffle(x, 2) for x in (x_c - 0.5, x_g / self.spread)]
        both = torch.cat([*frames, products(x_c, x_g), products(x_c + x_g, x_g)], 1)
        mu, log_var = self.encoder(both).chunk(2, 1)
        return mu.flatten(1), log_var.clamp(*RANGE_Q).flatten(1)

    def encode(self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A code of what happens: a draw of q(z | v, I), the autoencoder's own code (N, n_code)."""
        mu, log_var = self.q_z_given_x(x_c, x_g)
        return gaussian.sample(mu, log_var, generator) if self.sampled else mu

    def features(self, x_c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The picture's maps at a half, a quarter and an eighth of its side."""
        half = self.image_half(F.pixel_unshuffle(x_c - 0.5, 2))
        quarter = self.image_quarter(half)
        return half, quarter, self.image_eighth(quarter)

    def p_z_given_image(self, eighth: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of P(z | I) from the smallest maps: (N, n_code) each."""
        mu, log_var = self.prior(eighth).chunk(2, 1)
        return mu.flatten(1), log_var.clamp(*RANGE_P).flatten(1)

    def decode(self, maps: tuple[Tensor, Tensor, Tensor], z: Tensor) -> Tensor:
        """E[v | I, z]: (N, 3, H, W)."""
        half, quarter, eighth = maps
        code = z.unflatten(1, (self.sizes.code, self.side, self.side))
        here = self.kernel_decoder(torch.cat([code, eighth], 1))
        fine = self.kernels_half(half) * enlarged(self.mix_half(here), 4)
        coarse = self.kernels_quarter(quarter) * self.mix_quarter(enlarged(here, 2))
        moved = torch.cat([fine, enlarged(self.moved_quarter(coarse), 2)], 1)
        return self.spread * F.pixel_shuffle(self.decoder(moved), 2)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the bound of A.1 with P(z | I) for P(z), one draw, in nats per example.

        Half of the batches in training are mirrored. reconstruction: −log P(v | I, z).
        """
        x_c, x_g = batch.x_c, batch.x_g
        if self.training and torch.rand(()) < 0.5:
            x_c, x_g = x_c.flip(-1), x_g.flip(-1)
        maps = self.features(x_c)
        mu, log_var = self.q_z_given_x(x_c, x_g)
        z = gaussian.sample(mu, log_var) if self.sampled else mu
        error = (self.decode(maps, z) - x_g).square().flatten(1)
        constant = error.shape[1] * (self.log_sigma + 0.5 * math.log(2 * math.pi))
        terms = {
            "reconstruction": error.sum(1).mean() / (2 * torch.exp(2 * self.log_sigma)) + constant,
            "kl": gaussian.kl(mu, log_var, *self.p_z_given_image(maps[2])).sum(1).mean(),
        }
        weight = batch.kl_weight if self.sampled else 0.0
        terms["loss"] = terms["reconstruction"] + weight * terms["kl"]
        return terms

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of E[v | I, z] for each picture with z from P(z | I): (N, n, 3, H, W)."""
        mu, log_var = (x[:, None].expand(-1, n, -1) for x in self.prior_of(x_c))
        return self.sample_given_z(x_c, gaussian.sample(mu, log_var, generator))

    @torch.no_grad()
    def prior_of(self, x_c: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of P(z | I): (N, n_code) each."""
        return self.p_z_given_image(self.features(x_c)[2])

    @torch.no_grad()
    def sample_given_z(self, x_c: Tensor, z: Tensor) -> Tensor:
        """E[v | I, z] for codes z (N, n, n_code): (N, n, 3, H, W)."""
        n = z.shape[1]
        maps = tuple(each.repeat_interleave(n, 0) for each in self.features(x_c))
        return self.decode(maps, z.flatten(0, 1)).unflatten(0, (len(x_c), n))

    @torch.no_grad()
    def noisy(self, v: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draws of P(v | I, z) around its means v: of the same shape."""
        noise = torch.empty(v.shape, device=v.device).normal_(generator=generator)
        return v + self.log_sigma.exp() * noise

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """v of the mean of q(z | v, I): (N, 3, H, W)."""
        return self.sample_given_z(x_c, self.q_z_given_x(x_c, x_g)[0][:, None])[:, 0]
