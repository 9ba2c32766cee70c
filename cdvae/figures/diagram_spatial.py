"""A drawing of CDVAE-spatial with the sizes of a model at hand."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cdvae.figures.diagrams import (
    COLUMN,
    GENERATION,
    INFERENCE,
    TIE,
    Point,
    arrow,
    box,
    canvas,
    key,
)
from cdvae.figures.style import STYLE, finished
from cdvae.methods.spatial import SpatialCDVAE
from cdvae.networks import PATCH, SIZE

WIDE, HIGH = 2.7, 0.95  # a box
BOTTOM, STEP = 1.5, 1.75  # height of the fields, and between rows
GIVEN, DRAWN, SHOWN = 1.9, 5.6, 9.3  # columns: what x_c gives, what is drawn, what x_g says


def network(model: SpatialCDVAE) -> Figure:
    """How x_g is drawn given x_c, and how its code is inferred in training."""
    s = model.settings
    sides = [SIZE // PATCH >> k for k in range(len(s.widths))]
    rows = [BOTTOM + STEP * k for k in range(len(s.widths) + 2)]
    with plt.rc_context(STYLE):
        figure, axis = canvas(11.2, rows[-1] + 2.2, COLUMN)
        for x, title in ((GIVEN, "once for $x_c$"), (DRAWN, "for each draw"), (SHOWN, "training")):
            axis.text(x, 0.45, title, fontsize=9, ha="center", va="center")
        column(axis, GIVEN, rows, given(model, sides))
        column(axis, DRAWN, rows, drawn(model, sides))
        column(axis, SHOWN, rows, shown(model, sides))
        for below, above in zip(rows, rows[1:], strict=False):
            upward(axis, GIVEN, below, above)
            upward(axis, SHOWN, below, above)
            upward(axis, DRAWN, above, below)
        for y in rows[:-1]:
            across(axis, GIVEN, DRAWN, y)
        across(axis, GIVEN, DRAWN, rows[-1], TIE)
        across(axis, SHOWN, DRAWN, rows[-1], INFERENCE, dashed=True)
        top = rows[-1] + 1.65
        key(
            axis, 0.5, top, [(INFERENCE, "inference $q$", False), (GENERATION, "generation", False)]
        )
        key(axis, 5.2, top, [(TIE, "tie: $P(z_g\\,|\\,z_c)$", False)])
        key(axis, 5.2, top - 0.36, [(INFERENCE, "merged with it: $q(z_g\\,|\\,x_g,x_c)$", True)])
    return finished(figure)


def given(model: SpatialCDVAE, sides: list[int]) -> list[tuple[str, str]]:
    """What x_c gives, from the field upwards."""
    codes = model.settings.codes_c
    weights = model.settings.widths[0] + 1
    field = f"$x_c$, {len(model.standard_c.mean)} × {SIZE} × {SIZE}\n{weights} weights a pixel"
    maps = [f"$z_c$: {n} × {side} × {side}" for n, side in zip(codes, sides, strict=False)]
    return [
        (field, INFERENCE),
        *((text, INFERENCE) for text in maps),
        (f"$z_c$: {codes[-1]}", INFERENCE),
    ]


def drawn(model: SpatialCDVAE, sides: list[int]) -> list[tuple[str, str]]:
    """What is made for each draw, from the field upwards."""
    s = model.settings
    field = f"$x_g$, {len(model.standard_g.mean)} × {SIZE} × {SIZE}\nweighted sums"
    maps = []
    for k, (n, side) in enumerate(zip(s.widths, sides, strict=False)):
        work = "\n2 convolutions" if k else ""
        maps.append(f"{n} × {side} × {side}{work}")
    return [
        (field, GENERATION),
        *((text, GENERATION) for text in maps),
        (f"$z_g$: {s.codes_g[-1]}", GENERATION),
    ]


def shown(model: SpatialCDVAE, sides: list[int]) -> list[tuple[str, str]]:
    """What x_g and x_c say of the code, from the fields upwards."""
    s = model.settings
    maps = [f"{n} × {side} × {side}" for n, side in zip(s.widths, sides, strict=False)]
    return [
        ("$x_g$ and $x_c$", INFERENCE),
        *((text, INFERENCE) for text in maps),
        (f"FC {s.vector}", INFERENCE),
    ]


def column(axis: Axes, x: float, rows: list[float], texts: list[tuple[str, str]]) -> None:
    """Boxes one above the other."""
    for y, (text, colour) in zip(rows, texts, strict=True):
        box(axis, (x, y), (WIDE, HIGH), text, colour)


def upward(axis: Axes, x: float, start: float, end: float) -> None:
    """An arrow from one row to the next: upwards it infers, downwards it generates."""
    up = end > start
    half = HIGH / 2 if up else -HIGH / 2
    ends: tuple[Point, Point] = (x, start + half), (x, end - half)
    arrow(axis, *ends, INFERENCE if up else GENERATION, gap=0)


def across(
    axis: Axes, start: float, end: float, y: float, colour: str = GENERATION, dashed: bool = False
) -> None:
    """An arrow from one column to another."""
    half = WIDE / 2 if end > start else -WIDE / 2
    arrow(axis, (start + half, y), (end - half, y), colour, gap=0, dashed=dashed)
