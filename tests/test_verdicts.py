"""The rule of the verdicts, against scipy's bootstrap, a normal approximation and by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import bootstrap, norm

from cdvae.report import each_example, tables, verdicts
from cdvae.report.results import results_folder
from cdvae.report.verdicts import QUESTIONS, Question, Resampled
from cdvae.runs.measures import compared
from cdvae.runs.store import Run

PHOTOS = tuple(f"COCO_{k:012d}.jpg" for k in range(300))


def scores(rng: np.random.Generator, **means: float) -> dict:
    """Made-up scores of some methods, the same for each metric."""
    each = {}
    for method, mean in means.items():
        values = mean + rng.normal(size=len(PHOTOS)).astype(np.float32)
        each |= {(metric, method): values for metric in compared()}
    return each


def nearer(one: str, other: str) -> Question:
    return Question(f"{one} nearer", (one, other), lambda v: verdicts.beats(v, one, other))


def test_interval_is_scipys_bootstrap():
    each = scores(np.random.default_rng(0), gauss=1.0, cvae=1.1)
    mean, low, high, n = Resampled(each, PHOTOS).compare("best_error", "gauss", "cvae")
    difference = each["best_error", "gauss"] - each["best_error", "cvae"]
    found = bootstrap((difference,), np.mean, n_resamples=10_000, method="percentile", rng=1)
    assert n == 300 and mean == pytest.approx(difference.mean())
    assert (low, high) == pytest.approx(tuple(found.confidence_interval), abs=0.006)


def test_share_of_resamplings_is_near_the_normal_approximation():
    each = scores(np.random.default_rng(1), gauss=1.0, cvae=1.05)
    difference = each["best_error", "gauss"] - each["best_error", "cvae"]
    expected = norm.cdf(-difference.mean() / (difference.std() / np.sqrt(len(difference))))
    assert Resampled(each, PHOTOS).share(nearer("gauss", "cvae")) == pytest.approx(
        expected, abs=0.02
    )


def test_frames_of_one_video_count_once():
    """Ten equal frame pairs of each of 30 videos: the interval is that of 30 numbers."""
    videos = np.random.default_rng(2).normal(size=30)
    ids = tuple(f"Run/v_Run_g{k:02d}_c01#{j}" for k in range(30) for j in range(10))
    zero = np.zeros(300)
    each = {("best_error", "gauss"): np.repeat(videos, 10), ("best_error", "cvae"): zero}
    _, low, high, _ = Resampled(each, ids).compare("best_error", "gauss", "cvae")
    expected = bootstrap((videos,), np.mean, n_resamples=10_000, method="percentile", rng=1)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.02)


def test_the_rule():
    assert [verdicts.verdict(share) for share in (1.0, 0.975, 0.97, 0.03, 0.025, 0.0)] == [
        *("holds", "holds", "undecided", "undecided", "does not hold", "does not hold"),
    ]
    assert verdicts.of_interval("best_error", -2, -1) == "better"
    assert verdicts.of_interval("variance", -2, -1) == "worse"
    assert verdicts.of_interval("variance", 1, 2) == "better"
    assert verdicts.of_interval("energy_score", -1, 1) == "undecided"


def question(text: str) -> Question:
    (found,) = (each for each in QUESTIONS if text in each.text)
    return found


def test_one_tie_must_win_all_of_the_bar_by_itself():
    bar = question("one deep tie is nearer than Shallow and CVAE")
    good = {"gauss": 1.0, "mdn4": 1.0, "mdn12": 1.0, "shallow": 2.0, "cvae": 2.0}
    means = {
        "best_error": good,
        "variance": {"gauss": 3.0, "mdn4": 1.0, "mdn12": 3.0, "cvae": 2.0},
        "energy_score": {"gauss": 5.0, "mdn4": 4.0, "mdn12": 5.0, "marginal": 4.5},
    }
    assert not bar.holds(means)  # MDN4 has the score, the others the variance
    means["energy_score"]["gauss"] = 4.4
    assert bar.holds(means)


def test_aim_of_the_extension():
    aim = question("at most 0.85")
    for error, expected in ((1.70, True), (1.71, False)):
        assert (
            aim.holds({"best_error": {"cdvae-spatial": error, "nn": 2.0, "cvae": 2.5}}) == expected
        )


def test_controls():
    rule = question("no control")
    means = dict.fromkeys(rule.methods, 2.0)
    assert rule.holds({"energy_score": means | {"nn": 1.0}})
    assert not rule.holds({"energy_score": means | {"marginal": 1.0}})


def test_methods_scored_on_fewer_examples_are_compared_on_those():
    each = scores(np.random.default_rng(3), fm=1.0, **{"cdvae-spatial": 0.0})
    each = {key: values[:50] if key[1] == "fm" else values for key, values in each.items()}
    resampled = Resampled(each, PHOTOS)
    *_, n = resampled.compare("energy_score", "fm", "cdvae-spatial")
    assert n == 50 and resampled.length(("cdvae-spatial",)) == 300
    assert resampled.share(question("CDVAE-spatial is nearer than flow matching")) > 0.99


class Finished:
    """An experiment whose scores are at hand, each run under a key."""

    profile, source = SimpleNamespace(name="some"), SimpleNamespace(name="data")
    entry = SimpleNamespace(tasks=("motion",))

    def __init__(self, **keys: str):
        self.keys = keys

    def score_key(self, run: Run) -> str:
        return self.keys[run.method]

    def each_score(self, run: Run) -> dict[str, torch.Tensor]:
        best = torch.arange(12.0).reshape(4, 3) + len(run.method)
        return {"best_error": best, "variance": best[:, 0], "energy_score": best[:, 1]}


def test_scores_of_each_example_are_kept_while_their_key_holds(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    nn, cvae = Run("motion", "nn", 0), Run("motion", "cvae", 1)
    each_example.keep(Finished(nn="a"), [nn])
    kept = each_example.keep(Finished(nn="a", cvae="b"), [cvae])
    assert list(kept) == [cvae, nn]
    assert kept[nn]["best_error"].tolist() == [4.0, 7.0, 10.0, 13.0]  # with most samples
    assert kept[cvae]["energy_score"].tolist() == [5.0, 8.0, 11.0, 14.0]
    assert list(each_example.keep(Finished(nn="changed", cvae="b"), [])) == [cvae]


def test_effects_are_per_cent_of_the_other_method():
    rows = [
        ("motion", "best_error", 100, "mdn4", "cvae", 0.0125, 0.01, 0.02, "worse", 1, 9),
        ("motion", "energy_score", 100, "truth", "cvae", -1.234, -2.0, -0.5, "better", 1, 9),
        ("motion", "best_error", 100, "shallow", "cvae", 1.0, 1.0, 1.0, "worse", 1, 9),
    ]
    pairs = pd.DataFrame(rows, columns=verdicts.PAIR_COLUMNS)
    means = [("motion", "cvae", "best_error", n, v) for n, v in ((100, 0.04), (100, 0.06), (3, 9))]
    columns = ["task", "method", "metric", "n_samples", "value"]
    scores = pd.DataFrame(means, columns=columns)
    found = tables.effects(pairs, scores, "best_error", ("mdn4", "mdn12"), ("nn", "cvae"))
    (row,) = found.to_dict("records")
    assert row["label"] == "MDN4 against CVAE" and row["verdict"] == "worse"
    assert [row["value"], row["low"], row["high"]] == pytest.approx([25, 20, 40])
    scores = pd.DataFrame([("motion", "mdn4", "best_error", 100, 0.05)], columns=columns)
    (row,) = tables.effects(pairs, scores, "best_error", ("cvae",), ("mdn4",)).to_dict("records")
    assert [row["value"], row["low"], row["high"]] == pytest.approx([-25, -40, -20])
    assert row["verdict"] == "better"  # the same pair, the other way round
    assert tables.effects(pairs, scores, "best_error", ("truth",), ("cvae",)).empty
    assert tables.tally(found) == "Of 1 comparisons: 1 worse."


def test_paired_effects_are_those_of_the_differences():
    rng = np.random.default_rng(0)
    hard = 100 * rng.normal(size=400)  # what examples have in common cancels
    values = {("motion", "nn"): hard, ("motion", "mdn4"): hard + rng.normal(-1, 1, 400)}
    (row,) = tables.paired_effects(values).to_dict("records")
    assert row["label"] == "MDN4 against NN" and row["verdict"] == "better"
    assert row["value"] == pytest.approx(-1, abs=0.15)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 / 20, rel=0.1)
    values["motion", "mdn4"] = hard + rng.normal(0, 1, 400)
    assert tables.paired_effects(values).verdict.item() == "undecided"


def test_one_method_alone_leaves_tables_that_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    alone = Finished(nn="a")
    alone.fields = lambda task: {"test": SimpleNamespace(ids=PHOTOS[:4])}
    verdicts.update(alone, [Run("motion", "nn", 0)])
    for name in ("comparisons", "verdicts"):
        table = pd.read_csv(results_folder("some", "data") / f"{name}.csv")
        assert table.empty and "verdict" in table
