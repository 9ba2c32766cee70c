"""The conditional models' contract, and CDVAE: two deep VAEs and a tie (Eq. 2 and 9)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.dvae import DVAE, Ladder
from cdvae.metrics import squared_errors
from cdvae.ties import Tie

DRAWN = 100  # samples of which the nearest stands for a code of the answer, where there is none


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


class Draws(NamedTuple):
    """n draws for one x_c, as what they are made of, so that one part can be changed.

    z (n, …): the top code z_g, the only code, or, of a model without codes, the fields. noise: for
    each layer below the top, from the bottom, the N(0, 1) draws (n, n_l) that make z_l of z_{l+1}.
    """

    z: Tensor
    noise: tuple[Tensor, ...] = ()

    def rows(self, index) -> "Draws":
        """The draws at `index`."""
        return Draws(self.z[index], tuple(each[index] for each in self.noise))


class Model(nn.Module):
    """What every conditional model offers, for fields x_c (batch, C_c, 32, 32) and x_g.

    A model of one's own gives `loss` and `sample`, and standard_c and standard_g (`Standard`) or a
    `standardise` of its own. The rest has defaults that do without codes, or is left out of the
    tables that need it.
    """

    is_joint = False  # whether "loss" bounds −log P(x_c, x_g), as in Table 1
    walks = False  # whether one can walk from one of its draws to another

    def standardise(self, x_c: Tensor, x_g: Tensor) -> None:
        """Fit both layers' scales to the training fields."""
        self.standard_c.fit(x_c)
        self.standard_g.fit(x_g)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Named terms in nats per example (sums over the field, means over the batch), and what
        is minimised under "loss"."""
        raise NotImplementedError

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws from P(x_g | x_c) for each x_c: (batch, n, C_g, 32, 32)."""
        raise NotImplementedError

    def log_weights(
        self, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """log w of k importance draws for each example, (batch, k) each, by the name of what they
        estimate: "joint" for P(x_c, x_g), "conditional" for P(x_g | x_c)."""
        raise NotImplementedError

    def with_own_code(
        self, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """As `sample`, but the top code is taken from the answer x_g, what is below is drawn."""
        raise NotImplementedError

    def with_all_codes(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """One field for each answer, every code drawn of it: (batch, C_g, 32, 32)."""
        return self.with_own_code(x_c, x_g, 1, generator)[:, 0]

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """x_g as the model gives it back, CDVAE(z_o) of Eq. 10: (batch, C_g, 32, 32).

        Of a model without codes the nearest of DRAWN samples.
        """
        return nearest(self.sample(x_c, DRAWN, generator), x_g)

    @torch.no_grad()
    def draws(
        self,
        x_c: Tensor,
        n: int,
        generator: torch.Generator | None = None,
        spread: float = 1.0,
        component: int | None = None,
    ) -> Draws:
        """The n samples for one x_c (1, C_c, 32, 32), as draws; a model without a tie has no
        spread and no components. What overrides `sample` overrides this and `fields_of`."""
        return Draws(self.sample(x_c, n, generator)[0])

    @torch.no_grad()
    def fields_of(self, x_c: Tensor, draws: Draws) -> Tensor:
        """The fields of draws for x_c (1, C_c, 32, 32): (n, C_g, 32, 32)."""
        return draws.z


def nearest(samples: Tensor, x_g: Tensor) -> Tensor:
    """Of the samples (batch, n, …) for each x_g the one with the least squared error."""
    chosen = squared_errors(samples, x_g).argmin(1)
    return samples[torch.arange(len(x_g), device=x_g.device), chosen]


class CDVAE(Model):
    """The joint model P(x_c, x_g), sampled as the conditional P(x_g | x_c) of Eq. 5."""

    is_joint = walks = True

    def __init__(self, dvae_c: DVAE, dvae_g: DVAE, tie: Tie):
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
        c, g = self.dvae_c.q_z_given_x(batch.x_c), self.dvae_g.q_z_given_x(batch.x_g)
        return self.terms(batch, c, g)

    def terms(self, batch: Batch, c: Ladder, g: Ladder) -> dict[str, Tensor]:
        """`loss` with these draws of the codes of x_c and x_g."""
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

    def top_code(self, x_c: Tensor, n: int, generator: torch.Generator | None) -> Tensor:
        """n draws of z_c's top for each x_c, in (batch · n) rows."""
        return drawn(self.dvae_c.q_top_given_x(x_c), n, generator)

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: encode, cross the tie, descend, take the mean of P(x_g | z_1)."""
        z_g = self.tie.sample(self.top_code(x_c, n, generator), generator)
        x_g = self.dvae_g.mean_x(self.dvae_g.descend(z_g, generator))
        return x_g.unflatten(0, (len(x_c), n))

    def log_weights(
        self, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """joint: of P(x_c, x_g) with the tie's normalised joint. conditional: of the density that
        `sample` draws from, ∫∫ q(z_c | x_c) P(z_g | z_c) P(x_g | z_g), noise of P(x_g | z_1)
        included. (batch, k) each."""
        z_c, log_w_c = self.dvae_c.log_weight(x_c, k, generator)
        z_g, log_w_g = self.dvae_g.log_weight(x_g, k, generator)
        log_w = {
            "joint": log_w_c + log_w_g + self.tie.log_joint(z_c, z_g),
            "conditional": log_w_g + self.tie.log_conditional(z_c, z_g),
        }
        return {name: values.unflatten(0, (len(x_c), k)) for name, values in log_w.items()}

    @torch.no_grad()
    def with_own_code(
        self, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """n fields whose top code z_g was drawn of the answer: what the tie alone costs."""
        z_g = drawn(self.dvae_g.q_top_given_x(x_g), n, generator)
        x = self.dvae_g.mean_x(self.dvae_g.descend(z_g, generator))
        return x.unflatten(0, (len(x_c), n))

    @torch.no_grad()
    def with_all_codes(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """The mean of P(x_g | z_1), z_1 drawn of the answer."""
        return self.dvae_g.mean_x(self.dvae_g.q_z_given_x(x_g, generator).z[0])

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """z_1 is the mean of q(z_1 | z_2, x_g), and the codes above are drawn."""
        return self.dvae_g.mean_x(self.dvae_g.q_z_given_x(x_g, generator).q[0][0])

    @torch.no_grad()
    def draws(
        self,
        x_c: Tensor,
        n: int,
        generator: torch.Generator | None = None,
        spread: float = 1.0,
        component: int | None = None,
    ) -> Draws:
        """The samples for one x_c as codes and noise, the tie `spread` times as wide."""
        z_g = self.tie.cross(self.top_code(x_c, n, generator), generator, spread, component)
        below = reversed(self.dvae_g.latents[:-1])
        noise = [torch.randn(n, size, generator=generator) for size in below]
        return Draws(z_g, tuple(noise[::-1]))

    @torch.no_grad()
    def fields_of(self, x_c: Tensor, draws: Draws) -> Tensor:
        """The fields of draws: (n, C_g, 32, 32)."""
        z = draws.z
        for layer, noise in reversed(list(enumerate(draws.noise))):
            mu, log_var = self.dvae_g.p_z_given_above(layer, z)
            z = mu + torch.exp(0.5 * log_var) * noise
        return self.dvae_g.mean_x(z)


def drawn(q: gaussian.Gaussian, n: int, generator: torch.Generator | None) -> Tensor:
    """n draws of each row's Gaussian, one after the other in (batch · n) rows."""
    return gaussian.sample(*(each.repeat_interleave(n, 0) for each in q), generator)


def embedding(z: Tensor, p: Tensor) -> Tensor:
    """‖z − p‖² of Eq. 8 for each example: (batch,)."""
    return (z - p).square().sum(1)
