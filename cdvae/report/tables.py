"""Tables beside the paper's: likelihoods in the proper sense, and proper scores."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cdvae.methods import label, ordered
from cdvae.metrics import COUNTS
from cdvae.report.chapters import oriented
from cdvae.report.paper import LAYERS, TABLE_1
from cdvae.report.results import cell, summary
from cdvae.runs.measures import metric, own_metrics

PROPER = (  # the scores that more noise cannot win, and calibration
    *("energy_score", "crps", "variogram_score", "rank_deviation"),
    *("mode_coverage", "mode_frequency_error"),
)


EFFECTS = ["task", "method", "other", "label", "value", "low", "high", "verdict"]


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


def by_layer(likelihoods: pd.DataFrame, column: str, draws: str = "") -> pd.DataFrame:
    """One column of `likelihoods`, in whole nats, with a row for each method that has it and a
    column for each layer; behind a number stand, if `draws` is named, its effective draws."""
    found = likelihoods.dropna(subset=[column])
    cells = found[column].map("{:,.0f}".format).astype(str).str.replace("-", "−")
    if draws:
        cells += found[draws].map(" ({:.1f})".format).astype(str)
    wide = found.assign(cell=cells).pivot(index="method", columns="layer", values="cell")
    rows, columns = (list(dict.fromkeys(found[name])) for name in ("method", "layer"))
    return wide.loc[rows, columns].fillna("–").rename_axis(columns=None).reset_index()


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


def effects(
    compared: pd.DataFrame,
    scores: pd.DataFrame,
    score: str,
    methods: tuple[str, ...],
    others: tuple[str, ...],
) -> pd.DataFrame:
    """Effects of each of `methods` against each of `others`, in the order of `others`."""
    pairs = [(one, other) for other in others for one in methods]
    return effects_of_pairs(compared, scores, score, pairs)


def effects_of_pairs(
    compared: pd.DataFrame, scores: pd.DataFrame, score: str, pairs: Iterable[tuple[str, str]]
) -> pd.DataFrame:
    """Rows of comparisons.csv in per cent of the other's mean score, for forest plots.

    Columns EFFECTS: method − other with its 95 % interval; for each task a row for each of these
    pairs (method, other) that was compared, in their order.
    """
    mean = scores[(scores.metric == score) & (scores.n_samples == max(COUNTS))]
    mean = mean.groupby(["task", "method"]).value.mean()
    rows = []
    for task in dict.fromkeys(compared.task):
        mine = compared[(compared.metric == score) & (compared.task == task)]
        for one, other in pairs:
            found = oriented(mine, one, other)
            if found is None or (task, other) not in mean.index:
                continue
            *gap, verdict = found
            value, low, high = (100 * part / mean[task, other] for part in gap)
            text = f"{label(one)} against {label(other)}"
            rows.append((task, one, other, text, value, low, high, verdict))
    return pd.DataFrame(rows, columns=EFFECTS)


def tally(effects: pd.DataFrame) -> str:
    """How many of some comparisons are better, worse and undecided, in a sentence."""
    counts = effects.verdict.value_counts()
    parts = [f"{counts[v]} {v}" for v in ("better", "worse", "undecided") if counts.get(v)]
    return f"Of {len(effects)} comparisons: {', '.join(parts)}."


def paired_effects(values: dict[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """Paired differences of each pair of methods, smaller is better, for `figures.forest`.

    values: {(task, method): a number for each example (n,)}, the same examples for all methods of a
    task. The 95 % interval is that of a mean of n differences: ± 1.96 standard errors.
    """
    rows = []
    for task in dict.fromkeys(task for task, _ in values):
        names = ordered(method for each, method in values if each == task)
        for k, other in enumerate(names):
            for one in names[k + 1 :]:
                gap = values[task, one] - values[task, other]
                mean, half = gap.mean(), 1.96 * gap.std(ddof=1) / len(gap) ** 0.5
                low, high = mean - half, mean + half
                verdict = "better" if high < 0 else "worse" if low > 0 else "undecided"
                text = f"{label(one)} against {label(other)}"
                rows.append((task, one, other, text, mean, low, high, verdict))
    return pd.DataFrame(rows, columns=EFFECTS)
