"""What notebooks 10 and 12 show, on made-up tables with known answers, and committed ones."""

import numpy as np
import pandas as pd
import pytest

from cdvae.figures import studies
from cdvae.methods import label
from cdvae.report import chapters
from cdvae.report.chapters import Chapter
from cdvae.runs.measures import compared


def tidy(rows: list[tuple]) -> pd.DataFrame:
    columns = ["group", "setting", "method", "seed", "metric", "n_samples", "value", "n_train"]
    return pd.DataFrame(rows, columns=columns).assign(task="relighting")


def made_up_ablations() -> pd.DataFrame:
    rows = []
    for group, setting, method, error in (
        ("base", "as tuned", "gauss", 0.02),
        ("base", "as tuned", "mdn4", 0.03),
        ("guidance", "off", "gauss", 0.03),
        ("components", "1", "mdn1", 0.06),
        ("examples", "500", "gauss", 0.04),
    ):
        n = 500 if group == "examples" else 4500
        for score, factor in (("best_error", 1), ("variance", 2), ("energy_score", 100)):
            for seed, far in ((0, 0.9), (1, 1.1)):
                rows.append((group, setting, method, seed, score, 100, factor * far * error, n))
    return tidy(rows)


def test_bars_are_relative_changes():
    figure = studies.ablations(made_up_ablations(), "made up")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([50.0, 100.0])
    dots = [line.get_xdata() for line in figure.axes[0].lines[:2]]  # each seed beside the mean
    assert np.allclose(dots, [[35.0, 65.0], [80.0, 120.0]])


def test_curve_of_examples_ends_at_all_of_them():
    figure = studies.scattered(made_up_ablations())
    (line,) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [500, 4500]
    assert line.get_ydata().tolist() == pytest.approx([4.0, 2.0])


def test_a_pair_reads_the_same_from_either_side():
    row = {"method": "cvae", "other": "gauss", "difference": -1.0, "low": -2.0, "high": -0.5}
    found = pd.DataFrame([row | {"verdict": "better"}])
    assert chapters.oriented(found, "cvae", "gauss") == (-1.0, -2.0, -0.5, "better")
    assert chapters.oriented(found, "gauss", "cvae") == (1.0, 0.5, 2.0, "worse")
    assert chapters.oriented(found, "gauss", "nn") is None


@pytest.fixture(params=["coco", "scenes"])
def committed(request, monkeypatch) -> Chapter:
    monkeypatch.delenv("CDVAE_OUTPUT")  # the committed results, not the tests'
    return Chapter("tuned", request.param)


def test_committed_comparisons_are_of_the_committed_scores(committed):
    """The mean difference of each pair is that of the means in scores.csv."""
    scores, pairs = committed.scores, committed.read("comparisons")
    some = scores[scores.n_samples == 100]
    mean = some.groupby(["task", "method", "metric"]).value.mean()
    same = pairs[~pairs.method.eq("fm") & ~pairs.other.eq("fm")]
    assert len(same) > 20
    for row in same.itertuples():
        difference = mean[row.task, row.method, row.metric] - mean[row.task, row.other, row.metric]
        assert row.difference == pytest.approx(difference, abs=2e-5 + 1e-4 * abs(difference))
        assert row.low <= row.difference <= row.high


def test_committed_scores_of_each_example_are_those_of_the_tables(committed):
    from safetensors.numpy import load_file

    from cdvae.report.each_example import NAME

    path = committed.folder / NAME
    if not path.exists():
        pytest.skip(f"{committed.data}: made before scores of each example were kept")
    some = committed.scores[committed.scores.n_samples == 100]
    some = some[some.metric.isin(compared())]
    names = some.task + "/" + some.method + "/" + some.seed.astype(str) + "/" + some.metric
    expected = dict(zip(names, some.value, strict=True))
    kept = {name: float(values.mean()) for name, values in load_file(path).items()}
    assert kept == pytest.approx(expected, rel=1e-5)


def test_controls_do_not_win_unnoticed(committed):
    """Every task has both controls, and a verdict on them."""
    for task in committed.tasks:
        mine = committed.scores[committed.scores.task == task]
        assert {"marginal", "mean_noise"} <= set(mine.method)
        judged = committed.read("verdicts")
        assert any("no control" in text for text in judged[judged.task == task].claim)


