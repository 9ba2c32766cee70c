"""Figures 1 and 5–16, the pictures of samples, with their captions: `cdvae figures`."""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures import captions, comparison, shown
from cdvae.figures.arrows import fastest
from cdvae.figures.comparison import figure5
from cdvae.figures.gallery import Gallery, drawn_pictures
from cdvae.figures.sheets import (
    aspect_of,
    beside,
    draw_field,
    label,
    legend,
    motion_row,
    picture_row,
    sheet,
    show,
)
from cdvae.figures.shown import APPENDIX_PAGE, N_SAMPLES, PAGE
from cdvae.figures.style import STYLE, finished, save, watermark
from cdvae.report.results import figures_folder, results_folder
from cdvae.tools.files import InputError

NUMBERS = {"relighting": (6, 9, 10, 11), "resaturation": (7, 12, 13, 14), "motion": (8, 15, 16)}


def sample_row(axes, gallery: Gallery, k: int, as_printed: bool = False) -> None:
    """The original and the four samples of the task's main method."""
    method = gallery.shown.main
    if gallery.task == "motion":
        motion_row(axes, gallery, k, list(gallery.shown.samples[method][k]))
    else:
        picture_row(axes, gallery, k, gallery.made(k, method, as_printed)[0])


SAMPLE_HEADS = ["Original", *(f"Sample {k + 1}" for k in range(N_SAMPLES))]


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


def fields_page(gallery: Gallery, rows: range) -> Figure:
    """The fields behind Figure 6, 7 or 8, as the models draw them at 32 × 32.

    Given is the data's own field; reproduced is CDVAE(z_o) of Eq. 10. Flow has two scales in each
    row, one for the data and one for the samples, which are slower: they stand at the right.
    """
    kept, method = gallery.shown, gallery.shown.main
    heads = ["Original", "$x_g$", "reproduced", *SAMPLE_HEADS[1:]]
    with plt.rc_context(STYLE | {"font.size": 9.5, "axes.titlesize": 10}):  # a wide sheet
        figure, axes = sheet(len(rows), heads, aspect_of(gallery), left=0.05, right=0.75)
        for line, k in zip(axes, rows, strict=True):
            show(line[0], gallery.original(k))
            fields = [kept.x_g[k], kept.reproduced[method][k], *kept.samples[method][k]]
            speeds = [fastest(kept.x_g[k])] * 2 + [fastest(kept.samples[method][k])] * N_SAMPLES
            for axis, field, most in zip(line[1:], fields, speeds, strict=True):
                drawn = draw_field(axis, field, max(most, 1e-6))
            if gallery.task == "motion":
                beside(line[-1], f"$x_g$ {speeds[0]:.2g}\nsamples\n{speeds[-1]:.2g} px/s")
        if gallery.task != "motion":
            legend(figure, axes[0, -1], drawn, gallery.task)
    return finished(figure)


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
        if gallery.task != "motion":
            page = partial(comparison.beyond_range, gallery, pages[main])
            caption = partial(captions.of_beyond, gallery, f"{main}d", pages[main])
            found[f"figure{main}d"] = page, caption
    return found


def make_all(galleries: dict[str, Gallery]) -> None:
    """Make every picture, photo by photo, so that tasks which show the same one share its work."""
    photos = [each for each in galleries.values() if each.task != "motion"]
    for k in range(max(map(len, photos), default=0)):
        for gallery in photos:
            for method in {*comparison.methods_of(photos), gallery.shown.main}:
                if method in gallery.shown.runs and k < len(gallery.shown.samples[method]):
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
