"""Four sources, one interface: the splits of a task, cached on disk."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cdvae.data import coco, fields, photos, scenes
from cdvae.data.fields import Fields, Task
from cdvae.data.layers import value_saturation
from cdvae.files import InputError, cache_root, code_hash, key_of

TASKS_OF = {
    "scenes": ("relighting", "resaturation", "motion"),
    "coco": ("resaturation",),
}
SCENE_ROOMS = tuple(f"data/{room}.py" for room in ("fields", "world", "render", "scenes"))
PHOTO_ROOMS = tuple(f"data/{room}.py" for room in ("fields", "layout", "photos", "coco", "layers"))


@dataclass(frozen=True)
class Source:
    """Where the examples come from, and how many of them each split has at the most."""

    name: str
    root: Path | None
    n_train: int
    n_valid: int
    n_test: int
    seed: int

    def __post_init__(self) -> None:
        if self.name not in TASKS_OF:
            raise InputError(f"unknown data '{self.name}': choose from {', '.join(TASKS_OF)}")
        if self.name != "scenes" and self.root is None:
            raise InputError(f"--data {self.name} needs --root, the folder that holds it")

    def check(self, task: Task) -> None:
        """Raise InputError if this source cannot serve the task."""
        if task.name not in TASKS_OF[self.name]:
            known = ", ".join(TASKS_OF[self.name])
            raise InputError(f"--data {self.name} has no task '{task.name}': it has {known}")


@dataclass(frozen=True)
class Plan:
    """Which examples the splits of a task are made of, and the key of all that shapes them.

    parts: for each split the folder and the names of its photos; for scenes their number.
    """

    source: Source
    task: Task
    key: str
    parts: dict

    def folder(self) -> Path:
        return cache_root() / "fields" / self.key


def plan(source: Source, task: Task) -> Plan:
    """Look at a source without reading its examples; raises InputError if it cannot serve."""
    source.check(task)
    if source.name == "scenes":
        parts = {"train": source.n_train, "valid": source.n_valid, "test": source.n_test}
        key = key_of("scenes", task.name, parts, source.seed, code_hash(*SCENE_ROOMS))
    else:
        parts = photo_parts(source)
        key = key_of(source.name, task.name, stamps(parts), code_hash(*PHOTO_ROOMS))
    return Plan(source, task, key, parts)


def load(plan: Plan) -> dict[str, Fields]:
    """Fields of the train, valid and test splits, from the cache where they are there.

    Validation examples come out of the training part of a source, never out of its test part.
    """
    return {split: load_split(plan, split) for split in plan.parts}


def load_split(plan: Plan, split: str) -> Fields:
    path = plan.folder() / f"{split}.safetensors"
    if plan.source.name == "scenes":
        if path.exists():
            return scenes.with_truth(fields.load(path), split, plan.source.seed)
        made = scenes.load(plan.task, split, plan.parts[split], plan.source.seed)
    else:
        if path.exists():
            return fields.load(path)
        made = photo_fields(plan.task, *plan.parts[split], plan.folder() / split)
    fields.save(made, path)
    return made


def photo_parts(source: Source) -> dict[str, tuple[Path, list[str]]]:
    """Photos of the train and test folders, shuffled by the seed, limited, and cut into splits."""
    train, test = (photos.coco_folder(source.root, part) for part in ("train", "test"))
    if coco.annotation_file(train) is None:
        warnings.warn(
            f"no annotations beside {train}: guidance uses pixel features alone", stacklevel=2
        )
    names = shuffled(photos.list_photos(train), source.seed)[: source.n_train + source.n_valid]
    n_valid = min(source.n_valid, len(names) // 5)
    test_names = shuffled(photos.list_photos(test), source.seed)[: source.n_test]
    return {
        "train": (train, names[n_valid:][: source.n_train]),
        "valid": (train, names[:n_valid]),
        "test": (test, test_names),
    }


def stamps(parts: dict[str, tuple[Path, list[str]]]) -> list[tuple[str, str, int]]:
    """Name and size of every file that shapes the splits."""
    files = [(split, folder / name) for split, (folder, names) in parts.items() for name in names]
    notes = [(split, coco.annotation_file(folder)) for split, (folder, _) in parts.items()]
    return [(split, path.name, path.stat().st_size) for split, path in files + notes if path]


def photo_fields(task: Task, folder: Path, names: list[str], chunks: Path) -> Fields:
    """Decode photos and make the layers of a task; what cannot be read is counted and named."""
    gathered = photos.read(folder, names, chunks)
    for name, reason in gathered.failed.items():
        warnings.warn(f"skipped {folder.name}/{name}: {reason}", stacklevel=2)
    image = gathered.load("image").movedim(3, 1).float() / 255
    x_c, x_g = value_saturation(image)
    named, n_labels = photo_semantics(folder, gathered.rows)
    return Fields(task, x_c, x_g, named, n_labels, gathered.rows)


def photo_semantics(folder: Path, names: tuple[str, ...]) -> tuple[Tensor, int]:
    """Semantic features of photos (N, D), with D = 0 where there are no annotations."""
    annotations = coco.annotation_file(folder)
    if annotations is None:
        return torch.zeros(len(names), 0), 0
    rows, n_labels = coco.semantics(annotations, names)
    return torch.from_numpy(rows), n_labels


def shuffled(names: list[str], seed: int) -> list[str]:
    """The names in an order that the seed and each name alone decide, so that one file more does
    not reorder the others."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
