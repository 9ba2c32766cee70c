"""Scores against brute-force loops, closed forms for Gaussians and `scoringrules`."""

import math

import numpy as np
import torch
from scoringrules import crps_normal, es_ensemble

from cdvae.metrics import (
    COUNTS,
    best_of,
    energy_loss,
    energy_score,
    grid_scores,
    grid_variance,
    rank_deviation,
    ranks,
    score_samples,
    squared_errors,
)

generator = torch.Generator().manual_seed(0)
SAMPLES = torch.rand(6, 100, 2, 32, 32, generator=generator)
TRUTH = torch.rand(6, 2, 32, 32, generator=generator)


def brute_force_best(i: int, n: int, power: int) -> float:
    errors = []
    for k in range(n):
        error = np.abs(SAMPLES[i, k].numpy() - TRUTH[i].numpy()) ** power
        errors.append(error.sum() / error.size)
    return min(errors)


def test_best_errors_and_variance_by_loops():
    scores = score_samples(lambda part, n: SAMPLES[part, :n], TRUTH, batch_size=4)
    for i in range(len(TRUTH)):
        for k, n in enumerate(COUNTS):
            assert np.isclose(scores["best_error"][i, k], brute_force_best(i, n, 2), rtol=1e-5)
            assert np.isclose(scores["best_error_l1"][i, k], brute_force_best(i, n, 1), rtol=1e-5)
        total = 0.0
        for y in (4, 12, 20, 28):
            for x in (4, 12, 20, 28):
                for channel in range(2):
                    total += np.var(SAMPLES[i, :, channel, y, x].numpy(), ddof=1) / 32
        assert np.isclose(scores["variance"][i], total, rtol=1e-5)


def test_more_samples_never_raise_the_best_error():
    best = best_of(squared_errors(SAMPLES, TRUTH), COUNTS)
    assert (best.diff(dim=1) <= 0).all()


def test_equal_samples_have_no_variance():
    same = SAMPLES[:, :1].expand(-1, 100, -1, -1, -1)
    assert grid_variance(same).abs().max() < 1e-10


def test_batches_do_not_change_scores():
    whole, parts = (
        score_samples(lambda part, n: SAMPLES[part, :n], TRUTH, batch_size=size) for size in (6, 1)
    )
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name])


def test_energy_score_is_the_one_of_scoringrules():
    expected = es_ensemble(TRUTH.flatten(1).numpy(), SAMPLES.flatten(2).numpy(), estimator="fair")
    np.testing.assert_allclose(energy_score(SAMPLES, TRUTH), expected, rtol=1e-4)


def test_energy_loss_is_the_score_and_has_a_gradient_where_samples_meet():
    samples, truth = torch.randn(5, 6, 2, 8, 8), torch.randn(5, 2, 8, 8)
    assert torch.allclose(energy_loss(samples, truth), energy_score(samples, truth), atol=1e-4)
    same = torch.ones(1, 3, 1, 4, 4, requires_grad=True)
    energy_loss(same, torch.ones(1, 1, 4, 4)).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_energy_score_of_a_standard_normal_field():
    """At its mean: E|X| − ½ E|X − X'| = (√2 − 1) Γ((d + 1)/2) / Γ(d/2)."""
    d, draws = 1024, torch.randn(4, 400, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = (math.sqrt(2) - 1) * math.exp(math.lgamma((d + 1) / 2) - math.lgamma(d / 2))
    found = energy_score(draws, torch.zeros(4, 1, 32, 32))
    torch.testing.assert_close(found.mean(), torch.tensor(expected), atol=0.05, rtol=0)


def test_crps_of_gaussian_fields():
    draws = 0.3 + 2 * torch.randn(50, 200, 1, 32, 32, generator=torch.Generator().manual_seed(2))
    truth = torch.full((50, 1, 32, 32), 1.0)
    expected = float(crps_normal(1.0, 0.3, 2.0))
    assert abs(float(grid_scores(draws, truth)["crps"].mean()) - expected) < 0.01


def test_variogram_score_by_loops():
    points = [(c, y, x) for c in range(2) for y in (4, 12, 20, 28) for x in (4, 12, 20, 28)]
    total = 0.0
    for a in points:
        for b in points:
            seen = abs(TRUTH[0][a] - TRUTH[0][b]) ** 0.5
            drawn = np.mean([abs(float(s[a] - s[b])) ** 0.5 for s in SAMPLES[0]])
            total += float(seen - drawn) ** 2
    found = grid_scores(SAMPLES[:1], TRUTH[:1])["variogram_score"]
    assert np.isclose(found, total / (len(points) * (len(points) - 1)), rtol=1e-4)


def test_ranks_of_a_calibrated_sampler_are_flat_and_others_are_not():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(400, 100, 1, 32, 32, generator=generator)
    truth = torch.randn(400, 1, 32, 32, generator=generator)
    flat = ranks(x, truth, generator)
    assert flat.min() >= 0 and flat.max() <= 100 and abs(flat.float().mean() - 50) < 1
    assert rank_deviation(flat, 100) < 0.03
    assert rank_deviation(ranks(0.1 * x, truth, generator), 100) > 0.5  # all truth outside
    atoms = ranks(torch.zeros_like(x), torch.zeros_like(truth), generator)
    assert rank_deviation(atoms, 100) < 0.03


def test_rank_is_the_number_of_smaller_draws():
    generator = torch.Generator().manual_seed(4)
    found = ranks(SAMPLES, TRUTH, generator)
    assert found[2, 0] == (SAMPLES[2, :, 0, 4, 4] < TRUTH[2, 0, 4, 4]).sum()
