"""What a data set is: one entry, which says how its examples are made and found again.

A data set of one's own is a function and an entry, in any file or notebook cell:

    def make_stripes(request, split):
        ...
        return Fields(request.task, x_c, x_g, torch.zeros(n, 0), 0, ids)

    register(DataSet("stripes", "Stripes", ("relighting",), make_stripes, needs_root=False))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cdvae.data.fields import Fields, Task, Truth
from cdvae.data.report import Report
from cdvae.tools.files import InputError
from cdvae.tools.registry import entries, register

__all__ = ["DataSet", "Request", "entries", "register"]


@dataclass(frozen=True)
class Request:
    """Examples of a task that are asked for: at most `sizes[split]` for each split.

    folder: where work in between can be kept; its name holds all that shapes the examples.
    """

    root: Path | None
    task: Task
    sizes: Mapping[str, int]
    seed: int
    folder: Path = Path()

    def size(self, split: str) -> int:
        """How many examples a split may have."""
        return self.sizes[split]

    def account(
        self,
        split: str,
        unit: str,
        n_found: int,
        n_used: int,
        skipped: Mapping[str, str],
        counts: Mapping[str, float] | None = None,
    ) -> None:
        """Keep an account (a `Report`) of what was read, and warn of what could not be used."""
        source = f"{self.root.name} {split}" if self.root else split
        report = Report(source, unit, n_found, n_used, skipped, counts or {})
        report.save(self.folder / f"report-{split}.json")
        report.warn()


Maker = Callable[[Request, str], Fields]


def no_content(request: Request) -> tuple:
    """The stamp of a data set that reads no file."""
    return ()


def no_labels(request: Request) -> tuple[str, ...]:
    """The categories of a data set without annotations."""
    return ()


@dataclass(frozen=True)
class DataSet:
    """A data set.

    make: the examples of a split, "train", "valid" or "test"; one function, or one for each task.
    What it means shapes the key of the examples, and so does `stamp`: what the files it reads hold
    (as `tools.content` hashes them).
    tasks_at: which of `tasks` a folder can serve, where that depends on the folder.
    label_names: the names of the categories whose boxes the semantic features measure.
    truth: the exact conditional of a split's examples, given how many there are, where it is known.
    original: the picture behind an example of a folder: (H, W, 3) float32 sRGB in [0, 1].
    check: an account of each part of a folder; none if the folder is not laid out in this way.
    root_is_file: whether `--root` is a file and no folder.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    make: Maker | Mapping[str, Maker]
    stamp: Callable[[Request], Any] = no_content
    tasks_at: Callable[[Path], tuple[str, ...]] | None = None
    label_names: Callable[[Request], tuple[str, ...]] = no_labels
    truth: Callable[[Request, str, int], Truth] | None = None
    original: Callable[[Path, str, str], np.ndarray] | None = None
    check: Callable[[Path, int | None], list[Report]] | None = None
    needs_root: bool = True
    root_is_file: bool = False

    def maker(self, task: str) -> Maker:
        """The function that makes the examples of a task."""
        return self.make if callable(self.make) else self.make[task]

    def confirm(self, task: str) -> None:
        """Raise InputError if this data set does not have the task."""
        if task not in self.tasks:
            known = ", ".join(self.tasks)
            raise InputError(f"--data {self.name} has no task '{task}': it has {known}")