class Made:
    """A data set whose CDVAE-spatial was compared with some others, task by task."""

    def __init__(self, others: dict[str, list[str]]):
        self.tasks = list(others)
        row = {"metric": "best_error", "method": "cdvae-spatial", "difference": -0.5}
        row |= {"low": -1.0, "high": 0.2, "verdict": "undecided"}
        pairs = [(task, other) for task, names in others.items() for other in names]
        self.pairs = pd.DataFrame([row | {"task": task, "other": other} for task, other in pairs])
        score = {"metric": "best_error", "n_samples": 100, "seed": 0, "value": 2.0}
        self.scores = pd.DataFrame([score | {"task": t, "method": m} for t, m in pairs])

    def read(self, name: str) -> pd.DataFrame:
        return self.pairs


def test_rows_of_a_forest_mean_the_same_in_every_panel():
    """A pair that one task lacks leaves its row empty there; differences are per cent."""
    made = Made({"relighting": ["fm", "unet"], "motion": ["unet"]})
    figure = studies.forest(made, ("best_error",))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    (dot,) = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert labels[int(dot.get_ydata()[0])] == "CDVAE-spatial − Energy U-Net"
    assert dot.get_xdata()[0] == pytest.approx(-25)  # 0.5 of 2
    bar = figure.axes[1].lines[0].get_xdata()
    assert np.allclose(bar, [-50, 10])


def test_methods_stand_in_the_order_of_their_scores(committed):
    figure = studies.standing(committed, ("energy_score",))
    for task, axis in zip(committed.tasks, figure.axes, strict=True):
        found = committed.scores.query("metric == 'energy_score' and n_samples == 100")
        full = found[(found.task == task) & (found.n_test == found.n_test.max())]
        means = full[full.method != "truth"].groupby("method").value.mean().sort_values()
        assert [t.get_text() for t in axis.get_yticklabels()] == [label(m) for m in means.index]


def test_verdicts_in_one_row_a_claim(committed):
    table = chapters.verdict_table([committed], "paper")
    assert table.claim.is_unique and table.shape[1] == 1 + len(committed.tasks)
    judged = committed.read("verdicts")
    assert len(table) == judged[judged.whose == "paper"].claim.nunique()
    assert chapters.verdict_table([], "paper").empty


def test_settings_of_a_trial_in_words():
    assert chapters.in_words("{}") == "nothing"
    found = chapters.in_words('{"tie": {"sigma": 1.0}, "network": {"latents": [8, 8]}}')
    assert found == "tie.sigma 1.0, network.latents [8, 8]"


def test_the_best_trial_of_each_method():
    rows = [("gauss", '{"flips": true}', 2.0), ("gauss", "{}", 1.5), ("nn", "{}", 1.0)]
    trials = pd.DataFrame(rows, columns=["method", "changes", "criterion"])
    table = chapters.best_trials(trials)
    (row,) = table.to_dict("records")  # nearest neighbour is not trained
    assert row["method"] == "Gauss" and row["trials"] == 2 and row["criterion"] == "1.500"


def test_searches_are_found_by_task_and_data(monkeypatch, tmp_path):
    monkeypatch.setattr(chapters, "results_folder", lambda profile, data: tmp_path / profile / data)
    folder = tmp_path / "tuned" / "ucf101"
    folder.mkdir(parents=True)
    rows = pd.DataFrame({"task": ["motion", "motion"], "method": ["nn", "cvae"]})
    rows.to_csv(folder / "trials.csv", index=False)
    ((heading, found),) = chapters.searched("tuned").items()
    assert heading == "motion, UCF101" and list(found.method) == ["nn", "cvae"]
    assert chapters.files("tuned") == [folder / "trials.csv"] and not chapters.sized("tuned")


def test_limits_of_a_model_in_one_row():
    rows = [("gauss", "reconstruction", 0.02), ("gauss", "kl_c", 9.0), ("gauss", "kl_g", 8.0)]
    rows += [("gauss", "kl_g1", 1.0), ("gauss", "kl_g2", 7.0), ("any", "k-means", 0.05)]
    made = pd.DataFrame([("motion", *row) for row in rows])
    made.columns = ["task", "method", "measure", "value"]
    scored = {"task": ["motion"], "method": ["gauss"], "metric": ["best_error"], "seed": [0]}
    scores = pd.DataFrame(scored | {"n_samples": [100], "value": [0.03]})
    (row,) = chapters.limit_table(made, scores, "motion").to_dict("records")
    assert row["best of 100, as tied"] == 3.0 and row["reconstruction"] == 2.0
    assert row["KL of z_g, from the top"] == "7.0, 1.0" and row["KL of z_c"] == "9.0"
    made.loc[len(made)] = ["motion", "any", chapters.MIXED + "50%", 17.0]
    (fixed,) = chapters.fixed_table(made, "motion").to_dict("records")
    assert fixed == {"measure": "k-means", "error, × 10⁻²": 5.0}
