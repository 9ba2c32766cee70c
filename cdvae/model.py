"""CDVAE: two deep VAEs and a tie (Eq. 2 and 9).

Every conditional model of the project offers `loss(batch)`, named terms in nats per example with
their weighted sum under "loss", and `sample(x_c, n, generator)`, (batch, n, C_g, 32, 32).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.dvae import DVAE


class Batch(NamedTuple):
    """What a model is trained on: the two layers and their embedding targets.

    x_c (batch, C_c, 32, 32), x_g (batch, C_g, 32, 32); p_c and p_g (batch, n_code) are where the
    embedding would have the codes (Eq. 8). The weights are those of the step: of the KL terms
    (warm-up) and of the guidance (λ of Eq. 9).
    """

    x_c: Tensor
    x_g: Tensor
    p_c: Tensor
    p_g: Tensor
    kl_weight: float = 1.0
    guidance_weight: float = 0.0


class CDVAE(nn.Module):
    """The joint model P(x_c, x_g), sampled as the conditional P(x_g | x_c) of Eq. 5."""

    def __init__(self, dvae_c: DVAE, dvae_g: DVAE, tie: nn.Module):
        super().__init__()
        self.dvae_c, self.dvae_g, self.tie = dvae_c, dvae_g, tie

    def standardise(self, x_c: Tensor, x_g: Tensor) -> None:
        """Fit both layers' scales to the training fields."""
        self.dvae_c.standard.fit(x_c)
        self.dvae_g.standard.fit(x_g)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of Eq. 9; at kl_weight 1 and guidance_weight 0 the "loss" is the bound on
        −log P(x_c, x_g) of Eq. 2, with the tie's density as printed (not normalised).

        The tie is a part of log P(z_c, z_g) and is warmed up with the KL terms.
        """
        c = self.dvae_c.q_z_given_x(batch.x_c)
        g = self.dvae_g.q_z_given_x(batch.x_g)
        kl_c, kl_g = c.kl(), g.kl()
        terms = {
            "reconstruction_c": -self.dvae_c.log_p_x_given_z(batch.x_c, c.z[0]).mean(),
            "reconstruction_g": -self.dvae_g.log_p_x_given_z(batch.x_g, g.z[0]).mean(),
            "kl_c": kl_c.sum(0).mean(),
            "kl_g": kl_g.sum(0).mean(),
            "tie": self.tie.cost(c.z[-1], g.z[-1]).mean(),
            "embedding": embedding(c.z[-1], batch.p_c).mean()
            + embedding(g.z[-1], batch.p_g).mean(),
        }
        terms["loss"] = (
            terms["reconstruction_c"]
            + terms["reconstruction_g"]
            + batch.kl_weight * (terms["kl_c"] + terms["kl_g"] + terms["tie"])
            + batch.guidance_weight * terms["embedding"]
        )
        for layer, (each_c, each_g) in enumerate(zip(kl_c, kl_g, strict=True), start=1):
            terms[f"kl_c{layer}"], terms[f"kl_g{layer}"] = each_c.mean(), each_g.mean()
        return terms

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: encode, cross the tie, descend, take the mean of P(x_g | z_1)."""
        mu, log_var = self.dvae_c.q_top_given_x(x_c)
        z_c = gaussian.sample(
            mu.repeat_interleave(n, 0), log_var.repeat_interleave(n, 0), generator
        )
        z_g = self.tie.sample(z_c, generator)
        x_g = self.dvae_g.mean_x(self.dvae_g.descend(z_g, generator))
        return x_g.unflatten(0, (len(x_c), n))


def embedding(z: Tensor, p: Tensor) -> Tensor:
    """‖z − p‖² of Eq. 8 for each example: (batch,)."""
    return (z - p).square().sum(1)
