"""The verdicts by size at a glance: a cell for each claim, task, data set and size."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cdvae.data.fields import Task
from cdvae.data.sources import data_sets
from cdvae.figures.studies import COLOURS
from cdvae.figures.style import STYLE, finished
from cdvae.report.chapters import NAMES
from cdvae.report.size_verdicts import signed
from cdvae.runs.measures import metric
from cdvae.tools.registry import entries

SHADES = {"holds": COLOURS["better"], "does not hold": COLOURS["worse"], "undecided": "#DDDDDD"}
WIDE, HIGH = 0.4, 0.22  # inches of a cell
CLAIMS, HEADS = 2.2, 1.2  # inches of what stands beside the cells, and above and below them
PANEL = 1.8  # inches that a panel is wide at least
LEVELS = (15, 28)  # points at which data sets and tasks stand above the cells


def verdict_map(rows: pd.DataFrame) -> Figure:
    """A panel for each score, a row for each claim, a column for each task, data set and size.

    rows: verdicts on pairs of methods (`size_verdicts.shown`), whose differences in per cent stand
    in the cells: below zero the first method is better.
    """
    scores, claims = dict.fromkeys(rows.metric), list(dict.fromkeys(rows.claim))
    places = sorted(set(zip(rows.task, rows.data, rows.n_train, strict=True)), key=order)
    wide = max(PANEL, WIDE * len(places))
    size = (CLAIMS + len(scores) * wide, HEADS + HIGH * len(claims))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(scores), sharey=True, figsize=size, squeeze=False, layout="constrained"
        )
        for axis, score in zip(axes[0], scores, strict=True):
            cells(axis, rows[rows.metric == score], claims, places)
            heads(axis, places)
            axis.set_title(metric(score).label, pad=44, weight="bold")
        says = {"textcoords": "offset points", "ha": "right"}
        axes[0, 0].annotate("thousands of examples", (0, 0), (-4, 4), **says)
        marks = [plt.Rectangle((0, 0), 1, 1, color=shade) for shade in SHADES.values()]
        figure.legend(marks, SHADES, loc="outside lower center", ncols=len(SHADES))
    return finished(figure)


def order(place: tuple[str, str, int]) -> tuple[int, int, int]:
    """Tasks as they are registered, data sets as tables have them and then others, then sizes."""
    task, data, n_train = place
    return list(entries(Task)).index(task), [*NAMES, *data_sets()].index(data), n_train


def cells(axis: Axes, rows: pd.DataFrame, claims: list[str], places: list[tuple]) -> None:
    """The verdicts by one score."""
    for row in rows.itertuples():
        x, y = places.index((row.task, row.data, row.n_train)), claims.index(row.claim)
        axis.add_patch(plt.Rectangle((x, y), 0.95, 0.92, color=SHADES[row.verdict], lw=0))
        colour = "black" if row.verdict == "undecided" else "white"
        axis.text(
            x + 0.47,
            y + 0.47,
            signed(row.difference_percent),
            ha="center",
            va="center",
            color=colour,
        )
    axis.set(xlim=(0, len(places)), ylim=(len(claims), 0))
    said = [claim.replace("is better than", "beats") for claim in claims]
    axis.set_yticks([y + 0.5 for y in range(len(claims))], said)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def heads(axis: Axes, places: list[tuple]) -> None:
    """What the columns are: sizes, and above them data sets, and above these tasks."""
    axis.set_xticks([x + 0.5 for x in range(len(places))], [f"{n / 1000:.3g}" for *_, n in places])
    axis.xaxis.tick_top()
    for level, points in zip((2, 1), LEVELS, strict=True):
        above = [place[:level] for place in places]
        for head in dict.fromkeys(above):
            first, count = above.index(head), above.count(head)
            text = NAMES.get(head[-1], head[-1])
            where = {"textcoords": "offset points", "ha": "center"}
            axis.annotate(text, (first + count / 2, 0), (0, points), **where)
