"""All data sets behind one interface: the splits of a task, cached on disk."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cdvae.data import fields
from cdvae.data.fields import Fields, Task
from cdvae.data.registry import DataSet, Request, entries
from cdvae.data.splits import SPLITS
from cdvae.tools.files import InputError, cache_root, is_whole, key_of
from cdvae.tools.meaning import meaning


def data_sets() -> dict[str, DataSet]:
    """All data sets by name, the built-in ones first."""
    return entries(DataSet)


def data_set(name: str) -> DataSet:
    """The data set of that name; raises InputError for an unknown one."""
    known = data_sets()
    if name not in known:
        raise InputError(f"unknown data '{name}': choose from {', '.join(known)}")
    return known[name]


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
        entry = data_set(self.name)
        if not entry.needs_root:
            return
        kind = "file" if entry.root_is_file else "folder"
        if self.root is None:
            raise InputError(f"--data {self.name} needs --root, the {kind} that holds it")
        if not (Path(self.root).is_file() if entry.root_is_file else Path(self.root).is_dir()):
            raise InputError(f"no {kind} {self.root}: give --root a {kind} that exists")

    def tasks(self) -> tuple[str, ...]:
        """The tasks that this source can serve."""
        entry = data_set(self.name)
        return entry.tasks_at(self.root) if entry.tasks_at else entry.tasks

    def check(self, task: Task) -> None:
        """Raise InputError if this source cannot serve the task."""
        data_set(self.name).confirm(task.name)

    def size(self, split: str) -> int:
        """How many examples a split has at the most."""
        return {"train": self.n_train, "valid": self.n_valid, "test": self.n_test}[split]

    def request(self, task: Task) -> Request:
        """What this source is asked for."""
        sizes = {split: self.size(split) for split in SPLITS}
        return Request(Path(self.root) if self.root else None, task, sizes, self.seed)


@dataclass(frozen=True)
class Plan:
    """A source's examples of a task, and the key of all that shapes them."""

    source: Source
    task: Task
    key: str

    def folder(self) -> Path:
        """Where the examples are kept."""
        return cache_root() / "fields" / self.key

    def file(self, split: str) -> Path:
        """Where the fields of a split lie, or will."""
        return self.folder() / f"{split}.safetensors"

    def request(self) -> Request:
        """What the data set is asked for."""
        return replace(self.source.request(self.task), folder=self.folder())


def plan(source: Source, task: Task) -> Plan:
    """Look at a source without reading its examples; raises InputError if it cannot serve."""
    source.check(task)
    entry, request = data_set(source.name), source.request(task)
    sizes = [request.size(split) for split in SPLITS]
    shaped = meaning([each for each in (entry.maker(task.name), entry.truth) if each])
    key = key_of(source.name, task.name, sizes, source.seed, entry.stamp(request), shaped)
    return Plan(source, task, key)


def load(plan: Plan, semantics: bool = True, n_used: int = 0) -> dict[str, Fields]:
    """Fields of the train, valid and test splits, from the cache where they are there.

    Validation examples come out of the training part of a source, never out of its test part.
    semantics: whether labels and layout come along, which can be larger than the layers. n_used:
    how many of the training examples to read, the first; 0: all.
    """
    first = {"train": n_used}
    return {split: load_split(plan, split, semantics, first.get(split, 0)) for split in SPLITS}


def load_split(plan: Plan, split: str, semantics: bool = True, n: int = 0) -> Fields:
    """Fields of the first n examples of a split (0: all), with their exact conditional where it
    is known."""
    entry, request = data_set(plan.source.name), plan.request()
    path = plan.file(split)
    if not is_whole(path):
        fields.save(entry.maker(plan.task.name)(request, split), path)
    found = fields.load(path, semantics, n)
    if entry.truth is None:
        return found
    return replace(found, truth=entry.truth(request, split, len(found)))


def label_names(plan: Plan) -> tuple[str, ...]:
    """The names of the categories whose boxes the semantic features measure; none without boxes."""
    return data_set(plan.source.name).label_names(plan.request())


def original(data: str, root: Path | None, task: str, example: str) -> np.ndarray | None:
    """The picture behind an example: (H, W, 3) float32 sRGB in [0, 1], photos at 512 × 512.

    None where the data set has no pictures but its fields. Raises InputError if the file is gone.
    """
    entry = data_set(data)
    if entry.original is None:
        return None
    if root is None:
        raise InputError(f"pictures of {data} need --root, the folder that holds it")
    return entry.original(Path(root), task, example)
