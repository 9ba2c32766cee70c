"""Modes of the built-in world against loops; proper scores rank its exact conditional first."""

import pytest
import torch

from cdvae.data.drawn import scenes
from cdvae.data.drawn.modes import Modes
from cdvae.data.fields import TASKS
from cdvae.methods.controls import Marginal, MeanPlusNoise
from cdvae.methods.neighbours import NearestNeighbour
from cdvae.metrics import score_samples

N = 12
ROWS = torch.arange(N)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module", params=sorted(TASKS))
def world(request):
    fields = scenes.load(TASKS[request.param], "test", N, 0)
    return fields, Modes(fields.truth, ROWS, generator())


def test_nearest_modes_by_loops(world):
    fields, modes = world
    samples = fields.truth.sample(ROWS, 3, generator(1))
    found = modes.nearest(samples)
    for i in range(N):
        for region in range(modes.p.shape[1]):
            where = modes.where[i, region]
            if not where.any():
                continue
            for s in range(3):
                errors = {
                    mode: float((samples[i, s] - field)[:, where].square().sum())
                    for mode, field in enumerate(modes.fields[i, region])
                    if modes.p[i, region, mode] > 0
                }
                chosen = errors[int(found[i, s, region])]
                assert chosen <= min(errors.values()) + 1e-3 * (1 + chosen)


def test_truth_finds_its_modes_as_often_as_they_occur(world):
    fields, modes = world
    scores = modes.score(fields.truth.sample(ROWS, 100, generator(1)))
    assert scores["mode_coverage"].mean() > 0.97
    assert scores["mode_frequency_error"].mean() < 0.15  # of 100 draws against 200
    once = modes.score(fields.truth.sample(ROWS, 1, generator(1)).expand(-1, 100, -1, -1, -1))
    assert once["mode_coverage"].mean() < 0.6 and once["mode_frequency_error"].mean() > 0.3


def test_probabilities_of_the_light_are_the_world_s():
    fields = scenes.load(TASKS["relighting"], "test", 60, 0)
    window = fields.truth.scenes.window
    modes = Modes(fields.truth, torch.arange(60), generator())
    night = modes.p[:, 0, 8:10].sum(1)  # light 4, lamp off or on
    assert night[window == 0].abs().max() == 0
    assert abs(night[window > 0].mean() - 0.25) < 0.03


@pytest.mark.parametrize("task", sorted(TASKS))
def test_proper_scores_rank_the_exact_conditional_first(task):
    """No control does better than truth by more than sampling error, in any proper score."""
    train, valid, test = (
        scenes.load(TASKS[task], split, n, 0)
        for split, n in (("train", 600), ("valid", 100), ("test", 75))
    )
    nearest = NearestNeighbour(train.x_c, train.x_g, 1.0)
    samplers = {
        "nn": nearest,
        "marginal": Marginal(train.x_g),
        "mean_noise": MeanPlusNoise(nearest, 100, valid.x_c, valid.x_g),
    }
    rows, stream = torch.arange(75), generator(5)
    truth = score_samples(lambda part, n: test.truth.sample(rows[part], n, stream), test.x_g)
    for name, model in samplers.items():
        other = score_samples(lambda p, n, m=model: m.sample(test.x_c[p], n, stream), test.x_g)
        for score in ("energy_score", "crps", "variogram_score"):
            difference = truth[score] - other[score]
            error = difference.std() / len(difference) ** 0.5
            assert difference.mean() < 2 * error, (name, score)
        assert (truth["energy_score"] - other["energy_score"]).mean() < 0, name
