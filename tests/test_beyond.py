"""What notebook 10 shows, on made-up tables whose answers are known, and the committed ones."""

import json

import numpy as np
import pandas as pd
import pytest

from cdvae.figures import studies as beyond_plots
from cdvae.report import beyond
from cdvae.report.beyond import Chapter
from cdvae.studies import limits, search


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
        for metric, factor in (("best_error", 1), ("variance", 2), ("energy_score", 100)):
            for seed, far in ((0, 0.9), (1, 1.1)):
                rows.append((group, setting, method, seed, metric, 100, factor * far * error, n))
    return tidy(rows)


def test_variants_stand_beside_what_they_vary():
    table = beyond.ablation_table(made_up_ablations()).set_index(["what", "setting"])
    head = beyond.SCORES["best_error"][0]
    assert table.loc[("guidance", "off"), head] == "3.00 (was 2.00)"
    assert table.loc[("components", "1"), head] == "6.00 (was 3.00)"  # mdn1 beside mdn4
    assert "base" not in table.index


def test_bars_are_relative_changes():
    figure = beyond_plots.ablations(made_up_ablations(), "made up")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([50.0, 100.0])
    dots = [line.get_xdata() for line in figure.axes[0].lines[:2]]  # each seed beside the mean
    assert np.allclose(dots, [[35.0, 65.0], [80.0, 120.0]])


def test_curve_of_examples_ends_at_all_of_them():
    figure = beyond_plots.scattered(made_up_ablations())
    (line,) = figure.axes[0].lines
    assert line.get_xdata().tolist() == [500, 4500]
    assert line.get_ydata().tolist() == pytest.approx([4.0, 2.0])


def test_a_pair_reads_the_same_from_either_side():
    row = {"method": "cvae", "other": "gauss", "difference": -1.0, "low": -2.0, "high": -0.5}
    found = pd.DataFrame([row | {"verdict": "better"}])
    assert beyond.oriented(found, "cvae", "gauss") == (-1.0, -2.0, -0.5, "better")
    assert beyond.oriented(found, "gauss", "cvae") == (1.0, 0.5, 2.0, "worse")
    assert beyond.oriented(found, "gauss", "nn") is None


def test_criterion_of_the_search():
    rows = [
        {"method": "nn", "best_error_100": 2.0, "energy_score": 6.0},
        {"method": "marginal", "best_error_100": 3.0, "energy_score": 5.0},
        {"method": "gauss", "best_error_100": 2.5, "energy_score": 5.0},
        {"method": "gauss", "best_error_100": 1.0, "energy_score": 4.0},
    ]
    judged = search.judged(rows)
    assert [row["criterion"] for row in judged] == pytest.approx([2.2, 2.5, 1.3, 2.25])


def test_trials_of_other_methods_are_kept(tmp_path):
    path = tmp_path / "trials.csv"
    columns = {"task": ["motion", "motion", "relighting"], "method": ["fm", "unet", "fm"]}
    pd.DataFrame(columns | {"steps": [300, None, 400]}).to_csv(path, index=False)
    assert search.other_rows(path, "motion", {"unet"}) == [
        {"task": "motion", "method": "fm", "steps": 300.0}
    ]


def test_every_trial_can_be_built():
    from cdvae.methods.registry import settings_of
    from cdvae.runs.settings import load_profile

    for task in ("relighting", "resaturation", "motion"):
        listed = search.trials(task)
        seen = set()
        for trial in listed:
            profile = load_profile("quick", **(search.EXAMPLES | trial["changes"]))
            settings = settings_of(trial["method"], profile.of(task))
            seen.add(json.dumps([trial["method"], settings], sort_keys=True))
        assert len(seen) == len(listed) > len(search.BARE)


def test_principal_components_against_their_variances():
    import torch

    torch.manual_seed(0)
    scales = torch.tensor([5.0, 3.0, 1.0, 0.1])
    x = torch.zeros(4000, 1, 4, 4)
    x.flatten(1)[:, :4] = torch.randn(4000, 4) * scales
    left = limits.principal(x, x, 2)
    assert left == pytest.approx((1.0 + 0.01) / 16, rel=0.05)


def test_codebook_of_as_many_fields_as_there_are():
    import torch

    x = torch.eye(100).reshape(100, 1, 10, 10)
    assert limits.codebook(x, x) == pytest.approx(0, abs=1e-10)


def test_mixed_draws_against_scoringrules():
    import torch
    from scoringrules import es_ensemble

    torch.manual_seed(0)
    similar, anyones = torch.randn(3, 8, 1, 4, 4), 2 + torch.randn(3, 8, 1, 4, 4)
    x_g = torch.randn(3, 1, 4, 4)
    for share, k in ((0.0, 0), (0.25, 2), (1.0, 8)):
        both = torch.cat([similar[:, :k], anyones[:, k:]], 1).flatten(2).numpy()
        fair = es_ensemble(x_g.flatten(1).numpy(), both, estimator="fair").mean()
        assert limits.mixed(similar, anyones, x_g, share) == pytest.approx(fair, rel=1e-5)


@pytest.fixture(params=["coco", "ucf101", "scenes"])
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

    from cdvae.report.each_example import METRICS, NAME

    path = committed.folder / NAME
    if not path.exists():
        pytest.skip(f"{committed.data}: made before scores of each example were kept")
    some = committed.scores[committed.scores.n_samples == 100]
    some = some[some.metric.isin(METRICS)]
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


