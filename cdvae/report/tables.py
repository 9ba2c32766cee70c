"""Tables beside the paper's: likelihoods in the proper sense, and proper scores."""

import pandas as pd

from cdvae.methods import label, ordered
from cdvae.report.paper import LAYERS, TABLE_1
from cdvae.report.results import cell, summary
from cdvae.runs.measures import metric, own_metrics

PROPER = (  # the scores that more noise cannot win, and calibration
    *("energy_score", "crps", "variogram_score", "rank_deviation"),
    *("mode_coverage", "mode_frequency_error"),
)


def likelihoods(scores: pd.DataFrame) -> pd.DataFrame:
    """Table 1 in the paper's sense and in the proper one, a row for each task and method.

    nats per example: the bound as printed; the bound with the tie normalised; the estimate with K
    draws and its standard error over test examples; the same of −log p(x_g | x_c), which is what
    Table 1 quotes for CVAE; then bits for each value of x_g, and the effective number of draws.
    """
    index = ["task", "method", "metric", "n_samples"]
    each = summary(scores).set_index(index)["mean"].sort_index()
    k = scores[scores.metric == "nll_conditional"].n_samples.max()
    rows = []
    for task in LAYERS:
        for method in ordered(scores.method):
            if (task, method, "nll_conditional", k) not in each:
                continue
            mine = each[task, method]
            rows.append(
                {
                    "layer": LAYERS[task],
                    "method": label(method),
                    "paper": TABLE_1[task].get(method),
                    "bound as printed": mine.get(("nll_joint", 1)),
                    "bound, normalised": mine.get(("nll_joint_normalised", 1)),
                    f"−log p(x_c, x_g), K = {k}": mine.get(("nll_joint_normalised", k)),
                    "± joint": mine.get(("nll_joint_normalised_se", k)),
                    f"−log p(x_g | x_c), K = {k}": mine["nll_conditional", k],
                    "± conditional": mine["nll_conditional_se", k],
                    "bits a value of x_g": mine["nll_conditional_bits", k],
                    "effective draws": mine["nll_conditional_ess", k],
                }
            )
    return pd.DataFrame(rows)


def proper_scores(scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """One row for each method: mean (± standard deviation over seeds) of each proper score."""
    names = (*PROPER, *own_metrics())
    each = summary(scores[(scores.task == task) & scores.metric.isin(names)])
    rows = []
    for method in ordered(each.method):
        mine = each[each.method == method].set_index("metric")
        row = {"method": label(method)}
        for name in [name for name in names if name in mine.index]:
            m, found = metric(name), mine.loc[name]
            row[m.label] = cell(found["mean"], found["std"], None, m.unscaled_digits)
        rows.append(row)
    return pd.DataFrame(rows)


def differences(
    compared: pd.DataFrame, score: str, methods: tuple[str, ...], others: tuple[str, ...]
) -> pd.DataFrame:
    """Rows of comparisons.csv for reading: method − other with its 95 % interval, and a verdict.

    Scores are scaled as elsewhere (`runs.measures`): errors × 10⁻², energy scores in their unit.
    """
    found = compared[
        (compared.metric == score) & compared.method.isin(methods) & compared.other.isin(others)
    ]
    shown = found[["difference", "low", "high"]] * metric(score).scale
    intervals = [
        f"[{low:.2f}, {high:.2f}]" for low, high in zip(shown.low, shown.high, strict=True)
    ]
    return pd.DataFrame(
        {
            "layer": found.task.map(LAYERS),
            "method": found.method.map(label),
            "against": found.other.map(label),
            "difference": shown.difference.map("{:.2f}".format),
            "95 % interval": intervals,
            "verdict": found.verdict,
        }
    )
