"""Likelihoods by importance sampling: log p(x_c, x_g) and log p(x_g | x_c) in nats per example.

With draws k = 1 … K from the encoder, log 1/K Σ_k w_k estimates log p without bias of the sum
inside; its expectation is a lower bound that rises with K to the truth (Burda et al. 2016), and at
K = 1 it is the evidence lower bound. Densities are of the fields in their stated range and unit,
as continuous values: nothing is discretised.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cdvae.model import Model

DRAWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Likelihood:
    """Settings."""

    n_test: int = 100  # the first test examples …
    n_samples: int = 200  # … with so many draws each (K)


@torch.no_grad()
def log_weights(
    model: Model, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """log w of k draws for each example (`Model.log_weights`), (N, k) each by name; a block at a
    time, whatever N and k."""
    parts: dict[str, list[Tensor]] = {}
    rows = max(1, DRAWS_AT_ONCE // k)
    for c, g in zip(x_c.split(rows), x_g.split(rows), strict=True):
        for name, log_w in model.log_weights(c, g, k, generator).items():
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
