"""The extension that Sec. 7 leaves to the future: codes that are maps, tied scale by scale.

P(x_c, x_g) = ∫ P(x_c | z_c) P(z_c) P(x_g | z_g, z_c) P(z_g | z_c) dz_c dz_g, where z_c and z_g are
maps at several scales and a vector above them. The tie is a conditional prior: at each scale
P(z_g,s | z_g above s, z_c) is a Gaussian that sees z_c there. The finest part of z_c is x_c itself,
of which the decoder of x_g takes its lines. Row `cdvae-spatial` of the tables.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.gaussian import Gaussian
from cdvae.guidance import Guidance
from cdvae.methods.averaged import Averaged
from cdvae.methods.registry import Method
from cdvae.methods.spatial_layers import Canvas, Rising, Stretcher
from cdvae.metrics import energy_loss
from cdvae.model import Batch, embedding
from cdvae.networks import (
    SLOPE,
    Contraction,
    Expansion,
    GaussianHead,
    MapHead,
    Scale,
    Standard,
)
from cdvae.tools.registry import register


@dataclass(frozen=True)
class Spatial:
    """Settings. Scales run from the finest to the coarsest; codes end with the vector's size."""

    steps: int = 500  # of training
    widths: tuple = (48, 64)  # channels of the maps of each scale, 8 × 8 and 4 × 4
    vector: int = 96  # width of what stands above the maps
    codes_c: tuple = (16, 16, 64)  # of z_c at each scale, then of the vector
    codes_g: tuple = (0, 0, 16)  # of z_g; 0: none at that scale
    pixels: tuple = (16, 32, 48)  # channels of what x_c alone gives, at 32 × 32, 16 × 16, 8 × 8
    sigma_c: float = 2.0  # deviation of P(x_c | z_c) …
    sigma_g: float = 2.0  # … and of P(x_g | z_g, z_c), in deviations of the field
    weight_c: float = 0.1  # of the bound on −log P(x_c)
    energy: float = 1.0  # weight of the energy score of draws from the tie
    draws: int = 6  # … of which there are so many for each example: cheap, and less noise
    guidance: float = 0.0  # weight of the embedding's pull on the vector of z_c, beside λ
    dropout: float = 0.15  # share of maps that the blocks leave out in training
    averaging: float = 0.995  # of the weights: what a step counts beside the next; 0: not averaged


class MapCode(nn.Module):
    """A code of maps at one scale of x_g: its prior, what x_g says of it, what it adds."""

    def __init__(self, width: int, n: int):
        super().__init__()
        self.p_head, self.q_head = MapHead(width, n), MapHead(width, n)
        self.spread = nn.Conv2d(n, width, 1)


class Given(NamedTuple):
    """What the tie and the decoder of x_g see of x_c."""

    z_c: list[Tensor]  # means of q(z_c | x_c): maps of each scale, then the vector
    canvas: Canvas


