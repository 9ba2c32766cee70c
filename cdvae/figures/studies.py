"""Pictures of notebook 10: verdicts, ablations, the search, what it costs to sample."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures.style import STYLE, finished, legend_below, look_of, panels, watermark
from cdvae.methods import label, look, method, ordered
from cdvae.report.chapters import Chapter, oriented, over_variants
from cdvae.report.claims import BASELINES
from cdvae.report.results import summary
from cdvae.runs.measures import metric

PAIRS = (  # what the forest plot compares
    *((tie, other) for tie in ("gauss", "mdn4", "mdn12") for other in ("shallow", "cvae", "nn")),
    ("mdn12", "jmvae"),
    *(("cdvae-spatial", other) for other in ("nn", "cvae", "mdn12", "fm", "unet")),
)
COLUMNS = 7  # of the legends, whose entries are many
COLOURS = {"better": "#0072B2", "worse": "#D55E00", "undecided": "#999999"}


def accuracy_and_score(chapters: list[Chapter]) -> Figure:
    """Best error of 100 against the energy score, a panel for each data set and task."""
    places = [(chapter, task) for chapter in chapters for task in chapter.tasks]
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(places), 2.5, 3.2)
        for axis, (chapter, task) in zip(axes[0], places, strict=True):
            each = summary(chapter.scores[chapter.scores.task == task])
            each = each[each.n_samples == 100].set_index(["metric", "method"])
            for name in ordered(each.loc["best_error"].index):
                x, y = each.loc[("energy_score", name)], each.loc[("best_error", name)]
                pair = x["mean"], 100 * y["mean"]
                spread = {"xerr": x["std"], "yerr": 100 * y["std"]}
                spread = {k: v for k, v in spread.items() if pd.notna(v)}
                axis.errorbar(*pair, **spread, **look_of(name), ls="", capsize=2)
            unit = " px²" if task == "motion" else ""
            axis.set(title=f"{chapter.data}: {task}", xlabel="energy score")
            axis.set_ylabel(f"best error of 100 (× 10⁻²{unit})")
            axis.margins(0.12)
        legend_below(figure, *axes[0], columns=COLUMNS)
        watermark(figure, chapters[0].scores.profile.iloc[0])
    return finished(figure)


FIXED = "nearest of 100 fixed fields (k-means)"  # a row of limits.csv
KINDS = {"paper": "#0072B2", "extension": "#009E73", "rival": "#D55E00", "control": "#777777"}
WHOSE = {
    "paper": "the paper's joint models",
    "extension": "codes in space, added here",
    "rival": "rivals, the paper's and today's",
    "control": "looks at no input, or is no model",
}


def standing(chapter: Chapter, scores: tuple[str, ...] = ("best_error",)) -> Figure:
    """Where each method stands by these scores, a panel for each score and task, the best on top.

    Bars are one standard deviation over seeds. A hundred fixed fields (limits.csv) have a row by
    best error; methods that were scored on fewer test examples have none.
    """
    full = chapter.scores[chapter.scores.n_test == chapter.scores.n_test.max()]
    each = summary(full[full.n_samples == 100])
    each = each.set_index(["metric", "task", "method"]).sort_index()
    means = each["mean"]
    places = [(score, task) for score in scores for task in chapter.tasks]
    first = means[scores[0], chapter.tasks[0]]
    names = sorted(set(full.method) - {"truth"}, key=first.get)
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(places), 6.6 / len(places) + 0.6, 3.3)
        for axis, (score, task) in zip(axes[0], places, strict=True):
            shown = metric(score)
            rows = [(label(name), shown.scale * means[score, task, name]) for name in names]
            colours = [colour_of(name) for name in names]
            spread = [shown.scale * each["std"][score, task, name] for name in names]
            limits = chapter.read("limits")
            if score == "best_error" and len(limits):
                fixed = limits[(limits.task == task) & (limits.measure == FIXED)].value.iloc[0]
                rows.append(("100 fixed fields", 100 * fixed))
                colours, spread = [*colours, KINDS["control"]], [*spread, 0.0]
            labels = [name for name, _ in rows]
            order = sorted(range(len(rows)), key=lambda k: rows[k][1])
            for y, k in enumerate(order):
                axis.errorbar(rows[k][1], y, xerr=spread[k], fmt="o", ms=5, color=colours[k])
            axis.set_yticks(range(len(order)), [labels[k] for k in order])
            axis.invert_yaxis()
            axis.grid(axis="x", lw=0.3)
            axis.set(title=task, xlabel=shown.head)
        handles = [plt.Line2D([], [], marker="o", ls="", color=c) for c in KINDS.values()]
        figure.legend(handles, WHOSE.values(), loc="outside lower center", ncols=2)
    return finished(figure)


def colour_of(name: str) -> str:
    """The colour of whose method it is; nearest neighbour and CVAE are the paper's rivals."""
    kind = method(name).kind
    return KINDS["rival" if name in BASELINES else kind]


