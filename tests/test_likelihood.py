"""Bounds, importance-weighted estimates and samplers against closed forms and quadrature.

The closed forms are of a linear-Gaussian pair: x = A z + noise in each layer, two codes tied. Its
encoders are the exact posteriors of each layer alone, so that nothing is left of the model but what
the tie does.
"""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, kl_divergence

from cdvae import gaussian
from cdvae.dvae import DVAE, Ladder
from cdvae.likelihood import effective, log_mean, log_weights, standard_error
from cdvae.model import CDVAE
from cdvae.networks import SLOPE
from cdvae.ties import GaussianTie, MDNTie

D, SIDE, NOISE, SIGMA = 2, 2, 0.8, 0.6  # codes, x is (1, 2, 2), deviation of x given z, σ_t
EYE = torch.eye(D).double()


class Linear(nn.Module):
    """x = A z + noise; q(z | x) is what z's posterior would be under a prior of that variance."""

    log_weight = DVAE.log_weight

    def __init__(self, seed: int, prior: Tensor):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        square = torch.randn(SIDE**2, SIDE**2, generator=generator).double()
        self.a = 1.3 * torch.linalg.qr(square)[0][:, :D]  # orthogonal: posteriors are diagonal
        self.precision = 1 / prior + 1.3**2 / NOISE**2

    def q_top_given_x(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu = x.flatten(1) @ self.a / NOISE**2 / self.precision
        return mu, -self.precision.log().expand_as(mu)

    def q_z_given_x(self, x: Tensor, generator=None, n: int = 1) -> Ladder:
        q = tuple(each.repeat_interleave(n, 0) for each in self.q_top_given_x(x))
        zero = torch.zeros_like(q[0])
        return Ladder([gaussian.sample(*q, generator)], [q], [(zero, zero)])

    def log_p_x_given_z(self, x: Tensor, z: Tensor) -> Tensor:
        log_var = torch.tensor(2 * math.log(NOISE))
        return gaussian.log_density(x.flatten(1), z @ self.a.T, log_var).sum(1)

    def descend(self, z: Tensor, generator=None) -> Tensor:
        return z

    def mean_x(self, z: Tensor) -> Tensor:
        return (z @ self.a.T).unflatten(1, (1, SIDE, SIDE))


def linear_mdn(slope: float, sigma: float) -> MDNTie:
    """One component, N(slope · z_c, σ²): leaky(t) − leaky(−t) = (1 + SLOPE) t."""
    tie = MDNTie(D, 1, 2 * D, sigma_min=0.1).double()
    for layer in (tie.body[0], tie.means, tie.scales):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        tie.body[0].weight.copy_(torch.cat([EYE, -EYE]))
        tie.means.weight.copy_(slope / (1 + SLOPE) * torch.cat([EYE, -EYE], 1))
        nn.init.constant_(tie.scales.bias, math.log(math.expm1(sigma - 0.1)))
    return tie


def pair(kind: str) -> tuple[CDVAE, Tensor, Tensor, Tensor]:
    """A tied pair; covariance of (z_c, z_g) by hand; slope and variance of its P(z_g | z_c)."""
    if kind == "mdn":
        slope, variance = torch.full((2, D), 0.7).double()
        variance = variance * 0 + 0.5**2
        c = torch.ones(D).double()
        cross, g = slope * c, slope**2 * c + variance
    else:
        # one of the two components is tied; its precision matrix is that of Eq. 3
        precision = torch.tensor([[1 + SIGMA**-2, -(SIGMA**-2)], [-(SIGMA**-2), 1 + SIGMA**-2]])
        tied = torch.linalg.inv(precision.double())
        c = torch.stack([tied[0, 0], torch.tensor(1.0).double()])
        g, cross = c, torch.stack([tied[0, 1], torch.tensor(0.0).double()])
        shrink = 1 / (1 + SIGMA**2) if kind == "exact" else 1.0
        slope = torch.tensor([shrink, 0.0]).double()
        variance = torch.tensor([shrink * SIGMA**2, 1.0]).double()
    tie = linear_mdn(0.7, 0.5) if kind == "mdn" else GaussianTie(D, SIGMA, 0.5, kind == "exact")
    covariance = torch.cat(
        [torch.cat([c.diag(), cross.diag()], 1), torch.cat([cross.diag(), g.diag()], 1)]
    )
    model = CDVAE(Linear(0, c), Linear(1, g), tie).double()
    return model, covariance, slope, variance


def fields(model: CDVAE, covariance: Tensor, n: int = 6) -> tuple[Tensor, Tensor]:
    """Draws of the model itself."""
    torch.manual_seed(3)
    z = MultivariateNormal(torch.zeros(2 * D).double(), covariance).sample((n,))
    both = [
        d.mean_x(part) for d, part in zip((model.dvae_c, model.dvae_g), z.split(D, 1), strict=True)
    ]
    return tuple(x + NOISE * torch.randn_like(x) for x in both)


def layers(model: CDVAE) -> tuple[Tensor, Tensor]:
    """The block-diagonal map from (z_c, z_g) to both fields, and the noise's covariance."""
    a = torch.block_diag(model.dvae_c.a, model.dvae_g.a)
    return a, NOISE**2 * torch.eye(len(a)).double()


def posterior(model, covariance, x) -> MultivariateNormal:
    """P(z_c, z_g | x_c, x_g) by the textbook formula."""
    a, noise = layers(model)
    precision = torch.linalg.inv(covariance) + a.T @ torch.linalg.inv(noise) @ a
    mean = torch.linalg.solve(precision, (a.T @ torch.linalg.solve(noise, x.T))).T
    return MultivariateNormal(mean, precision_matrix=precision)


KINDS = ("paper", "exact", "mdn")


@pytest.mark.parametrize("kind", KINDS)
def test_bound_and_estimate_of_the_joint_match_the_closed_form(kind):
    model, covariance, _, _ = pair(kind)
    x_c, x_g = fields(model, covariance)
    x = torch.cat([x_c.flatten(1), x_g.flatten(1)], 1)
    a, noise = layers(model)
    zero = torch.zeros(x.shape[1]).double()
    log_p = MultivariateNormal(zero, a @ covariance @ a.T + noise).log_prob(x)
    q_c, q_g = model.dvae_c.q_top_given_x(x_c), model.dvae_g.q_top_given_x(x_g)
    mu, log_var = (torch.cat(each, 1) for each in zip(q_c, q_g, strict=True))
    q = MultivariateNormal(mu, torch.diag_embed(log_var.exp()))
    bound = log_p - kl_divergence(q, posterior(model, covariance, x))

    generator = torch.Generator().manual_seed(0)
    log_w = log_weights(model, x_c, x_g, 20_000, generator)["joint"]
    error = log_w.std(1) / log_w.shape[1] ** 0.5
    assert ((log_w.mean(1) - bound).abs() < 4 * error).all()
    estimate, error = log_mean(log_w), standard_error(log_w)
    assert ((estimate - log_p).abs() < 4 * error).all() and (error < 0.05).all()
    assert (effective(log_w) > 500).all()
    tightening = [log_mean(log_w.reshape(-1, k)).mean() for k in (1, 10, 100, 1000)]
    assert tightening[0] < tightening[1] < tightening[2] < log_p.mean() + 0.05
    assert abs(tightening[3] - log_p.mean()) < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_estimate_of_the_conditional_matches_the_density_of_the_sampler(kind):
    model, covariance, slope, variance = pair(kind)
    x_c, x_g = fields(model, covariance)
    mu, log_var = model.dvae_c.q_top_given_x(x_c)
    z_g = MultivariateNormal(slope * mu, torch.diag_embed(slope**2 * log_var.exp() + variance))
    a = model.dvae_g.a
    mean = z_g.mean @ a.T
    spread = a @ z_g.covariance_matrix @ a.T
    noise = NOISE**2 * torch.eye(len(a)).double()
    log_p = MultivariateNormal(mean, spread + noise).log_prob(x_g.flatten(1))

    generator = torch.Generator().manual_seed(0)
    log_w = log_weights(model, x_c, x_g, 20_000, generator)["conditional"]
    assert ((log_mean(log_w) - log_p).abs() < 4 * standard_error(log_w)).all()

    draws = model.sample(x_c[:1], 200_000, torch.Generator().manual_seed(1))[0].flatten(1)
    torch.testing.assert_close(draws.mean(0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(draws.T.cov(), spread[0], atol=0.03, rtol=0.02)


@pytest.mark.parametrize("kind", ("exact", "mdn"))
def test_exact_ties_sample_the_conditional_of_their_own_joint(kind):
    """log p(x_g | x_c) by the sampler's density = log p(x_c, x_g) − log p(x_c); the paper's not."""
    model, covariance, slope, variance = pair(kind)
    x_c, x_g = fields(model, covariance)
    x = torch.cat([x_c.flatten(1), x_g.flatten(1)], 1)
    a, noise = layers(model)
    whole = a @ covariance @ a.T + noise
    n = SIDE**2
    zero = torch.zeros(2 * n).double()
    log_p = MultivariateNormal(zero, whole).log_prob(x)
    log_p -= MultivariateNormal(zero[:n], whole[:n, :n]).log_prob(x[:, :n])
    log_w = log_weights(model, x_c, x_g, 20_000, torch.Generator().manual_seed(0))["conditional"]
    assert ((log_mean(log_w) - log_p).abs() < 4 * standard_error(log_w)).all()


def quadrature(dvae: DVAE, x: Tensor, grid: Tensor, step: float) -> Tensor:
    """log p(x | z_top) at each point of the grid, the lower code summed out: (points,)."""
    z = grid[:, None]
    log_p = torch.cat([dvae.log_p_x_given_z(x, each[None]) for each in z])
    mu, log_var = dvae.p_z_given_above(0, z)  # (points above, 1)
    log_lower = gaussian.log_density(grid[None], mu, log_var)  # (above, below)
    return torch.logsumexp(log_lower + log_p[None], 1) + math.log(step)


@pytest.mark.parametrize("kind", ("gauss", "mdn"))
def test_estimates_of_a_small_ladder_match_quadrature(kind):
    """Two real DVAEs with one code in each of two layers; every integral is done on a grid."""
    torch.manual_seed(0)
    dvaes = [DVAE(1, (1, 1), (2, 2), 4, 4.0).double().eval() for _ in range(2)]
    for dvae in dvaes:
        for head in dvae.q_head:  # wide enough to cover the posterior
            nn.init.zeros_(head.linear.bias)
    tie = GaussianTie(1, 0.7, 1.0) if kind == "gauss" else MDNTie(1, 3, 4, 0.3).double()
    model = CDVAE(*dvaes, tie)
    x_c, x_g = torch.randn(2, 1, 1, 32, 32).double()
    step = 0.04
    grid = torch.arange(-8, 8, step).double()
    with torch.no_grad():
        at_c, at_g = (quadrature(d, x, grid, step) for d, x in zip(dvaes, (x_c, x_g), strict=True))
        pairs = torch.cartesian_prod(grid, grid).split(1, 1)
        size = (len(grid), len(grid))
        log_tie = tie.log_joint(*pairs).reshape(size)
        joint = torch.logsumexp(log_tie + at_c[:, None] + at_g, (0, 1)) + 2 * math.log(step)
        log_q = gaussian.log_density(grid, *(each[0] for each in dvaes[0].q_top_given_x(x_c)))
        log_next = tie.log_conditional(*pairs).reshape(size)
        conditional = torch.logsumexp(log_q[:, None] + log_next + at_g, (0, 1)) + 2 * math.log(step)
        log_w = model.log_weights(x_c, x_g, 20_000, torch.Generator().manual_seed(0))
    for name, truth in (("joint", joint), ("conditional", conditional)):
        error = standard_error(log_w[name])
        assert error < 0.05
        assert (log_mean(log_w[name]) - truth).abs() < 4 * error
        assert log_w[name].mean() < truth


def test_effective_number_and_error_of_known_weights():
    log_w = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, -50.0, -50.0, -50.0]])
    torch.testing.assert_close(effective(log_w), torch.tensor([4.0, 1.0]))
    torch.testing.assert_close(standard_error(log_w), torch.tensor([0.0, math.sqrt(0.75)]))
