"""The search for the recipe, on validation examples alone: each trial, its budget and its scores.

    cdvae study search --data coco --root DIR

trains what is missing and writes `results/tuned/<data>/trials.csv`. Trials are changes to the quick
profile with all training examples and their mirror images; what the best of them say stands in the
tuned profile. A trial is better if best error of 100 over nearest neighbour's, plus energy score
over that of the sampler that ignores the input, is smaller: one number for accuracy and spread.

Other data are searched in rounds, with as many trials for every method (`rounds.py`).
"""

import json
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd

from cdvae.methods import method as entry_of
from cdvae.metrics import COUNTS, score_samples
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment
from cdvae.runs.parallel import score_pairs
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.studies import shared
from cdvae.tools.chunks import cores
from cdvae.tools.files import InputError, cache_root
from cdvae.tools.progress import Progress
from cdvae.training import best_row

if TYPE_CHECKING:
    from cdvae.runs.cluster import Cluster

EXAMPLES = {"n_train": 4500, "flips": True}  # all that the photos at hand give; clips have fewer
SCORED_ON = {"fm": 30}  # validation examples, the first; of the others VALID
VALID = 250
PROFILE = "tuned"
LISTED = ("coco",)  # data whose trials are those of trials.toml; others are searched in rounds

Pair = tuple["Trial", Run]
BARE = ("nn", "marginal")  # what the others are measured by


def trials(task: str) -> list[dict]:
    """The trials of a task from trials.toml, those that all are measured by first."""
    text = (Path(__file__).parent / "trials.toml").read_text(encoding="utf-8")
    listed = [trial for trial in tomllib.loads(text)["trial"] if task in trial["tasks"]]
    return [{"method": method, "changes": {}} for method in BARE] + listed


class Trial(Experiment):
    """A change to the quick profile, whose runs are scored on validation examples."""

    def __init__(
        self,
        data: str,
        root: str | None,
        changes: dict,
        scored_on: Mapping[str, int] = MappingProxyType(SCORED_ON),
    ):
        super().__init__(load_profile("quick", **(EXAMPLES | changes)), data, root)
        self.scored_on = dict(scored_on)

    def score_file(self, run: Run) -> Path:
        return cache_root() / "trials" / f"{self.model_key(run)}.json"

    def score_files(self, run: Run) -> list[Path]:
        return [self.score_file(run)]

    def score(self, run: Run, progress: Progress) -> dict:
        """Validation scores: best errors, variance, energy score; of what is learned, its cost."""
        draw, about = self.sampler(run, "valid", progress)
        n = self.scored_on.get(run.method, VALID)
        each = score_samples(draw, self.fields(run.task)["valid"].x_g[:n])
        found = {
            f"best_error_{k}": float(each["best_error"][:, COUNTS.index(k)].mean())
            for k in (3, 100)
        }
        found |= {name: float(each[name].mean()) for name in ("variance", "energy_score")}
        found |= {"n_valid": len(each["variance"])}
        if self.is_learned(run):
            settings = entry_of(run.method).training(self.settings(run.task, run.method))
            found |= {"steps": settings.steps, "seconds": round(about["seconds"], 1)}
            best = best_row(self.history(run))
            found |= {name: value for name, value in best.items() if name.startswith("valid_kl_")}
            found |= {"parameters": sum(p.numel() for p in self.model(run).parameters())}
        return found


def table(
    data: str,
    root: str | None,
    methods: list[str] | None,
    earlier: Path,
    cluster: "Cluster | None" = None,
    storage: str | None = None,
) -> pd.DataFrame:
    """Every trial of a data set's tasks, a row each, the best of each method first.

    Given methods, only their trials are run, and those of others are read from the file `earlier`.
    """
    rows = []
    for task in Experiment(load_profile("quick"), data, root).source.tasks():
        asked = {*BARE, *methods} if methods else None
        listed = [t for t in trials(task) if asked is None or t["method"] in asked]
        pairs = [(Trial(data, root, t["changes"]), Run(task, t["method"], 0)) for t in listed]
        if storage:
            at_once = cluster.width() if cluster else cores()
            shared.make(pairs, storage, f"{data}/{task}", at_once, partial(make, cluster=cluster))
        make(pairs, cluster)
        found = []
        for trial, (store, run) in zip(listed, pairs, strict=True):
            changes = json.dumps(trial["changes"], sort_keys=True)
            found.append({"task": task, "method": run.method, "changes": changes})
            found[-1] |= store.scores(run)
        if methods:
            found += other_rows(earlier, task, {row["method"] for row in found})
        rows += judged(found)
    return pd.DataFrame(rows)


def make(pairs: list[tuple[Trial, Run]], cluster: "Cluster | None") -> None:
    """Train and score what is missing of these trials, side by side."""
    missing = [(store, run) for store, run in pairs if store.steps(run)]
    progress = Progress(sum(store.steps(run) for store, run in missing))
    try:
        score_pairs(missing, progress, cluster)
    finally:
        progress.close()


def other_rows(path: Path, task: str, methods: set[str]) -> list[dict]:
    """The rows of a task in a file of trials that are of none of these methods."""
    found = pd.read_csv(path)
    found = found[(found.task == task) & ~found.method.isin(methods)]
    return [row.dropna().to_dict() for _, row in found.iterrows()]


def judged(rows: list[dict]) -> list[dict]:
    """The rows of one task with what they are chosen by, ordered by method and by that."""
    nn, marginal = rows[0], rows[1]
    for row in rows:
        row["criterion"] = (
            row["best_error_100"] / nn["best_error_100"]
            + row["energy_score"] / marginal["energy_score"]
        )
    order = list(dict.fromkeys(row["method"] for row in rows))
    return sorted(rows, key=lambda row: (order.index(row["method"]), row["criterion"]))


def run(
    data: str,
    root: str | None,
    methods: list[str] | None = None,
    cluster: "Cluster | None" = None,
    storage: str | None = None,
) -> Path:
    """Run the trials of a data set that are missing, and write them all; returns the file.

    methods: run their trials alone, and keep the others' rows. storage: of Optuna's, where several
    calls share the trials (`shared.make`).
    """
    path = results_folder(PROFILE, data) / "trials.csv"
    if methods and not path.exists():
        raise InputError(f"no {path} to add to: leave out --method")
    write_csv(table(data, root, methods, path, cluster, storage), path)
    return path
