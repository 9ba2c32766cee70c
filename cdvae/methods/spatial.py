"""The extension that Sec. 7 leaves to the future: codes that are maps, tied scale by scale.

P(x_c, x_g) = ∫ P(x_c | z_c) P(z_c) P(x_g | z_g, z_c) P(z_g | z_c) dz_c dz_g, where z_c and z_g are
maps at several scales and a vector above them. The tie is a conditional prior: at each scale
P(z_g,s | z_g above s, z_c) is a Gaussian that sees z_c there. Row `cdvae-spatial` of the tables.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.gaussian import Gaussian
from cdvae.guidance import Guidance
from cdvae.methods.registry import Method
from cdvae.metrics import energy_loss
from cdvae.model import Batch, Model, embedding
from cdvae.networks import SLOPE, Contraction, Expansion, GaussianHead, MapHead, Standard
from cdvae.tools.registry import register


@dataclass(frozen=True)
class Spatial:
    """Settings. Scales run from the finest to the coarsest; codes end with the vector's size."""

    steps: int = 800  # of training
    widths: tuple = (48, 64)  # channels of the maps of each scale, 8 × 8 and 4 × 4
    vector: int = 128  # width of what stands above the maps
    codes_c: tuple = (16, 16, 64)  # of z_c at each scale, then of the vector
    codes_g: tuple = (0, 0, 16)  # of z_g; 0: none at that scale
    sigma_c: float = 2.0  # deviation of P(x_c | z_c) …
    sigma_g: float = 2.0  # … and of P(x_g | z_g, z_c), in deviations of the field
    weight_c: float = 0.1  # of the bound on −log P(x_c)
    energy: float = 1.0  # weight of the energy score of draws from the tie
    draws: int = 3  # … of which there are so many for each example
    guidance: float = 0.0  # weight of the embedding's pull on the vector of z_c, beside λ
    dropout: float = 0.15  # share of maps that the blocks leave out in training


class MapCode(nn.Module):
    """A code of maps at one scale of x_g: its prior, what x_g says of it, what it adds."""

    def __init__(self, width: int, n: int):
        super().__init__()
        self.p_head, self.q_head = MapHead(width, n), MapHead(width, n)
        self.spread = nn.Conv2d(n, width, 1)


class SpatialCDVAE(Model):
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
        self.decoder_g = Expansion(top_g + top_c, tuple(maps_c), s.widths, channels_g, s.dropout)

    def q_c(self, x_c: Tensor) -> list[Gaussian]:
        """q(z_c | x_c) at each scale and of the vector, from standardised fields."""
        *maps, top = self.encoder_c(x_c)
        heads = zip(self.heads_c, maps, strict=True)
        return [*(head(h) for head, h in heads), self.top_c(top)]

    def decode_g(self, z_c: list[Tensor], z_top: Tensor, at_scale, n: int) -> Tensor:
        """The standardised x_g; n: vectors z_top for each example of z_c."""
        *maps, top = z_c
        vector = torch.cat([z_top, top.repeat_interleave(n, 0)], 1)
        return self.decoder_g(vector, maps, at_scale, n)

    def reconstruct_g(self, x_c: Tensor, x_g: Tensor, z_c: list[Tensor]) -> tuple[Tensor, dict]:
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

        p = self.tie(z_c[-1])
        q = gaussian.product(*self.top_g(top), *p)
        kl["kl_top"] = gaussian.kl(*q, *p).sum(1).mean()
        return self.decode_g(z_c, gaussian.sample(*q), at_scale, 1), kl

    def draw_g(
        self,
        z_c: list[Tensor],
        n: int,
        generator: torch.Generator | None = None,
        top: Gaussian | None = None,
    ) -> Tensor:
        """n standardised fields for each z_c by way of the tie: (batch, n, C_g, 32, 32).

        top: where the vector of z_g is drawn from instead of the tie.
        """

        def at_scale(scale: int, h: Tensor) -> Tensor:
            if str(scale) not in self.codes_g:
                return h
            code = self.codes_g[str(scale)]
            return h + code.spread(gaussian.sample(*code.p_head(h), generator))

        mu, log_var = (p.repeat_interleave(n, 0) for p in top or self.tie(z_c[-1]))
        x_g = self.decode_g(z_c, gaussian.sample(mu, log_var, generator), at_scale, n)
        return x_g.unflatten(0, (len(mu) // n, n))

    def q_top(self, x_c: Tensor, x_g: Tensor, z_c: list[Tensor]) -> Gaussian:
        """q of z_g's vector given standardised fields: what x_g says times the tie."""
        top = self.encoder_g(torch.cat([x_g, x_c], 1))[-1]
        return gaussian.product(*self.top_g(top), *self.tie(z_c[-1]))

    @torch.no_grad()
    def with_own_code(
        self, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """As `sample`, but z_g's vector is taken from the answer: what the tie alone costs."""
        x_c, x_g = self.standard_c.apply_to(x_c), self.standard_g.apply_to(x_g)
        z_c = [mu for mu, _ in self.q_c(x_c)]
        return self.standard_g.undo(self.draw_g(z_c, n, generator, self.q_top(x_c, x_g, z_c)))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Both bounds and the energy score of `draws` draws; nats per example up to constants.

        The decoder and the tie of x_g see the means of q(z_c | x_c), as sampling does. Of the
        codes the vector of z_c can be guided by the embedding (Eq. 8); the tie follows it.
        """
        s = self.settings
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        q_c = self.q_c(x_c)
        *maps, top = (gaussian.sample(*q) for q in q_c)
        z_c = [mu for mu, _ in q_c]
        reconstructed, kl_g = self.reconstruct_g(x_c, x_g, z_c)
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
            terms["energy"] = energy_loss(self.draw_g(z_c, s.draws), x_g).mean()
            terms["loss"] = terms["loss"] + s.energy * terms["energy"]
        return terms | kl_g

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: encode once, cross the tie, descend: (batch, n, C_g, 32, 32)."""
        z_c = [mu for mu, _ in self.q_c(self.standard_c.apply_to(x_c))]
        return self.standard_g.undo(self.draw_g(z_c, n, generator))


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
    )
)
