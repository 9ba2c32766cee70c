"""Four sources, one interface: the splits of a task, cached on disk."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from cdvae.data import fields, splits
from cdvae.data.clips import clips
from cdvae.data.drawn import scenes
from cdvae.data.drawn.world import CATEGORIES
from cdvae.data.fields import Fields, Task
from cdvae.data.photos import coco, layers
from cdvae.data.photos import decode as photos
from cdvae.data.report import Report
from cdvae.tools.chunks import gather
from cdvae.tools.files import InputError, cache_root, code_hash, key_of

PHOTO_TASKS = ("relighting", "resaturation")
TASKS_OF = {
    "scenes": (*PHOTO_TASKS, "motion"),
    "coco": PHOTO_TASKS,
    "ucf101": ("motion",),
    "folder": (*PHOTO_TASKS, "motion"),
}
ROOMS = {
    "scenes": ("fields", "drawn/world", "drawn/render", "drawn/scenes"),
    "photos": (
        "fields",
        *(f"photos/{name}" for name in ("layout", "decode", "coco", "layers", "intrinsic", "crf")),
        "splits",
    ),
    "clips": ("fields", "clips/clips", "clips/video", "clips/flow", "splits"),
}


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
        if self.name == "scenes":
            return
        if self.root is None:
            raise InputError(f"--data {self.name} needs --root, the folder that holds it")
        if not self.root.is_dir():
            raise InputError(f"no folder {self.root}: give --root a folder that exists")

    def tasks(self) -> tuple[str, ...]:
        """The tasks that this source can serve."""
        if self.name != "folder":
            return TASKS_OF[self.name]
        has_photos, has_clips = (bool(each.under(self.root)) for each in (photos, clips))
        return PHOTO_TASKS * has_photos + ("motion",) * has_clips

    def check(self, task: Task) -> None:
        """Raise InputError if this source cannot serve the task."""
        if task.name not in TASKS_OF[self.name]:
            known = ", ".join(TASKS_OF[self.name])
            raise InputError(f"--data {self.name} has no task '{task.name}': it has {known}")

    def size(self, split: str) -> int:
        return {"train": self.n_train, "valid": self.n_valid, "test": self.n_test}[split]


@dataclass(frozen=True)
class Plan:
    """Which examples the splits of a task are made of, and the key of all that shapes them.

    kind: "scenes", "photos" or "clips". parts: for photos, the folder and names of each split.
    """

    source: Source
    task: Task
    kind: str
    key: str
    parts: dict

    def folder(self) -> Path:
        return cache_root() / "fields" / self.key


def plan(source: Source, task: Task) -> Plan:
    """Look at a source without reading its examples; raises InputError if it cannot serve."""
    source.check(task)
    parts: dict = {}
    if source.name == "scenes":
        kind, stamp = "scenes", ()
    elif task.name == "motion":
        kind, stamp = "clips", clip_stamps(source.root)
    else:
        kind, parts = "photos", photo_parts(source)
        stamp = photo_stamps(parts)
    sizes = [source.size(split) for split in splits.SPLITS]
    rooms = (f"data/{room}.py" for room in ("sources", *ROOMS[kind]))
    key = key_of(source.name, task.name, sizes, source.seed, stamp, code_hash(*rooms))
    return Plan(source, task, kind, key, parts)


def load(plan: Plan) -> dict[str, Fields]:
    """Fields of the train, valid and test splits, from the cache where they are there.

    Validation examples come out of the training part of a source, never out of its test part.
    """
    return {split: load_split(plan, split) for split in splits.SPLITS}


def load_split(plan: Plan, split: str) -> Fields:
    path = plan.folder() / f"{split}.safetensors"
    if path.exists():
        found = fields.load(path)
        known = plan.kind == "scenes"
        return scenes.with_truth(found, split, plan.source.seed) if known else found
    made = MAKERS[plan.kind](plan, split)
    fields.save(made, path)
    return made


def make_scenes(plan: Plan, split: str) -> Fields:
    return scenes.load(plan.task, split, plan.source.size(split), plan.source.seed)


def make_clips(plan: Plan, split: str) -> Fields:
    """Frame pairs that move, and their flow; what cannot be used is counted and named.

    Still pairs (`clips.still`) are left out, to train on and to test with: predicting no motion
    where there is none is no test of a motion model.
    """
    source = plan.source
    made, report = clips.load_clips(
        source.root, split, cache_root() / "clips", n=source.size(split), seed=source.seed
    )
    say(report)
    moving = made.rows(~clips.still(made))
    if len(moving) == 0:
        raise InputError(f"nothing moves in the {split} clips of {source.root}: give others")
    return moving


def make_photos(plan: Plan, split: str) -> Fields:
    """Decode photos and make the layers of a task; what cannot be used is counted and named."""
    folder, names = plan.parts[split]
    work, cache = layers.WORK[plan.task.name], plan.folder() / split
    gathered = gather(partial(work, folder), names, cache, describe=f"{split} photos")
    report = Report(
        f"{folder.name} {split}", "photos", len(names), len(gathered.rows), gathered.failed
    )
    report.save(cache / "report.json")
    say(report)
    if not gathered.rows:
        raise InputError(f"no readable photo in {folder}: {next(iter(gathered.failed.values()))}")
    x_c, x_g = layers.assemble(plan.task.name, gathered)
    named, n_labels = semantics(folder, gathered.rows)
    return Fields(plan.task, x_c, x_g, named, n_labels, gathered.rows)


MAKERS = {"scenes": make_scenes, "photos": make_photos, "clips": make_clips}


def say(report: Report) -> None:
    """Warn of what a source held and could not be used."""
    if report.skipped:
        warnings.warn("skipped: " + "\n".join(report.lines()), stacklevel=2)


def photo_parts(source: Source) -> dict[str, tuple[Path, list[str]]]:
    """The photos of each split, in an order that the seed shuffles, as many as are asked for."""
    if source.name == "folder":
        names = photos.list_photos(source.root)
        sides = {split: (source.root, splits.split_names(names, split)) for split in splits.SPLITS}
    else:
        train, test = (photos.coco_folder(source.root, split) for split in ("train", "test"))
        if coco.annotation_file(train) is None:
            warnings.warn(
                f"no annotations beside {train}: guidance uses pixel features alone", stacklevel=2
            )
        names = shuffled(photos.list_photos(train), source.seed)
        n_valid = min(source.n_valid, len(names) // 5)
        sides = {
            "train": (train, names[n_valid:]),
            "valid": (train, names[:n_valid]),
            "test": (test, photos.list_photos(test)),
        }
    return {
        split: (folder, shuffled(names, source.seed)[: source.size(split)])
        for split, (folder, names) in sides.items()
    }


def photo_stamps(parts: dict[str, tuple[Path, list[str]]]) -> list[tuple[str, str, int]]:
    """Name and size of every file that shapes the splits."""
    files = [(split, folder / name) for split, (folder, names) in parts.items() for name in names]
    notes = [(split, coco.annotation_file(folder)) for split, (folder, _) in parts.items()]
    return [(split, path.name, path.stat().st_size) for split, path in files + notes if path]


def clip_stamps(root: Path) -> list[tuple[str, int]]:
    """Name and size of every clip and list below a folder; raises InputError for none."""
    names = clips.under(root)
    if not names:
        raise InputError(f"no clips in {root}: files like {', '.join(sorted(clips.SUFFIXES))}")
    lists = sorted((root / clips.LISTS).glob("*.txt"))
    paths = [root / name for name in names] + lists
    return [(path.relative_to(root).as_posix(), path.stat().st_size) for path in paths]


def semantics(folder: Path, names: Sequence[str]) -> tuple[Tensor, int]:
    """Semantic features of photos (N, D), with D = 0 where there are no annotations."""
    annotations = coco.annotation_file(folder)
    if annotations is None:
        return torch.zeros(len(names), 0), 0
    rows, n_labels = coco.semantics(annotations, names)
    return torch.from_numpy(rows), n_labels


def label_names(plan: Plan) -> tuple[str, ...]:
    """The names of the categories that the semantic features count; none without annotations."""
    if plan.kind == "scenes":
        return CATEGORIES
    if plan.kind == "clips" or coco.annotation_file(plan.parts["train"][0]) is None:
        return ()
    return coco.category_names(coco.annotation_file(plan.parts["train"][0]))


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """The names in an order that the seed and each name alone decide, so that one file more does
    not reorder the others."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
