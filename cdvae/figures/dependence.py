"""What samples depend on, as plots and in sentences: the measures kept beside what is shown."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from cdvae.data.drawn.world import SIDES
from cdvae.figures.shown import Shown
from cdvae.figures.style import STYLE, finished, panels
from cdvae.methods import label, look, ordered

PANELS = {  # measures of `report.dependence`, and what their panels are called
    "between": "variance between inputs",
    "layout": "layout as in the truth",
    "edges": "edges of its own input",
}
IGNORES, TRUTH = "marginal", "truth"


def measured(shown: Shown) -> list[str]:
    """The methods whose samples were measured, in the order of the tables."""
    return [name for name in ordered(shown.runs) if "measures" in shown.runs[name]]


def of(shown: Shown, name: str, measure: str) -> float:
    return shown.runs[name]["measures"][measure]


def dependence(kept: dict[str, Shown]) -> Figure:
    """A row of panels for each task, a panel for each measure, a bar for each method; 0: none."""
    height = sum(0.55 + 0.18 * len(measured(shown)) for shown in kept.values())
    with plt.rc_context(STYLE):
        figure, axes = panels(len(kept), len(PANELS), 2.4, height)
        for line, (task, shown) in zip(axes, kept.items(), strict=True):
            names = measured(shown)
            for axis, (measure, title) in zip(line, PANELS.items(), strict=True):
                values = [of(shown, name, measure) for name in names]
                colours = [look(name)[0] for name in names]
                axis.barh(range(len(names)), values, 0.7, color=colours)
                axis.axvline(0, color="black", lw=0.7)
                if measure == "edges":  # the data's own fields have edges, too
                    axis.axvline(of(shown, names[0], "edges_of_truth"), color="black", ls=":")
                axis.set_yticks(range(len(names)), [label(n) for n in names] * (axis is line[0]))
                axis.set_ylim(len(names) - 0.4, -0.6)
                axis.set(title=f"{task}: {title}", xlim=(min(-0.05, *values), None))
                axis.title.set_fontsize(8)
    return finished(figure)


def dependence_caption(kept: dict[str, Shown]) -> str:
    """What `dependence` shows, and what follows for each task's main method."""
    about = next(iter(kept.values())).runs
    about = next(each for each in about.values() if "measures" in each)
    files = ", ".join(f"`shown-{task}.safetensors`" for task in kept)
    return (
        "**Figure 07.1.** What samples depend on: the share of their variance that lies between "
        "pictures, the agreement of their layout with the truth's, and of their edges with their "
        f"own picture's; {about['inputs']} test pictures, {about['draws']} samples of each. Zero: "
        "the picture makes no difference. *(marginal)* never looks at it, *(truth)* draws from the "
        f"exact conditional where that is known. {' '.join(dependence_sentences(kept))} "
        f"Source: {files}."
    )


def dependence_sentences(kept: dict[str, Shown]) -> list[str]:
    """For each task how much its main method's samples depend on their input."""
    found = []
    for task, shown in kept.items():
        main = shown.main
        if main not in measured(shown):
            continue
        share = percent(of(shown, main, "between"))
        others = [
            f"{percent(of(shown, name, 'between'))} of {text}"
            for name, text in ((TRUTH, "draws of the truth"), (IGNORES, "a sampler that is blind"))
            if name in measured(shown) and name != main
        ]
        beside = f" (against {' and '.join(others)})" if others else ""
        edges, true = of(shown, main, "edges"), of(shown, main, "edges_of_truth")
        found.append(
            f"In {task} {share} of the variance of {label(main)}'s samples lies between pictures"
            f"{beside}, and their edges agree with the picture's by {max(edges, 0):.2f}, those of "
            f"the data by {true:.2f}."
        )
    return found


def percent(share: float) -> str:
    """A share as text; less than nothing is chance."""
    return f"{max(share, 0):.0%}".replace("%", " %")


def by_window(shown: Shown) -> Figure:
    """What samples of the built-in world show, by where the window is: main method and truth.

    Relighting: the share of samples whose light comes from nowhere or from each side; resaturation:
    how much paler than its surroundings each place is where a window can be.
    """
    names = [name for name in (shown.main, TRUTH) if shown.runs.get(name, {}).get("by_window")]
    is_light = shown.task == "relighting"
    columns = SIDES if is_light else SIDES[1:]
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(names), 3.0, 2.3)
        for axis, name in zip(axes[0], names, strict=True):
            rows = shown.runs[name]["by_window"]
            blank = [np.nan] * len(columns)
            values = np.array([blank if row is None else row for row in rows])
            axis.imshow(values, cmap="cividis", vmin=0, vmax=1 if is_light else 0.3, aspect="auto")
            for y, x in np.argwhere(np.isfinite(values)):
                value = values[y, x]
                text = f"{value:.0%}" if is_light else f"{value:.2f}"
                light = value > (0.6 if is_light else 0.18)
                ink = {"ha": "center", "va": "center", "color": "black" if light else "white"}
                axis.text(x, y, text, **ink)
            axis.set_xticks(range(len(columns)), columns)
            axis.set_yticks(range(len(SIDES)), SIDES)
            what = "light comes from" if is_light else "paler than around it"
            axis.set(title=label(name), xlabel=what, ylabel="the window is at")
            axis.spines[:].set_visible(False)
    return finished(figure)


def window_caption(shown: Shown) -> str:
    """What `by_window` shows, and what follows."""
    what = {
        "relighting": "**Figure 07.2.** Where light comes from in samples, by where the window is. "
        "The diagonal should hold about three quarters.",
        "resaturation": "**Figure 07.3.** How much paler than its surroundings each place is at "
        "which a window can be, by where it really is. Off the diagonal there should be nothing.",
    }[shown.task]
    return f"{what} {window_sentence(shown)} Source: `shown-{shown.task}.safetensors`."


def has_windows(shown: Shown) -> bool:
    """Whether the truth is known, and the task shows windows."""
    return bool(shown.runs[shown.main].get("by_window"))


def window_sentence(shown: Shown) -> str:
    """How often light comes from the window's side, or how pale windows are that are not there."""
    parts = []
    for name in (shown.main, TRUTH, IGNORES):
        rows = shown.runs.get(name, {}).get("by_window")
        if not rows or None in rows[1:]:
            continue
        if shown.task == "relighting":
            right = np.mean([rows[side][side] for side in (1, 2, 3)])
            parts.append(f"{right:.0%} of the samples of {label(name)}")
        else:
            table = np.array(rows[1:])
            there = table.diagonal().mean()
            elsewhere = table[~np.eye(3, dtype=bool)].mean()
            parts.append(f"{label(name)} {there:.2f} where it is, {elsewhere:.2f} where it is not")
    what = {
        "relighting": "Light comes from the window's side in",
        "resaturation": "The place of a window is paler by (mean)",
    }
    return f"{what[shown.task]} {'; '.join(parts)}."
