"""What the explorer shows, drawn by a pure function: `render(checkpoint, subject, choices)`.

The same choices give the same page. Every view takes the same draws and changes one thing: moving
one slider never changes what another one holds fixed.
"""

import torch
from matplotlib.figure import Figure

from cdvae.checkpoints import Checkpoint
from cdvae.explore.offers import components_of, setting_of, weights_of
from cdvae.explore.sheet import Area, Sheet, Tile
from cdvae.explore.tiles import FIELDS, FINISHES, field_picture
from cdvae.explore.views import DRAWN, VIEWS, Choices, views_of
from cdvae.methods import label
from cdvae.model import Draws
from cdvae.postprocess.colours import FULL_FLOW, colour_wheel, flow_colours
from cdvae.postprocess.own import Subject
from cdvae.tools.files import InputError

__all__ = ["Choices", "check", "components_of", "describe", "draws_of", "render", "views_of"]

MOST = 16  # samples on a page
LEFT = Area(10, 30, 150, 516)
RIGHT = Area(185, 54, 765, 540)


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


def component_of(choices: Choices) -> int | None:
    """The component that is chosen, counted from 0; None for all."""
    return choices.component - 1 if choices.component else None


def draws_of(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> Draws:
    """The draws behind every view of these choices."""
    generator = torch.Generator().manual_seed(choices.seed)
    changed = choices.spread, component_of(choices)
    return checkpoint.model.draws(subject.x_c, DRAWN, generator, *changed)


def render(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> Figure:
    """The page for these choices; InputError for one that the model does not have."""
    check(checkpoint, choices)
    draws, page, view = draws_of(checkpoint, subject, choices), Sheet(), VIEWS[choices.view]
    given(page, checkpoint, subject, choices)
    page.text(RIGHT.x, 20, title(checkpoint, subject, choices), fontsize=10)
    page.text(RIGHT.x, 38, view.hint(choices), fontsize=9, color="#555555")
    rows = view.rows(checkpoint, subject, choices, draws)
    height = RIGHT.height / len(rows)
    for k, tiles in enumerate(rows):
        page.grid(tiles, Area(RIGHT.x, RIGHT.y + k * height, RIGHT.width, height))
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
    if task.is_flow:
        page.tile(Tile(flow_colours(colour_wheel(), 1.0)), foot.x, foot.y - 20, 28)
        page.text(foot.x + 36, foot.y + 16, f"flow, up to {FULL_FLOW:.0f} px/s", fontsize=8)
    else:
        page.colour_bar(foot, FIELDS, "0", f"1 ({task.layer_g})")
    if (weights := weights_of(checkpoint, subject)) is not None:
        text = f"weights, the largest {weights.max():.2f}"
        page.bars(weights, Area(LEFT.x, 544, side, 56), component_of(choices), text)


def shortened(name: str, most: int = 20) -> str:
    """A name that fits above the picture."""
    return name if len(name) <= most else name[: most - 1] + "…"


def describe(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> str:
    """The page in words, for who cannot see it."""
    hint, finish = VIEWS[choices.view].hint(choices), FINISHES[choices.finish]
    return f"{title(checkpoint, subject, choices)}. {hint} Post-processing: {finish}."


def title(checkpoint: Checkpoint, subject: Subject, choices: Choices) -> str:
    """What is drawn, in one line."""
    parts = [checkpoint.task.name, label(checkpoint.card["method"]), subject.name[:40]]
    parts += [f"seed {choices.seed}", setting_of(checkpoint, choices.spread, component_of(choices))]
    return " · ".join(filter(None, [*parts, subject.caution]))
