"""What more training examples change: every method on the first 1,000, 4,500, … of one pool.

    cdvae study sizes --data tiny-imagenet --root DIR --n 1000 4500 9000 --methods nn cvae gauss

trains and scores what is missing, smallest sizes first, and adds each run to
`results/tuned/<data>/sizes.csv` as it ends; then it draws the verdicts by size and, where there are
two sizes, the figure. All sizes have the same validation and test examples, and small sets are the
beginnings of large ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cdvae.figures import by_size
from cdvae.figures.style import save
from cdvae.report import size_verdicts
from cdvae.report.results import figures_folder
from cdvae.report.size_record import Record, stem
from cdvae.runs.experiment import Experiment
from cdvae.runs.parallel import Crew, score_pairs
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.studies.pool import POOL, Pooled
from cdvae.tools.chunks import cores
from cdvae.tools.files import InputError
from cdvae.tools.progress import Progress

SIZES = (1_000, 4_500, 9_000, 18_000, 32_000)
METHODS = (
    *("nn", "cvae", "gauss", "mdn12", "jmvae", "cdvae-spatial", "fm"),
    *("marginal", "mean_noise"),
)
FEWEST = 100  # training examples: as many as the draws that are scored


class Asked(NamedTuple):
    """What a study is asked for."""

    profile: str
    data: str
    root: str | None
    tasks: list[str] | None = None
    sizes: list[int] | None = None
    methods: list[str] | None = None
    seeds: list[int] | None = None
    half: str | None = None
    device: str = "auto"


def experiment(asked: Asked, n: int) -> Pooled:
    """The experiment on the first n training examples of the pool."""
    half = {} if asked.half is None else {"half": asked.half}
    profile = load_profile(asked.profile, **POOL, **half, n_used=n)
    return Pooled(profile, asked.data, asked.root, asked.device)


def tasks_of(asked: Asked) -> list[str]:
    """The tasks that are asked for; all that the data have if none is named."""
    return list(asked.tasks or experiment(asked, 0).source.tasks())


def sizes_of(asked: Asked, task: str) -> list[int]:
    """The sizes that are asked for, those above what the data have once: all of them."""
    sizes = sorted(asked.sizes or SIZES)
    if sizes[0] < FEWEST:
        raise InputError(f"--n {sizes[0]}: give {FEWEST} examples or more")
    whole = experiment(asked, 0)
    there = len(whole.fields(task)["train"])
    whole.forget()
    return sorted({min(n, there) for n in sizes})


def waiting(asked: Asked, record: Record) -> list[tuple[Experiment, Run, int]]:
    """The runs that are not recorded as they would be made now, smallest sizes first."""
    found = []
    for task in tasks_of(asked):
        for n in sizes_of(asked, task):
            each = experiment(asked, n)
            methods = list(asked.methods or METHODS)
            runs = each.runs([task], methods, asked.seeds)
            runs = [run for run in runs if not is_again(run, each.profile.seeds)]
            found += [(each, r, n) for r in runs if not record.has(r, n, each.score_key(r))]
    return found


def is_again(run: Run, seeds: Sequence[int]) -> bool:
    """Whether a run would repeat what has nothing random and stands under the first seed."""
    return run.method == "nn" and run.seed != seeds[0]


def run(asked: Asked, cluster: Crew | None = None) -> Path:
    """Make, record and judge; returns the file of scores."""
    half = load_profile(asked.profile).half if asked.half is None else asked.half
    record = Record(asked.profile, asked.data, half)
    missing = waiting(asked, record)
    progress = Progress(sum(each.steps(run) for each, run, _ in missing))
    at_once = cluster.width() if cluster else cores()
    try:
        for k in range(0, len(missing), at_once):
            part = missing[k : k + at_once]
            left = [(each, run) for each, run, _ in part if each.steps(run)]
            score_pairs(left, progress, cluster)
            for each, run, n in part:
                record.add(each, run, n)
            for each, _, _ in part:
                each.forget()
    finally:
        progress.close()
    if len(record.scores):
        size_verdicts.write(record)
    if len(found := by_size.shown(record.scores)):
        path = figures_folder(asked.profile, asked.data) / stem(half)
        save(by_size.scattered(found), path, pdf=False)
    return record.path
