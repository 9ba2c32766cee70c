"""What the explorer shows, drawn by a pure function: `render(checkpoint, subject, choices)`.

The same choices give the same page. Every view takes the same DRAWN draws (`steering.Draws`) and
changes one thing: moving one slider never changes what another one holds fixed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps, patheffects
from matplotlib.figure import Figure
from torch import Tensor

from cdvae.checkpoints import Checkpoint
from cdvae.explore import walks as steering
from cdvae.explore.sheet import Area, Sheet, Tile
from cdvae.explore.walks import Draws
from cdvae.figures.arrows import arrows, fastest
from cdvae.figures.fields import FULL_FLOW, colour_wheel, flow_colours
from cdvae.figures.samples import INK, LONGEST
from cdvae.metrics import squared_errors
from cdvae.model import CDVAE
from cdvae.postprocess.own import Subject
from cdvae.report.results import NAMES
from cdvae.ties import GaussianTie, MDNTie
from cdvae.tools.files import InputError

MOST = 16  # samples on a page
DRAWN = 100  # draws behind every view
STEPS = 9  # of a walk
ACROSS = 8  # samples at most beside each other in one row a layer
DEVIATION = {"relighting": 0.3, "resaturation": 0.3, "motion": FULL_FLOW / 2}  # in full colour
VIEWS = {
    "samples": "samples",
    "walk": "walk from one sample to another",
    "layers": "one layer of codes at a time",
    "untied": "untied components alone",
    "summary": f"mean, deviation, nearest of {DRAWN}",
}
FINISHES = {
    "off": "off: the field, 32 × 32",
    "upsampled": "upsampled, on the picture",
    "details": "upsampled, with details",
}
LEFT = Area(10, 30, 150, 516)
RIGHT = Area(185, 54, 765, 540)
FIELDS = "cividis"  # safe for colour-blind readers


@dataclass(frozen=True)
class Choices:
    """What a reader has chosen.

    n: samples shown, 1 to MOST. spread: of the tie, in units of the trained one. component: of an
    MDN tie, counted from 1; 0 takes all by their weights. first, second: samples, counted from 1,
    between which a walk goes; `first` is also the one whose layers are changed.
    """

    view: str = "samples"
    n: int = 4
    seed: int = 0
    spread: float = 1.0
    component: int = 0
    first: int = 1
    second: int = 2
    finish: str = "off"


def views_of(checkpoint: Checkpoint) -> list[str]:
    """The views that a model has something to show in."""
    model = checkpoint.model
    if not isinstance(model, CDVAE):
        return ["samples", "walk", "summary"]
    gaussian = isinstance(model.tie, GaussianTie)
    return [view for view in VIEWS if view != "untied" or gaussian]


def components_of(checkpoint: Checkpoint) -> int:
    """How many components its tie mixes; 0 for one without a mixture."""
    tie = getattr(checkpoint.model, "tie", None)
    return tie.shape[0] if isinstance(tie, MDNTie) else 0


def check(checkpoint: Checkpoint, choices: Choices) -> None:
    """Raise InputError for a choice that this model does not have."""
    name = checkpoint.name
    if choices.view not in (views := views_of(checkpoint)):
        raise InputError(f"{name} has no view '{choices.view}': choose from {', '.join(views)}")
    if choices.finish not in FINISHES:
        known = ", ".join(FINISHES)
        raise InputError(f"unknown post-processing '{choices.finish}': choose from {known}")
    if not 1 <= choices.n <= MOST:
        raise InputError(f"{choices.n} samples do not fit: choose 1 to {MOST}")
    if not 0 <= choices.component <= components_of(checkpoint):
        raise InputError(f"{name} has no component {choices.component}: choose 0 for all")
    for sample in (choices.first, choices.second):
        if not 1 <= sample <= DRAWN:
            raise InputError(f"there is no sample {sample}: choose 1 to {DRAWN}")


def draws_of(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> Draws:
    """The draws behind every view of these choices."""
    generator = torch.Generator().manual_seed(choices.seed)
    component = choices.component - 1 if choices.component else None
    return steering.draw(checkpoint.model, subject.x_c, DRAWN, generator, choices.spread, component)


def render(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> Figure:
    """The page for these choices; InputError for one that the model does not have."""
    check(checkpoint, choices)
    draws, page = draws_of(checkpoint, subject, choices), Sheet()
    given(page, checkpoint, subject, choices)
    page.text(RIGHT.x, 20, title(checkpoint, subject, choices), fontsize=10)
    page.text(RIGHT.x, 38, HINTS[choices.view](choices), fontsize=9, color="#555555")
    tiles = VIEW_TILES[choices.view](checkpoint, subject, choices, draws)
    rows = len(draws.noise) + 1 if choices.view == "layers" else 1
    n, height = len(tiles) // rows, RIGHT.height / rows
    for row in range(rows):
        area = Area(RIGHT.x, RIGHT.y + row * height, RIGHT.width, height)
        lay(page, tiles[row * n : (row + 1) * n], area)
    return page.figure


def given(page: Sheet, checkpoint: Checkpoint, subject: Subject, choices: Choices) -> None:
    """The left column: the picture, what the model is given, what it should generate; a legend."""
    task, side = checkpoint.task, LEFT.width
    tiles = [
        Tile(subject.original, shortened(subject.name)),
        Tile(subject.layer("c"), f"given: {task.layer_c}"),
    ]
    if subject.known:
        truth = field_picture(subject.x_g[0].numpy())
        tiles.append(Tile(truth, f"true: {task.layer_g}"))
    for k, tile in enumerate(tiles):
        page.tile(tile, LEFT.x, 4 + k * (side + 22), side)
    foot = Area(LEFT.x, 3 * (side + 22) + 6, side, 8)
    if task.name == "motion":
        page.tile(Tile(flow_colours(colour_wheel(), 1.0)), foot.x, foot.y - 20, 28)
        page.text(foot.x + 36, foot.y + 16, f"flow, up to {FULL_FLOW:.0f} px/s", fontsize=8)
    else:
        page.colour_bar(foot, FIELDS, "0", f"1 ({task.layer_g})")
    if components_of(checkpoint):
        mu, _ = checkpoint.model.dvae_c.q_top_given_x(subject.x_c)
        weights = checkpoint.model.tie.mixture(mu)[0].exp()[0].numpy()
        marked = choices.component - 1 if choices.component else None
        text = f"weights, the largest {weights.max():.2f}"
        page.bars(weights, Area(LEFT.x, 544, side, 56), marked, text)


def shortened(name: str, most: int = 20) -> str:
    """A name that fits above the picture."""
    return name if len(name) <= most else name[: most - 1] + "…"


def describe(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> str:
    """The page in words, for who cannot see it."""
    hint, finish = HINTS[choices.view](choices), FINISHES[choices.finish]
    return f"{title(checkpoint, subject, choices)}. {hint} Post-processing: {finish}."


def title(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> str:
    """What is drawn, in one line."""
    method = NAMES[checkpoint.card["method"]]
    text = f"{checkpoint.task.name} · {method} · {subject.name[:40]} · seed {choices.seed}"
    tie = getattr(checkpoint.model, "tie", None)
    if isinstance(tie, GaussianTie):
        return f"{text} · σₜ = {choices.spread * tie.sigma:.2g}"
    if isinstance(tie, MDNTie):
        which = f"component {choices.component}" if choices.component else "all components"
        return f"{text} · {which}, temperature {choices.spread**2:.2g}"
    return text


HINTS = {
    "samples": lambda c: f"The first {c.n} of {DRAWN} samples of what could be there.",
    "walk": lambda c: (
        f"From sample {c.first} (left) to sample {c.second}: the code goes along the sphere."
    ),
    "layers": lambda c: (
        f"Sample {c.first}; each row takes one layer of its codes from samples 1 to "
        f"{min(c.n, ACROSS)}."
    ),
    "untied": lambda c: (
        f"Sample {c.first} with the components that the tie leaves free from samples 1 to {c.n}."
    ),
    "summary": lambda c: (
        f"Pixel by pixel over {DRAWN} samples, and the one nearest to the truth; "
        "mean squared errors."
    ),
}


def sample_tiles(checkpoint, subject, choices, draws: Draws) -> list[Tile]:
    fields = steering.decode(checkpoint.model, subject.x_c, draws.rows(slice(choices.n)))
    titles = [f"sample {k + 1}" for k in range(choices.n)]
    return tiles_of(checkpoint, subject, choices, fields, titles)


def walk_tiles(checkpoint, subject, choices, draws: Draws) -> list[Tile]:
    path = steering.walk(draws, choices.first - 1, choices.second - 1, STEPS)
    fields = steering.decode(checkpoint.model, subject.x_c, path)
    titles = [f"{k / (STEPS - 1):.3g}" for k in range(STEPS)]
    titles[0], titles[-1] = f"sample {choices.first}", f"sample {choices.second}"
    return tiles_of(checkpoint, subject, choices, fields, titles)


def layer_tiles(checkpoint, subject, choices, draws: Draws) -> list[Tile]:
    top, tiles, n = len(draws.noise), [], min(choices.n, ACROSS)
    for layer in range(top, -1, -1):
        changed = steering.layer_of_others(draws, choices.first - 1, layer).rows(slice(n))
        fields = steering.decode(checkpoint.model, subject.x_c, changed)
        place = {top: " (top)", 0: " (bottom)"}.get(layer, "")
        head = f"z{layer + 1}{place}: 1"
        titles = [head, *(str(k + 1) for k in range(1, n))]
        tiles += tiles_of(checkpoint, subject, choices, fields, titles)
    return tiles


def untied_tiles(checkpoint, subject, choices, draws: Draws) -> list[Tile]:
    tie = checkpoint.model.tie
    changed = steering.untied_of_others(tie, draws, choices.first - 1).rows(slice(choices.n))
    fields = steering.decode(checkpoint.model, subject.x_c, changed)
    titles = [f"of sample {k + 1}" for k in range(choices.n)]
    return tiles_of(checkpoint, subject, choices, fields, titles)


def summary_tiles(checkpoint, subject, choices, draws: Draws) -> list[Tile]:
    fields = steering.decode(checkpoint.model, subject.x_c, draws)
    mean, task = fields.mean(0, keepdim=True), checkpoint.task
    deviation = fields.var(0).sum(0).sqrt().numpy()
    most = DEVIATION[task.name]
    shown, titles = [mean], [f"mean of {DRAWN}"]
    if subject.known:
        errors = squared_errors(fields[None], subject.x_g)[0]
        best = int(errors.argmin())
        unit = "px²" if task.unit == "px" else ""
        titles[0] += f": {error_text(squared_errors(mean[None], subject.x_g)[0, 0], unit)}"
        shown.append(fields[best : best + 1])
        titles.append(f"nearest, sample {best + 1}: {error_text(errors[best], unit)}")
    tiles = tiles_of(checkpoint, subject, choices, torch.cat(shown), titles)
    spread = Tile(
        colormaps[FIELDS](np.clip(deviation / most, 0, 1))[..., :3],
        f"deviation, from 0 to {most:g} {task.unit * (task.unit != '1')}".strip(),
    )
    return [tiles[0], spread, *tiles[1:]]


def error_text(error: Tensor, unit: str) -> str:
    return f"{100 * float(error):.2f} × 10⁻² {unit}".strip()


VIEW_TILES = {
    "samples": sample_tiles,
    "walk": walk_tiles,
    "layers": layer_tiles,
    "untied": untied_tiles,
    "summary": summary_tiles,
}


def field_picture(field: np.ndarray) -> np.ndarray:
    """A generated field (C_g, 32, 32) as colours: scalars in [0, 1], flow by direction."""
    if len(field) == 2:
        return flow_colours(torch.from_numpy(field), FULL_FLOW)
    return colormaps[FIELDS](field[0].clip(0, 1))[..., :3]


def tiles_of(checkpoint, subject, choices, fields: Tensor, titles: list[str]) -> list[Tile]:
    """Fields (n, C_g, 32, 32) as they are to be shown."""
    if choices.finish == "off":
        pictures = [field_picture(field) for field in fields.numpy()]
        return [Tile(*pair) for pair in zip(pictures, titles, strict=True)]
    if checkpoint.task.name == "motion":  # which is not post-processed (Sec. 6)
        pairs = zip(fields.numpy(), titles, strict=True)
        picture = subject.on_screen(subject.fine)
        return [Tile(picture, text, flow) for flow, text in pairs]
    own = None
    if choices.finish == "details":
        own = checkpoint.reproduce(subject.x_c, subject.x_g)[0, 0].numpy()
    pictures = subject.with_layers(fields[:, 0].numpy(), own)
    return [Tile(*pair) for pair in zip(pictures, titles, strict=True)]


def lay(page: Sheet, tiles: list[Tile], area: Area) -> None:
    """Tiles in a grid; flows as arrows, one speed being large for all of them."""
    places = page.grid(tiles, area)
    flows = [tile.flow for tile in tiles if tile.flow is not None]
    if not flows:
        return
    top = fastest(np.stack(flows))
    longer = max(1.0, LONGEST / max(top, 1e-6))
    for tile, (x, y, side) in zip(tiles, places, strict=True):
        if tile.flow is not None:
            height, width = np.array(tile.picture.shape[:2]) * side / max(tile.picture.shape[:2])
            for arrow in arrows(tile.flow, top):
                start = np.array([x + arrow.x * width / 32, y + arrow.y * height / 32])
                step = longer * np.array([arrow.dx * width, arrow.dy * height]) / 32
                draw_arrow(page.axis, start, start + step)


def draw_arrow(axis, start: np.ndarray, end: np.ndarray) -> None:
    """An arrow that is seen on light and on dark."""
    look = {"arrowstyle": "-|>", "color": INK, "lw": 1.4, "mutation_scale": 9}
    arrow = axis.annotate("", end, start, arrowprops=look | {"shrinkA": 0, "shrinkB": 0})
    arrow.arrow_patch.set_path_effects([patheffects.withStroke(linewidth=3, foreground="black")])
