"""Several runs side by side, on the executors of `concurrent.futures`: processes of this machine,
or a cluster's workers.

On a CPU two small networks train faster on a core each than in turn: every run uses one thread
(`tools.device.one_thread`), wherever it is made. What the interface does not give stands here and
in the crews: progress while runs are under way, and their end if the call ends.
"""

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from cdvae.methods import methods
from cdvae.methods.registry import Method
from cdvae.runs.pool import Pool
from cdvae.runs.store import Run, Store
from cdvae.tools.chunks import cores
from cdvae.tools.files import is_whole
from cdvae.tools.progress import Progress
from cdvae.tools.registry import owner

MOST_WORKERS = 8  # each holds one task's data, about half a gigabyte in the quick profile
TICK = 0.2  # seconds between two looks at what workers have reported

Pair = tuple[Store, Run]


class Crew(Protocol):
    """Workers behind an executor."""

    def submit(self, pairs: list[Pair]) -> dict[Future, Pair]:
        """Have these runs made."""

    def steps(self) -> Iterable[tuple[str, int]]:
        """What workers have done since it was asked for: a text, and how many steps."""

    def take(self, pair: Pair, job: Future) -> bool:
        """Bring home what a job that has ended made; False if its run is to be made again."""

    def report(self) -> None:
        """Raise Failed for runs that were given up, if there are any."""


def score_all(
    store: Store, runs: list[Run], progress: Progress, cluster: Crew | None = None
) -> None:
    """Train and score what is missing of these runs; what is done is kept if one of them fails."""
    score_pairs([(store, run) for run in runs if store.steps(run)], progress, cluster)


def score_pairs(pairs: list[Pair], progress: Progress, cluster: Crew | None = None) -> None:
    """The same for runs of several stores: on a cluster, or side by side here where it pays."""
    apart = [pair for pair in pairs if travels(*pair) and (cluster or pair[0].device.type == "cpu")]
    apart.sort(key=lambda pair: not pair[0].is_learned(pair[1]))  # or a long run may be the last
    n_workers = min(cores(), MOST_WORKERS, len(apart))
    if cluster or len(apart) > 1:
        prepare(apart)  # once, before workers would each do it
    if cluster:
        spread(apart, cluster, progress)
    elif n_workers > 1:
        with Pool(n_workers) as pool:
            spread(apart, pool, progress)
    else:
        apart = []
    before = None
    for store, run in [pair for pair in pairs if pair not in apart]:
        if before and store is not before:
            before.forget()  # or the data of all stores would be held in the end
        store.scores(run, progress)
        before = store


def prepare(pairs: list[Pair]) -> None:
    """Make the data of these runs here, where they are not; from here they travel."""
    for store in dict.fromkeys(store for store, _ in pairs):
        runs = [run for each, run in pairs if each is store]
        if not all(is_whole(path) for run in runs for path in store.data_files(run)):
            store.prepare(runs)
        store.forget()  # they are read where the runs are made


def travels(store: Store, run: Run) -> bool:
    """Whether a worker knows a run's method and settings: a notebook's cells it does not."""
    tables = store.profile.tables.values()
    is_here = run.method in methods() and owner(Method, run.method) == "__main__"
    return not is_here and all(type(each).__module__ != "__main__" for each in tables)


def spread(pairs: list[Pair], crew: Crew, progress: Progress) -> None:
    """Have runs made by a crew, those again whose job it could not take home."""
    jobs = crew.submit(pairs)
    while jobs:
        ended = wait(jobs, TICK, FIRST_COMPLETED).done
        show(crew, progress)
        again = [pair for job in ended if not crew.take(pair := jobs.pop(job), job)]
        if again:
            jobs |= crew.submit(again)
    show(crew, progress)
    crew.report()


def show(crew: Crew, progress: Progress) -> None:
    """Show the steps that workers have reported."""
    for text, steps in crew.steps():
        progress.step(text, steps)