class SpatialCDVAE(Averaged):
    """CDVAE with spatial codes."""

    def __init__(self, channels_c: int, channels_g: int, settings: Spatial):
        super().__init__()
        s = self.settings = settings
        *maps_c, top_c = s.codes_c
        *maps_g, top_g = s.codes_g
        self.standard_c, self.standard_g = Standard(channels_c), Standard(channels_g)
        self.encoder_c = Contraction(channels_c, s.widths, s.vector, s.dropout)
        self.encoder_g = Contraction(channels_c + channels_g, s.widths, s.vector, s.dropout)
        self.heads_c = nn.ModuleList(MapHead(*n) for n in zip(s.widths, maps_c, strict=True))
        self.top_c = GaussianHead(s.vector, top_c)
        self.decoder_c = Expansion(top_c, tuple(maps_c), s.widths, channels_c, s.dropout)
        self.tie = nn.Sequential(
            nn.Linear(top_c, s.vector), nn.LeakyReLU(SLOPE), GaussianHead(s.vector, top_g)
        )
        self.top_g = GaussianHead(s.vector, top_g)
        self.codes_g = nn.ModuleDict(
            {str(k): MapCode(s.widths[k], n) for k, n in enumerate(maps_g) if n}
        )
        self.decoder_g = Rising(top_g + top_c, tuple(maps_c), s.widths, s.dropout)
        self.stretcher = Stretcher(channels_c, channels_g, maps_c[0], s.widths[0], s.pixels)

    def q_c(self, x_c: Tensor) -> list[Gaussian]:
        """q(z_c | x_c) at each scale and of the vector, from standardised fields."""
        *maps, top = self.encoder_c(x_c)
        heads = zip(self.heads_c, maps, strict=True)
        return [*(head(h) for head, h in heads), self.top_c(top)]

    def given(self, x_c: Tensor, q_c: list[Gaussian]) -> Given:
        """What x_g is made of beside its own codes, from standardised x_c and q(z_c | x_c)."""
        z_c = [mu for mu, _ in q_c]
        return Given(z_c, self.stretcher(x_c, z_c[0]))

    def decode_g(self, given: Given, z_top: Tensor, at_scale: Scale, n: int) -> Tensor:
        """The standardised x_g; n: vectors z_top for each example."""
        *maps, top = given.z_c
        vector = torch.cat([z_top, top.repeat_interleave(n, 0)], 1)
        return given.canvas.paint(self.decoder_g(vector, maps, at_scale, n))

    def reconstruct_g(self, x_c: Tensor, x_g: Tensor, given: Given) -> tuple[Tensor, dict]:
        """x_g by way of a draw from q(z_g | x_g, x_c), and the KL to the tie at each scale.

        q is the product of what x_g says and of the prior at that scale, as in the ladder.
        """
        *maps, top = self.encoder_g(torch.cat([x_g, x_c], 1))
        kl = {}

        def at_scale(scale: int, h: Tensor) -> Tensor:
            if str(scale) not in self.codes_g:
                return h
            code = self.codes_g[str(scale)]
            p = code.p_head(h)
            q = gaussian.product(*code.q_head(maps[scale]), *p)
            kl[f"kl_g{scale + 1}"] = gaussian.kl(*q, *p).flatten(1).sum(1).mean()
            return h + code.spread(gaussian.sample(*q))

        p = self.tie(given.z_c[-1])
        q = gaussian.product(*self.top_g(top), *p)
        kl["kl_top"] = gaussian.kl(*q, *p).sum(1).mean()
        return self.decode_g(given, gaussian.sample(*q), at_scale, 1), kl

    def draw_g(
        self,
        given: Given,
        n: int,
        generator: torch.Generator | None = None,
        top: Gaussian | None = None,
    ) -> Tensor:
        """n standardised fields for each example by way of the tie: (batch, n, C_g, 32, 32).

        top: where the vector of z_g is drawn from instead of the tie.
        """

        def at_scale(scale: int, h: Tensor) -> Tensor:
            if str(scale) not in self.codes_g:
                return h
            code = self.codes_g[str(scale)]
            return h + code.spread(gaussian.sample(*code.p_head(h), generator))

        mu, log_var = (p.repeat_interleave(n, 0) for p in top or self.tie(given.z_c[-1]))
        x_g = self.decode_g(given, gaussian.sample(mu, log_var, generator), at_scale, n)
        return x_g.unflatten(0, (len(mu) // n, n))

    def q_top(self, x_c: Tensor, x_g: Tensor, given: Given) -> Gaussian:
        """q of z_g's vector given standardised fields: what x_g says times the tie."""
        top = self.encoder_g(torch.cat([x_g, x_c], 1))[-1]
        return gaussian.product(*self.top_g(top), *self.tie(given.z_c[-1]))

    @torch.no_grad()
    def with_own_code(
        self, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """As `sample`, but z_g's vector is taken from the answer: what the tie alone costs."""
        x_c, x_g = self.standard_c.apply_to(x_c), self.standard_g.apply_to(x_g)
        given = self.given(x_c, self.q_c(x_c))
        top = self.q_top(x_c, x_g, given)
        return self.standard_g.undo(self.draw_g(given, n, generator, top))

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """The field of the mean of q(z_g | x_g, x_c); codes that are maps are drawn."""
        x_c, x_g = self.standard_c.apply_to(x_c), self.standard_g.apply_to(x_g)
        given = self.given(x_c, self.q_c(x_c))
        mean, _ = self.q_top(x_c, x_g, given)
        certain = torch.full_like(mean, -torch.inf)  # the logarithm of no variance
        return self.standard_g.undo(self.draw_g(given, 1, generator, (mean, certain)))[:, 0]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both bounds and the energy score of `draws` draws; nats per example up to constants.

        The decoder and the tie of x_g see the means of q(z_c | x_c), as sampling does. Of the
        codes the vector of z_c can be guided by the embedding (Eq. 8); the tie follows it.
        """
        s = self.settings
        if self.training and s.averaging:
            self.follow(s.averaging)
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        q_c = self.q_c(x_c)
        *maps, top = (gaussian.sample(*q) for q in q_c)
        given = self.given(x_c, q_c)
        reconstructed, kl_g = self.reconstruct_g(x_c, x_g, given)
        terms = {
            "l2_c": l2(self.decoder_c(top, maps), x_c, s.sigma_c),
            "kl_c": sum(gaussian.kl(*q, *standard(q)).flatten(1).sum(1).mean() for q in q_c),
            "l2_g": l2(reconstructed, x_g, s.sigma_g),
            "kl_g": sum(kl_g.values()),
            "embedding": embedding(top, batch.p_c).mean(),
        }
        terms["loss"] = (
            s.weight_c * (terms["l2_c"] + batch.kl_weight * terms["kl_c"])
            + terms["l2_g"]
            + batch.kl_weight * terms["kl_g"]
            + s.guidance * batch.guidance_weight * terms["embedding"]
        )
        if s.energy:
            terms["energy"] = energy_loss(self.draw_g(given, s.draws), x_g).mean()
            terms["loss"] = terms["loss"] + s.energy * terms["energy"]
        return terms | kl_g

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: encode once, cross the tie, descend: (batch, n, C_g, 32, 32)."""
        x_c = self.standard_c.apply_to(x_c)
        given = self.given(x_c, self.q_c(x_c))
        return self.standard_g.undo(self.draw_g(given, n, generator))


def l2(x_hat: Tensor, x: Tensor, sigma: float) -> Tensor:
    """−log N(x | x_hat, σ²) up to its constant, summed over the field, mean over the batch."""
    return (x_hat - x).square().flatten(1).sum(1).mean() / (2 * sigma**2)


def standard(q: Gaussian) -> Gaussian:
    """Parameters of N(0, I) in the shape of q."""
    return torch.zeros_like(q[0]), torch.zeros_like(q[1])


def build(task: Task, profile) -> SpatialCDVAE:
    """An untrained model with a profile's settings."""
    return SpatialCDVAE(task.channels_c, task.channels_g, profile.spatial)


def top_code(profile) -> int:
    """The size of z_c's vector, which the embedding can guide; 0 where it is not to."""
    return profile.spatial.codes_c[-1] if profile.spatial.guidance else 0


register(
    Method(
        name="cdvae-spatial",
        label="CDVAE-spatial",
        kind="extension",
        about="codes that are maps, tied scale by scale",
        look=("#C00000", "h"),
        model=SpatialCDVAE,
        build=build,
        tables={"spatial": Spatial, "guidance": Guidance},
        guided=top_code,
        published=("relighting-coco", "resaturation-coco"),
    )
)
