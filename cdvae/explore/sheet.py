"""A page of pictures of one fixed size in pixels, quick to draw again while a slider moves."""

import math
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cdvae.data.fields import SIZE
from cdvae.figures import arrows

WIDTH, HEIGHT = 960, 600  # px, whatever is shown: nothing jumps when it changes
DPI = 100
HEAD = 18  # px above a picture for its title
GAP = 8
INK, QUIET = "#222222", "#777777"


@dataclass(frozen=True)
class Tile:
    """A picture (H, W, 3) in [0, 1] with its title; flow (2, 32, 32) is drawn over it as arrows."""

    picture: np.ndarray
    title: str = ""
    flow: np.ndarray | None = None


@dataclass(frozen=True)
class Area:
    """A part of the page in px, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class Sheet:
    """The page: one pair of axes in px, y down. Many axes would take half a second to draw."""

    def __init__(self):
        self.figure = Figure((WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.axis = self.figure.add_axes((0, 0, 1, 1))
        self.axis.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0), autoscale_on=False)
        self.axis.set_axis_off()

    def text(self, x: float, y: float, text: str, **style) -> None:
        """Text whose line begins at x and stands on y; dollars in it are dollars, no formula."""
        plain = {"color": INK, "fontsize": 9, "clip_on": False, "parse_math": False}
        self.axis.text(x, y, text, **plain | style)

    def tile(self, tile: Tile, x: float, y: float, side: float) -> None:
        """A tile with its title above; a picture that is not square keeps its shape in it."""
        height, width = tile.picture.shape[:2]
        scale = side / max(height, width)
        width, height = round(width * scale), round(height * scale)
        picture = shrunk(tile.picture, width, height)
        extent = (x, x + width, y + HEAD + height, y + HEAD)
        self.axis.imshow(picture, extent=extent, interpolation="nearest", aspect="auto")
        edge = Rectangle((x, y + HEAD), width, height, fill=False, ec="#CCCCCC", lw=0.7)
        self.axis.add_patch(edge)  # a still flow is white
        self.text(x, y + HEAD - 5, tile.title)

    def grid(self, tiles: list[Tile], area: Area) -> None:
        """Tiles as large as the area allows, row by row; one speed is large for all their flows."""
        columns, side = best_grid(len(tiles), area)
        moving = []
        for k, tile in enumerate(tiles):
            row, column = divmod(k, columns)
            x, y = area.x + column * (side + GAP), area.y + row * (side + HEAD + GAP)
            self.tile(tile, x, y, side)
            if tile.flow is not None:
                moving.append((tile, x, y + HEAD))
        top = arrows.fastest(np.stack([tile.flow for tile, *_ in moving])) if moving else 0.0
        for tile, x, y in moving:  # when all titles stand, so that arrows lie over them
            self.flow(tile, x, y, side, top)

    def flow(self, tile: Tile, x: float, y: float, side: float, top: float) -> None:
        """The arrows of a tile's flow over its picture; `top` px per second is the fastest."""
        shape = np.array(tile.picture.shape[1::-1])
        cell = shape * side / shape.max() / SIZE  # width and height of a cell of the grid, in px
        longer = arrows.lengthened(top)
        for each in arrows.arrows(tile.flow, top):
            start = np.array([x, y]) + cell * (each.x, each.y)
            self.arrow(start, start + longer * cell * (each.dx, each.dy))

    def arrow(self, start: np.ndarray, end: np.ndarray) -> None:
        """An arrow that is seen on light and on dark."""
        look = {"arrowstyle": "-|>", "color": arrows.INK, "lw": 1.4, "mutation_scale": 9}
        drawn = self.axis.annotate("", end, start, arrowprops=look | {"shrinkA": 0, "shrinkB": 0})
        dark = patheffects.withStroke(linewidth=3, foreground="black")
        drawn.arrow_patch.set_path_effects([dark])

    def bars(self, values: np.ndarray, area: Area, marked: int | None, title: str) -> None:
        """Values as bars, the largest as tall as the area, numbered from 1, one of them marked.

        Of many bars the first has its number, and every fourth.
        """
        step = area.width / len(values)
        left = area.x + step * np.arange(len(values))
        colours = ["#D55E00" if k == marked else "#0072B2" for k in range(len(values))]
        foot = area.y + area.height - 12
        tall = (area.height - 12 - HEAD) * values / values.max()
        self.axis.bar(left, -tall, 0.8 * step, bottom=foot, color=colours, align="edge")
        for k, x in enumerate(left):
            if len(values) <= 8 or k == 0 or (k + 1) % 4 == 0:
                self.text(x + 0.4 * step, foot + 11, str(k + 1), fontsize=8, ha="center")
        self.text(area.x, area.y + HEAD - 5, title, fontsize=8)

    def colour_bar(self, area: Area, colours: str, low: str, high: str) -> None:
        """A bar of a colour map with what its ends mean."""
        line = np.linspace(0, 1, 64)[None]
        extent = (area.x, area.x + area.width, area.y + area.height, area.y)
        self.axis.imshow(line, cmap=colours, extent=extent, aspect="auto")
        below = area.y + area.height + 13
        self.text(area.x, below, low, fontsize=8, color=QUIET)
        self.text(area.x + area.width, below, high, fontsize=8, color=QUIET, ha="right")


def best_grid(n: int, area: Area) -> tuple[int, float]:
    """How many columns make n square tiles with titles largest, and their side in px."""

    def side(columns: int) -> int:
        rows = math.ceil(n / columns)
        wide = (area.width - GAP * (columns - 1)) / columns
        return int(min(wide, (area.height - GAP * (rows - 1)) / rows - HEAD))

    columns = max(range(1, n + 1), key=side)
    return columns, side(columns)


def shrunk(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture as uint8; a larger one than width × height is averaged down to it."""
    import cv2

    if picture.shape[1] > width:
        small = picture.astype(np.float32)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
    return (picture * 255).round().clip(0, 255).astype(np.uint8)


def png(figure: Figure) -> bytes:
    """The page as a PNG; the same page gives the same bytes."""
    data = BytesIO()
    fast = {"compress_level": 1}
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs=fast)
    return data.getvalue()
