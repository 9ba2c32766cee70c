"""Several runs side by side: on a CPU, two small networks train faster on a core each than in turn.

Every run uses one thread (`tools.device.one_thread`), in a worker or not.
"""

import multiprocessing
from concurrent.futures import Future, ProcessPoolExecutor
from queue import Empty, Queue

from cdvae.methods import methods
from cdvae.methods.registry import Method
from cdvae.runs.store import Run, Store
from cdvae.tools import plugins
from cdvae.tools.chunks import cores, start_worker
from cdvae.tools.progress import Progress
from cdvae.tools.registry import owner

MOST_WORKERS = 8  # each holds one task's data, about half a gigabyte in the quick profile

_messages: Queue  # in a worker: what it has done, for the parent's progress


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


def score_all(store: Store, runs: list[Run], progress: Progress) -> None:
    """Train and score what is missing of these runs; what is done is kept if one of them fails."""
    missing = [run for run in runs if store.steps(run)]
    if store.device.type == "cpu" and len(missing) > 1:
        store.prepare(missing)  # once, before workers would each do it
    score_pairs([(store, run) for run in missing], progress)


def score_pairs(pairs: list[tuple[Store, Run]], progress: Progress) -> None:
    """The same for runs of several stores."""
    apart = [pair for pair in pairs if pair[0].device.type == "cpu" and travels(*pair)]
    n_workers = min(cores(), MOST_WORKERS, len(apart))
    apart = apart if n_workers > 1 else []
    if apart:
        side_by_side(apart, n_workers, progress)
    for store, run in pairs:
        if (store, run) not in apart:
            store.scores(run, progress)


def travels(store: Store, run: Run) -> bool:
    """Whether a worker knows a run's method and settings: a notebook's cells it does not."""
    tables = store.profile.tables.values()
    is_here = run.method in methods() and owner(Method, run.method) == "__main__"
    return not is_here and all(type(each).__module__ != "__main__" for each in tables)


def side_by_side(pairs: list[tuple[Store, Run]], n_workers: int, progress: Progress) -> None:
    """Runs in processes of their own."""
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    pool = ProcessPoolExecutor(n_workers, context, start_messenger, (messages,))
    try:
        jobs = [pool.submit(work, *pair) for pair in pairs]
        while not all(job.done() for job in jobs):
            pass_on(messages, progress)
            raise_first(jobs)
        raise_first(jobs)
        pass_on(messages, progress)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()


def pass_on(messages: Queue, progress: Progress, seconds: float = 0.2) -> None:
    """Show the steps that workers have reported."""
    try:
        while True:
            progress.step(*messages.get(timeout=seconds))
    except Empty:
        return


def raise_first(jobs: list[Future]) -> None:
    """Raise the error of the first job that failed, if any has."""
    for job in jobs:
        if job.done() and job.exception():
            raise job.exception()
