"""Figures of Visual Dynamics; one function each."""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from cdvae.data.drawn.shapes import NAMES as SHAPES
from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics.analysis import Response
from cdvae.dynamics.experiment import FrameExperiment
from cdvae.dynamics.motions import COLUMNS, EDGES
from cdvae.dynamics.rows import frame_methods, rows
from cdvae.figures.style import STYLE, finished, legend_below, panels, save, watermark
from cdvae.methods.crossconv import CrossConv, future
from cdvae.methods.crossconv_layers import Sizes

COLOURS = {"circle": "#0072B2", "square": "#D55E00", "triangle": "#009E73"}


def keep(figure: Figure, experiment: FrameExperiment, name: str) -> Figure:
    """Write a figure beside the others of this profile and data; returns it, to be shown."""
    watermark(figure, experiment.profile.name)
    save(figure, experiment.figure(name))
    return figure


def show(axis, picture: Tensor, title: str = "") -> None:
    """A picture (3, H, W) in [0, 1] in a panel without ticks."""
    axis.imshow(picture.permute(1, 2, 0).clamp(0, 1).cpu().numpy(), interpolation="nearest")
    axis.set_title(title)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def difference(v: Tensor) -> Tensor:
    """A difference image as a picture: grey where nothing changes, twice the contrast."""
    return 0.5 + v


def listed(sizes) -> str:
    return ", ".join(map(str, sizes))


def network(s: Sizes, fine: bool = False) -> Figure:
    """The network with the sizes it has: what goes in, what each part makes, what comes out.

    fine: 2 × 2 pixels are channels of one place (`FineCrossConv`).
    """
    deep, block = s.decoder_kernel, 2 if fine else 1
    seen = f"frame $I$: {3 * block**2} maps\nat" if fine else "frame $I$ at\n"
    side, maps, code = s.kernel(), s.image[-1], s.n_code()
    pooled = [scale >> len(s.image_pools) for scale in s.scales]
    sets = f"{len(s.scales)} × {maps} kernels\nof {side} × {side}"
    out = block * max(pooled)
    boxes = {  # text, centre, colour
        "pair": (f"frames $I$, $I'$\n{6 * block**2} × {s.side} × {s.side}", (0.9, 3.0), "#EEEEEE"),
        "encoder": (
            f"motion encoder\n{len(s.encoder)} convolutions\n{fill(listed(s.encoder), 14)}",
            (2.9, 3.0),
            "#CCE5F6",
        ),
        "code": (
            f"$z$ ~ $q(z | v, I)$\n{code:,} means,\n{code:,} log-variances",
            (4.9, 3.0),
            "#FBE3C0",
        ),
        "kernels": (f"kernel decoder\n{sets}", (7.0, 3.0), "#CCE5F6"),
        "image": (f"{seen} {listed(s.scales)}", (0.9, 1.0), "#EEEEEE"),
        "features": (
            f"image encoders\n{listed(s.image)}\n→ {maps} maps of {listed(pooled)}",
            (3.6, 1.0),
            "#CCE5F6",
        ),
        "cross": ("cross convolution\nmap $*$ its kernel", (7.0, 1.0), "#F6CFCB"),
        "decoder": (
            f"motion decoder\nup to {max(pooled)}, {deep} × {deep},\n1 × 1, 1 × 1",
            (9.2, 1.0),
            "#CCE5F6",
        ),
        "out": (f"difference $v$\n3 × {out} × {out}", (11.1, 1.0), "#EEEEEE"),
    }
    arrows = ("pair encoder", "encoder code", "code kernels", "kernels cross", "image features")
    arrows += ("features cross", "cross decoder", "decoder out")
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8.7, 3.2), layout="constrained")
        for text, (x, y), colour in boxes.values():
            wide = 2.4 if "image encoders" in text else 1.6
            axis.add_patch(Rectangle((x - wide / 2, y - 0.5), wide, 1.0, fc=colour, ec="#555555"))
            axis.text(x, y, text, ha="center", va="center", fontsize=8)
        for names in arrows:
            start, end = (boxes[name][1] for name in names.split())
            widths = [1.2 if name == "features" else 0.8 for name in names.split()]
            if start[1] == end[1]:
                ends = (start[0] + widths[0], start[1]), (end[0] - widths[1], end[1])
            else:
                ends = (start[0], start[1] - 0.5), (end[0], end[1] + 0.5)
            axis.add_patch(
                FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, color="#555555")
            )
        said = "when sampling: $z$ ~ $N(0, I)$,\nor the code of a training pair"
        axis.text(4.9, 2.2, said, ha="center", va="center", fontsize=8)
        axis.set(xlim=(0, 12), ylim=(0.3, 3.7))
        axis.set_axis_off()
    return finished(figure)


