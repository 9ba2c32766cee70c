"""Ties against closed forms, quadrature, torch's mixtures and moments of their samples."""

import math

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


GRID = torch.arange(-9, 9, 0.05).double()
PAIRS = torch.cartesian_prod(GRID, GRID).split(1, 1)  # every (z_c, z_g) of one component each
AREA = 0.05**2


def one_component_ties() -> dict:
    torch.manual_seed(0)
    return {
        "gauss": GaussianTie(1, 0.5, 1.0),
        "gauss exact": GaussianTie(1, 0.5, 1.0, exact=True),
        "mdn": MDNTie(1, 4, 8, 0.3).double(),
        "mdn normalised": MDNTie(1, 4, 8, 0.3, normalised=True).double(),
    }


@torch.no_grad()
def test_joint_and_conditional_densities_integrate_to_one():
    for name, tie in one_component_ties().items():
        total = tie.log_joint(*PAIRS).exp().sum() * AREA
        assert abs(total - 1) < 1e-6, name
        z_c = torch.full((len(GRID), 1), 1.3).double()
        total = tie.log_conditional(z_c, GRID[:, None]).exp().sum() * 0.05
        assert abs(total - 1) < 1e-6, name


@torch.no_grad()
def test_cost_is_the_joint_up_to_a_constant_but_for_the_printed_mdn():
    """log P(z_c, z_g) + |z_c|²/2 + |z_g|²/2 + F_tie is a constant where the density is proper."""
    for name, tie in one_component_ties().items():
        z_c, z_g = (z[::977] for z in PAIRS)
        priors = -0.5 * (z_c.square() + z_g.square()).sum(1)
        left = tie.log_joint(z_c, z_g) - priors + tie.cost(z_c, z_g)
        assert (left.std() < 1e-9) == (name != "mdn"), name


def test_exact_conditional_is_the_one_of_equation_3():
    """By quadrature of the unnormalised density at one z_c: mean z_c/(1+σ²), variance σ²/(1+σ²)."""
    tie = GaussianTie(1, 0.5, 1.0, exact=True)
    z_c = torch.full((len(GRID), 1), 1.3).double()
    weight = torch.exp(-0.5 * GRID**2 - tie.cost(z_c, GRID[:, None]))
    weight /= weight.sum()
    mean = (weight * GRID).sum()
    variance = (weight * (GRID - mean) ** 2).sum()
    mu, log_var = tie.conditional(z_c[:1])
    torch.testing.assert_close(mu[0, 0], mean)
    torch.testing.assert_close(log_var.exp()[0, 0], variance)
    draws = tie.sample(z_c[:1].expand(200_000, 1), torch.Generator().manual_seed(0))
    assert abs(draws.mean() - 1.04) < 0.005 and abs(draws.var() - 0.2) < 0.005


def test_normaliser_of_the_gaussian_tie_by_quadrature():
    tie = GaussianTie(1, 0.5, 1.0)
    density = torch.exp(-0.5 * sum(z.square().sum(1) for z in PAIRS) - tie.cost(*PAIRS))
    log_z = math.log(density.sum() * AREA / (2 * math.pi))
    assert abs(log_z + 0.5 * math.log(1 + 2 / 0.25)) < 1e-6


@torch.no_grad()
def test_overlap_of_the_mdn_with_the_prior_by_quadrature_depends_on_z_c():
    tie = one_component_ties()["mdn"]
    found = []
    for value in (-2.0, 1.5):
        z_c = torch.full((len(GRID), 1), value).double()
        log_prior = -0.5 * GRID**2 - 0.5 * math.log(2 * math.pi)
        total = (log_prior + tie.log_conditional(z_c, GRID[:, None])).exp().sum() * 0.05
        found.append(float(tie.log_overlap(z_c[:1])))
        assert abs(found[-1] - math.log(total)) < 1e-6
    assert abs(found[0] - found[1]) > 1e-3
