"""Ties against closed forms, torch's mixtures and moments of their samples."""

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from cdvae.ties import GaussianTie, MDNTie


def test_gaussian_tie_is_equation_3_on_80_percent():
    tie = GaussianTie(10, sigma=0.5)
    z_c, z_g = torch.randn(2, 7, 10, generator=torch.Generator().manual_seed(0))
    by_hand = [sum((z_g[i, k] - z_c[i, k]) ** 2 for k in range(8)) / (2 * 0.25) for i in range(7)]
    torch.testing.assert_close(tie.cost(z_c, z_g), torch.stack(by_hand))
    assert tie.n_tied == 8


def test_gaussian_tie_samples_around_z_c_and_leaves_the_rest_to_the_prior():
    tie = GaussianTie(5, sigma=0.3)
    z_c = torch.tensor([2.0, -1.0, 0.0, 3.0, 5.0]).expand(100_000, 5)
    z_g = tie.sample(z_c, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z_g.mean(0), torch.tensor([2.0, -1, 0, 3, 0]), atol=0.02, rtol=0)
    torch.testing.assert_close(
        z_g.std(0), torch.tensor([0.3, 0.3, 0.3, 0.3, 1.0]), atol=0.02, rtol=0
    )


def reference(tie: MDNTie, z_c: torch.Tensor) -> MixtureSameFamily:
    log_pi, mu, log_var = tie.mixture(z_c)
    return MixtureSameFamily(
        Categorical(logits=log_pi), Independent(Normal(mu, torch.exp(0.5 * log_var)), 1)
    )


def test_mdn_cost_is_minus_the_log_density_of_the_mixture():
    torch.manual_seed(0)
    for n_components in (1, 4, 12):
        tie = MDNTie(6, n_components, 32, 0.1)
        z_c, z_g = torch.randn(2, 9, 6)
        expected = -reference(tie, z_c).log_prob(z_g)
        torch.testing.assert_close(tie.cost(z_c, z_g), expected)


def test_mdn_samples_have_the_moments_of_the_mixture():
    torch.manual_seed(0)
    tie = MDNTie(3, 4, 16, 0.1)
    z_c = torch.randn(1, 3)
    draws = tie.sample(z_c.expand(200_000, 3), torch.Generator().manual_seed(2))
    mixture = reference(tie, z_c)
    torch.testing.assert_close(draws.mean(0), mixture.mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(draws.var(0), mixture.variance[0], atol=0.03, rtol=0)


def test_mdn_deviations_stay_above_their_floor():
    tie = MDNTie(3, 4, 16, 0.25)
    torch.nn.init.constant_(tie.scales.bias, -50.0)
    _, _, log_var = tie.mixture(torch.randn(5, 3))
    assert torch.exp(0.5 * log_var).min() >= 0.25
