"""Likelihoods by importance sampling: log p(x_c, x_g) and log p(x_g | x_c) in nats per example.

With draws k = 1 … K from the encoder, log 1/K Σ_k w_k estimates log p without bias of the sum
inside; its expectation is a lower bound that rises with K to the truth (Burda et al. 2016), and at
K = 1 it is the evidence lower bound. Densities are of the fields in their stated range and unit,
as continuous values: nothing is discretised.
"""

import math

import torch
from torch import Tensor

from cdvae import gaussian
from cdvae.dvae import DVAE
from cdvae.methods.baselines import CVAE
from cdvae.model import CDVAE

DRAWS_AT_ONCE = 1000
Weights = dict[str, Tensor]  # log w, a column for each draw


def below_the_top(
    dvae: DVAE, x: Tensor, k: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """k draws of the ladder's codes for each example, in (batch · k) rows: the top code, and
    log p(x, lower codes | top) − log q(codes | x)."""
    ladder = dvae.q_z_given_x(x, generator, k)
    log_w = dvae.log_p_x_given_z(x.repeat_interleave(k, 0), ladder.z[0])
    for layer, (z, q, p) in enumerate(zip(ladder.z, ladder.q, ladder.p, strict=True), start=1):
        log_w = log_w - gaussian.log_density(z, *q).sum(1)
        if layer < len(ladder.z):
            log_w = log_w + gaussian.log_density(z, *p).sum(1)
    return ladder.z[-1], log_w


def cdvae_weights(
    model: CDVAE, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
) -> Weights:
    """log w of k draws for each example, (batch, k) each.

    joint: of P(x_c, x_g) with the tie's normalised joint. conditional: of the density that
    `CDVAE.sample` draws from, ∫∫ q(z_c | x_c) P(z_g | z_c) P(x_g | z_g), noise of P(x_g | z_1)
    included.
    """
    z_c, log_w_c = below_the_top(model.dvae_c, x_c, k, generator)
    z_g, log_w_g = below_the_top(model.dvae_g, x_g, k, generator)
    log_w = {
        "joint": log_w_c + log_w_g + model.tie.log_joint(z_c, z_g),
        "conditional": log_w_g + model.tie.log_conditional(z_c, z_g),
    }
    return {name: values.unflatten(0, (len(x_c), k)) for name, values in log_w.items()}


def cvae_weights(
    model: CVAE, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
) -> Weights:
    """log w of k draws for each example (batch, k): P(x_g | x_c), its L2 read as a Gaussian."""
    s_c, s_g = model.standard_c.apply_to(x_c), model.standard_g.apply_to(x_g)
    q = [each.repeat_interleave(k, 0) for each in model.q_z_given_x(s_c, s_g)]
    z = gaussian.sample(*q, generator)
    x_hat = model.decode(model.image_tower(s_c).repeat_interleave(k, 0), z)
    log_var = torch.full_like(x_hat, 2 * math.log(model.sigma))
    log_p = gaussian.log_density(s_g.repeat_interleave(k, 0), x_hat, log_var).flatten(1).sum(1)
    log_p = log_p + model.standard_g.log_det(x_g[0, 0].numel())
    log_w = log_p + gaussian.log_standard(z) - gaussian.log_density(z, *q).sum(1)
    return {"conditional": log_w.unflatten(0, (len(x_c), k))}


@torch.no_grad()
def log_weights(
    model: CDVAE | CVAE, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
) -> Weights:
    """log w of k draws for each example, (N, k) each; a block at a time, whatever N and k."""
    weights = cvae_weights if isinstance(model, CVAE) else cdvae_weights
    parts: dict[str, list[Tensor]] = {}
    rows = max(1, DRAWS_AT_ONCE // k)
    for c, g in zip(x_c.split(rows), x_g.split(rows), strict=True):
        for name, log_w in weights(model, c, g, k, generator).items():
            parts.setdefault(name, []).append(log_w)
    return {name: torch.cat(values) for name, values in parts.items()}


def log_mean(log_w: Tensor) -> Tensor:
    """log of the mean weight, the estimate of log p for each example: (N,)."""
    return torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])


def effective(log_w: Tensor) -> Tensor:
    """Effective number of draws, (Σ w)² / Σ w² for each example: (N,), from 1 to K."""
    return torch.exp(2 * torch.logsumexp(log_w, 1) - torch.logsumexp(2 * log_w, 1))


def standard_error(log_w: Tensor) -> Tensor:
    """Standard error of `log_mean` by the delta method: (N,), in nats.

    √(1/ESS − 1/K); with an effective number near one it is too small and not to be trusted.
    """
    return (1 / effective(log_w) - 1 / log_w.shape[1]).clamp_min(0).sqrt()


def tightening(log_w: Tensor, counts: tuple[int, ...]) -> dict[int, tuple[float, float]]:
    """−log p by number of draws from the same log w (N, K): {k: (mean, its standard error)}.

    The K draws make K // k estimates with k draws each; their spread gives the error, which is NaN
    for a single one.
    """
    curve = {}
    for k in counts:
        groups = log_w[:, : log_w.shape[1] // k * k].unflatten(1, (-1, k))
        nats = math.log(k) - torch.logsumexp(groups, 2).mean(0)  # a mean over examples each
        curve[k] = float(nats.mean()), float(nats.std() / len(nats) ** 0.5)
    return curve


def bits_per_dimension(nats: float, values: int) -> float:
    """Nats per example as bits for each of its values; negative where a density exceeds 1."""
    return nats / (values * math.log(2))
