"""How every figure looks, and how it is saved."""

import logging
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from cdvae.figures.light import PHOTOS, light_png
from cdvae.methods import label, look
from cdvae.tools.files import atomic

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it remarks on the dates of fonts

STYLE = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
}

HOW = {  # a file of each kind is written
    ".png": {"metadata": {"Software": None}},
    ".jpg": {"pil_kwargs": PHOTOS},
    ".pdf": {"metadata": {"CreationDate": None}},
}


def save(figure: Figure, path: Path, photos: bool = False, pdf: bool = True) -> list[Path]:
    """Write a figure as PNG, or as JPEG if it shows photos, and as PDF, without dates.

    Returns the paths. A PNG of the same name that photos take the place of is removed.
    """
    written = [path.with_suffix(suffix) for suffix in (".jpg" if photos else ".png", ".pdf")]
    for place in written[: 1 + pdf]:
        with atomic(place) as temporary, plt.rc_context(STYLE):
            figure.savefig(temporary, bbox_inches="tight", **HOW[place.suffix])
            if place.suffix == ".png":
                temporary.write_bytes(light_png(temporary.read_bytes()))
    if photos:
        path.with_suffix(".png").unlink(missing_ok=True)
    return written[: 1 + pdf]


def picture_at(path: Path) -> Path:
    """The file of a figure by its path without ending: of photos a JPEG, else a PNG."""
    photos = path.with_suffix(".jpg")
    return photos if photos.exists() else path.with_suffix(".png")


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


def look_of(name: str, size: int = 6) -> dict:
    """Colour, marker and label of a method for `Axes.plot`: the same in every figure."""
    colour, marker = look(name)
    return {"color": colour, "marker": marker, "ms": size, "label": label(name)}
