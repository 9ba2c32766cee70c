"""Chunks: map a function over many files in parallel, and keep what is done on disk.

Results are written chunk by chunk, so that memory holds one chunk however many files there are,
and an interrupted run (Ctrl-C, kill -9, power) goes on where it was, less the current chunk.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cdvae.tools.files import atomic, key_of

if TYPE_CHECKING:  # torch is slow to import, and no worker needs it
    from torch import Tensor

Rows = Mapping[str, np.ndarray]  # named arrays with one row (or more, or none) each
Work = Callable[[str], Rows]
BATCH = 16  # items sent to a worker at once, where they are many
FEW = 64  # so few items are done in this process: to start others takes seconds
UNGUARDED = (
    "worker processes cannot start: in a script of your own, put the call under "
    "`if __name__ == '__main__':`, as Python's multiprocessing needs it"
)


@dataclass(frozen=True)
class Gathered:
    """What `gather` left on disk: chunk files, the item that each row came from, the failures."""

    files: tuple[Path, ...]
    rows: tuple[str, ...]
    failed: Mapping[str, str]

    def load(self, name: str) -> "Tensor":
        """One named array of all rows (len(rows), …), assembled in place, in its own dtype."""
        import torch

        whole, start = torch.empty(0), 0
        for path in self.files:
            with safe_open(path, framework="pt") as file:
                if name not in file.keys():
                    continue
                part = file.get_tensor(name)
            if start == 0:
                whole = torch.empty((len(self.rows), *part.shape[1:]), dtype=part.dtype)
            whole[start : start + len(part)] = part
            start += len(part)
        return whole


def gather(
    work: Work,
    items: Sequence[str],
    folder: Path,
    *,
    describe: str = "files",
    chunk: int = 512,
    workers: int | None = None,
    enough: int | None = None,
) -> Gathered:
    """Do `work(item)` for every item, in order, and keep its rows in chunks under `folder`.

    `work` gives named arrays that share their first dimension, and must be importable (it is sent
    to spawned processes; a `functools.partial` over small settings is fine). A ValueError or
    OSError from it, or the death of its process, skips the item and keeps the message as the
    reason, which therefore should not repeat the item's name; any other exception is a bug and
    passes through. Items are distinct names. `folder` must be named after everything else that
    shapes a row: a chunk is redone when its items change, not when `work` does.

    workers: processes, by default one for each core this process may use; 1 stays in this process.
    enough: stop after the chunk with which so many rows are there (None: all items).
    """
    workers = workers or (cores() if len(items) > FEW else 1)
    parts = [tuple(items[i : i + chunk]) for i in range(0, len(items), chunk)]
    files, rows, failed = [], [], {}
    with _Crew(work, workers) as crew, _progress(len(items), describe) as bar:
        for number, part in enumerate(parts):
            if enough is not None and len(rows) >= enough:
                break
            path = Path(folder) / f"chunk-{number:05d}-{key_of(part)}.safetensors"
            about = _about(path) or _write(path, part, crew.do(part))
            files.append(path)
            rows += about["rows"]
            failed |= about["failed"]
            bar.update(len(part))
    return Gathered(tuple(files), tuple(rows), failed)


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _about(path: Path) -> dict | None:
    """The account kept in a chunk file, or None where there is no whole one."""
    try:
        with safe_open(path, framework="np") as file:
            return json.loads(file.metadata()["about"])
    except (FileNotFoundError, SafetensorError):
        return None


def _write(path: Path, items: Sequence[str], results: Sequence[Rows | str]) -> dict:
    """Write one chunk: the rows of all items that worked, and the reasons of those that did not."""
    about = {"rows": [], "failed": {}}
    arrays: dict[str, list[np.ndarray]] = {}
    for item, result in zip(items, results, strict=True):
        if isinstance(result, str):
            about["failed"][item] = result
            continue
        lengths = {len(array) for array in result.values()}
        assert len(lengths) == 1, f"arrays of one item differ in length: {lengths}"
        about["rows"] += [item] * lengths.pop()
        for name, array in result.items():
            arrays.setdefault(name, []).append(array)
    # safetensors writes the bytes as they lie: a transposed view would come back scrambled
    whole = {name: np.ascontiguousarray(np.concatenate(parts)) for name, parts in arrays.items()}
    with atomic(path) as temporary:
        save_file(whole, temporary, metadata={"about": json.dumps(about)})
    return about


class _Crew:
    """A pool of processes, started when first needed, that outlives the death of any of them."""

    def __init__(self, work: Work, count: int) -> None:
        self.work, self.count, self.pool = work, count, None

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self._dismiss()

    def do(self, items: Sequence[str]) -> list[Rows | str]:
        """The rows of each item, or the reason why there are none."""
        if self.count == 1:
            return _attempt(self.work, items)
        done: list[Rows | str] = []
        size = max(1, min(BATCH, len(items) // (4 * self.count)))
        try:
            batches = [items[i : i + size] for i in range(0, len(items), size)]
            for future in [self._submit(batch) for batch in batches]:
                done += future.result()
        except BrokenProcessPool:  # which item did it? the rest go one by one
            self._dismiss()
            for item in items[len(done) :]:
                try:
                    done += self._submit([item]).result()
                except BrokenProcessPool:
                    self._dismiss()
                    done.append("the process that read it died")
        return done

    def _submit(self, items: Sequence[str]):
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(self.count, context, initializer=start_worker)
            try:
                self.pool.submit(os.getpid).result()
            except BrokenProcessPool:
                raise RuntimeError(UNGUARDED) from None
        return self.pool.submit(_attempt, self.work, items)

    def _dismiss(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None


def _attempt(work: Work, items: Sequence[str]) -> list[Rows | str]:
    return [_attempt_one(work, item) for item in items]


def _attempt_one(work: Work, item: str) -> Rows | str:
    try:
        return work(item)
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)


def start_worker() -> None:
    """One thread a worker; Ctrl-C is the parent's; a worker never outlives its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"  # for torch if it is yet to come …
    if "torch" in sys.modules:  # … and if it is here already
        sys.modules["torch"].set_num_threads(1)
    try:
        import cv2

        cv2.setNumThreads(1)
    except ImportError:
        pass
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _progress(total: int, describe: str):
    """A bar on a terminal; elsewhere a line every half minute, so that a log stays short."""
    from tqdm import tqdm

    seconds = {} if sys.stderr.isatty() else {"delay": 30, "mininterval": 30}
    return tqdm(total=total, desc=describe, unit="", **seconds)
