"""Figures 1 and 5–16, the pictures of samples, with their captions: `cdvae figures`."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures import captions, shown
from cdvae.figures.arrows import draw_arrows, fastest, lengthened
from cdvae.figures.gallery import Gallery, drawn_pictures
from cdvae.figures.shown import APPENDIX_PAGE, N_COMPARED, N_SAMPLES, PAGE
from cdvae.figures.style import STYLE, finished, save, watermark
from cdvae.methods import label as name_of
from cdvae.postprocess.colours import colour_wheel, flow_colours
from cdvae.report.results import figures_folder, results_folder
from cdvae.tools.files import InputError

NUMBERS = {"relighting": (6, 9, 10, 11), "resaturation": (7, 12, 13, 14), "motion": (8, 15, 16)}
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
    """The frame, then the frame with each flow's arrows; one speed is large for the whole row."""
    top = fastest(np.stack(flows))
    longer = lengthened(top)
    show(axes[0], gallery.original(k))
    for axis, flow in zip(axes[1:], flows, strict=True):
        show(axis, gallery.original(k))
        draw_arrows(axis, gallery.original(k).shape[:2], flow, top, longer)
    axes[-1].annotate(
        f"{top:.2g} px/s × {longer:.2g}",
        (1.02, 0.5),
        xycoords="axes fraction",
        rotation=270,
        va="center",
        fontsize=7,
    )


def picture_row(axes, gallery: Gallery, k: int, pictures: list[np.ndarray]) -> None:
    for axis, picture in zip(axes, [gallery.original(k), *pictures], strict=True):
        show(axis, picture)


def sample_row(axes, gallery: Gallery, k: int, as_printed: bool = False) -> None:
    """The original and the four samples of the task's main method."""
    method = gallery.shown.main
    if gallery.task == "motion":
        motion_row(axes, gallery, k, list(gallery.shown.samples[method][k]))
    else:
        picture_row(axes, gallery, k, gallery.made(k, method, as_printed)[0])


SAMPLE_HEADS = ["Original", *(f"Sample {k + 1}" for k in range(N_SAMPLES))]


def aspect_of(gallery: Gallery) -> float:
    """Height by width of the pictures: frames keep that of the first, photos are square."""
    height, width = gallery.original(0).shape[:2]
    return height / width


def samples_page(gallery: Gallery, rows: range, as_printed: bool = False) -> Figure:
    """Figures 6–16: the original and four samples of each of these examples.

    as_printed: relit by Eq. 10 as printed (`gallery.relight_as_printed`).
    """
    with plt.rc_context(STYLE):
        figure, axes = sheet(len(rows), SAMPLE_HEADS, aspect_of(gallery), left=0.05)
        for line, k in zip(axes, rows, strict=True):
            sample_row(line, gallery, k, as_printed)
    return finished(figure)


def figure1(galleries: list[Gallery]) -> Figure:
    """Figure 1, the teaser: of each task one photo and four samples.

    The first test example of the first task, the second of the second, and so on.
    """
    titles = {"relighting": "relit", "resaturation": "resaturated", "motion": "motion"}
    with plt.rc_context(STYLE):
        figure, axes = sheet(len(galleries), SAMPLE_HEADS, aspect_of(galleries[0]))
        for row, (line, gallery) in enumerate(zip(axes, galleries, strict=True)):
            sample_row(line, gallery, min(row, len(gallery) - 1))
            label(line[0], titles[gallery.task])
    return finished(figure)


def figure5(galleries: list[Gallery]) -> Figure:
    """Figure 5: the first sample of each method, on the first two test examples of each task.

    The methods are the paper's, and one's own, that every task has; else each task's main one.
    """
    methods = [m for m in shown.compared() if all(m in each.shown.runs for each in galleries)]
    methods = methods or [galleries[0].shown.main]
    galleries = [each for each in galleries if set(methods) <= set(each.shown.runs)]
    heads = ["Original", *(name_of(method) for method in methods)]
    rows = [(each, k) for each in galleries for k in range(min(N_COMPARED, len(each)))]
    with plt.rc_context(STYLE):
        figure, axes = sheet(len(rows), heads, aspect_of(galleries[0]))
        for line, (gallery, k) in zip(axes, rows, strict=True):
            if gallery.task == "motion":
                flows = [gallery.shown.samples[method][k, 0] for method in methods]
                motion_row(line, gallery, k, flows)
            else:
                picture_row(line, gallery, k, [gallery.made(k, m)[0][0] for m in methods])
            label(line[0], gallery.task)
    return finished(figure)


def fields_page(gallery: Gallery, rows: range) -> Figure:
    """The fields behind Figure 6, 7 or 8, as the models draw them at 32 × 32.

    Given is the data's own field; reproduced is CDVAE(z_o) of Eq. 10.
    """
    kept, method = gallery.shown, gallery.shown.main
    heads = ["Original", "$x_g$", "reproduced", *SAMPLE_HEADS[1:]]
    most = fastest(kept.x_g[rows]) if gallery.task == "motion" else 1.0
    with plt.rc_context(STYLE):
        figure, axes = sheet(len(rows), heads, aspect_of(gallery), left=0.05, right=0.45)
        for line, k in zip(axes, rows, strict=True):
            show(line[0], gallery.original(k))
            fields = [kept.x_g[k], kept.reproduced[method][k], *kept.samples[method][k]]
            for axis, field in zip(line[1:], fields, strict=True):
                drawn = draw_field(axis, field, most)
        legend(figure, axes[0, -1], drawn, gallery.task, most)
    return finished(figure)


