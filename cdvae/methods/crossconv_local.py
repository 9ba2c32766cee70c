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
A.1 has N(0, I), for what can move is seen in it. There z has two parts: one for the whole picture,
z', which what all places do together is told by (a camera that turns), and the map, whose prior
P(z | I, z') knows it. The deviation of P(v | I, z) differs by place too: next to what moves little
can be foreseen, in a wall everything.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cdvae import gaussian
from cdvae.methods.crossconv import UNGUIDED
from cdvae.methods.crossconv_layers import layer, products
from cdvae.methods.registry import Table
from cdvae.model import Batch, Model
from cdvae.tools.registry import register
from cdvae.training import Training

CELL = 8  # pixels of the picture to a place of z
RANGE_P, RANGE_Q = (-6.0, 4.0), (-8.0, 4.0)  # of log-variances, so that no step can leave them
RANGE_NOISE = (-1.5, 1.5)  # of the logarithm of a place's deviation, from that of all


@dataclass(frozen=True)
class LocalSizes:
    """The layers of the network: channels at a half, a quarter and an eighth of the picture."""

    common: int = 16  # of z, for the whole picture
    code: int = 6  # of z at each place
    half: int = 32  # also the number of kernels mixed there …
    quarter: int = 48  # … and there
    eighth: int = 64


@dataclass(frozen=True)
class ClipFrames:
    """Settings of the network on clips, and of the pairs of frames that it sees."""

    seeds: tuple = (0, 1, 2)
    step: float = 1 / 6  # from the first frame of a pair to the second, seconds
    per_clip: int = 48  # pairs of a clip, evenly spaced
    least: float = 2e-4  # mean squared difference below which a pair counts as still, unit²
    n_train: int = 40000  # pairs at the most
    n_valid: int = 400
    n_test: int = 676  # two for each test clip of the nine classes
    n_samples: int = 10  # for each test picture
    size: int = 64  # side of the frames, pixels; a multiple of 8
    network: LocalSizes = LocalSizes()
    sigma: float = 0.06  # deviation of P(v | I, z) as training begins; it is learned
    training: Training = replace(
        UNGUIDED, steps=1000, checks=5, batch_size=16, learning_rate=2e-3, gradient_norm=2000.0
    )


register(Table("clip_dynamics", ClipFrames))


def strided(n_in: int, n_out: int) -> list[nn.Module]:
    """A layer that halves the side."""
    halving = nn.Conv2d(n_in, n_out, 3, stride=2, padding=1, bias=False)
    return [halving, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]


def middle(x: Tensor) -> Tensor:
    """The mean over all places: (N, C, H, W) to (N, C)."""
    return x.mean((2, 3))


def halves(x: Tensor, limits: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Means and log-variances within limits, flat, from channels that hold them in this order."""
    mu, log_var = x.chunk(2, 1)
    return mu.flatten(1), log_var.clamp(*limits).flatten(1)


def enlarged(x: Tensor, by: int) -> Tensor:
    return F.interpolate(x, scale_factor=by, mode="bilinear", align_corners=False)


class LocalCrossConv(Model):
    """P(v | I), v and I (N, 3, H, W), by cross convolution with a kernel for each place.

    sampled: False makes it an autoencoder, whose code is not sampled and has no prior.
    A code has `common` + `code` × (H / 8)² dimensions and is passed flat.
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
        )
        self.code_common = nn.Linear(s.eighth, 2 * s.common)
        self.code_here = nn.Conv2d(s.eighth, 2 * s.code, 1)
        self.image_half = nn.Sequential(*layer(12, s.half, 3, 1), *layer(s.half, s.half, 3, 1))
        self.image_quarter = nn.Sequential(*strided(s.half, s.quarter))
        eighth = strided(s.quarter, s.eighth) + layer(s.eighth, s.eighth, 3, 1)
        self.image_eighth = nn.Sequential(*eighth)
        self.prior_common = nn.Linear(s.eighth, 2 * s.common)
        seen = layer(2 * s.eighth + s.common, s.eighth, 1, 0)
        self.prior_here = nn.Sequential(*seen, nn.Conv2d(s.eighth, 2 * s.code, 1))
        first = layer(s.common + s.code + s.eighth, s.eighth, 3, 1)
        self.kernel_decoder = nn.Sequential(*first, *layer(s.eighth, s.eighth, 3, 1))
        self.mix_half = nn.Conv2d(s.eighth, s.half, 1)
        self.mix_quarter = nn.Sequential(
            *layer(s.eighth, s.quarter, 3, 1), nn.Conv2d(s.quarter, s.quarter, 3, padding=1)
        )
        self.kernels_half = nn.Conv2d(s.half, s.half, 5, padding=2)
        self.kernels_quarter = nn.Conv2d(s.quarter, s.quarter, 5, padding=2)
        self.moved_quarter = nn.Conv2d(s.quarter, s.half, 3, padding=1)
        self.decoder = nn.Sequential(*layer(2 * s.half, s.quarter, 3, 1))
        self.difference = nn.Conv2d(s.quarter, 12, 3, padding=1)
        self.deviation = nn.Conv2d(s.quarter, 1, 3, padding=1)
        for part in self.deviation.parameters():
            nn.init.zeros_(part)

    def standardise(self, x_c: Tensor, x_g: Tensor) -> None:
        """Take the scale of v from examples; pictures stay as they are."""
        self.spread.copy_(x_g.square().mean().sqrt())

    def q_z_given_x(self, x_c: Tensor, x_g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | v, I): (N, n_code) each."""
        frames = [F.pixel_unshuffle(x, 2) for x in (x_c - 0.5, x_g / self.spread)]
        both = torch.cat([*frames, products(x_c, x_g), products(x_c + x_g, x_g)], 1)
        seen = self.encoder(both)
        both = zip(
            halves(self.code_common(middle(seen)), RANGE_Q),
            halves(self.code_here(seen), RANGE_Q),
            strict=True,
        )
        mu, log_var = (torch.cat(each, 1) for each in both)
        return mu, log_var

    def encode(self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A code of what happens: a draw of q(z | v, I), the autoencoder's own code (N, n_code)."""
        mu, log_var = self.q_z_given_x(x_c, x_g)
        return gaussian.sample(mu, log_var, generator) if self.sampled else mu

    def features(self, x_c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The picture's maps at a half, a quarter and an eighth of its side."""
        half = self.image_half(F.pixel_unshuffle(x_c - 0.5, 2))
        quarter = self.image_quarter(half)
        return half, quarter, self.image_eighth(quarter)

    def p_common(self, eighth: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of P(z' | I) from the smallest maps: (N, common) each."""
        return halves(self.prior_common(middle(eighth)), RANGE_P)

    def p_here(self, eighth: Tensor, common: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of P(z | I, z') at all places, flat: (N, n_code − common) each."""
        everywhere = self.everywhere(torch.cat([middle(eighth), common], 1))
        return halves(self.prior_here(torch.cat([eighth, everywhere], 1)), RANGE_P)

    def kl(self, eighth: Tensor, q: tuple[Tensor, Tensor], z: Tensor) -> Tensor:
        """KL(q(z | v, I) ‖ P(z | I)) in nats, z a draw of q whose z' the prior hangs on: (N,)."""
        common = z[:, : self.sizes.common]
        priors = zip(self.p_common(eighth), self.p_here(eighth, common), strict=True)
        return gaussian.kl(*q, *(torch.cat(both, 1) for both in priors)).sum(1)

    def everywhere(self, x: Tensor) -> Tensor:
        """Rows (N, n) at every place of z's map: (N, n, H / 8, W / 8)."""
        return x[..., None, None].expand(-1, -1, self.side, self.side)

    def decode(self, maps: tuple[Tensor, Tensor, Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
        """E[v | I, z], (N, 3, H, W), and the logarithm of its deviation, (N, 1, H, W)."""
        half, quarter, eighth = maps
        common, here = z.split([self.sizes.common, z.shape[1] - self.sizes.common], 1)
        here = here.unflatten(1, (self.sizes.code, self.side, self.side))
        here = self.kernel_decoder(torch.cat([here, self.everywhere(common), eighth], 1))
        fine = self.kernels_half(half) * enlarged(self.mix_half(here), 4)
        coarse = self.kernels_quarter(quarter) * self.mix_quarter(enlarged(here, 2))
        moved = self.decoder(torch.cat([fine, enlarged(self.moved_quarter(coarse), 2)], 1))
        v = self.spread * F.pixel_shuffle(self.difference(moved), 2)
        here = self.deviation(moved.detach()).clamp(*RANGE_NOISE)
        return v, self.log_sigma.detach() + F.interpolate(here, scale_factor=2)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the bound of A.1 with P(z | I) for P(z), one draw, in nats per example.

        Half of the batches in training are mirrored. reconstruction: −log P(v | I, z). Its gradient
        is that of one deviation for all places, and the deviations by place are fitted to what the
        mean leaves: else the mean is learned where little moves, and not where much does
        (Seitzer et al. 2022, their β-NLL with β = 1).
        """
        x_c, x_g = batch.x_c, batch.x_g
        if self.training and torch.rand(()) < 0.5:
            x_c, x_g = x_c.flip(-1), x_g.flip(-1)
        maps = self.features(x_c)
        mu, log_var = self.q_z_given_x(x_c, x_g)
        z = gaussian.sample(mu, log_var) if self.sampled else mu
        v, log_sigma = self.decode(maps, z)
        even = -gaussian.log_density(x_g, v, 2 * self.log_sigma)
        by_place = -gaussian.log_density(x_g, v.detach(), 2 * log_sigma)
        terms = {
            "reconstruction": (by_place + even - even.detach()).flatten(1).sum(1).mean(),
            "kl": self.kl(maps[2], (mu, log_var), z).mean(),
        }
        weight = batch.kl_weight if self.sampled else 0.0
        terms["loss"] = terms["reconstruction"] + weight * terms["kl"]
        return terms

    @torch.no_grad()
    def prior_codes(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of P(z | I) for each picture: (N, n, n_code)."""
        eighth = self.features(x_c)[2].repeat_interleave(n, 0)
        common = gaussian.sample(*self.p_common(eighth), generator)
        here = gaussian.sample(*self.p_here(eighth, common), generator)
        return torch.cat([common, here], 1).unflatten(0, (len(x_c), n))

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of E[v | I, z] for each picture with z from P(z | I): (N, n, 3, H, W)."""
        return self.sample_given_z(x_c, self.prior_codes(x_c, n, generator))

    @torch.no_grad()
    def sample_given_z(
        self, x_c: Tensor, z: Tensor, noise: torch.Generator | None = None
    ) -> Tensor:
        """E[v | I, z] for codes z (N, n, n_code): (N, n, 3, H, W). noise: where the noise of
        P(v | I, z) is drawn from, if it is to be there."""
        n = z.shape[1]
        maps = tuple(each.repeat_interleave(n, 0) for each in self.features(x_c))
        v, log_sigma = self.decode(maps, z.flatten(0, 1))
        if noise is not None:
            drawn = torch.empty(v.shape, device=v.device).normal_(generator=noise)
            v = v + log_sigma.exp() * drawn
        return v.unflatten(0, (len(x_c), n))

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """v of the mean of q(z | v, I): (N, 3, H, W)."""
        return self.sample_given_z(x_c, self.q_z_given_x(x_c, x_g)[0][:, None])[:, 0]
