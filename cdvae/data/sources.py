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

SOURCES = ("scenes", "coco", "ucf101", "folder")
SPLITS = ("train", "valid", "test")
TASKS_OF = {"scenes": ("relighting", "resaturation", "motion"), "coco": ("resaturation",)}
ROOMS = tuple(f"data/{room}.py" for room in ("fields", "layout", "world", "render", "scenes"))
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


def load(source: Source, task: Task) -> tuple[dict[str, Fields], str]:
    """Fields of the three splits, and the key of everything that shaped them.

    Validation examples are taken from the training part, never from the test part. Raises
    InputError where the source cannot serve the task, is missing or holds nothing to read.
    """
    if task.name not in TASKS_OF[source.name]:
        known = ", ".join(TASKS_OF[source.name])
        raise InputError(f"--data {source.name} has no task '{task.name}': it has {known}")
    return load_scenes(source, task) if source.name == "scenes" else load_photos(source, task)


def load_scenes(source: Source, task: Task) -> tuple[dict[str, Fields], str]:
    counts = dict(zip(SPLITS, (source.n_train, source.n_valid, source.n_test), strict=True))
    key = key_of("scenes", task.name, counts, source.seed, code_hash(*ROOMS))
    splits = {}
    for split, n in counts.items():
        path = cache_root() / "fields" / key / f"{split}.safetensors"
        if path.exists():
            splits[split] = scenes.with_truth(fields.load(path), split, source.seed)
        else:
            splits[split] = scenes.load(task, split, n, source.seed)
            fields.save(splits[split], path)
    return splits, key


def load_photos(source: Source, task: Task) -> tuple[dict[str, Fields], str]:
    """Photos of the train and test folders, shuffled by the seed, limited, and cut into splits."""
    train_folder, test_folder = (
        photos.coco_folder(source.root, part) for part in ("train", "test")
    )
    train_names = shuffled(photos.list_photos(train_folder), source.seed)
    test_names = shuffled(photos.list_photos(test_folder), source.seed)[: source.n_test]
    train_names = train_names[: source.n_train + source.n_valid]
    n_valid = min(source.n_valid, len(train_names) // 5)
    parts = {
        "train": (train_folder, train_names[n_valid:]),
        "valid": (train_folder, train_names[:n_valid]),
        "test": (test_folder, test_names),
    }
    if coco.annotation_file(train_folder) is None:
        warnings.warn(
            f"no annotations beside {train_folder}: guidance uses pixel features alone",
            stacklevel=2,
        )
    key = key_of(source.name, task.name, stamps(parts), code_hash(*PHOTO_ROOMS))
    splits = {}
    for split, (folder, names) in parts.items():
        path = cache_root() / "fields" / key / f"{split}.safetensors"
        if not path.exists():
            fields.save(photo_fields(task, folder, names, path.parent / split), path)
        splits[split] = fields.load(path)
    return splits, key


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
    """The names in an order that depends on the seed and on each name alone, so that adding files
    does not reorder the others."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
