"""The study of sizes: what it records, that it goes on, and its verdicts against closed forms."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy.stats import norm

from cdvae.data.halves import half_of
from cdvae.figures import by_size, verdict_map
from cdvae.report import size_verdicts
from cdvae.report.size_record import COLUMNS, Record, in_order, named, stem
from cdvae.report.size_verdicts import SeedsToo
from cdvae.runs.measures import compared
from cdvae.runs.store import Run
from cdvae.studies import sizes
from cdvae.tools.files import InputError

METHODS = ["nn", "cvae", "jmvae", "marginal"]


def asked(**changes) -> sizes.Asked:
    given = {
        "tasks": ["resaturation"],
        "sizes": [110, 160, 5000],  # more than there are is all, once
        "methods": METHODS,
        "seeds": [0],
        "device": "cpu",
    }
    return sizes.Asked("smoke", "scenes", None, **(given | changes))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study on half A of the built-in world, then one more seed of the smallest size."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OUTPUT", "CACHE"):
            patch.setenv(f"CDVAE_{name}", str(tmp_path_factory.mktemp(name)))
        pool = {"n_train": 220, "n_valid": 30, "n_test": 60, "flips": True}
        patch.setattr(sizes, "POOL", pool)
        patch.setattr(sizes, "cores", lambda: 1)
        patch.setattr("cdvae.runs.parallel.cores", lambda: 1)
        path = sizes.run(asked(half="A"))
        sizes.run(asked(half="A", sizes=[110], seeds=[1], methods=["cvae"]))
        yield path


def test_scores_are_tidy_and_the_test_examples_the_same_for_every_size(study):
    found = pd.read_csv(study)
    assert list(found.columns) == COLUMNS
    assert sorted(set(found.n_train)) == [110, 160, 220]
    assert set(found.method) == set(METHODS) and found.n_test.nunique() == 1
    whole = [half_of(f"test-0-{k}") for k in range(60)]
    assert found.n_test.iloc[0] == whole.count("A")
    cvae = found[(found.method == "cvae") & (found.metric == "energy_score")]
    assert list(cvae.n_train) == [110, 110, 160, 220] and list(cvae.seed) == [0, 1, 0, 0]
    runs = json.loads(study.with_suffix(".json").read_text())["runs"]
    assert len(runs) == 3 * 4 + 1 and all(about["key"] for about in runs.values())


def test_means_are_those_of_the_examples_that_are_kept(study):
    record, found = Record("smoke", "scenes", "A", study.parent), pd.read_csv(study)
    for n, each in record.each("resaturation").items():
        for metric, method in each:
            mine = (found.n_train == n) & (found.method == method) & (found.metric == metric)
            values = found[mine & (found.n_samples == 100)].sort_values("seed").value
            assert np.allclose(each[metric, method].mean(0), values, rtol=3e-4)  # 16 bits


def test_small_sets_are_the_beginnings_of_large_ones(study, monkeypatch):
    ids = [
        sizes.experiment(asked(), n).shown_in_training("resaturation").ids[:n] for n in (110, 160)
    ]
    assert ids[1][:110] == ids[0]


def test_what_is_recorded_is_not_made_again(study, monkeypatch):
    before = study.read_bytes()
    monkeypatch.setattr(sizes, "score_pairs", lambda pairs, *_: pairs and pytest.fail("made again"))
    monkeypatch.setattr(Record, "add", lambda *_: pytest.fail("recorded again"))
    sizes.run(asked(half="A"))
    assert study.read_bytes() == before


def test_a_run_that_was_half_recorded_is_made_again(study):
    record, run = Record("smoke", "scenes", "A", study.parent), Run("resaturation", "cvae", 0)
    key = sizes.experiment(asked(half="A"), 110).score_key(run)
    assert record.has(run, 110, key) and not record.has(run, 110, "of other code")
    record.names["runs"].remove(named(run, 110))
    assert not record.has(run, 110, key)


def test_half_b_has_files_of_its_own(study):
    before = study.read_bytes()
    path = sizes.run(asked(half="B", sizes=[110], methods=["nn", "marginal"]))
    assert path.name == "sizes_b.csv" and stem("") == stem("A") == "sizes"
    found = pd.read_csv(path)
    assert found.n_test.iloc[0] + pd.read_csv(study).n_test.iloc[0] == 60
    assert study.read_bytes() == before
    rows = pd.read_csv(path.with_name(size_verdicts.NAME))
    assert set(rows.half) == {"A", "B"} and list(rows.columns) == size_verdicts.COLUMNS


def test_nothing_random_has_one_seed(study):
    for chosen, of_nn in (([0, 1, 2], 1), ([1, 2], 0)):
        some = asked(sizes=[130], seeds=chosen, half="A")
        runs = sizes.waiting(some, Record("no", "no", "A"))
        seeds = {name: sum(run.method == name for _, run, _ in runs) for name in METHODS}
        n = len(chosen)
        assert seeds == {"nn": of_nn, "cvae": n, "jmvae": n, "marginal": n}


def test_too_few_examples_are_refused(study):
    with pytest.raises(InputError, match="--n 50: give 100 examples or more"):
        sizes.sizes_of(asked(sizes=[50]), "resaturation")


def test_the_figure_has_a_panel_for_each_score_and_a_line_for_each_method(study):
    figure = by_size.scattered(by_size.shown(pd.read_csv(study)))
    assert len(figure.axes) == 2
    assert len(figure.axes[0].lines) == len(METHODS)
    line = next(line for line in figure.axes[1].lines if line.get_label() == "CVAE")
    assert list(line.get_xdata()) == [110, 160, 220]


def test_the_figure_shows_what_was_run_at_several_sizes():
    sizes = {"cvae": (1, 2, 3, 4, 5), "fm": (1, 3, 5), "unet": (1, 5)}
    runs = [("resaturation", name, n) for name, all_ in sizes.items() for n in all_]
    runs += [("relighting", "cvae", 5)]
    rows = pd.DataFrame(runs, columns=["task", "method", "n_train"])
    found = by_size.shown(rows.assign(n_samples=100, metric="best_error"))
    assert set(found.task) == {"resaturation"} and set(found.method) == {"cvae", "fm"}
    assert not len(by_size.shown(rows.assign(n_samples=10, metric="best_error")))


IDS = tuple(f"{k:06d}.jpg" for k in range(400))


def made_up(rng, n_seeds: int = 1, between: float = 0.0, **means: float) -> dict:
    """Scores of some methods: noise of examples that all share, of their own, and of seeds."""
    shared, found = rng.normal(size=(len(IDS), 1)), {}
    for name, mean in means.items():
        own = 0.5 * rng.normal(size=(len(IDS), n_seeds))
        seeds = between * rng.normal(size=(1, n_seeds))
        values = (mean + shared + own + seeds).astype(np.float32)
        found |= {(metric, name.replace("_", "-")): values for metric in compared()}
    return found


def test_interval_of_one_seed_is_that_of_the_delta_method():
    each = made_up(np.random.default_rng(0), gauss=10.0, cvae=10.1)
    resampled = SeedsToo(each, IDS, 1000)
    row = next(
        row
        for row in size_verdicts.pairs(resampled)
        if row["claim"] == "Gauss is better than CVAE" and row["metric"] == "energy_score"
    )
    one, other = (each["energy_score", name][:, 0] for name in ("gauss", "cvae"))
    ratio = one.mean() / other.mean()
    deviation = (one - ratio * other).std(ddof=1) / np.sqrt(len(IDS)) / other.mean()
    assert row["difference_percent"] == pytest.approx(100 * (ratio - 1), rel=1e-4)
    assert row["high"] - row["low"] == pytest.approx(100 * 2 * 1.96 * deviation, rel=0.05)
    share = norm.cdf((1 - ratio) / deviation)
    assert row["true_in_share_of_resamplings"] == pytest.approx(share, abs=0.02)
    assert row["n_seeds"] == 1 and row["n_test"] == len(IDS)


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(1)
    narrow, wide = (
        size_verdicts.pairs(SeedsToo(made_up(rng, 3, b, gauss=10.0, cvae=10.0), IDS, 1000))[0]
        for b in (0.0, 1.0)
    )
    assert wide["n_seeds"] == 3
    assert wide["high"] - wide["low"] > 3 * (narrow["high"] - narrow["low"])


def test_the_deviation_of_a_mean_over_seeds_is_that_of_the_bootstrap():
    each = made_up(np.random.default_rng(2), 3, 1.0, gauss=10.0)
    by_seed = each["energy_score", "gauss"].mean(0)
    drawn = SeedsToo(each, IDS, 1000).means("energy_score", "gauss", len(IDS))
    examples = each["energy_score", "gauss"].mean(1).std() / np.sqrt(len(IDS))
    expected = np.hypot(by_seed.std() / np.sqrt(3), examples)
    assert drawn.std() == pytest.approx(expected, rel=0.05)


def test_an_advantage_that_goes_as_data_come_is_found():
    rng = np.random.default_rng(3)
    few = SeedsToo(made_up(rng, jmvae=9.0, cvae=10.0), IDS, 1000)
    many = SeedsToo(made_up(rng, jmvae=10.0, cvae=9.0), IDS, 32000)
    rows = size_verdicts.across({1000: few, 32000: many})
    assert [row["verdict"] for row in rows] == ["holds", "holds"]
    assert rows[0]["n_train"] == "1000 / 32000"
    assert rows[0]["difference_percent"] == pytest.approx(-10 - 100 / 9, abs=1.5)
    turned = size_verdicts.across({1000: many, 32000: few})
    assert {row["verdict"] for row in turned} == {"does not hold"}


def test_a_control_that_wins_is_named():
    rng = np.random.default_rng(4)
    lost = size_verdicts.controls(SeedsToo(made_up(rng, cvae=10.0, marginal=9.0), IDS, 1000))
    won = size_verdicts.controls(SeedsToo(made_up(rng, cvae=9.0, marginal=10.0), IDS, 1000))
    assert lost[0]["verdict"] == "does not hold" and won[0]["verdict"] == "holds"
    assert not size_verdicts.controls(SeedsToo(made_up(rng, cvae=9.0), IDS, 1000))


def test_the_papers_claims_are_judged_where_all_their_methods_are():
    means = {"nn": 12.0, "cvae": 12.0, "shallow": 11.5, "gauss": 11.0, "mdn4": 10.5, "mdn12": 10.0}
    rows = size_verdicts.papers(SeedsToo(made_up(np.random.default_rng(5), **means), IDS, 1000))
    said = {row["claim"]: row["verdict"] for row in rows}
    assert said["the best of 100 samples is nearer with depth: Gauss before Shallow"] == "holds"
    del means["mdn4"]
    few = size_verdicts.papers(SeedsToo(made_up(np.random.default_rng(5), **means), IDS, 1000))
    assert len(few) < len(rows)


def test_the_table_says_the_verdict_with_its_interval():
    row = {"half": "B", "data": "coco", "task": "relighting", "n_train": 4500, "question": "1."}
    row |= {"claim": "one is better than another", "metric": "energy_score"}
    row |= {"verdict": "holds", "true_in_share_of_resamplings": 1.0, "n_seeds": 3, "n_test": 9}
    row |= {"difference_percent": -3.14, "low": -4.0, "high": -2.0}
    assert (
        size_verdicts.table(pd.DataFrame([row]))["4,500"].iloc[0] == "holds (−3.1 % [−4.0, −2.0])"
    )
    others = [row, row | {"data": "scenes"}, row | {"n_train": "1000 / 4500"}]
    found = size_verdicts.table(pd.DataFrame(others))
    heads = ["COCO, 4,500", "COCO, 1,000 / 4,500", "built-in world, 4,500"]
    assert list(found)[2:] == heads
    nearly = size_verdicts.table(pd.DataFrame([row | {"difference_percent": -0.03}]))
    assert nearly["4,500"].iloc[0] == "holds (0.0 % [−4.0, −2.0])"


ROW = {"half": "A", "data": "coco", "task": "relighting", "n_train": 4500, "question": "1."}
ROW |= {"claim": "one is better than another", "metric": "energy_score", "verdict": "holds"}
ROW |= {"difference_percent": -3.14, "low": -4.0, "high": -2.0}


def test_verdicts_at_a_glance_are_of_pairs_at_the_ends_and_of_the_last_half():
    sizes = [ROW | {"n_train": n} for n in ("1000", "4500", "9000", "31500", "1000 / 31500")]
    again = ROW | {"question": "4."}
    no_pair = ROW | {"claim": "no control is best", "difference_percent": np.nan}
    found = size_verdicts.shown([pd.DataFrame([*sizes, again, no_pair])])
    assert list(found.n_train) == [1000, 4500, 31500] and set(found.question) == {"1."}
    halves = [ROW, ROW | {"half": "B", "verdict": "undecided"}, ROW | {"data": "scenes"}]
    found = size_verdicts.shown([pd.DataFrame(halves)])
    assert list(zip(found.data, found.half, strict=True)) == [("coco", "B"), ("scenes", "A")]


def test_the_map_has_a_cell_for_each_verdict_under_its_score():
    rows = [ROW, ROW | {"data": "scenes", "verdict": "does not hold", "difference_percent": 2.0}]
    rows += [ROW | {"metric": "best_error", "verdict": "undecided", "difference_percent": 0.26}]
    figure = verdict_map.verdict_map(pd.DataFrame(rows))
    energy, error = figure.axes
    shown = [text.get_text() for text in energy.texts]
    assert "built-in world" in shown and "COCO" in shown
    own = pd.DataFrame([ROW, ROW | {"data": "folder"}])  # has no name of its own in heads
    said = [text.get_text() for text in verdict_map.verdict_map(own).axes[0].texts]
    assert said.index("COCO") < said.index("folder")
    for axis, says in ((energy, ["−3.1", "+2.0"]), (error, ["+0.3"])):
        cells = axis.patches
        assert [text.get_text() for text in axis.texts if text.get_text() in says] == says
        assert len(cells) == len(says)
    colours = [to_hex(cell.get_facecolor()).upper() for cell in energy.patches]
    assert colours == [verdict_map.SHADES["holds"], verdict_map.SHADES["does not hold"]]
    assert [text.get_text() for text in energy.get_xticklabels()] == ["4.5", "4.5"]


def test_rows_are_in_the_order_of_the_tables():
    rows = [
        ("p", "d", "resaturation", m, s, n) for n in (9, 5) for m in ("gauss", "nn") for s in (1, 0)
    ]
    table = pd.DataFrame([(*r, "variance", 1, 0.0, "1", 1) for r in rows], columns=COLUMNS)
    found = in_order(table)
    assert list(found.n_train) == [5] * 4 + [9] * 4
    assert list(found.method[:4]) == ["nn", "nn", "gauss", "gauss"] and list(found.seed[:2]) == [
        0,
        1,
    ]
