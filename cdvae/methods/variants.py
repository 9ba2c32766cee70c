"""Models that only the ablations have: one component, and a tie on every layer."""

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.dvae import DVAE
from cdvae.methods.build import latents_of
from cdvae.model import CDVAE, Batch
from cdvae.runs.settings import Profile
from cdvae.ties import GaussianTie, MDNTie

VARIANTS = ("mdn1", "gauss_all")


class AllTied(CDVAE):
    """A Gaussian tie on every layer instead of the top alone: a reading of Sec. 3.1.

    ties: one for each layer, bottom to top. z_g,i is drawn from the product of its prior
    P(z_g,i | z_g,i+1) and of the tie's Gaussian around z_c,i, normalised.
    """

    def __init__(self, dvae_c: DVAE, dvae_g: DVAE, ties: list[GaussianTie]):
        super().__init__(dvae_c, dvae_g, ties[-1])
        self.lower_ties = nn.ModuleList(ties[:-1])

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """As CDVAE's, with every layer's cost of its tie."""
        state = torch.get_rng_state()
        terms = super().loss(batch)
        torch.set_rng_state(state)  # the same draws again
        c, g = self.dvae_c.q_z_given_x(batch.x_c), self.dvae_g.q_z_given_x(batch.x_g)
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


def build_variant(method: str, task: Task, profile: Profile) -> nn.Module:
    """An untrained model; initial weights come from torch's global random state."""
    latents, net, t = latents_of(method, profile), profile.network, profile.tie
    dvae_c, dvae_g = (
        DVAE(channels, latents, net.stem, net.hidden, net.noise_floor)
        for channels in (task.channels_c, task.channels_g)
    )
    if method == "mdn1":
        tie = MDNTie(latents[-1], 1, t.mdn_hidden, t.mdn_sigma_min, t.mdn_normalised)
        return CDVAE(dvae_c, dvae_g, tie)
    return AllTied(dvae_c, dvae_g, [GaussianTie(n, t.sigma, t.share, t.exact) for n in latents])
