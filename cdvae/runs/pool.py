"""Runs in processes of this machine, which share its cache: the crew where no cluster is named."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from queue import Empty, Queue

from cdvae.runs.store import Run, Store
from cdvae.tools import plugins
from cdvae.tools.chunks import start_worker

LATE = 0.05  # seconds that a message may be on its way

_messages: Queue  # in a worker: what it has done, for the parent's progress


class Pool:
    """Processes, spawned; at the context's end they end, whatever they do."""

    def __init__(self, n_workers: int):
        context = multiprocessing.get_context("spawn")
        self.messages = context.Queue()
        given = (start_messenger, (self.messages,))
        self.executor = ProcessPoolExecutor(n_workers, context, *given)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()

    def submit(self, pairs: list[tuple[Store, Run]]) -> dict[Future, tuple[Store, Run]]:
        return {self.executor.submit(work, *pair): pair for pair in pairs}

    def steps(self) -> Iterator[tuple[str, int]]:
        try:
            while True:
                yield self.messages.get(timeout=LATE)
        except Empty:
            return

    def take(self, pair: tuple[Store, Run], job: Future) -> bool:
        """What a process made lies in the cache; the first failure ends all."""
        job.result()
        return True

    def report(self) -> None:
        """Nothing is left to be said."""


class Messenger:
    """The Progress of a worker: passes its steps on."""

    def step(self, text: str, steps: int = 1) -> None:
        _messages.put((text, steps))


def start_messenger(messages: Queue) -> None:
    global _messages
    _messages = messages
    plugins.load()  # before a run that needs them comes
    start_worker()


def work(store: Store, run: Run) -> None:
    store.scores(run, Messenger())
