"""The network on clips with one thing changed at a time, for `cdvae study clips`.

Each class takes what `LocalCrossConv` takes, so that all are built, trained and scored alike.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.methods.crossconv import CrossConv, FineCrossConv
from cdvae.methods.crossconv_layers import NARROW, Sizes, resized
from cdvae.methods.crossconv_local import ClipFrames, LocalCrossConv, LocalSizes
from cdvae.model import Batch

BASE = "as-it-is"  # the variant that changes nothing
FREE = 0.1  # nats that each dimension of the code may hold without being charged for them


class OnePictureOneKernel:
    """What A.2's networks lack beside ours: mirrored batches, P(z) by the names that ours has, and
    the noise of P(v | I, z) in draws."""

    def __init__(self, _: LocalSizes, sigma: float, size: int, sampled: bool = True):
        super().__init__(3, 3, whole(size), sigma, sampled)
        self.shown = size if isinstance(self, FineCrossConv) else size // 2

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The bound of A.1; half of the batches in training are mirrored."""
        if self.training and torch.rand(()) < 0.5:
            batch = batch._replace(x_c=batch.x_c.flip(-1), x_g=batch.x_g.flip(-1))
        return super().loss(batch)

    def kl(self, eighth: Tensor, q: tuple[Tensor, Tensor], z: Tensor) -> Tensor:
        """KL(q(z | v, I) ‖ N(0, I)) in nats: (N,)."""
        return gaussian.kl(*q, torch.zeros_like(z), torch.zeros_like(z)).sum(1)

    def prior_codes(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of N(0, I) for each picture: (N, n, n_code)."""
        size = (len(x_c), n, self.sizes.n_code())
        return torch.randn(size, generator=generator, device=x_c.device)

    def sample_given_z(
        self, x_c: Tensor, z: Tensor, noise: torch.Generator | None = None
    ) -> Tensor:
        """E[v | I, z], (N, n, 3, H, W); noise is drawn at the side of the network's output."""
        v = super().sample_given_z(x_c, z)
        if noise is not None:
            drawn = torch.empty(v.shape[0] * v.shape[1], 3, self.shown, self.shown, device=v.device)
            drawn = resized(drawn.normal_(generator=noise), v.shape[-1])
            v = v + self.sigma * drawn.view_as(v)
        return v


def whole(size: int) -> Sizes:
    """A.2's network for pictures of that side, with one scale more than moving shapes ask for."""
    return replace(NARROW, side=size // 2, scales=(size // 2, size // 4, size // 8))


class Whole(OnePictureOneKernel, CrossConv):
    """A.2's network: a set of kernels serves the whole picture, half of its resolution is seen."""


class WholeFine(OnePictureOneKernel, FineCrossConv):
    """The same at the full resolution, with the products."""


class NoProducts(LocalCrossConv):
    """The motion encoder sees the picture and the difference alone."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        first = nn.Conv2d(24, self.sizes.half, 3, padding=1, bias=False)
        self.encoder = nn.Sequential(WithoutProducts(), first, *list(self.encoder)[1:])


class WithoutProducts(nn.Module):
    """The picture's and the difference's channels of what the motion encoder is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :24]


class StandardPrior(LocalCrossConv):
    """P(z) = N(0, I), as in A.1: the prior does not see the picture."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        del self.prior_common, self.prior_here

    def p_common(self, eighth: Tensor) -> tuple[Tensor, Tensor]:
        zero = eighth.new_zeros(len(eighth), self.sizes.common)
        return zero, zero

    def p_here(self, eighth: Tensor, common: Tensor) -> tuple[Tensor, Tensor]:
        zero = eighth.new_zeros(len(eighth), self.sizes.code * self.side**2)
        return zero, zero


class NoCommon(LocalCrossConv):
    """z is a map alone: nothing is said once for the whole picture."""

    def __init__(self, s: LocalSizes, *given: Any):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")
            super().__init__(replace(s, common=0), *given)


class EvenNoise(LocalCrossConv):
    """The noise of P(v | I, z) is the same at all places; its deviation is learned."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.deviation.requires_grad_(False)  # it begins at zero


class FixedNoise(EvenNoise):
    """The same, and its deviation stays where training begins."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.log_sigma.requires_grad_(False)


class FreeBits(LocalCrossConv):
    """In training no dimension is charged for less than FREE nats (Kingma et al. 2016)."""

    def kl(self, eighth: Tensor, q: tuple[Tensor, Tensor], z: Tensor) -> Tensor:
        priors = zip(
            self.p_common(eighth), self.p_here(eighth, z[:, : self.sizes.common]), strict=True
        )
        each = gaussian.kl(*q, *(torch.cat(both, 1) for both in priors))
        if not self.training:
            return each.sum(1)
        return each.mean(0).clamp_min(FREE).sum().expand(len(z))


class Laplace(LocalCrossConv):
    """P(v | I, z) is a Laplace density with the same mean and deviation."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """As `LocalCrossConv.loss`, with the other density."""
        x_c, x_g = batch.x_c, batch.x_g
        if self.training and torch.rand(()) < 0.5:
            x_c, x_g = x_c.flip(-1), x_g.flip(-1)
        maps, q = self.features(x_c), self.q_z_given_x(x_c, x_g)
        z = gaussian.sample(*q)
        v, log_sigma = self.decode(maps, z)
        even = -log_laplace(x_g, v, self.log_sigma)
        by_place = -log_laplace(x_g, v.detach(), log_sigma)
        terms = {
            "reconstruction": (by_place + even - even.detach()).flatten(1).sum(1).mean(),
            "kl": self.kl(maps[2], q, z).mean(),
        }
        return terms | {"loss": terms["reconstruction"] + batch.kl_weight * terms["kl"]}

    @torch.no_grad()
    def sample_given_z(
        self, x_c: Tensor, z: Tensor, noise: torch.Generator | None = None
    ) -> Tensor:
        n = z.shape[1]
        maps = tuple(each.repeat_interleave(n, 0) for each in self.features(x_c))
        v, log_sigma = self.decode(maps, z.flatten(0, 1))
        if noise is not None:
            one, other = torch.empty(2, *v.shape, device=v.device).exponential_(generator=noise)
            v = v + log_sigma.exp() / math.sqrt(2) * (one - other)
        return v.unflatten(0, (len(x_c), n))


def log_laplace(x: Tensor, mu: Tensor, log_sigma: Tensor) -> Tensor:
    """Log-density of the Laplace distribution of that mean and deviation, element by element."""
    scale = log_sigma.exp() / math.sqrt(2)
    return -(x - mu).abs() / scale - torch.log(2 * scale)


@dataclass(frozen=True)
class Variant:
    """One change: its name in commands, what tables call it, the network, settings that differ."""

    name: str
    label: str
    kind: Callable[..., Any] = LocalCrossConv
    changes: dict = field(default_factory=dict)


def variants(plain: ClipFrames) -> list[Variant]:
    """All variants of a network with these settings, the most telling first."""
    steps, widths = plain.training.steps, plain.network

    def times(factor: float) -> dict:
        names = ("half", "quarter", "eighth")
        return {"network": {name: round(factor * getattr(widths, name)) for name in names}}

    def trained(**settings: float) -> dict:
        return {"training": settings}

    return [
        Variant(BASE, "as it is"),
        Variant("whole", "A.2's network: one set of kernels for the picture", Whole),
        Variant("whole-fine", "A.2's at full resolution, with the products", WholeFine),
        Variant("no-products", "no products for the encoder", NoProducts),
        Variant("standard-prior", "prior N(0, I), blind to the picture", StandardPrior),
        Variant("no-common", "no part of z for the whole picture", NoCommon),
        Variant("even-noise", "noise the same everywhere", EvenNoise),
        Variant("fixed-noise", "noise the same everywhere, not learned", FixedNoise),
        Variant("twice-steps", "twice the steps", changes=trained(steps=2 * steps)),
        Variant("half-steps", "half the steps", changes=trained(steps=steps // 2)),
        Variant("no-warm-up", "no warm-up of the KL weight", changes=trained(warm_up=0.0)),
        Variant("half-widths", "half the widths", changes=times(0.5)),
        Variant("free-bits", f"{FREE} nats a dimension free", FreeBits),
        Variant("laplace", "Laplace noise", Laplace),
        Variant("twice-widths", "twice the widths", changes=times(2)),
    ]
