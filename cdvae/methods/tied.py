"""CDVAE's rows: two deep VAEs and a tie (`shallow`, `gauss`, `mdn4`, `mdn12`), and its variants.

`tied` makes the entry of a tie: a row of the tables that differs from the others in its tie alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.dvae import DVAE
from cdvae.guidance import Guidance
from cdvae.methods.registry import EVERYWHERE, Method
from cdvae.model import CDVAE, Batch, Model
from cdvae.ties import GaussianTie, MDNTie
from cdvae.ties import Tie as TieModule
from cdvae.tools.registry import register

BuildTie = Callable[[int, Any], TieModule]  # (size of the top code, profile) -> the tie


@dataclass(frozen=True)
class Network:
    """Settings of both DVAEs."""

    stem: tuple = (32, 64)  # channels of the image stems: on 8 × 8 patches, then 4 × 4
    hidden: int = 128  # width of the fully connected layers
    latents: tuple = (32, 32, 32)  # z_1 (bottom), z_2, z_3 (top)
    shallow: int = 32  # the single code of the shallow model
    noise_floor: float = 0.5  # least deviation of P(x | z_1), in deviations of the field


@dataclass(frozen=True)
class Tie:
    """Settings of the ties."""

    sigma: float = 0.25  # σ_t
    share: float = 0.8  # of the components tied (Sec. 3.1)
    exact: bool = False  # draw from the conditional that Eq. 3 implies, not from the paper's
    mdn_hidden: int = 128
    mdn_sigma_min: float = 0.1
    mdn_normalised: bool = False  # the mixture takes the place of z_g's prior (printed: both count)


def latents_of(profile, is_deep: bool = True) -> tuple[int, ...]:
    """Code sizes from the bottom to the top."""
    return profile.network.latents if is_deep else (profile.network.shallow,)


def dvaes(task: Task, profile, latents: tuple[int, ...]) -> list[DVAE]:
    """The untrained DVAEs of x_c and of x_g."""
    net = profile.network
    return [
        DVAE(channels, latents, net.stem, net.hidden, net.noise_floor)
        for channels in (task.channels_c, task.channels_g)
    ]


def build(task: Task, profile, tie: BuildTie, is_deep: bool = True) -> CDVAE:
    """An untrained CDVAE with that tie on its top codes."""
    latents = latents_of(profile, is_deep)
    pair = dvaes(task, profile, latents)
    return CDVAE(*pair, tie(latents[-1], profile))


def top_code(profile, is_deep: bool = True) -> int:
    """The size of the code that is tied, and guided by the embedding."""
    return latents_of(profile, is_deep)[-1]


def tied(
    name: str, label: str, tie: BuildTie, is_deep: bool = True, settings: Any = None, **about
) -> Method:
    """The entry of a tie: tie(n_code, profile) builds it untrained.

    settings: further tables of settings (`Method.tables`), which the tie finds in the profile.
    """
    return Method(
        name=name,
        label=label,
        model=CDVAE,
        build=partial(build, tie=tie, is_deep=is_deep),
        tables={"network": Network, "tie": Tie, "guidance": Guidance} | (settings or {}),
        guided=partial(top_code, is_deep=is_deep),
        **about,
    )


def gaussian_tie(n_code: int, profile) -> GaussianTie:
    """The Gaussian tie of Eq. 3–5."""
    return GaussianTie(n_code, profile.tie.sigma, profile.tie.share, profile.tie.exact)


def mdn_tie(n_code: int, profile, n_components: int) -> MDNTie:
    """The mixture density tie of Eq. 6–7."""
    t = profile.tie
    return MDNTie(n_code, n_components, t.mdn_hidden, t.mdn_sigma_min, t.mdn_normalised)


class AllTied(CDVAE):
    """A Gaussian tie on every layer instead of the top alone: a reading of Sec. 3.1.

    ties: one for each layer, bottom to top. z_g,i is drawn from the product of its prior
    P(z_g,i | z_g,i+1) and of the tie's Gaussian around z_c,i, normalised.
    """

    walks, draws, fields_of = False, Model.draws, Model.fields_of  # CDVAE's have one tie

    def __init__(self, dvae_c: DVAE, dvae_g: DVAE, ties: list[GaussianTie]):
        super().__init__(dvae_c, dvae_g, ties[-1])
        self.lower_ties = nn.ModuleList(ties[:-1])

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """As CDVAE's, with every layer's cost of its tie."""
        c, g = self.dvae_c.q_z_given_x(batch.x_c), self.dvae_g.q_z_given_x(batch.x_g)
        terms = self.terms(batch, c, g)
        pairs = zip(self.lower_ties, c.z[:-1], g.z[:-1], strict=True)
        lower = sum(tie.cost(z_c, z_g).mean() for tie, z_c, z_g in pairs)
        terms["tie"] = terms["tie"] + lower
        terms["loss"] = terms["loss"] + batch.kl_weight * lower
        return terms

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c, layer by layer from the top: (batch, n, C_g, 32, 32)."""
        z_c = self.dvae_c.q_z_given_x(x_c, generator, n).z
        z_g = self.tie.sample(z_c[-1], generator)
        for layer in reversed(range(len(self.lower_ties))):
            tie, prior = self.lower_ties[layer], self.dvae_g.p_z_given_above(layer, z_g)
            mu, log_var = tie.conditional(z_c[layer])
            untied = torch.arange(tie.n_code, device=mu.device) >= tie.n_tied
            log_var = log_var.masked_fill(untied, 20.0)  # says nothing of these
            z_g = gaussian.sample(*gaussian.product(mu, log_var, *prior), generator)
        return self.dvae_g.mean_x(z_g).unflatten(0, (len(x_c), n))


def build_all_tied(task: Task, profile) -> AllTied:
    """An untrained model with a tie on every layer."""
    latents = latents_of(profile)
    return AllTied(*dvaes(task, profile, latents), [gaussian_tie(n, profile) for n in latents])


PAPER = (
    tied(
        *("shallow", "Shallow", gaussian_tie),
        is_deep=False,
        kind="paper",
        about="plain VAEs, a Gaussian tie",
        look=("#E69F00", "D"),
    ),
    tied(
        *("gauss", "Gauss", gaussian_tie),
        kind="paper",
        about="deep VAEs, a Gaussian tie",
        look=("#56B4E9", "o"),
        published=EVERYWHERE,
    ),
    tied(
        *("mdn4", "MDN4", partial(mdn_tie, n_components=4)),
        kind="paper",
        about="deep VAEs, a mixture of 4",
        look=("#0072B2", "^"),
        published=tuple(each for each in EVERYWHERE if each.startswith("relighting")),
    ),
    tied(
        *("mdn12", "MDN12", partial(mdn_tie, n_components=12)),
        kind="paper",
        about="deep VAEs, a mixture of 12",
        look=("#009E73", "P"),
        published=EVERYWHERE,
    ),
)
VARIANTS = (
    tied(
        *("mdn1", "MDN1", partial(mdn_tie, n_components=1)),
        kind="variant",
        look=("#0072B2", "^"),
        variant_of="mdn4",
    ),
    Method(
        name="gauss_all",
        label="Gauss, all layers",
        kind="variant",
        look=("#56B4E9", "o"),
        model=AllTied,
        build=build_all_tied,
        tables={"network": Network, "tie": Tie, "guidance": Guidance},
        guided=top_code,
        variant_of="gauss",
    ),
)
for entry in (*PAPER, *VARIANTS):
    register(entry)
