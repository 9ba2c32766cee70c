"""Draws and what is changed in them, against closed forms and the models' own samples."""

import math

import pytest
import torch

from cdvae.data.fields import TASKS
from cdvae.explore.walks import layer_of_others, slerp, untied_of_others, walk
from cdvae.methods import learned, method
from cdvae.model import Draws
from cdvae.runs.settings import load_profile
from cdvae.ties import GaussianTie, MDNTie

N = 200_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", learned())
def test_with_nothing_changed_draws_are_the_models_own(name):
    task = TASKS["motion"]
    torch.manual_seed(0)
    model = method(name).build(task, load_profile("smoke")).eval()
    x_c = torch.rand(1, task.channels_c, 32, 32)
    draws = model.draws(x_c, 7, seeded())
    expected = model.sample(x_c, 7, seeded())[0]
    torch.testing.assert_close(model.fields_of(x_c, draws), expected)
    torch.testing.assert_close(model.fields_of(x_c, draws.rows(slice(2, 4))), expected[2:4])


@pytest.mark.parametrize("exact", [False, True])
def test_spread_of_a_gaussian_tie_is_that_of_another_sigma(exact):
    tie = GaussianTie(10, 0.25, 0.8, exact)
    z_c = torch.linspace(-2, 2, 10)
    drawn = tie.cross(z_c.expand(N, -1), seeded(), 3.0)
    sigma = 0.75
    shrink = 1 / (1 + sigma**2) if exact else 1.0
    deviation = sigma * math.sqrt(shrink)
    expected = torch.cat([shrink * z_c[:8], torch.zeros(2)])
    torch.testing.assert_close(drawn.mean(0), expected, atol=0.02, rtol=0)
    spread = torch.tensor([deviation] * 8 + [1.0] * 2)  # untied components keep N(0, 1)
    torch.testing.assert_close(drawn.std(0), spread, atol=0.01, rtol=0)
    assert tie.sigma == 0.25  # the tie itself is left alone


def mixture() -> tuple[MDNTie, torch.Tensor]:
    torch.manual_seed(1)
    tie = MDNTie(3, 4, 8, 0.1)
    with torch.no_grad():
        for head in (tie.means, tie.weights):
            head.bias.normal_(0, 1)
    return tie.requires_grad_(False), torch.randn(1, 3)


def test_one_component_alone_has_the_moments_of_its_gaussian():
    tie, z_c = mixture()
    _, mu, log_var = tie.mixture(z_c)
    for k in range(4):
        drawn = tie.cross(z_c.expand(N, -1), seeded(), 0.5, k)
        torch.testing.assert_close(drawn.mean(0), mu[0, k], atol=0.02, rtol=0)
        torch.testing.assert_close(
            drawn.std(0), 0.5 * (0.5 * log_var[0, k]).exp(), atol=0.01, rtol=0
        )


def test_without_spread_a_mixture_draws_its_means_by_their_weights():
    tie, z_c = mixture()
    log_pi, mu, _ = tie.mixture(z_c)
    drawn = tie.cross(z_c.expand(N, -1), seeded(), 0.0)
    distance, which = (drawn[:, None] - mu).abs().amax(2).min(1)
    assert distance.max() < 1e-4
    share = torch.bincount(which, minlength=4) / N
    torch.testing.assert_close(share, log_pi[0].exp(), atol=0.01, rtol=0)


def test_spread_multiplies_the_deviations_within_components():
    """Var = E[σ²] s² + Var[μ], the law of total variance."""
    tie, z_c = mixture()
    log_pi, mu, log_var = tie.mixture(z_c)
    pi = log_pi[0].exp()[:, None]
    between = (pi * mu[0].square()).sum(0) - (pi * mu[0]).sum(0).square()
    for spread in (0.5, 1.0, 2.0):
        drawn = tie.cross(z_c.expand(N, -1), seeded(), spread)
        expected = between + spread**2 * (pi * log_var[0].exp()).sum(0)
        torch.testing.assert_close(drawn.var(0), expected, rtol=0.03, atol=0)


def test_slerp_on_the_circle():
    t = torch.linspace(0, 1, 11)
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    angle = t * math.pi / 2
    expected = torch.stack([angle.cos(), angle.sin()], 1)
    torch.testing.assert_close(slerp(a, b, t), expected)
    parallel = slerp(a, 3 * a, t)
    torch.testing.assert_close(parallel, (1 + 2 * t)[:, None] * a)


def test_slerp_keeps_the_length_and_halves_the_angle():
    a, b = torch.nn.functional.normalize(torch.randn(2, 32, generator=seeded()), dim=1)
    path = slerp(a, b, torch.linspace(0, 1, 9))
    torch.testing.assert_close(path.norm(dim=1), torch.ones(9))
    torch.testing.assert_close(path[0] @ path[4], path[4] @ path[8])
    torch.testing.assert_close(path[[0, -1]], torch.stack([a, b]))


def test_a_walk_begins_and_ends_at_its_samples():
    draws = Draws(torch.randn(5, 8), (torch.randn(5, 4), torch.randn(5, 6)))
    path = walk(draws, 1, 3, 7)
    for whole, walked in zip((draws.z, *draws.noise), (path.z, *path.noise), strict=True):
        torch.testing.assert_close(walked[[0, -1]], whole[[1, 3]])


def test_one_layer_of_others_and_nothing_else():
    draws = Draws(torch.randn(5, 8), (torch.randn(5, 4), torch.randn(5, 6)))
    whole = (*draws.noise, draws.z)
    for layer in range(3):
        changed = layer_of_others(draws, 2, layer)
        for k, (before, after) in enumerate(zip(whole, (*changed.noise, changed.z), strict=True)):
            assert torch.equal(after, before if k == layer else before[2].expand_as(before))


def test_untied_components_of_others_and_nothing_else():
    tie, draws = GaussianTie(10, 0.3, 0.8), Draws(torch.randn(5, 10), (torch.randn(5, 4),))
    changed = untied_of_others(tie, draws, 2)
    assert torch.equal(changed.z[:, :8], draws.z[2, :8].expand(5, -1))
    assert torch.equal(changed.z[:, 8:], draws.z[:, 8:])
    assert torch.equal(changed.noise[0], draws.noise[0][2].expand(5, -1))
