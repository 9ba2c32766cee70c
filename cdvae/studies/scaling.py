"""How the study would scale on a cluster: its measured runs on 10, 100 and 1,000 workers.

    cdvae study scaling

takes the seconds of every run that the committed results tell of, and plays the scheduler: runs go
in their order to whoever is free, a worker fetches the fields of a task once, from one of a few
that hold them, and sends back what it made. Nothing is trained. What is assumed stands in
`results/cluster.json`, beside the table, `results/cluster.csv`.
"""

import heapq
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cdvae.data.fields import GRID, SIZE, task_named
from cdvae.methods import method, methods
from cdvae.report.results import write_csv
from cdvae.runs.cluster import COPIES
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.files import output_root, project_root, write_json

WORKERS = (1, 10, 100, 1000)
TIMES = (1, 10)  # the study as it was run, and ten times as many seeds
STARTING = 5.0  # seconds until a worker has made its imports
HANDLING = 0.05  # seconds of the client for each run: keys, submission, landing
BANDWIDTH = 125e6  # bytes a second that a machine sends or takes: 1 Gbit/s
LABELS = {"coco": 80, "scenes": 11}  # categories in the semantic features
PER_EXAMPLE = 200  # bytes of the scores of a test example


class Job(NamedTuple):
    """One run: what data it reads, how long it takes, how much it reads and leaves in bytes."""

    data: str
    seconds: float
    reads: int
    leaves: int


class Outcome(NamedTuple):
    """What a cluster of that size takes: seconds until all is done, bytes sent, seconds of runs."""

    makespan: float
    moved: int
    work: float


def sources(root: Path) -> list[Path]:
    """The files that tell the times of runs of Tables 1–4 and of the ablations."""
    names = ("provenance.json", "ablations.json")
    found = [path for name in names for path in root.glob(f"*/*/{name}")]
    return sorted(path for path in found if path.parent.name != "shapes")  # which have no tables


def jobs(root: Path) -> Iterator[Job]:
    """The runs that a results folder tells the times of."""
    sizes: dict[tuple[str, str, str], int] = {}
    for path in sources(root):
        profile, data = path.parts[-3:-1]
        scores = path.with_name("scores.csv")
        n = pd.read_csv(scores).groupby("task")[["n_train", "n_test"]].max()
        for name, about in json.loads(path.read_text(encoding="utf-8"))["runs"].items():
            run = Run.named("/".join(name.split("/")[-3:]))
            seconds = about.get("seconds", 0.0) + about["score_seconds"]
            examples = int(n.loc[run.task].sum()) + load_profile(profile).n_valid
            key = (profile, run.task, run.method)
            if about.get("seconds") and key not in sizes:
                sizes[key] = weights(*key)
            leaves = sizes.get(key, 0) + PER_EXAMPLE * int(n.loc[run.task, "n_test"])
            task_data = f"{profile}/{data}/{run.task}"
            yield Job(task_data, seconds, field_bytes(run.task, data, examples), leaves)


def weights(profile: str, task: str, name: str) -> int:
    """Bytes of the weights of a method; 0 where it is not known any more."""
    if name not in methods():
        return 0
    model = method(name).build(task_named(task), load_profile(profile).of(task, name))
    return sum(value.numel() * value.element_size() for value in model.state_dict().values())


def field_bytes(task: str, data: str, n: int) -> int:
    """Bytes of the fields and semantic features of n examples."""
    kind = task_named(task)
    values = (kind.channels_c + kind.channels_g) * SIZE**2 + LABELS.get(data, 0) * (1 + GRID**2)
    return 4 * n * values


def simulated(listed: list[Job], n_workers: int) -> Outcome:
    """Play a scheduler that hands runs in their order to the worker that is free first."""
    free = [(STARTING, worker) for worker in range(n_workers)]
    holders: dict[str, list[float]] = {}  # when who holds a task's data has sent the last copy
    has: set[tuple[int, str]] = set()
    moved, end = 0, 0.0
    for number, job in enumerate(listed):
        now, worker = heapq.heappop(free)
        now = max(now, HANDLING * (number + 1))
        if (worker, job.data) not in has:
            queue = holders.setdefault(job.data, [0.0] * min(COPIES, n_workers))
            now = max(now, heapq.heappop(queue)) + job.reads / BANDWIDTH
            heapq.heappush(queue, now)
            has.add((worker, job.data))
            moved += job.reads
        now += job.seconds + job.leaves / BANDWIDTH
        moved += job.leaves
        end = max(end, now)
        heapq.heappush(free, (now, worker))
    return Outcome(end, moved, sum(job.seconds for job in listed))


def table(listed: list[Job]) -> pd.DataFrame:
    """A row for each size of cluster, for the study and for one with so many more seeds."""
    rows = []
    for times in TIMES:
        for n_workers in WORKERS:
            found = simulated(listed * times, n_workers)
            row = {"runs": len(listed) * times, "workers": n_workers}
            row |= {"makespan_s": round(found.makespan, 1)}
            row |= {"efficiency": round(found.work / (n_workers * found.makespan), 4)}
            rows.append(row | {"moved_gb": round(found.moved / 1e9, 3)})
    return pd.DataFrame(rows)


def run() -> Path:
    """Write the table and what it rests on; returns the table's file."""
    root = project_root() / "results"
    listed = list(jobs(root))
    path = output_root() / "results" / "cluster.csv"
    write_csv(table(listed), path)
    about = {
        "hours_of_one_core": sum(job.seconds for job in listed) / 3600,
        "longest_run_s": max(job.seconds for job in listed),
        "sources": sorted(each.relative_to(root).as_posix() for each in sources(root)),
        "starting_s": STARTING,
        "handling_s": HANDLING,
        "bytes_per_second": BANDWIDTH,
        "copies": COPIES,
    }
    write_json(path.with_suffix(".json"), about)
    return path
