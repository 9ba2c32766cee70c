"""Drawings of the models: graphical models, and Figure 2 with the sizes of a model at hand."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from torch import nn

from cdvae.dvae import DVAE
from cdvae.figures.style import STYLE, finished
from cdvae.model import CDVAE
from cdvae.networks import SIZE

INFERENCE, GENERATION, TIE = "#D55E00", "#0072B2", "#009E73"
SEEN = "#DDDDDD"  # observed variables are grey
RADIUS = 0.32
COLUMN = 5.6  # inches
DPI = 200

Point = tuple[float, float]


def canvas(width: float, height: float, inches: float) -> tuple[Figure, Axes]:
    """A blank drawing of width × height units, `inches` wide; units are square."""
    figure = plt.figure(figsize=(inches, inches * height / width), dpi=DPI)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axis.axis("off")
    return figure, axis


def variable(axis: Axes, at: Point, name: str, is_seen: bool = False) -> None:
    """A random variable: a circle, grey where it is observed."""
    face = SEEN if is_seen else "white"
    axis.add_patch(Circle(at, RADIUS, facecolor=face, edgecolor="black", lw=0.8, zorder=2))
    letters = {"fontsize": 10, "math_fontfamily": "stix"}  # whose I has serifs
    axis.text(*at, f"${name}$", ha="center", va="center", zorder=3, **letters)


def arrow(
    axis: Axes,
    start: Point,
    end: Point,
    colour: str = GENERATION,
    gap: float = RADIUS,
    bend: float = 0.0,
    dashed: bool = False,
) -> None:
    """An arrow from one shape to another, `gap` units short of both centres."""
    inches_per_unit = axis.figure.get_figwidth() / axis.get_xlim()[1]
    look = {
        "arrowstyle": "-|>,head_length=0.25,head_width=0.12",
        "connectionstyle": f"arc3,rad={bend}",
        "shrinkA": 72 * gap * inches_per_unit,
        "shrinkB": 72 * gap * inches_per_unit,
        "color": colour,
        "lw": 0.9,
        "ls": (0, (3, 2)) if dashed else "-",
    }
    axis.annotate("", end, start, arrowprops=look, zorder=1)


def plate(axis: Axes, corner: Point, width: float, height: float, label: str) -> None:
    """A plate: what it holds is repeated for each training pair."""
    axis.add_patch(Rectangle(corner, width, height, fill=False, lw=0.6, ec="#777777"))
    place = (corner[0] + width - 0.08, corner[1] + 0.08)
    axis.text(*place, label, ha="right", va="bottom", fontsize=8)


def key(axis: Axes, x: float, y: float, entries: list[tuple[str, str, bool]]) -> None:
    """What the arrows mean, one line under the other."""
    for row, (colour, text, dashed) in enumerate(entries):
        line = y - 0.36 * row
        axis.plot([x, x + 0.5], [line, line], color=colour, lw=1, ls="--" if dashed else "-")
        axis.text(x + 0.6, line, text, fontsize=8, va="center")


def graphical_models(layers: int = 3) -> Figure:
    """The conditional VAE (Visual Dynamics A.1), and CDVAE with `layers` layers of codes."""
    top = 0.7 + 1.3 * layers
    with plt.rc_context(STYLE):
        figure, axis = canvas(10.4, top + 1.5, COLUMN)
        draw_conditional(axis, 1.3, top)
        draw_tied(axis, (6.0, 8.4), layers)
        for x, title in ((2.1, "conditional VAE"), (7.2, "CDVAE")):
            axis.text(x, top + 1.1, title, fontsize=10, ha="center", va="center")
        entries = [(GENERATION, "generation $P$", False), (INFERENCE, "inference $q$", True)]
        key(axis, 0.4, 1.15, [*entries, (TIE, "tie", False)])
    return finished(figure)


def draw_conditional(axis: Axes, x: float, top: float) -> None:
    """I and z make v; q sees I and v."""
    z, image, difference = (x, top), (x + 1.8, top), (x + 0.9, top - 1.5)
    arrow(axis, z, difference)
    arrow(axis, image, difference)
    arrow(axis, difference, z, INFERENCE, bend=-0.45, dashed=True)
    arrow(axis, image, z, INFERENCE, bend=0.35, dashed=True)
    variable(axis, z, "z")
    variable(axis, image, "I", is_seen=True)
    variable(axis, difference, "v", is_seen=True)
    plate(axis, (x - 1.0, top - 2.1), 3.6, 2.65, "$N$ pairs")


def draw_tied(axis: Axes, columns: Point, layers: int) -> None:
    """Two chains of codes over the two fields, joined at the top.

    Ladder inference: q of a code sees the field and the code above (Eq. 24–27).
    """
    heights = [0.7 + 1.3 * layer for layer in range(layers + 1)]
    for x, name, side in zip(columns, "cg", (-1, 1), strict=True):
        for layer in range(layers):
            arrow(axis, (x, heights[layer + 1]), (x, heights[layer]))
            bend = side * (0.45 if layer else 0.6)
            arrow(axis, (x, heights[0]), (x, heights[layer + 1]), INFERENCE, bend=bend, dashed=True)
        for layer in range(1, layers):
            ends = (x, heights[layer + 1]), (x, heights[layer])
            arrow(axis, *ends, INFERENCE, bend=0.6 * side, dashed=True)
        variable(axis, (x, heights[0]), f"x_{name}", is_seen=True)
        for layer, y in enumerate(heights[1:], start=1):
            variable(axis, (x, y), f"z_{{{name},{layer}}}")
    axis.plot(columns, [heights[-1]] * 2, color=TIE, lw=1.6, zorder=1)
    corner = (columns[0] - 1.55, 0.15)
    plate(axis, corner, columns[1] - columns[0] + 3.1, heights[-1] + 0.4, "$N$ pairs")


def box(axis: Axes, at: Point, size: Point, text: str, colour: str = "black") -> None:
    """A layer of the network, with what it is and how large."""
    corner = (at[0] - size[0] / 2, at[1] - size[1] / 2)
    style = "round,pad=0,rounding_size=0.08"
    axis.add_patch(
        FancyBboxPatch(corner, *size, boxstyle=style, fc="white", ec=colour, lw=0.8, zorder=2)
    )
    axis.text(*at, text, ha="center", va="center", fontsize=8, linespacing=1.25, zorder=3)


def convolutions(stem: nn.Module) -> list[int]:
    """Channels after each convolution of an image stem."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return [layer.out_channels for layer in stem.modules() if isinstance(layer, kinds)]