def futures(pairs: Pairs, v: Tensor, names: list[str] | None = None) -> Figure:
    """Pictures, what came next, and sampled futures with their differences below.

    v (N, n, 3, H, W): n sampled differences for each of the N pairs; names: of the pairs.
    """
    first, second = (x.float() / 255 for x in (pairs.first, pairs.second))
    n_rows, n = v.shape[:2]
    with plt.rc_context(STYLE):
        figure, axes = panels(2 * n_rows, n + 2, 0.85, 1.75 * n_rows)
        for row in range(n_rows):
            above, below = axes[2 * row], axes[2 * row + 1]
            top = row == 0
            show(above[0], first[row], "input" if top else "")
            if names:
                above[0].set_ylabel(names[row])
            below[0].set_axis_off()
            show(above[1], second[row], "what came" if top else "")
            show(below[1], difference(second[row] - first[row]))
            for k in range(n):
                show(above[2 + k], future(first[row], v[row, k].cpu()), f"sample {k + 1}" * top)
                show(below[2 + k], difference(v[row, k]))
    return finished(figure)


def motion_histograms(histograms: pd.DataFrame) -> Figure:
    """Where the shapes go: shares of motions in bins of 2 × 2 pixels, the truth's row first."""
    found = set(histograms.method)
    shown = sorted(rows("shapes"), key=lambda row: row.name != "truth")
    shown = [row for row in shown if row.name in found and not row.given]
    with plt.rc_context(STYLE):
        figure, axes = panels(len(shown), len(COLUMNS), 1.65, 0.95 * len(shown))
        for line, row in zip(axes, shown, strict=True):
            mine = histograms[histograms.method == row.name].sort_values("bin")
            for axis, column in zip(line, COLUMNS, strict=True):
                motion_panel(axis, mine[mine.column == column].share.to_numpy())
                axis.label_outer()
            name = fill(row.label, 16)
            line[0].set_ylabel(name, rotation="horizontal", ha="right", va="center")
        for k, column in enumerate(COLUMNS):
            axes[0, k].set_title(column.replace("_", ", "))
            axes[-1, k].set_xlabel("circle's step (px)" if k == 3 else "x (px)")
        step = axes[len(shown) // 2, 3]
        step.yaxis.set_label_position("right")
        step.set_ylabel("triangle's step (px)")
    return finished(figure)


def motion_panel(axis, shares: np.ndarray) -> None:
    """Shares of motions in each bin (81,), x to the right, y or the triangle's step down."""
    bins, ends = len(EDGES) - 1, (float(EDGES[0]), float(EDGES[-1]))
    picture = shares.reshape(bins, bins).T
    axis.imshow(picture, cmap="Greys", vmin=0, vmax=0.3, extent=(*ends, *ends[::-1]))
    axis.set(xticks=[-6, 0, 6], yticks=[-6, 0, 6])


def kl_bars(table: pd.DataFrame) -> Figure:
    """KL of each method and column, the mean of the seeds and their deviation, logarithmic."""
    colours, wide = {row.label: row.colour for row in rows("shapes")}, 0.8 / len(table)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.0, 2.6), layout="constrained")
        place = np.arange(len(COLUMNS))
        for k, row in enumerate(table.itertuples()):
            values = [getattr(row, column) for column in COLUMNS]
            spread = [getattr(row, f"{column}_std") for column in COLUMNS]
            at = place + (k - (len(table) - 1) / 2) * wide
            axis.bar(at, values, wide, color=colours[row.method], label=row.method)
            axis.errorbar(at, values, spread, fmt="none", ecolor="#333333", elinewidth=0.8)
        axis.set(yscale="log", ylabel="KL (nats)")
        axis.set_xticks(place, [column.replace("_", ", ") for column in COLUMNS])
        figure.legend(fontsize=8, ncols=2, loc="outside upper left")
    return finished(figure)


def training_curves(histories: dict[str, list[dict]]) -> Figure:
    """Reconstruction (left) and KL (right) by step: training thin, validation thick."""
    known = frame_methods("shapes")
    with plt.rc_context(STYLE):
        figure, axes = panels(1, 2, 3.2, 2.4)
        for name, history in histories.items():
            table, method = pd.DataFrame(history), known[name]
            colour = method.rows[0].colour
            terms = ("reconstruction", "kl")[: 1 + method.sampled]
            for axis, term in zip(axes[0], terms, strict=False):
                axis.plot(table.step, table[f"train_{term}"], color=colour, lw=0.7)
                line = {"color": colour, "lw": 1.6, "label": method.label}
                axis.plot(table.step, table[f"valid_{term}"], **line)
        axes[0, 0].set(title="reconstruction", xlabel="step", ylabel="nats per pair", yscale="log")
        axes[0, 1].set(title="KL(q ‖ N(0, I))", xlabel="step", ylabel="nats per pair", yscale="log")
        legend_below(figure, axes[0, 0])
    return finished(figure)


