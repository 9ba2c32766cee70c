"""One function a figure; every number comes from a results file or from a run's own record."""

import logging
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cdvae.methods.registry import JOINT
from cdvae.metrics import COUNTS
from cdvae.report.paper import LAYERS, TABLES
from cdvae.report.results import NAMES, summary
from cdvae.runs.experiment import best_row
from cdvae.tools.files import atomic

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the dates of fonts

# Okabe & Ito's palette, safe for colour-blind readers; markers tell the methods apart in print.
LOOKS = {
    "nn": ("#999999", "s"),
    "cvae": ("#D55E00", "v"),
    "shallow": ("#E69F00", "D"),
    "gauss": ("#56B4E9", "o"),
    "mdn4": ("#0072B2", "^"),
    "mdn12": ("#009E73", "P"),
    "crossconv": ("#7F3C8D", "X"),
    "cdvae-spatial": ("#C00000", "h"),
    "jmvae": ("#E377C2", "p"),
    "fm": ("#4B3621", ">"),
    "unet": ("#6B8E23", "<"),
    "marginal": ("#BBBBBB", "x"),
    "mean_noise": ("#CC79A7", "+"),
    "truth": ("#000000", "*"),
}
STYLE = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
}


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and PDF beside each other, without dates; returns both paths."""
    written = []
    for suffix, about in ((".png", {"Software": None}), (".pdf", {"CreationDate": None})):
        with atomic(path.with_suffix(suffix)) as temporary, plt.rc_context(STYLE):
            figure.savefig(temporary, metadata=about, bbox_inches="tight")
        written.append(path.with_suffix(suffix))
    return written


def finished(figure: Figure) -> Figure:
    """The figure, no longer held by pyplot: a notebook shows it as the value of a cell, once."""
    plt.close(figure)
    return figure


def panels(rows: int, columns: int, width: float, height: float):
    """A figure with a grid of panels, each `width` inches wide, `height` inches in all."""
    size = (width * columns, height)
    return plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def legend_below(figure: Figure, *axes, columns: int | None = None) -> None:
    """One legend for all panels, of all that the given ones name; in one row if not told."""
    entries = [axis.get_legend_handles_labels() for axis in axes]
    named = {label: handle for each in entries for handle, label in zip(*each, strict=True)}
    figure.legend(named.values(), named, loc="outside lower center", ncols=columns or len(named))


def fields_row(fields: dict[str, np.ndarray]) -> Figure:
    """Scalar fields (H, W) in [0, 1] side by side, with their titles and one colour bar."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(fields), 1.6, 1.7)
        for axis, (title, field) in zip(axes[0], fields.items(), strict=True):
            drawn = axis.imshow(field, vmin=0, vmax=1, cmap="cividis", interpolation="nearest")
            axis.set(title=title, xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        figure.colorbar(drawn, ax=axes[0], ticks=[0, 0.5, 1], shrink=0.8)
    return finished(figure)


def watermark(figure: Figure, profile: str) -> None:
    """Say across a figure that a smoke run is no result."""
    if profile == "smoke":
        figure.text(0.5, 0.5, "smoke test", fontsize=40, alpha=0.15, ha="center", va="center")


def figure4(scores: pd.DataFrame) -> Figure:
    """Figure 4: best error of 100 samples against their variance; ours above, the paper's below.

    Bars are one standard deviation over seeds, where there are several. Units differ between the
    rows (the paper's is not stated), so that positions compare within a panel only.
    """
    each = summary(scores)
    tasks = [task for task in LAYERS if task in set(each.task)]
    with plt.rc_context(STYLE):
        figure, axes = panels(2, len(tasks), 2.6, 4.6)
        for column, task in enumerate(tasks):
            ours = points(each[each.task == task])
            paper = {m: (row[5], 0.0, row[4], 0.0) for m, row in TABLES[task].items() if m in ours}
            unit = "px²" if task == "motion" else ""
            scatter(axes[0, column], ours, f"{task}, ours", f"× 10⁻² {unit}".strip())
            scatter(axes[1, column], paper, f"{task}, paper", "× 10⁻²")
        legend_below(figure, *axes[0, ::-1])
        watermark(figure, scores.profile.iloc[0])
    return finished(figure)


def points(each: pd.DataFrame) -> dict[str, tuple[float, float, float, float]]:
    """Variance, its deviation, error at 100 samples, its deviation, × 10⁻², for each method."""
    found = {}
    for method in [name for name in NAMES if name in set(each.method)]:
        mine = each[(each.method == method) & (each.n_samples == max(COUNTS))].set_index("metric")
        pair = [
            mine.loc[metric, key]
            for metric in ("variance", "best_error")
            for key in ("mean", "std")
        ]
        found[method] = tuple(100 * np.nan_to_num(pair))
    return found


def scatter(axis, values: dict, title: str, unit: str) -> None:
    """Methods as points in one panel, with error bars where there are several seeds."""
    for method, (x, dx, y, dy) in values.items():
        colour, marker = LOOKS[method]
        axis.plot(x, y, color=colour, marker=marker, ms=6, ls="", label=NAMES[method])
        if dx or dy:
            axis.errorbar(x, y, dy, dx, color=colour, capsize=2)
    axis.margins(x=0.12)
    axis.set(title=title, xlabel=f"variance ({unit})", ylabel=f"best error of 100 ({unit})")
    most = max(y + dy for _, _, y, dy in values.values())
    axis.set_ylim(-0.08 * most, 1.1 * most)  # a marker at 0 or at the top is seen whole


def training_curves(histories: dict[str, dict[str, list[dict]]]) -> Figure:
    """Training (thin) and validation loss (thick) by step: {task: {method: history}}.

    The joint models have the upper row; the losses of the others are on other scales.
    """
    with plt.rc_context(STYLE):
        figure, axes = panels(2, len(histories), 3.0, 4.2)
        for column, (task, methods) in enumerate(histories.items()):
            joint = {name: rows for name, rows in methods.items() if name in JOINT}
            alone = {name: rows for name, rows in methods.items() if name not in JOINT}
            curves(axes[0, column], joint, f"{task}: joint models")
            curves(axes[1, column], alone, f"{task}: conditional models")
        legend_below(figure, *axes.flat)
    return finished(figure)


def curves(axis, methods: dict[str, list[dict]], title: str) -> None:
    """Loss by step in one panel; the axis leaves out the first check's fall."""
    for method, rows in methods.items():
        table, colour = pd.DataFrame(rows), LOOKS[method][0]
        axis.plot(table.step, table.train_loss, color=colour, lw=0.7)
        axis.plot(table.step, table.valid_loss, color=colour, lw=1.6, label=NAMES[method])
    axis.set(title=title, xlabel="step", ylabel="loss (nats per example)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    late = [row["valid_loss"] for rows in methods.values() for row in rows[1:]]
    if late:
        margin = 0.1 * (max(late) - min(late)) or 1.0
        axis.set_ylim(min(late) - margin, max(late) + margin)


def information(histories: dict[str, dict[str, list[dict]]]) -> Figure:
    """Where the information sits: KL of each layer of the x_g model at its best check, in nats."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(histories), 3.0, 2.2)
        shades = ("#0072B2", "#56B4E9", "#CCE5F6")
        for axis, (task, methods) in zip(axes[0], histories.items(), strict=True):
            names = [method for method in methods if method in JOINT]
            left = np.zeros(len(names))
            layers = max(layer_count(methods[name][-1]) for name in names)
            for layer in range(layers, 0, -1):
                width = [best_row(methods[name]).get(f"valid_kl_g{layer}", 0.0) for name in names]
                label = f"$z_{layer}$" + (" (top)" if layer == layers else "")
                axis.barh(
                    [NAMES[name] for name in names],
                    width,
                    left=left,
                    color=shades[layer - 1],
                    label=label,
                )
                left += width
            axis.set(title=task, xlabel="KL(q ‖ p) of $z_g$ (nats per example)")
            axis.invert_yaxis()
        legend_below(figure, axes[0, 0])
    return finished(figure)


def layer_count(row: dict) -> int:
    return sum(name.startswith("valid_kl_g") and name[-1].isdigit() for name in row)


def best_error_curves(scores: pd.DataFrame) -> Figure:
    """Best error by number of samples: how fast each method finds the answer."""
    each = summary(scores)
    tasks = [task for task in LAYERS if task in set(each.task)]
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(tasks), 2.8, 2.6)
        for axis, task in zip(axes[0], tasks, strict=True):
            mine = each[(each.task == task) & (each.metric == "best_error")]
            for method in [name for name in NAMES if name in set(mine.method)]:
                rows = mine[mine.method == method]
                colour, marker = LOOKS[method]
                look = {"color": colour, "marker": marker, "ms": 4, "label": NAMES[method]}
                axis.plot(rows.n_samples, 100 * rows["mean"], **look)
            unit = " px²" if task == "motion" else ""
            axis.set(
                title=task, xlabel="samples", ylabel=f"best error (× 10⁻²{unit})", xscale="log"
            )
            axis.set_xticks(COUNTS, COUNTS)
            axis.minorticks_off()
            axis.set_ylim(bottom=0)
        legend_below(figure, *axes[0, ::-1])
        watermark(figure, scores.profile.iloc[0])
    return finished(figure)
