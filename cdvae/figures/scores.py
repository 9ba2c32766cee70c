"""Figures of scores and of training: every number comes from a results file or a run's record."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cdvae.figures.style import STYLE, finished, legend_below, look_of, panels, watermark
from cdvae.methods import label, look, method, ordered
from cdvae.metrics import COUNTS
from cdvae.report.paper import TABLES
from cdvae.report.results import summary
from cdvae.training import best_row


def figure4(scores: pd.DataFrame) -> Figure:
    """Figure 4: best error of 100 samples against their variance; ours first, then the paper's.

    Bars are one standard deviation over seeds, where there are several. Units differ between ours
    and the paper's (which is not stated), so that positions compare within a panel only.
    """
    each = summary(scores)
    tasks = list(dict.fromkeys(each.task))
    with plt.rc_context(STYLE):
        alone = len(tasks) == 1  # then side by side
        figure, axes = panels(*((1, 2, 3.2, 3.2) if alone else (2, len(tasks), 2.6, 5.4)))
        places = axes.T if alone else axes
        for column, task in enumerate(tasks):
            ours = points(each[each.task == task])
            printed = {m: row for m, row in TABLES.get(task, {}).items() if m in ours}
            paper = {m: (row[5], 0.0, row[4], 0.0) for m, row in printed.items()}
            unit = "px²" if task == "motion" else ""
            scatter(places[0, column], ours, f"{task}, ours", f"× 10⁻² {unit}".strip())
            if paper:
                scatter(places[1, column], paper, f"{task}, paper", "× 10⁻²")
            else:
                places[1, column].axis("off")  # the paper has none of these methods
        legend_below(figure, *places[0, ::-1], columns=5)
        watermark(figure, scores.profile.iloc[0])
    return finished(figure)


def points(each: pd.DataFrame) -> dict[str, tuple[float, float, float, float]]:
    """Variance, its deviation, error at 100 samples, its deviation, × 10⁻², for each method."""
    found = {}
    for name in ordered(each.method):
        mine = each[(each.method == name) & (each.n_samples == max(COUNTS))].set_index("metric")
        pair = [
            mine.loc[metric, key]
            for metric in ("variance", "best_error")
            for key in ("mean", "std")
        ]
        found[name] = tuple(100 * np.nan_to_num(pair))
    return found


def scatter(axis, values: dict, title: str, unit: str) -> None:
    """Methods as points in one panel, with error bars where there are several seeds."""
    for name, (x, dx, y, dy) in values.items():
        axis.plot(x, y, ls="", mfc="none", mew=1.5, **look_of(name, 7))  # none hides another
        if dx or dy:
            axis.errorbar(x, y, dy, dx, color=look(name)[0], capsize=2)
    axis.margins(x=0.12)
    axis.set(title=title, xlabel=f"variance ({unit})", ylabel=f"best error of 100 ({unit})")
    most = max(y + dy for _, _, y, dy in values.values())
    axis.set_ylim(-0.08 * most, 1.1 * most)  # a marker at 0 or at the top is seen whole


def training_curves(histories: dict[str, dict[str, list[dict]]]) -> Figure:
    """Training (dotted) and validation loss (solid) by step: {task: {method: history}}.

    The joint models have the upper row; the losses of the others are on other scales. A row
    without models is left out.
    """
    kinds = {"joint models": True, "conditional models": False}
    every = [name for methods in histories.values() for name in methods]
    have = {t: j for t, j in kinds.items() if any(method(m).is_joint == j for m in every)}
    with plt.rc_context(STYLE):
        figure, axes = panels(len(have), len(histories), 3.0, 2.1 * len(have))
        for column, (task, methods) in enumerate(histories.items()):
            for row, (title, joint) in enumerate(have.items()):
                mine = {m: rows for m, rows in methods.items() if method(m).is_joint == joint}
                curves(axes[row, column], mine, f"{task}: {title}")
        legend_below(figure, *axes.flat)
    return finished(figure)


def curves(axis, methods: dict[str, list[dict]], title: str) -> None:
    """Loss by step in one panel; the axis leaves out the first check's fall."""
    for name, rows in methods.items():
        table, colour = pd.DataFrame(rows), look(name)[0]
        axis.plot(table.step, table.train_loss, color=colour, lw=1.0, ls=":")
        axis.plot(table.step, table.valid_loss, color=colour, lw=1.6, label=label(name))
    axis.set(title=title, xlabel="step", ylabel="loss (nats per example)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    late = [row["valid_loss"] for rows in methods.values() for row in rows[1:]]
    if late:
        margin = 0.1 * (max(late) - min(late)) or 1.0
        axis.set_ylim(min(late) - margin, max(late) + margin)


SHADES = ("#004C7A", "#56B4E9", "#CCE5F6")  # of codes, the top one first


def information(histories: dict[str, dict[str, list[dict]]]) -> Figure:
    """Where the information sits: KL of each layer of the x_g model at its best check, in nats.

    Of the models whose history has it, "valid_kl_g1" and so on; every task has one such model.
    """
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(histories), 3.0, 2.2)
        for axis, (task, methods) in zip(axes[0], histories.items(), strict=True):
            names = [name for name in methods if layer_count(methods[name][-1])]
            counts = np.array([layer_count(methods[name][-1]) for name in names])
            left = np.zeros(len(names))
            for below in range(counts.max()):  # codes below the top
                best = [best_row(methods[name]) for name in names]
                layers = counts - below
                pairs = zip(best, layers, strict=True)
                width = [row.get(f"valid_kl_g{k}", 0.0) for row, k in pairs]
                text = "top code, tied" if below == 0 else f"$z_{counts.max() - below}$"
                bars = {"color": SHADES[below % len(SHADES)], "label": text}
                axis.barh([label(name) for name in names], width, left=left, **bars)
                left += width
            axis.set(title=task, xlabel="KL(q ‖ p) of $z_g$ (nats per example)")
            axis.invert_yaxis()
        legend_below(figure, axes[0, 0])
    return finished(figure)


