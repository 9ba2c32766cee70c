"""Pictures drawn ahead, between which sliders choose: key figures move without a kernel."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cdvae import checkpoints
from cdvae.explore import dynamics, pages
from cdvae.explore.tiles import tiles_of
from cdvae.figures import arrows
from cdvae.figures.shown import MAIN
from cdvae.methods import label
from cdvae.postprocess import own as subjects

SPREADS = (0.0, 0.5, 1.0, 1.5, 2.5)
N = 4  # samples beside the original
SIDE, GAP = 176, 6  # px of a picture, and between them
QUALITY = 80  # of WebP
FOLDER = "_static/ahead"
AT = {"1": "relighting", "6": "relighting", "7": "resaturation", "8": "motion"}  # by figure
FRAMES = ("four futures", "what a dimension does")  # headings in 08

Row = list[np.ndarray]  # pictures (side, side, 3) in [0, 1]


class Slider(NamedTuple):
    """name: in addresses and texts. start: which of the values it begins with."""

    name: str
    title: str
    values: tuple[float, ...]
    start: int = 0


@dataclass(frozen=True)
class Flip:
    """Pictures for all combinations of sliders. draw: the pictures for their values, beside each
    other, n of them. alt: with {name} where a value goes."""

    name: str
    sliders: tuple[Slider, ...]
    draw: Callable[..., Row]
    n: int
    alt: str
    caption: str

    def html(self, to_root: str = "../") -> str:
        """The figure with its sliders, which appear where scripts run."""
        holes = "-".join(f"{{{each.name}}}" for each in self.sliders)
        path = f"{to_root}{FOLDER}/{self.name}-{holes}.webp"
        first = path.format(**{each.name: each.start for each in self.sliders})
        said = self.alt.format(
            **{each.name: text(each.values[each.start]) for each in self.sliders}
        )
        rows = "".join(map(self.row, self.sliders))
        return (
            f'<figure class="ahead" data-path="{path}" data-alt="{html.escape(self.alt)}">'
            f'<img src="{first}" width="{self.n * (SIDE + GAP) - GAP}" height="{SIDE}" '
            f'alt="{html.escape(said)}"><div class="sliders" hidden>{rows}</div>'
            f"<figcaption>{self.caption}</figcaption></figure>"
        )

    def row(self, slider: Slider) -> str:
        """A slider with its label and value."""
        name, shown = f"{self.name}-{slider.name}", text(slider.values[slider.start])
        return (
            f'<div><label for="{name}">{slider.title}</label><input type="range" id="{name}" '
            f'data-name="{slider.name}" min="0" max="{len(slider.values) - 1}" '
            f'value="{slider.start}" data-values="{",".join(map(text, slider.values))}" '
            f'aria-valuetext="{shown}"><output for="{name}">{shown}</output></div>'
        )

    def keep(self, static: Path) -> None:
        """Write every picture."""
        folder = static / Path(FOLDER).name
        folder.mkdir(parents=True, exist_ok=True)
        for places in product(*(range(len(each.values)) for each in self.sliders)):
            pairs = zip(places, self.sliders, strict=True)
            page = beside(self.draw(*(each.values[k] for k, each in pairs)))
            path = folder / f"{self.name}-{'-'.join(map(str, places))}.webp"
            page.save(path, "WEBP", quality=QUALITY)


def text(value: float) -> str:
    return f"{value:g}"


def beside(row: Row):
    """Pictures beside each other, as a Pillow image."""
    from PIL import Image

    page = Image.new("RGB", (len(row) * (SIDE + GAP) - GAP, SIDE), "white")
    for k, picture in enumerate(row):
        tile = Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))
        page.paste(tile.resize((SIDE, SIDE)), (k * (SIDE + GAP), 0))
    return page


def samples(task: str, seed: int, spread: float) -> Row:
    """The first test scene and N samples of it."""
    checkpoint = checkpoints.load(checkpoints.name_of(task, MAIN[task], "scenes"))
    subject = subjects.scene(task, 0)
    choices = pages.Choices(seed=int(seed), spread=spread, n=N)
    draws = pages.draws_of(checkpoint, subject, choices).rows(slice(N))
    fields = checkpoint.model.fields_of(subject.x_c, draws)
    finish = "upsampled" if checkpoint.task.is_flow else "details"
    tiles = tiles_of(checkpoint, subject, finish, fields, [""] * N)
    pictures = [tile.picture for tile in tiles]
    if checkpoint.task.is_flow:
        top = arrows.fastest(fields.numpy())
        pictures = [pointed(tile.picture, tile.flow, top) for tile in tiles]
    return [subject.on_screen(subject.fine), *pictures]


def pointed(picture: np.ndarray, flow: np.ndarray, top: float) -> np.ndarray:
    """A picture with the arrows of a flow over it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = picture.shape[0]
    figure = Figure((side / 100, side / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(picture, interpolation="nearest")
    axis.set_axis_off()
    arrows.draw_arrows(axis, picture.shape[:2], flow, arrows.lengthened(top))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


SEED = Slider("seed", "Random seed", tuple(range(6)))


def of_task(task: str) -> Flip:
    """The samples of a task, by seed and spread."""
    told = {"relighting": "relit", "resaturation": "resaturated", "motion": "with motion as arrows"}
    method = label(MAIN[task])
    return Flip(
        name=task,
        sliders=(
            SEED,
            Slider("spread", "Spread of the tie (1: as trained)", SPREADS, SPREADS.index(1.0)),
        ),
        draw=partial(samples, task),
        n=N + 1,
        alt=f"The first test scene, then {N} samples of it {told[task]}, seed {{seed}}, "
        "spread {spread}",
        caption=f"<strong>Move it.</strong> The first test scene, then the first {N} samples of "
        f"{method}, {told[task]}. At spread 0 what variety is left comes from beside the tie.",
    )


def futures(seed: int) -> Row:
    """The first test picture of moving shapes and N futures of it."""
    return frames(dynamics.Choices(view="samples", n=N, seed=int(seed)))


def dimension(number: int) -> Row:
    """The first test picture with one dimension of the code moved."""
    return frames(dynamics.Choices(view="traversal", dimension=int(number)))


def frames(choices: dynamics.Choices) -> Row:
    model, every = dynamics.network(), dynamics.pairs()
    made, _ = dynamics.VIEWS[choices.view].pictures(model, every, choices)
    first = [every.first[0].float() / 255] * (choices.view == "samples")
    return [dynamics.as_picture(each) for each in [*first, *made]]


def of_frames() -> dict[str, Flip]:
    """Visual Dynamics' futures by seed, and what each dimension of its code does."""
    numbers = tuple(range(1, dynamics.SHOWN + 1))
    return {
        "futures": Flip(
            "futures",
            (SEED,),
            futures,
            N + 1,
            f"The first test picture of moving shapes and {N} futures of it, seed {{seed}}",
            f"<strong>Move it.</strong> The first test picture, then {N} futures of it.",
        ),
        "dimension": Flip(
            "dimension",
            (Slider("dimension", "Dimension of the code", numbers),),
            dimension,
            len(dynamics.VALUES),
            "The first test picture with dimension {dimension} of the code from −2 to 2",
            "<strong>Move it.</strong> One dimension of the code from −2 to 2, the others 0: "
            "first the one that holds most.",
        ),
    }


def keep(static: Path) -> None:
    """Draw all of them."""
    for flip in [*map(of_task, MAIN), *of_frames().values()]:
        flip.keep(static)
