"""The views of a page: each takes the same DRAWN draws (`model.Draws`) and changes one thing."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cdvae.checkpoints import Checkpoint
from cdvae.explore.offers import layers_of, leaves_free
from cdvae.explore.sheet import Tile
from cdvae.explore.tiles import scalar_picture, tiles_of
from cdvae.explore.walks import layer_of_others, untied_of_others, walk
from cdvae.metrics import squared_errors
from cdvae.model import Draws
from cdvae.postprocess.colours import FULL_FLOW
from cdvae.postprocess.own import Subject

DRAWN = 100  # draws behind every view
STEPS = 9  # of a walk
ACROSS = 8  # samples at most beside each other in one row a layer
DEVIATION = 0.3  # of scalar fields, in full colour; of flow half of FULL_FLOW
Rows = list[list[Tile]]


@dataclass(frozen=True)
class Choices:
    """What a reader has chosen.

    n: samples shown, 1 to `pages.MOST`. spread: of the tie, in units of the trained one.
    component: of a mixture, counted from 1; 0 takes all by their weights. first, second: samples,
    counted from 1, between which a walk goes; `first` is also the one whose layers are changed.
    finish: one of `tiles.FINISHES`.
    """

    view: str = "samples"
    n: int = 4
    seed: int = 0
    spread: float = 1.0
    component: int = 0
    first: int = 1
    second: int = 2
    finish: str = "off"


@dataclass(frozen=True)
class View:
    """One way to look at a model's draws.

    label: in the picker. hint: what the page shows, in a sentence. rows: the tiles, row by row.
    uses: which of n, first and second change it. has: whether a model has something to show in it.
    """

    label: str
    hint: Callable[[Choices], str]
    rows: Callable[[Checkpoint, Subject, Choices, Draws], Rows]
    uses: tuple[str, ...] = ()
    has: Callable[[Checkpoint], bool] = lambda checkpoint: True


def views_of(checkpoint: Checkpoint) -> list[str]:
    """The names of the views that a model has something to show in."""
    return [name for name, view in VIEWS.items() if view.has(checkpoint)]


def shown(
    checkpoint: Checkpoint, subject: Subject, choices: Choices, draws: Draws, titles: list[str]
) -> list[Tile]:
    """The fields of draws, finished as chosen."""
    fields = checkpoint.model.fields_of(subject.x_c, draws)
    return tiles_of(checkpoint, subject, choices.finish, fields, titles)


def sample_rows(checkpoint: Checkpoint, subject: Subject, choices: Choices, draws: Draws) -> Rows:
    """The first n samples."""
    titles = [f"sample {k + 1}" for k in range(choices.n)]
    return [shown(checkpoint, subject, choices, draws.rows(slice(choices.n)), titles)]


def walk_rows(checkpoint: Checkpoint, subject: Subject, choices: Choices, draws: Draws) -> Rows:
    """STEPS fields from one sample to another."""
    path = walk(draws, choices.first - 1, choices.second - 1, STEPS)
    titles = [f"{k / (STEPS - 1):.3g}" for k in range(STEPS)]
    titles[0], titles[-1] = f"sample {choices.first}", f"sample {choices.second}"
    return [shown(checkpoint, subject, choices, path, titles)]


def layer_rows(checkpoint: Checkpoint, subject: Subject, choices: Choices, draws: Draws) -> Rows:
    """One sample; in each row one of its layers is that of other samples, the top layer first."""
    top, rows, n = len(draws.noise), [], min(choices.n, ACROSS)
    for layer in range(top, -1, -1):
        changed = layer_of_others(draws, choices.first - 1, layer).rows(slice(n))
        place = {top: " (top)", 0: " (bottom)"}.get(layer, "")
        titles = [f"z{layer + 1}{place}: 1", *(str(k + 1) for k in range(1, n))]
        rows.append(shown(checkpoint, subject, choices, changed, titles))
    return rows


def untied_rows(checkpoint: Checkpoint, subject: Subject, choices: Choices, draws: Draws) -> Rows:
    """One sample; what the tie leaves free is that of other samples."""
    changed = untied_of_others(checkpoint.model.tie, draws, choices.first - 1)
    titles = [f"of sample {k + 1}" for k in range(choices.n)]
    return [shown(checkpoint, subject, choices, changed.rows(slice(choices.n)), titles)]


def summary_rows(checkpoint: Checkpoint, subject: Subject, choices: Choices, draws: Draws) -> Rows:
    """Mean and deviation of all draws, and the one nearest to the truth where that is known."""
    fields, task = checkpoint.model.fields_of(subject.x_c, draws), checkpoint.task
    mean = fields.mean(0, keepdim=True)
    pictures, titles = [mean], [f"mean of {DRAWN}"]
    if subject.known:
        errors = squared_errors(fields[None], subject.x_g)[0]
        best, unit = int(errors.argmin()), "" if task.unit == "1" else f"{task.unit}²"
        titles[0] += f": {error_text(squared_errors(mean[None], subject.x_g)[0, 0], unit)}"
        pictures.append(fields[best : best + 1])
        titles.append(f"nearest, sample {best + 1}: {error_text(errors[best], unit)}")
    tiles = tiles_of(checkpoint, subject, choices.finish, torch.cat(pictures), titles)
    return [[tiles[0], deviation_tile(checkpoint, fields), *tiles[1:]]]


def deviation_tile(checkpoint: Checkpoint, fields: Tensor) -> Tile:
    """The standard deviation of fields (n, C_g, 32, 32), pixel by pixel."""
    task = checkpoint.task
    most = FULL_FLOW / 2 if task.is_flow else DEVIATION
    deviation = fields.var(0).sum(0).sqrt().numpy()
    text = f"deviation, from 0 to {most:g} {task.unit * (task.unit != '1')}".strip()
    return Tile(scalar_picture(deviation / most), text)


def error_text(error: Tensor, unit: str) -> str:
    """A mean squared error × 10⁻²."""
    return f"{100 * float(error):.2f} × 10⁻² {unit}".strip()


VIEWS = {
    "samples": View(
        "samples",
        lambda c: f"The first {c.n} of {DRAWN} samples of what could be there.",
        sample_rows,
        uses=("n",),
    ),
    "walk": View(
        "walk from one sample to another",
        lambda c: (
            f"From sample {c.first} (left) to sample {c.second}: the code goes along the sphere."
        ),
        walk_rows,
        uses=("first", "second"),
        has=lambda checkpoint: checkpoint.model.walks,
    ),
    "layers": View(
        "one layer of codes at a time",
        lambda c: (
            f"Sample {c.first}; each row takes one layer of its codes from samples 1 to "
            f"{min(c.n, ACROSS)}."
        ),
        layer_rows,
        uses=("n", "first"),
        has=lambda checkpoint: checkpoint.model.walks and layers_of(checkpoint) > 1,
    ),
    "untied": View(
        "untied components alone",
        lambda c: (
            f"Sample {c.first} with the components that the tie leaves free from samples 1 to "
            f"{c.n}."
        ),
        untied_rows,
        uses=("n", "first"),
        has=leaves_free,
    ),
    "summary": View(
        f"mean, deviation, nearest of {DRAWN}",
        lambda c: (
            f"Pixel by pixel over {DRAWN} samples, and the one nearest to the truth; "
            "mean squared errors."
        ),
        summary_rows,
    ),
}