def layer_count(row: dict) -> int:
    """How many layers of x_g's codes a row of a history tells of, of the joint models alone."""
    if "valid_kl_c1" not in row:
        return 0
    return sum(name.startswith("valid_kl_g") and name[-1].isdigit() for name in row)


def best_error_curves(scores: pd.DataFrame) -> Figure:
    """Best error by number of samples: how fast each method finds the answer."""
    each = summary(scores)
    tasks = list(dict.fromkeys(each.task))
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(tasks), 2.8, 2.6)
        for axis, task in zip(axes[0], tasks, strict=True):
            mine = each[(each.task == task) & (each.metric == "best_error")]
            for name in ordered(mine.method):
                rows = mine[mine.method == name]
                axis.plot(rows.n_samples, 100 * rows["mean"], **look_of(name, 4))
            unit = " px²" if task == "motion" else ""
            axis.set(
                title=task, xlabel="samples", ylabel=f"best error (× 10⁻²{unit})", xscale="log"
            )
            axis.set_xticks(COUNTS, COUNTS)
            axis.minorticks_off()
            axis.set_ylim(bottom=0)
        legend_below(figure, *axes[0, ::-1], columns=5)
        watermark(figure, scores.profile.iloc[0])
    return finished(figure)


def rank_histograms(ranks: dict[str, np.ndarray], n: int, bins: int = 20) -> Figure:
    """Where the truth ranks among n draws, {method: ranks (N, points)}; calibrated is flat."""
    columns = min(len(ranks), 5)
    rows = -(-len(ranks) // columns)
    with plt.rc_context(STYLE):
        figure, axes = panels(rows, columns, 1.4, 1.4 * rows + 0.3)
        for axis, (name, rank) in zip(axes.flat, ranks.items(), strict=False):
            share = np.histogram(rank, bins, (0, n))[0] / rank.size * bins
            axis.bar(np.arange(bins) + 0.5, share, 1.0, color=look(name)[0])
            axis.axhline(1, color="black", lw=0.6)
            axis.set(title=label(name), xticks=[0, bins], xticklabels=[0, n], ylim=(0, 4))
            axis.set_yticks([0, 1, 2, 3, 4])
            axis.label_outer()
        for axis in axes.flat[len(ranks) :]:
            axis.axis("off")
        figure.supylabel("density (1 = calibrated)", fontsize=8)
        figure.supxlabel("rank of the truth among the draws", fontsize=8)
    return finished(figure)


def tightening(estimates: dict[str, dict[int, tuple[float, float]]]) -> Figure:
    """−log p by number of draws, {name: {K: (mean, standard error)}}, in nats per example."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(estimates), 2.8, 2.2)
        for axis, (name, curve) in zip(axes[0], estimates.items(), strict=True):
            mean, error = zip(*curve.values(), strict=True)
            axis.errorbar(list(curve), mean, error, color="#0072B2", marker="o", ms=3, capsize=2)
            axis.set(title=name, xscale="log", xlabel="draws K", ylabel="nats per example")
    return finished(figure)
