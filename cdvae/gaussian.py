"""Diagonal Gaussians: log-density, KL divergence, product and sampling.

Functions work element by element, and the caller sums over event dimensions, unless said.
"""

import math

import torch
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)

Gaussian = tuple[Tensor, Tensor]  # mean and log-variance, of the same shape


def log_density(x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """log N(x | mu, exp(log_var)) in nats, element by element; shapes broadcast."""
    return -0.5 * (LOG_2PI + log_var + (x - mu) ** 2 * torch.exp(-log_var))


def log_standard(z: Tensor) -> Tensor:
    """log N(z | 0, I) in nats for rows z (batch, n): (batch,)."""
    return -0.5 * (z.square() + LOG_2PI).sum(1)


def kl(mu_q: Tensor, log_var_q: Tensor, mu_p: Tensor, log_var_p: Tensor) -> Tensor:
    """KL(N(mu_q, exp(log_var_q)) ‖ N(mu_p, exp(log_var_p))) in nats, element by element."""
    distance = (mu_q - mu_p) ** 2 * torch.exp(-log_var_p)
    return 0.5 * (log_var_p - log_var_q + torch.exp(log_var_q - log_var_p) + distance - 1)


def product(
    mu_1: Tensor, log_var_1: Tensor, mu_2: Tensor, log_var_2: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and log-variance of the normalised product of two Gaussians (Eq. 25–26).

    Precisions add. Eq. 25 prints the result's variance as if it were its standard deviation
    (ERRATA); the ladder VAE it follows has the variance, and so has this function.
    """
    log_var = -torch.logaddexp(-log_var_1, -log_var_2)
    mu = mu_1 * torch.exp(log_var - log_var_1) + mu_2 * torch.exp(log_var - log_var_2)
    return mu, log_var


def sample(mu: Tensor, log_var: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One draw from N(mu, exp(log_var)), differentiable in both parameters."""
    noise = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + torch.exp(0.5 * log_var) * noise