def code(kl: pd.DataFrame) -> Figure:
    """KL of each dimension of the first seed's z on test pairs, largest first."""
    values = np.sort(kl[kl.seed == kl.seed.min()].kl_nats.to_numpy())[::-1]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(3.4, 2.0), layout="constrained")
        axis.bar(np.arange(1, len(values) + 1), values, color="#0072B2")
        axis.set(xlabel="dimension of z, ranked", ylabel="KL (nats per pair)")
    return finished(figure)


def signed(value: float) -> str:
    """A number with its sign, 0 without."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0" if text[1:] == "0.0" else text


def traversal(
    values: Tensor, frames: list[Tensor], steps: list[Tensor] | None, names: list[str]
) -> Figure:
    """What single dimensions of z do: futures of one picture, and the steps of all shapes.

    values (V,); for each dimension frames (V, 3, H, W) and the median steps (V, 3) in pixels,
    where they are known.
    """
    n = len(values)
    with plt.rc_context(STYLE):
        height = 0.95 * len(names)
        figure = plt.figure(figsize=(0.8 * n + 2.6, height + 0.5), layout="constrained")
        grid = figure.add_gridspec(len(names), n + 1, width_ratios=[1] * n + [2.6])
        for row, name in enumerate(names):
            for k in range(n):
                axis = figure.add_subplot(grid[row, k])
                show(axis, frames[row][k], signed(float(values[k])) if row == 0 else "")
                if k == 0:
                    axis.set_ylabel(name)
            if steps is None:
                continue
            axis = figure.add_subplot(grid[row, n])
            for kind, shape in enumerate(SHAPES):
                style = {"color": COLOURS[shape], "ls": "--" if shape == "triangle" else "-"}
                axis.plot(values, steps[row][:, kind], label=shape, **style)
            axis.set(ylabel="step (px)", ylim=(-6, 6), yticks=[-4, 0, 4])
            if row == len(names) - 1:
                axis.set_xlabel("value of the dimension")
        if steps is not None:
            legend_below(figure, axis)
    return finished(figure)


def kernels(model: CrossConv, picture: Tensor, found: list[Response]) -> Figure:
    """For each shape the map and the kernel that answer to its step; picture (3, H, W)."""
    with torch.no_grad():
        maps = model.features(picture[None])
    with plt.rc_context(STYLE):
        figure, axes = panels(3, 5, 1.25, 3.9)
        for row, (name, answer) in enumerate(zip(SHAPES, found, strict=True)):
            show(axes[row, 0], picture, "picture" if row == 0 else "")
            axes[row, 0].set_ylabel(name)
            shown = maps[answer.scale][0, answer.map].cpu()
            axes[row, 1].imshow(shown, cmap="viridis")
            side = model.sizes.scales[answer.scale]
            axes[row, 1].set_title(
                f"map {answer.map} at {side}\nR² = {answer.share:.2f}", fontsize=8
            )
            most = float(answer.kernels.abs().max())
            for k, label in enumerate(("step −4 px", "0", "+4 px")):
                axes[row, 2 + k].imshow(answer.kernels[k], cmap="RdBu", vmin=-most, vmax=most)
                axes[row, 2 + k].set_title(f"kernel, {label}" if row == 0 else "", fontsize=8)
            for axis in axes[row, 1:]:
                axis.set(xticks=[], yticks=[])
    return finished(figure)


def analogy(source: Pairs, pictures: Tensor, moved: Tensor) -> Figure:
    """Motion transfer: rows are source pairs, columns the pictures that their code moves.

    pictures (N, 3, H, W); moved (S, N, 3, H, W), both in [0, 1].
    """
    first, second = (x.float() / 255 for x in (source.first, source.second))
    n_sources, n = moved.shape[:2]
    with plt.rc_context(STYLE):
        figure, axes = panels(n_sources + 1, n + 2, 0.95, 0.98 * (n_sources + 1))
        for axis in axes[0, :2]:
            axis.set_axis_off()
        for k in range(n):
            show(axes[0, 2 + k], pictures[k], f"picture {k + 1}")
        for row in range(n_sources):
            show(axes[row + 1, 0], first[row], "source, first" if row == 0 else "")
            show(axes[row + 1, 1], second[row], "second" if row == 0 else "")
            for k in range(n):
                show(axes[row + 1, 2 + k], moved[row, k])
    return finished(figure)
