"""Pictures of notebooks 10 and 12: where methods stand, verdicts, ablations, the search."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures.style import STYLE, finished, legend_below, look_of, panels, watermark
from cdvae.methods import label, look, method, ordered
from cdvae.report.chapters import Chapter, over_variants
from cdvae.report.results import summary
from cdvae.report.tables import effects_of_pairs
from cdvae.runs.measures import metric

PAIRS = (  # what the forest plot compares
    *(("gauss", "shallow"), ("mdn4", "gauss"), ("jmvae", "mdn12")),
    *((tie, other) for other in ("nn", "cvae") for tie in ("gauss", "mdn12")),
    *(("cdvae-spatial", other) for other in ("nn", "cvae", "mdn12", "fm", "unet")),
)
FARTHEST = 1.25  # times (marginal)'s energy score: trials beyond are counted, not drawn
COLUMNS = 4  # of the legend of trials, whose entries are many
ROW = 0.16  # inches of a row
COLOURS = {"better": "#0072B2", "worse": "#D55E00", "undecided": "#999999"}


FIXED = "nearest of 100 fixed fields (k-means)"  # a row of limits.csv
KINDS = {"paper": "#0072B2", "extension": "#009E73", "rival": "#D55E00", "control": "#777777"}
OTHERS = "#882255"  # a reader's own methods, which their labels name
WHOSE = {
    "paper": "the paper's joint models, and readings of them",
    "extension": "codes in space, added here",
    "rival": "rivals, the paper's and today's",
    "control": "looks at no input, or is no model",
}


def standing(chapter: Chapter, scores: tuple[str, ...] = ("best_error",)) -> Figure:
    """Where each method stands: a row of panels for each score, a column for each task.

    The best is on top. Bars are one standard deviation over seeds. A hundred fixed fields
    (limits.csv) have a row by best error; methods scored on fewer test examples have none.
    """
    full = chapter.scores[chapter.scores.n_test == chapter.scores.n_test.max()]
    each = summary(full[full.n_samples == 100])
    tasks = chapter.tasks
    most = full.groupby("task").method.nunique().max() + 1
    with plt.rc_context(STYLE):
        high = 0.6 + (0.5 + ROW * most) * len(scores)
        figure, axes = panels(len(scores), len(tasks), 7.8 / len(tasks), high)
        for line, score in zip(axes, scores, strict=True):
            for axis, task in zip(line, tasks, strict=True):
                mine = each[(each.task == task) & (each.metric == score) & (each.method != "truth")]
                rows = [*places(mine, score), *fixed(chapter, task, score)]
                rows.sort(key=lambda row: row[1])
                for y, (_, value, spread, colour) in enumerate(rows):
                    axis.errorbar(value, y, xerr=spread, fmt="o", ms=5, color=colour)
                axis.set_yticks(range(len(rows)), [name for name, *_ in rows])
                axis.invert_yaxis()
                axis.grid(axis="x", lw=0.3)
                unit = " px²" * (task == "motion" and score == "best_error")
                axis.set(title=task, xlabel=metric(score).head + unit)
        handles = [plt.Line2D([], [], marker="o", ls="", color=c) for c in KINDS.values()]
        figure.legend(handles, WHOSE.values(), loc="outside lower center", ncols=2)
        watermark(figure, chapter.scores.profile.iloc[0])
    return finished(figure)


def places(each: pd.DataFrame, score: str) -> list[tuple[str, float, float, str]]:
    """Label, score, deviation over seeds and colour of each method."""
    scale = metric(score).scale
    return [
        (
            label(r.method),
            scale * r.mean,
            0 if pd.isna(r.std) else scale * r.std,
            colour_of(r.method),
        )
        for r in each[["method", "mean", "std"]].itertuples(index=False)
    ]


def fixed(chapter: Chapter, task: str, score: str) -> list[tuple[str, float, float, str]]:
    """The same of a hundred fixed fields, where they were measured."""
    limits = chapter.read("limits") if score == "best_error" else ()
    if not len(limits):
        return []
    value = limits[(limits.task == task) & (limits.measure == FIXED)].value.iloc[0]
    return [("100 fixed fields", 100 * value, 0.0, KINDS["control"])]


def colour_of(name: str) -> str:
    """The colour of whose method it is; of the paper's rows and their readings those that are
    no joint model rival."""
    entry = method(name)
    if entry.kind in ("paper", "reading"):
        return KINDS["paper" if entry.is_joint else "rival"]
    return KINDS.get(entry.kind, OTHERS)


def forest(chapter: Chapter, scores: tuple[str, ...]) -> Figure:
    """Paired differences in per cent of the second method's score, with their 95 % intervals.

    A panel for each score and task; left of zero the first method is better.
    """
    panes, compared = {}, chapter.read("comparisons")
    for score in scores:
        found = effects_of_pairs(compared, chapter.scores, score, PAIRS)
        name = metric(score).label.removesuffix(" of 100")
        panes |= {f"{task}\n{name}": found[found.task == task] for task in chapter.tasks}
    every = pd.concat(panes.values())
    shown = [pair for pair in PAIRS if pair in zip(every.method, every.other, strict=True)]
    with plt.rc_context(STYLE):
        width = 1.4 / len(panes) + 6.4 / len(panes)
        figure, axes = panels(1, len(panes), width, 0.9 + 0.2 * len(shown))
        for axis, (title, rows) in zip(axes[0], panes.items(), strict=True):
            for row in rows.itertuples():
                y, colour = shown.index((row.method, row.other)), COLOURS[row.verdict]
                axis.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
                axis.plot(row.value, y, "o", color=colour, ms=4)
            axis.axvline(0, color="black", lw=0.6)
            names = [f"{label(one)} − {label(other)}" for one, other in shown]
            axis.set_yticks(range(len(shown)), names if axis is axes[0, 0] else [""] * len(names))
            axis.set_ylim(len(shown) - 0.5, -0.5)
            axis.set_title(title)
        figure.supxlabel("difference, per cent (left: the first is better)", fontsize=8)
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
        names = [name.replace("sigma_t", "$\\sigma_t$").replace("x_c", "$x_c$") for name in names]
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
    """Every trial of the searches on validation examples: {heading: trials}."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(tables), max(2.8, 6.0 / len(tables)), 3.8)
        for axis, (heading, table) in zip(axes[0], tables.items(), strict=True):
            marginal = table[table.method == "marginal"].energy_score.iloc[0]
            near = table[table.energy_score <= FARTHEST * marginal]
            for name in ordered(table.method):
                mine = near[near.method == name]
                pair = mine.energy_score, 100 * mine.best_error_100
                axis.plot(*pair, **look_of(name, 5), ls="", alpha=0.8)
            unit = " px²" if (table.task == "motion").all() else ""
            beyond = f" ({len(table) - len(near)} beyond)" * (len(near) < len(table))
            axis.set(title=heading, xlabel=f"energy score{beyond}", yscale="log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("{x:g}")
            axis.set_ylabel(f"best error of 100 (× 10⁻²{unit})")
        legend_below(figure, *axes[0], columns=COLUMNS)
    return finished(figure)