def test_cost_counts_parameters_and_times_the_slowest_as_one():
    from cdvae.data.fields import task_named
    from cdvae.methods.registry import untrained
    from cdvae.runs.settings import load_profile
    from cdvae.studies import cost

    found = cost.table("smoke", "motion", 3).set_index("method")
    net = untrained("fm", task_named("motion"), load_profile("smoke"))
    assert found.loc["Flow matching", "parameters"] == sum(p.numel() for p in net.parameters())
    assert found.loc["Flow matching", "times faster"] == 1.0
    assert (found["ms for 100 samples"] > 0).all()


def test_the_three_are_matched_in_parameters():
    from cdvae.studies import cost

    found = cost.table("quick", "relighting", 1).set_index("method").parameters
    matched = found.loc[["CDVAE-spatial", "Flow matching", "Energy U-Net", "MDN12"]]
    assert matched.max() < 1.03 * matched.min()


def test_a_code_of_the_answer_replaces_the_tied_one():
    """One layer, whose codes are all but certain: what comes out is the decoded mean."""
    import torch

    from cdvae.dvae import DVAE
    from cdvae.model import CDVAE
    from cdvae.ties import GaussianTie

    torch.manual_seed(0)
    dvaes = (DVAE(1, (6,), (4, 8), 16, 0.5) for _ in range(2))
    model = CDVAE(*dvaes, GaussianTie(6, 0.5)).eval()
    head = model.dvae_g.q_head[0].linear
    head.weight.data[6:], head.bias.data[6:] = 0, -8  # log-variances
    x_c, x_g = torch.rand(2, 3, 1, 32, 32)
    found = limits.with_own_code(model, x_c, x_g, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.dvae_g.mean_x(model.dvae_g.q_top_given_x(x_g)[0])
    assert found.shape == (3, 100, 1, 32, 32)
    assert (found.mean(1) - expected).abs().max() < 0.02
    measured = limits.of_model(model, x_c, x_g)
    assert measured["reconstruction"] == pytest.approx(
        float((expected - x_g).square().mean()), rel=0.1
    )
    assert measured["best of 100, top code of the answer"] <= measured["reconstruction"] * 1.01


def test_own_code_of_the_conditional_vae():
    """Where q is almost a point, every field is the decoding of its mean."""
    import torch

    from cdvae.methods.baselines import CVAE

    torch.manual_seed(0)
    model = CVAE(1, 1, 4, 3, 1.0).eval()
    model.q_head.linear.weight.data[3:], model.q_head.linear.bias.data[3:] = 0, -8
    x_c, x_g = torch.rand(2, 2, 1, 32, 32)
    with torch.no_grad():
        mu, _ = model.q_z_given_x(x_c, x_g)
        expected = model.decode(model.image_tower(x_c), mu)
    found = limits.with_own_code(model, x_c, x_g, torch.Generator().manual_seed(0))
    assert found.shape == (2, 100, 1, 32, 32)
    assert (found.mean(1) - expected).abs().max() < 0.02


def test_a_paired_difference_as_text():
    row = {"task": "motion", "metric": "best_error", "method": "fm", "other": "cdvae-spatial"}
    pairs = pd.DataFrame(
        [row | {"difference": 0.02, "low": 0.01, "high": 0.04, "verdict": "worse"}]
    )
    found = beyond.paired(pairs, "motion", "best_error", "cdvae-spatial", "fm")
    assert found == "-2.00 [-4.00, -1.00]"
    assert beyond.paired(pairs, "motion", "best_error", "nn", "fm") == "–"


def test_rows_of_a_forest_mean_the_same_in_every_panel():
    """A pair that one data set lacks leaves its row empty there."""

    class Made:
        def __init__(self, data: str, others: list[str]):
            self.data, self.tasks = data, ["motion"]
            row = {"task": "motion", "metric": "best_error", "method": "cdvae-spatial"}
            row |= {"difference": 0.0, "low": -1.0, "high": 1.0, "verdict": "undecided"}
            self.table = pd.DataFrame([row | {"other": other} for other in others])

        def read(self, name: str) -> pd.DataFrame:
            return self.table

    both, one = Made("coco", ["fm", "unet"]), Made("ucf101", ["unet"])
    figure = beyond_plots.forest([both, one], "best_error", "difference", 1)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    dots = [line.get_ydata()[0] for line in figure.axes[1].lines if line.get_marker() == "o"]
    assert [labels[int(y)] for y in dots] == ["CDVAE-spatial − Energy U-Net"]


def test_limits_of_a_model_in_one_row():
    rows = [("gauss", "reconstruction", 0.02), ("gauss", "kl_c", 9.0), ("gauss", "kl_g", 8.0)]
    rows += [("gauss", "kl_g1", 1.0), ("gauss", "kl_g2", 7.0), ("any", "k-means", 0.05)]
    made = pd.DataFrame([("motion", *row) for row in rows])
    made.columns = ["task", "method", "measure", "value"]
    scored = {"task": ["motion"], "method": ["gauss"], "metric": ["best_error"], "seed": [0]}
    scores = pd.DataFrame(scored | {"n_samples": [100], "value": [0.03]})
    (row,) = beyond.limit_table(made, scores, "motion").to_dict("records")
    assert row["best of 100, as tied"] == 3.0 and row["reconstruction"] == 2.0
    assert row["KL of z_g, from the top"] == "7.0, 1.0" and row["KL of z_c"] == "9.0"
    made.loc[len(made)] = ["motion", "any", limits.MIXED + "50%", 17.0]
    (fixed,) = beyond.fixed_table(made, "motion").to_dict("records")
    assert fixed == {"measure": "k-means", "error, × 10⁻²": 5.0}