def draw_field(axis, field: np.ndarray, most: float):
    """One field (C_g, 32, 32): flow in colours, a scalar one in grey from 0 to 1."""
    if len(field) == 2:
        picture = flow_colours(torch.from_numpy(field), most)
        return axis.imshow(picture, interpolation="nearest", aspect="auto")
    return axis.imshow(
        field[0], vmin=0, vmax=1, cmap="cividis", interpolation="nearest", aspect="auto"
    )


def legend(figure: Figure, beside, drawn, task: str, most: float) -> None:
    """A colour bar, or for flow the colour wheel, right of the axes `beside`."""
    place, (width, _) = beside.get_position(), figure.get_size_inches()
    if task == "motion":
        side = 0.4 / width, 0.4 / figure.get_size_inches()[1]
        axis = figure.add_axes((place.x1 + 0.06 / width, place.y1 - side[1], *side))
        axis.imshow(flow_colours(colour_wheel(), 1.0), aspect="auto")
        axis.set_xlabel(f"{most:.1f} px/s", fontsize=6, labelpad=2)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    else:
        names = {"relighting": "shading (linear light)", "resaturation": "saturation"}
        bar = figure.add_axes((place.x1 + 0.08 / width, place.y0, 0.08 / width, place.height))
        figure.colorbar(drawn, cax=bar, ticks=[0, 0.5, 1], label=names[task])


def page_rows(gallery: Gallery) -> dict[int, range]:
    """Which examples stand in which figure, by its number, as far as there are examples."""
    first, *others = NUMBERS[gallery.task]
    pages = {first: range(0, min(PAGE, len(gallery)))}
    for page, number in enumerate(others):
        start = PAGE + page * APPENDIX_PAGE
        pages[number] = range(start, min(start + APPENDIX_PAGE, len(gallery)))
    return {number: rows for number, rows in pages.items() if len(rows)}


def galleries_of(profile: str, data: str, root: str | Path | None) -> dict[str, Gallery]:
    """A gallery for each task that has samples in the results folder; InputError for none."""
    folder = results_folder(profile, data)
    paths = {task: shown.path_of(folder, task) for task in NUMBERS}
    kept = {task: shown.load(path) for task, path in paths.items() if path.exists()}
    if not kept:
        raise InputError(f"no samples in {folder}: run cdvae reproduce --data {data} first")
    drawn = {task: drawn_pictures(profile, data, each) for task, each in kept.items()}
    return {task: Gallery(each, data, root, drawn[task]) for task, each in kept.items()}


def plates(galleries: dict[str, Gallery]) -> dict[str, tuple[Callable, Callable]]:
    """What draws each figure of a data set and what makes its caption, by name."""
    every = list(galleries.values())
    found = {
        "figure1": (partial(figure1, every), partial(captions.of_teaser, every)),
        "figure5": (partial(figure5, every), partial(captions.of_comparison, every)),
    }
    for gallery in every:
        pages = page_rows(gallery)
        for number, rows in pages.items():
            caption = partial(captions.of_samples, gallery, number, rows)
            found[f"figure{number}"] = partial(samples_page, gallery, rows), caption
        main, *_ = pages
        caption = partial(captions.of_fields, gallery, f"{main}b", pages[main])
        found[f"figure{main}b"] = partial(fields_page, gallery, pages[main]), caption
        if gallery.task == "relighting":
            caption = partial(captions.of_printed, gallery, f"{main}c", pages[main])
            page = partial(samples_page, gallery, pages[main], as_printed=True)
            found[f"figure{main}c"] = page, caption
    return found


def make_all(galleries: dict[str, Gallery]) -> None:
    """Make every picture, photo by photo, so that tasks which show the same one share its work."""
    photos = [each for each in galleries.values() if each.task != "motion"]
    for k in range(max(map(len, photos), default=0)):
        for gallery in photos:
            for method in gallery.shown.runs:
                if k < len(gallery.shown.samples[method]):
                    gallery.made(k, method)
            if gallery.task == "relighting" and k < PAGE:
                gallery.made(k, gallery.shown.main, True)


def draw(
    profile: str, galleries: dict[str, Gallery], names: Collection[str] = (), pdf: bool = False
) -> dict[str, str]:
    """Write these figures (by default all) as JPEG, and as PDF if asked; returns their captions
    by name.

    Captions stand in captions.md beside the figures.
    """
    folder = figures_folder(profile, next(iter(galleries.values())).data)
    found = {}
    if not names:
        make_all(galleries)
    for name, (page, caption) in plates(galleries).items():
        if not names or name in names:
            figure = page()
            watermark(figure, profile)
            save(figure, folder / name, photos=True, pdf=pdf)
            found[name] = caption()
    captions.merge(folder, list(found.values()))
    return found
