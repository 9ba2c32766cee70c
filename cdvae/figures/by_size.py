"""The figure "scattered data": what more training examples change, for each method."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cdvae.figures.style import STYLE, finished, legend_below, look_of, panels, watermark
from cdvae.methods import label, look, method, ordered
from cdvae.runs.measures import metric

SCORES = ("best_error", "energy_score")
COLUMNS = 5  # of the legend


def shown(sizes: pd.DataFrame) -> pd.DataFrame:
    """The rows that the figure has: of tasks that were run at two sizes or more, those of methods
    that were run at half of the task's sizes or more."""
    sizes = sizes[(sizes.n_samples == 100) & sizes.metric.isin(SCORES)]
    of_task = sizes.groupby("task").n_train.transform("nunique")
    of_method = sizes.groupby(["task", "method"]).n_train.transform("nunique")
    return sizes[(of_task > 1) & (2 * of_method >= of_task)]


def scattered(shown: pd.DataFrame) -> Figure:
    """Best error and energy score by the number of training examples, a row a task.

    shown: rows of `sizes.csv`, at least one (`shown`). Lines are means over seeds and bands run
    from the least to the largest of them; controls, which look at no input or are no model, are
    dashed.
    """
    tasks = list(dict.fromkeys(shown.task))
    with plt.rc_context(STYLE):
        figure, axes = panels(len(tasks), 2, 3.4, 0.7 + 2.4 * len(tasks))
        for line, task in zip(axes, tasks, strict=True):
            for axis, score in zip(line, SCORES, strict=True):
                drawn(axis, shown[(shown.task == task) & (shown.metric == score)], score)
                unit = " px²" * (task == "motion" and score == "best_error")
                axis.set(title=task, ylabel=metric(score).head + unit)
        for axis in axes[-1]:
            axis.set_xlabel("thousands of training examples")
        legend_below(figure, *axes.flat, columns=COLUMNS)
        watermark(figure, shown.profile.iloc[0])
    return finished(figure)


def drawn(axis: Axes, mine: pd.DataFrame, score: str) -> None:
    """One panel: a score of one task."""
    scale, ticks = metric(score).scale, sorted(set(mine.n_train))
    for name in ordered(mine.method):
        each = scale * mine[mine.method == name].groupby("n_train").value.agg(
            ["mean", "min", "max"]
        )
        if method(name).kind in ("control", "truth"):
            style = {"color": look(name)[0], "ls": ":" if name == "truth" else "--", "lw": 1.0}
            axis.plot(each.index, each["mean"], label=label(name), **style)
            continue
        axis.fill_between(
            each.index, each["min"], each["max"], color=look(name)[0], alpha=0.2, lw=0
        )
        axis.plot(each.index, each["mean"], lw=1.2, **look_of(name, 4))
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{n / 1000:g}" for n in ticks])
    axis.minorticks_off()
    axis.grid(axis="y", lw=0.3)
