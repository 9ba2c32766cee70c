"""Scores against brute-force loops."""

import numpy as np
import torch

from cdvae.metrics import COUNTS, best_of, grid_variance, score_samples, squared_errors

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
