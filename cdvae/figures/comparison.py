"""Figure 5, the methods beside each other, and where a picture goes beyond what can be shown."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures import shown
from cdvae.figures.gallery import Gallery
from cdvae.figures.sheets import aspect_of, label, motion_row, picture_row, sheet, show
from cdvae.figures.shown import N_EACH
from cdvae.figures.style import STYLE, finished
from cdvae.methods import label as name_of

HEADS = ["Original", *(f"Sample {k + 1}" for k in range(N_EACH)), "Spread"]
BEYOND = {"relighting": "clipped", "resaturation": "bent"}
PAINT = np.array([255, 0, 200], np.uint8)  # of pixels beyond: photos hardly have it


def methods_of(galleries: list[Gallery]) -> list[str]:
    """The paper's methods, and one's own, that every task has; else each task's main one."""
    found = [m for m in shown.compared() if all(m in each.shown.runs for each in galleries)]
    return found or [galleries[0].shown.main]


def rows_of(galleries: list[Gallery]) -> list[tuple[Gallery, str]]:
    """What stands in the rows of Figure 5."""
    names = methods_of(galleries)
    return [(each, m) for each in galleries for m in names if m in each.shown.runs]


def spread_of(gallery: Gallery, method: str) -> np.ndarray:
    """The deviation of a method's samples at each pixel of the first example (32, 32)."""
    if method in gallery.shown.spread:
        return gallery.shown.spread[method][0]
    return np.sqrt(gallery.shown.samples[method][0].var(0).sum(0))


def figure5(galleries: list[Gallery]) -> Figure:
    """Figure 5: three samples of each method and their spread, for one example of each task.

    The spread is the deviation over 100 samples, from 0 (dark) to the task's largest (bright).
    """
    rows = rows_of(galleries)
    most = {
        gallery.task: max(spread_of(each, m).max() for each, m in rows if each is gallery)
        for gallery in galleries
    }
    with plt.rc_context(STYLE):
        figure, axes = sheet(len(rows), HEADS, aspect_of(galleries[0]), left=0.45, right=0.2)
        for line, (gallery, method) in zip(axes, rows, strict=True):
            samples = gallery.shown.samples[method][0][:N_EACH]
            if gallery.task == "motion":
                motion_row(line, gallery, 0, list(samples))
            else:
                picture_row(line[:-1], gallery, 0, gallery.made(0, method)[0][:N_EACH])
            look = {"vmin": 0, "vmax": most[gallery.task], "cmap": "cividis", "aspect": "auto"}
            line[-1].imshow(spread_of(gallery, method), **look)
            label(line[0], f"{gallery.task}\n{name_of(method)}")
    return finished(figure)


def most_beyond(gallery: Gallery, rows: range) -> tuple[int, int, float]:
    """The example and the sample of which most goes beyond, and the share of its pixels."""
    main = gallery.shown.main
    every = [(k, n, share) for k in rows for n, share in enumerate(gallery.made(k, main)[1])]
    return max(every, key=lambda each: each[2])


def beyond_range(gallery: Gallery, rows: range) -> Figure:
    """The picture of a page of which most goes beyond: original, made, and where it does."""
    k, n, _ = most_beyond(gallery, rows)
    picture, where = gallery.made(k, gallery.shown.main)[0][n], gallery.beyond(k, n)
    with plt.rc_context(STYLE):
        heads = ["Original", f"Sample {n + 1}", BEYOND[gallery.task]]
        figure, axes = sheet(1, heads, aspect_of(gallery), left=0.05)
        marked = (0.25 * picture + 0.75 * picture.mean(2, keepdims=True)).astype(np.uint8)
        marked[where] = PAINT
        for axis, shown_here in zip(axes[0], (gallery.original(k), picture, marked), strict=True):
            show(axis, shown_here)
    return finished(figure)