def widths(block: nn.Module) -> list[int]:
    """Widths of the fully connected layers of a block."""
    return [layer.out_features for layer in block.modules() if isinstance(layer, nn.Linear)]


def listed(numbers: list[int]) -> str:
    return "–".join(map(str, numbers))


def channels_of(dvae: DVAE) -> int:
    return len(dvae.standard.mean)


def figure2(model: CDVAE) -> Figure:
    """Figure 2: two DVAEs, their ladders and the tie, with the sizes of `model`."""
    layers = len(model.dvae_c.latents)
    top = CODES + STEP * (layers - 1)
    with plt.rc_context(STYLE):
        figure, axis = canvas(11.0, top + 2.6, COLUMN)
        draw_dvae(axis, model.dvae_c, "c", 1.25, 4.0)
        draw_dvae(axis, model.dvae_g, "g", 9.75, 7.0)
        axis.plot([4.0, 7.0], [top, top], color=TIE, lw=1.6, zorder=1)
        axis.text(5.5, top + 0.8, str(model.tie), fontsize=8, ha="center", va="center")
        entries = [(INFERENCE, "upward: $\\hat\\mu$, $\\hat\\sigma^2$ of each layer", False)]
        entries += [(INFERENCE, "merged with $P(z_i\\,|\\,z_{i+1})$: $q$", True)]
        key(axis, 0.2, top + 2.2, entries)
        key(axis, 6.0, top + 2.2, [(GENERATION, "downward: $P$", False), (TIE, "tie", False)])
    return finished(figure)


FIELD, STEM, CODES, STEP = 1.1, 2.5, 3.9, 2.5  # heights in Figure 2, and between its codes
BOX = (2.2, 0.85)  # width and height


def draw_dvae(axis: Axes, dvae: DVAE, name: str, up: float, down: float) -> None:
    """One DVAE: the upward pass at x = `up`, codes and generation at x = `down`.

    Nothing is merged at the top, whose q is what the upward pass says (Eq. 24–27).
    """
    field = f"{channels_of(dvae)} × {SIZE} × {SIZE}"
    axis.text((up + down) / 2, 0.3, f"DVAE of $x_{name}$", fontsize=9, ha="center", va="center")
    box(axis, (up, FIELD), BOX, f"$x_{name}$\n{field}")
    box(axis, (down, FIELD), BOX, f"$P(x_{name}|z_1)$\n{field}")
    box(axis, (up, STEM), BOX, layers_text(dvae.encoder, convolutions_first=True), INFERENCE)
    box(axis, (down, STEM), BOX, layers_text(dvae.decoder, convolutions_first=False), GENERATION)
    vertical(axis, up, FIELD, STEM, INFERENCE)
    vertical(axis, down, STEM, FIELD)
    below_up = below_down = STEM
    inward = 1 if down > up else -1
    for layer, size in enumerate(dvae.latents):
        y = CODES + STEP * layer
        box(axis, (up, y), BOX, f"FC {listed(widths(dvae.up[layer]))}", INFERENCE)
        vertical(axis, up, below_up, y, INFERENCE)
        if layer:
            middle = y - STEP / 2
            blocks = f"FC {listed(widths(dvae.down[layer - 1]))}"
            box(axis, (down, middle), BOX, blocks, GENERATION)
            vertical(axis, down, middle, below_down)
            below_down = middle
        box(axis, (down, y), BOX, f"$z_{{{name},{layer + 1}}}$\n{size}")
        vertical(axis, down, y, below_down)
        ends = (up + BOX[0] / 2 * inward, y), (down - BOX[0] / 2 * inward, y)
        arrow(axis, *ends, INFERENCE, gap=0, dashed=layer < len(dvae.latents) - 1)
        below_up = below_down = y


def vertical(axis: Axes, x: float, start: float, end: float, colour: str = GENERATION) -> None:
    """An arrow up or down, from the edge of one box to the edge of the next."""
    half = BOX[1] / 2 if end > start else -BOX[1] / 2
    arrow(axis, (x, start + half), (x, end - half), colour, gap=0)


def layers_text(stem: nn.Module, convolutions_first: bool) -> str:
    """The layers of an image stem or head, in their order."""
    lines = [f"conv {listed(convolutions(stem))}", f"FC {listed(widths(stem))}"]
    return "\n".join(lines if convolutions_first else lines[::-1])
