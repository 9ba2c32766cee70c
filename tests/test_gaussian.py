"""Gaussians against torch.distributions and against a grid."""

import torch
from torch.distributions import Normal, kl_divergence

from cdvae import gaussian

generator = torch.Generator().manual_seed(0)
MU_1, LOG_VAR_1, MU_2, LOG_VAR_2, X = torch.randn(5, 200, generator=generator).double()


def normal(mu, log_var):
    return Normal(mu, torch.exp(0.5 * log_var))


def test_log_density():
    expected = normal(MU_1, LOG_VAR_1).log_prob(X)
    torch.testing.assert_close(gaussian.log_density(X, MU_1, LOG_VAR_1), expected)


def test_kl():
    expected = kl_divergence(normal(MU_1, LOG_VAR_1), normal(MU_2, LOG_VAR_2))
    torch.testing.assert_close(gaussian.kl(MU_1, LOG_VAR_1, MU_2, LOG_VAR_2), expected)


def test_product_is_the_normalised_product_of_densities():
    grid = torch.linspace(-40, 40, 40_001).double()
    step = grid[1] - grid[0]
    for k in range(20):
        first, second = normal(MU_1[k], LOG_VAR_1[k]), normal(MU_2[k], LOG_VAR_2[k])
        density = torch.exp(first.log_prob(grid) + second.log_prob(grid))
        density = density / (density.sum() * step)
        mean = (grid * density).sum() * step
        variance = ((grid - mean) ** 2 * density).sum() * step
        mu, log_var = gaussian.product(MU_1[k], LOG_VAR_1[k], MU_2[k], LOG_VAR_2[k])
        torch.testing.assert_close(mu, mean, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(log_var.exp(), variance, rtol=1e-6, atol=1e-6)


def test_product_reads_eq_25_as_a_variance():
    """Two unit Gaussians merge into variance 1/2; Eq. 25 as printed would give 1/4."""
    zero = torch.zeros(1)
    _, log_var = gaussian.product(zero, zero, zero, zero)
    assert log_var.exp().item() == 0.5


def test_sample_moments_and_gradient():
    mu, log_var = torch.tensor(1.5).expand(200_000), torch.tensor(-0.7).expand(200_000)
    draws = gaussian.sample(mu, log_var, torch.Generator().manual_seed(1))
    assert abs(draws.mean() - 1.5) < 0.01
    assert abs(draws.var() - torch.tensor(-0.7).exp()) < 0.01
    leaf = torch.zeros(3, requires_grad=True)
    gaussian.sample(leaf, leaf).sum().backward()
    assert leaf.grad is not None
