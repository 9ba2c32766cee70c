"""Two halves of the test examples: by source alone, disjoint, whole, and with their truth."""

import pytest
import torch

from cdvae.data.fields import RESATURATION, Fields
from cdvae.data.halves import HALVES, half_of, in_half, scored_half
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.files import InputError


def test_halves_are_about_equal_and_all_of_one_video_is_in_one():
    halves = [half_of(f"{k:012d}.jpg") for k in range(2000)]
    assert abs(halves.count("A") - 1000) < 100  # 4.5 standard deviations
    for group in range(20):
        names = [f"Run/v_Run_g{group:02d}_c{c:02d}.avi#{pair}" for c in (1, 2) for pair in (0, 7)]
        assert len({half_of(name) for name in names}) == 1
    groups = {half_of(f"Run/v_Run_g{group:02d}_c01.avi#0") for group in range(20)}
    assert groups == set(HALVES)


def test_the_halves_of_some_fields_are_the_fields():
    x, ids = torch.arange(40.0)[:, None, None, None], tuple(f"{k}.jpg" for k in range(40))
    fields = Fields(RESATURATION, x, x, torch.zeros(40, 0), 0, ids)
    a, b = (in_half(fields, half) for half in HALVES)
    assert set(a.ids) | set(b.ids) == set(ids) and not set(a.ids) & set(b.ids)
    assert [f"{int(x)}.jpg" for x in a.x_c.flatten()] == list(a.ids)
    with pytest.raises(InputError, match="no test example is in half B"):
        in_half(a, "B")
    with pytest.raises(InputError, match="choose from A, B"):
        scored_half({"test": fields}, "C")


@pytest.fixture(scope="module")
def experiments():
    changes = {"methods": ["marginal"]}
    return {
        half: Experiment(load_profile("smoke", half=half, **changes), device="cpu")
        for half in ("", *HALVES)
    }


def test_models_are_shared_and_scores_are_not(experiments):
    run = Run("resaturation", "cvae", 0)
    assert len({each.model_key(run) for each in experiments.values()}) == 1
    assert len({each.score_key(run) for each in experiments.values()}) == 3


def test_examples_and_their_truth_are_those_of_the_half(experiments):
    whole, half = (experiments[name].fields("resaturation") for name in ("", "B"))
    assert whole["train"].ids == half["train"].ids
    ids = half["test"].ids
    assert 0 < len(ids) < len(whole["test"].ids)
    rows = torch.tensor([whole["test"].ids.index(name) for name in ids])
    assert torch.equal(half["test"].x_g, whole["test"].x_g[rows])
    draws = [
        truth.sample(index, 3, torch.Generator().manual_seed(0))
        for truth, index in (
            (whole["test"].truth, rows[:4]),
            (half["test"].truth, torch.arange(4)),
        )
    ]
    assert torch.equal(*draws)


def test_scores_of_a_half_are_those_of_its_examples(experiments):
    scored = experiments["A"].scores(Run("resaturation", "truth", 0))
    assert scored["sizes"]["test"] == len(experiments["A"].fields("resaturation")["test"])
    assert {"mode_coverage", "energy_score"} <= {row[0] for row in scored["rows"]}
