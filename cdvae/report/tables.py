"""Tables beside the paper's: likelihoods in the proper sense, and proper scores."""

import pandas as pd

from cdvae.report.beyond import SCORES
from cdvae.report.paper import LAYERS, TABLE_1
from cdvae.report.results import NAMES, cell, summary

PROPER = {  # metric: how it is shown, and its digits
    "energy_score": ("energy score", 2),
    "crps": ("CRPS", 4),
    "variogram_score": ("variogram score", 4),
    "rank_deviation": ("rank deviation", 3),
    "mode_coverage": ("modes found", 3),
    "mode_frequency_error": ("mode frequency error", 3),
}


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
        for method in NAMES:
            if (task, method, "nll_conditional", k) not in each:
                continue
            mine = each[task, method]
            rows.append(
                {
                    "layer": LAYERS[task],
                    "method": NAMES[method],
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
    each = summary(scores[(scores.task == task) & scores.metric.isin(PROPER)])
    rows = []
    for method in [name for name in NAMES if name in set(each.method)]:
        mine = each[each.method == method].set_index("metric")
        row = {"method": NAMES[method]}
        for metric, (name, digits) in PROPER.items():
            if metric in mine.index:
                row[name] = cell(mine.loc[metric, "mean"], mine.loc[metric, "std"], None, digits)
        rows.append(row)
    return pd.DataFrame(rows)


def differences(
    compared: pd.DataFrame, metric: str, methods: tuple[str, ...], others: tuple[str, ...]
) -> pd.DataFrame:
    """Rows of comparisons.csv for reading: method − other with its 95 % interval, and a verdict.

    Scores are scaled as elsewhere (`beyond.SCORES`): errors × 10⁻², energy scores in their unit.
    """
    found = compared[
        (compared.metric == metric) & compared.method.isin(methods) & compared.other.isin(others)
    ]
    shown = found[["difference", "low", "high"]] * SCORES[metric][1]
    intervals = [
        f"[{low:.2f}, {high:.2f}]" for low, high in zip(shown.low, shown.high, strict=True)
    ]
    return pd.DataFrame(
        {
            "layer": found.task.map(LAYERS),
            "method": found.method.map(NAMES),
            "against": found.other.map(NAMES),
            "difference": shown.difference.map("{:.2f}".format),
            "95 % interval": intervals,
            "verdict": found.verdict,
        }
    )
