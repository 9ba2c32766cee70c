"""Forest plots: differences between methods with their intervals, a panel for each task."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from cdvae.figures.style import STYLE, finished, watermark

INK = {"better": "#0072B2", "worse": "#D55E00", "undecided": "#777777"}
MARKS = {"better": "o", "worse": "s", "undecided": "D"}
ROW = 0.21  # inches


def forest(effects: pd.DataFrame, xlabel: str, profile: str = "") -> Figure:
    """A row for each comparison, a panel for each task, zero marked; shape and colour: verdict.

    effects: columns task, label, value, low, high and verdict ("better", "worse", "undecided"), as
    `report.tables.effects` gives them. Rows keep their order, equal labels share a line.
    """
    tasks, labels = (list(dict.fromkeys(effects[name])) for name in ("task", "label"))
    lines = {text: k for k, text in enumerate(labels)}
    height = ROW * len(labels) + 1.0
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            *(1, len(tasks)),
            figsize=(1.6 + 1.9 * len(tasks), height),
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis, task in zip(axes[0], tasks, strict=True):
            mine = effects[effects.task == task]
            for verdict, group in mine.groupby("verdict", sort=False):
                places = [lines[text] for text in group.label]
                ends = (group.value - group.low, group.high - group.value)
                look = {"color": INK[verdict], "fmt": MARKS[verdict], "ms": 4, "capsize": 2}
                axis.errorbar(group.value, places, xerr=ends, label=verdict, **look)
            axis.axvline(0, color="black", lw=0.7)
            axis.set(title=task, xlabel=xlabel)
            axis.grid(axis="x", color="#EEEEEE")
        axes[0, 0].set_yticks(range(len(labels)), labels)
        axes[0, 0].set_ylim(len(labels) - 0.5, -0.5)
        found = {}
        for axis in axes[0]:
            found |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        order = [verdict for verdict in INK if verdict in found]
        handles = [found[verdict] for verdict in order]
        figure.legend(handles, order, loc="outside lower center", ncols=len(order))
        watermark(figure, profile)
    return finished(figure)