def forest(chapters: list[Chapter], metric: str, head: str, scale: float) -> Figure:
    """Paired differences with their 95 % intervals: left of zero the first method is better."""
    places = {}
    for chapter in chapters:
        found = chapter.read("comparisons")
        for task in chapter.tasks:
            mine = found[(found.task == task) & (found.metric == metric)]
            rows = {pair: oriented(mine, *pair) for pair in PAIRS}
            places[f"{chapter.data}: {task}"] = {pair: r for pair, r in rows.items() if r}
    shown = [pair for pair in PAIRS if any(pair in rows for rows in places.values())]
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(places), 2.4, 3.4)
        for axis, (title, rows) in zip(axes[0], places.items(), strict=True):
            for pair, (mean, low, high, verdict) in rows.items():
                y, colour = shown.index(pair), COLOURS[verdict]
                axis.plot([scale * low, scale * high], [y, y], color=colour, lw=1.4)
                axis.plot(scale * mean, y, "o", color=colour, ms=4)
            axis.axvline(0, color="black", lw=0.6)
            names = [f"{label(one)} − {label(other)}" for one, other in shown]
            axis.set_yticks(range(len(shown)), names if axis is axes[0, 0] else [""] * len(names))
            axis.set_ylim(len(shown) - 0.5, -0.5)
            axis.set_title(title)
        figure.supxlabel(head, fontsize=8)
    return finished(figure)


def ablations(table: pd.DataFrame, title: str) -> Figure:
    """What each change does to best error and energy score, relative to the unchanged method.

    Bars are means over seeds, dots the seeds themselves if there are several.
    """
    wide = over_variants(table)
    each = over_variants(table, "seed").droplevel("seed")
    base = wide.loc["base"].droplevel("setting")
    rows = [row for row in wide.iterrows() if row[0][0] not in ("base", "examples")]
    several = table.seed.nunique() > 1
    with plt.rc_context(STYLE):
        figure, axes = panels(1, 2, 3.4, 1.2 + 0.19 * len(rows))
        for axis, metric in zip(axes[0], ("best_error", "energy_score"), strict=True):
            for y, (place, found) in enumerate(rows):
                plain = base.loc[method(place[-1]).variant_of or place[-1], metric]
                change = 100 * (found[metric] / plain - 1)
                axis.barh(y, change, color=look(place[-1])[0], height=0.7)
                if several:
                    dots = 100 * (each.loc[place, metric] / plain - 1)
                    axis.plot(dots, [y] * len(dots), "k.", ms=2.5)
            axis.axvline(0, color="black", lw=0.6)
            axis.invert_yaxis()
            axis.set(title=metric.replace("_", " "), xlabel="change (%): right is worse")
        names = [f"{label(m)}: {group}, {setting}" for (group, setting, m), _ in rows]
        axes[0, 0].set_yticks(range(len(rows)), names)
        axes[0, 1].set_yticks([])
        figure.suptitle(title, fontsize=9)
    return finished(figure)


def scattered(table: pd.DataFrame) -> Figure:
    """The "scattered data" curve: scores by the number of training examples."""
    some = table[table.group.isin(["examples", "base"]) & (table.n_samples == 100)]
    names = ordered(some[some.group == "examples"].method)
    with plt.rc_context(STYLE):
        figure, axes = panels(1, 2, 2.8, 2.5)
        unit = " px²" if some.task.iloc[0] == "motion" else ""
        shown = (
            ("best_error", f"best error of 100 (× 10⁻²{unit})", 100),
            ("energy_score", "energy score", 1),
        )
        for axis, (metric, head, scale) in zip(axes[0], shown, strict=True):
            for name in names:
                mine = some[(some.method == name) & (some.metric == metric)]
                mine = mine.groupby("n_train").value.mean()
                axis.plot(mine.index, scale * mine, **look_of(name, 4))
            axis.set(xlabel="training examples", ylabel=head, xscale="log")
            ticks = sorted(set(some.n_train))
            axis.set_xticks(ticks, ticks)
            axis.minorticks_off()
        legend_below(figure, axes[0, 0])
    return finished(figure)


def trials(tables: dict[str, pd.DataFrame]) -> Figure:
    """Every trial of the search on validation examples: {task: trials}."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(tables), 2.8, 3.0)
        for axis, (task, table) in zip(axes[0], tables.items(), strict=True):
            for name in ordered(table.method):
                mine = table[table.method == name]
                pair = mine.energy_score, 100 * mine.best_error_100
                axis.plot(*pair, **look_of(name, 5), ls="", alpha=0.8)
            unit = " px²" if task == "motion" else ""
            axis.set(title=task, xlabel="energy score")
            axis.set_ylabel(f"best error of 100 (× 10⁻²{unit})")
        legend_below(figure, *axes[0], columns=COLUMNS)
    return finished(figure)
