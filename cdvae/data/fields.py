"""Fields: what every data set hands to every model, and its cache on disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae.tools.files import InputError, atomic
from cdvae.tools.registry import entries, register

SIZE = 32  # all fields are SIZE × SIZE (Sec. 6.1)
BLOCK = 4096  # examples that are read at a time
GRID = 5  # object layout is measured on a GRID × GRID grid (Sec. 4.1)


@dataclass(frozen=True)
class Task:
    """One prediction problem: what is given, what is generated, and in which unit.

    A task of one's own is one more entry: `register(Task("depth", 3, 1, "image", "depth", "m"))`.
    """

    name: str
    channels_c: int
    channels_g: int
    layer_c: str
    layer_g: str
    unit: str  # unit of x_g
    is_flow: bool = False  # x_g is vectors, x then y: a mirror turns their x around


RELIGHTING = register(Task("relighting", 3, 1, "albedo", "shading", "1"))
RESATURATION = register(Task("resaturation", 1, 1, "value", "saturation", "1"))
MOTION = register(Task("motion", 3, 2, "image", "flow", "px", is_flow=True))  # px in one second
TASKS = {task.name: task for task in (RELIGHTING, RESATURATION, MOTION)}  # the paper's


def task_named(name: str) -> Task:
    """The task of that name; raises InputError for an unknown one."""
    known = entries(Task)
    if name not in known:
        raise InputError(f"unknown task '{name}': choose from {', '.join(known)}")
    return known[name]


class Truth(Protocol):
    """The exact conditional, where a data set knows it."""

    def sample(self, index: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """n draws from P(x_g | x_c) for each example in `index`: (batch, n, C_g, 32, 32)."""

    def of_examples(self, index: Tensor) -> "Truth":
        """The conditional of the examples at `index` alone; only where halves are scored."""


@dataclass(frozen=True)
class Fields:
    """The examples of one task and split.

    x_c (N, C_c, 32, 32) and x_g (N, C_g, 32, 32) are float32: values, saturations, albedos and
    image colours in [0, 1], shading in linear light (1 = a white surface shows as white), flow
    in pixels of the 32 × 32 grid over one second (x right, y down).
    semantics (N, D) holds the label distribution, then the 5 × 5 coverage of each category
    (Figure 3); D = 0 where nothing is annotated. n_labels is the number of categories.
    """

    task: Task
    x_c: Tensor
    x_g: Tensor
    semantics: Tensor
    n_labels: int
    ids: tuple[str, ...]
    truth: Truth | None = None

    def __len__(self) -> int:
        return len(self.x_c)

    def rows(self, chosen: Tensor) -> "Fields":
        """The examples where `chosen` (N,) is true, without their truth."""
        ids = tuple(name for name, keep in zip(self.ids, chosen.tolist(), strict=True) if keep)
        x_c, x_g, semantics = (x[chosen] for x in (self.x_c, self.x_g, self.semantics))
        return Fields(self.task, x_c, x_g, semantics, self.n_labels, ids)


def save(fields: Fields, path: Path) -> None:
    """Write the tensors of `fields` (not its truth) as one safetensors file, atomically."""
    tensors = {name: getattr(fields, name).contiguous() for name in ("x_c", "x_g", "semantics")}
    about = {"task": fields.task.name, "n_labels": fields.n_labels, "ids": list(fields.ids)}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"fields": json.dumps(about)})


def load(path: Path, semantics: bool = True, n: int = 0) -> Fields:
    """Read the first n examples (0: all) of what `save` wrote; without labels and layout unless
    `semantics`."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fields"])
        names = [name for name in file.keys() if semantics or name != "semantics"]
        tensors = {name: file.get_slice(name)[: n or None] for name in names}
    task, ids = task_named(about["task"]), tuple(about["ids"])[: n or None]
    if not semantics:
        tensors["semantics"], about["n_labels"] = torch.zeros(len(ids), 0), 0
    return Fields(task, **tensors, n_labels=about["n_labels"], ids=ids)


def with_flips(fields: Fields) -> Fields:
    """The examples, then their mirror images (left and right exchanged), without their truth.

    A mirrored flow's x component changes its sign; mirrored layouts have their columns exchanged.
    """
    x_c, x_g, semantics = fields.x_c.flip(-1), fields.x_g.flip(-1), fields.semantics.clone()
    if fields.task.is_flow:
        x_g = torch.cat([-x_g[:, :1], x_g[:, 1:]], 1)
    if semantics.shape[1] > fields.n_labels:
        layout = semantics[:, fields.n_labels :].unflatten(1, (-1, GRID, GRID))
        semantics[:, fields.n_labels :] = layout.flip(-1).flatten(1)
    pairs = (fields.x_c, x_c), (fields.x_g, x_g), (fields.semantics, semantics)
    ids = (*fields.ids, *(f"{name} mirrored" for name in fields.ids))
    return Fields(fields.task, *(torch.cat(pair) for pair in pairs), fields.n_labels, ids)


def load_with_flips(path: Path, n: int) -> Fields:
    """The first n examples of a file (0: all), then their mirror images, as `with_flips` has them,
    without labels and layout: beside what is returned there is never more than a block."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fields"])
    task, ids = task_named(about["task"]), tuple(about["ids"])[: n or None]
    layers = []
    for name, count in (("x_c", task.channels_c), ("x_g", task.channels_g)):
        layers.append(torch.empty(2 * len(ids), count, SIZE, SIZE))
        for rows in torch.arange(len(ids)).split(BLOCK):
            with safe_open(path, framework="pt") as file:  # and let go of
                part = file.get_slice(name)[int(rows[0]) : int(rows[-1]) + 1]
            layers[-1][rows] = part
            layers[-1][rows + len(ids)] = part.flip(-1)
    if task.is_flow:
        layers[1][len(ids) :, 0].neg_()
    ids = (*ids, *(f"{name} mirrored" for name in ids))
    return Fields(task, *layers, torch.zeros(len(ids), 0), 0, ids)
