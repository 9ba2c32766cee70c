"""Sheets of pictures in rows and columns, and what stands in one: photos, arrows, fields."""

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures.arrows import draw_arrows, fastest, lengthened
from cdvae.figures.gallery import Gallery
from cdvae.postprocess.colours import colour_wheel, flow_colours

SIDE = 1.05  # inches, the width of a picture: 168 px at the 160 dpi of a PNG
GAP = 0.04


def sheet(rows: int, heads: list[str], aspect: float = 1.0, left: float = 0.3, right: float = 0.0):
    """A figure of rows × len(heads) pictures of SIDE inches, headed; returns it and its axes."""
    columns, top = len(heads), 0.25
    height, step = SIDE * aspect, SIDE + GAP
    size = (left + columns * step + right, top + rows * (height + GAP))
    figure, axes = plt.figure(figsize=size), np.empty((rows, columns), object)
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * step, size[1] - top - (row + 1) * (height + GAP) + GAP
            place = (x / size[0], y / size[1], SIDE / size[0], height / size[1])
            axes[row, column] = figure.add_axes(place, xticks=[], yticks=[])
            axes[row, column].spines[:].set_visible(False)
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, pad=3)
    return figure, axes


def show(axis, picture: np.ndarray) -> None:
    """A picture that fills its axes."""
    axis.imshow(picture, interpolation="nearest", aspect="auto")


def label(axis, text: str) -> None:
    """A row's label, left of its first picture."""
    axis.set_ylabel(text, labelpad=3)


def motion_row(axes, gallery: Gallery, k: int, flows: list[np.ndarray]) -> None:
    """The frame, then the frame with each flow's arrows, all lengthened alike in the row.

    Their speed stands beside the last of the axes, of which there may be more.
    """
    top = fastest(np.stack(flows))
    longer = lengthened(top)
    show(axes[0], gallery.original(k))
    for axis, flow in zip(axes[1:], flows, strict=False):
        show(axis, gallery.original(k))
        draw_arrows(axis, gallery.original(k).shape[:2], flow, longer)
    beside(axes[-1], f"{top:.2g} px/s × {longer:.2g}")


def beside(axis, text: str) -> None:
    """A remark at the right of a picture, from top to bottom."""
    place = {"xycoords": "axes fraction", "rotation": 270, "va": "center"}
    axis.annotate(text, (1.02, 0.5), **place)


def picture_row(axes, gallery: Gallery, k: int, pictures: list[np.ndarray]) -> None:
    for axis, picture in zip(axes, [gallery.original(k), *pictures], strict=True):
        show(axis, picture)


def aspect_of(gallery: Gallery) -> float:
    """Height by width of the pictures: frames keep that of the first, photos are square."""
    height, width = gallery.original(0).shape[:2]
    return height / width


def draw_field(axis, field: np.ndarray, most: float):
    """One field (C_g, 32, 32): flow in colours, a scalar one in grey from 0 to 1."""
    if len(field) == 2:
        picture = flow_colours(torch.from_numpy(field), most)
        return axis.imshow(picture, interpolation="nearest", aspect="auto")
    return axis.imshow(
        field[0], vmin=0, vmax=1, cmap="cividis", interpolation="nearest", aspect="auto"
    )


def legend(figure: Figure, beside, drawn, task: str) -> None:
    """A colour bar, or for flow the colour wheel, right of the axes `beside`."""
    place, (width, _) = beside.get_position(), figure.get_size_inches()
    if task == "motion":
        side = 0.4 / width, 0.4 / figure.get_size_inches()[1]
        axis = figure.add_axes((place.x1 + 0.3 / width, place.y1 - side[1], *side))
        axis.imshow(flow_colours(colour_wheel(), 1.0), aspect="auto")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    else:
        names = {"relighting": "shading (linear light)", "resaturation": "saturation"}
        bar = figure.add_axes((place.x1 + 0.08 / width, place.y0, 0.08 / width, place.height))
        figure.colorbar(drawn, cax=bar, ticks=[0, 0.5, 1], label=names[task])
