"""The search: as many trials for every method, in rounds, on validation examples alone.

    cdvae study search --data tiny-imagenet --root DIR --tasks resaturation

Every method has the same number of trials, of the same number of steps, on the first SUBSET of the
training examples; `results/tuned/RULES.md` states the rules, `spaces.toml` the ranges. A trial is
a row of `results/tuned/<data>/trials.csv`, written as it ends, with the key of all that shaped it:
what stands there is not made again, also where the cache is another.
"""

import json
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.studies import shared, spaces
from cdvae.studies.pool import POOL, Pooled
from cdvae.studies.trial import BARE, Pair, Trial, judged, make
from cdvae.tools.chunks import cores
from cdvae.tools.files import InputError, write_json

if TYPE_CHECKING:
    from cdvae.runs.cluster import Cluster

PROFILE = "tuned"  # whose settings are searched for
STEPS = 500  # of every trial, whatever the method
SUBSET = 9_000  # training examples, and their mirror images
WHERE = ["task", "method", "changes"]  # the columns that say which trial a row is
OWN = [*WHERE, "round", "key", "criterion"]  # the columns that are not scores


class PooledTrial(Pooled, Trial):
    """A trial on the pool that every size is taken of."""


class Place(NamedTuple):
    """Where a search takes place: data, their folder, the task, and the file of its trials."""

    data: str
    root: str | None
    task: str
    path: Path


def base(method: str) -> dict:
    """What a trial of a method has that differs from the quick profile before its own changes."""
    return POOL | {
        "n_used": SUBSET,
        "nearest": {"spaces": ["pixels", "blurred", "contrast", "gradients", "whitened"]},
        "training": {"guidance_share": 1.0, "guidance_end": 1.0},
        "steps_of": {method: STEPS},
    }


def pair(place: Place, method: str, changes: dict) -> Pair:
    """A trial's experiment and its run."""
    whole = base(method)
    for table, values in changes.items():
        whole[table] = whole.get(table, {}) | values
    trial = PooledTrial(place.data, place.root, whole)
    return trial, Run(place.task, method, 0)


def earlier(path: Path) -> pd.DataFrame:
    """The trials that stand in a file."""
    columns = pd.DataFrame(columns=OWN)
    found = pd.read_csv(path) if path.exists() else columns
    return found if "key" in found else columns


def restore(pairs: list[Pair], path: Path) -> None:
    """Put the scores that stand in the file, under their key, into the cache that lacks them."""
    known = earlier(path).drop_duplicates("key").set_index("key")
    for store, run in pairs:
        key = store.model_key(run)
        if key in known.index and not store.is_scored(run):
            scores = known.loc[key].drop([name for name in OWN if name != "key"]).dropna()
            write_json(store.score_file(run), scores.to_dict())


def run(
    data: str,
    root: str | None,
    tasks: list[str] | None = None,
    methods: list[str] | None = None,
    cluster: "Cluster | None" = None,
    storage: str | None = None,
) -> Path:
    """Make the trials that are missing, the rows of BARE first; returns the file of trials.

    Says so where the best of a method is at an edge after its last round.
    """
    if unknown := [name for name in methods or [] if name not in spaces.searched()]:
        known = ", ".join(spaces.searched())
        raise InputError(f"'{unknown[0]}' is not searched: choose from {known}")
    path = results_folder(PROFILE, data) / "trials.csv"
    for task in tasks or Experiment(load_profile("quick"), data, root).source.tasks():
        place = Place(data, root, task, path)
        make_part(place, [pair(place, name, {}) for name in BARE], cluster)
        write(place, [place_row(name, {}, 0) for name in BARE])
        for method in methods or spaces.searched():
            if edges := search(place, method, cluster, storage):
                found = f"{task}, {method}: the best trial is at an edge of {', '.join(edges)}"
                print(f"cdvae: {found} still: widen its range in spaces.toml", file=sys.stderr)
    return path


def search(
    place: Place, method: str, cluster: "Cluster | None" = None, storage: str | None = None
) -> list[str]:
    """All rounds of one method; returns the settings whose best value is still at an edge."""
    tried: list[spaces.Point] = []
    for number in count():
        best = best_of(place, method, tried)
        edges = spaces.at_edge(method, tried, best) if best else []
        done = number >= len(spaces.ROUNDS) and not edges
        if done or number >= spaces.MOST_ROUNDS:
            return edges
        points = spaces.points(method, number, best.places if best else None)
        tried += points
        pairs = [pair(place, method, point.changes) for point in points]
        restore(pairs, place.path)
        at_once = cluster.width() if cluster else cores()
        if storage:
            name = f"{place.data}/{place.task}/{method}/{number}"
            shared.make(pairs, storage, name, at_once, partial(make, cluster=cluster))
        for k in range(0, len(points), at_once):
            part = slice(k, k + at_once)
            make_part(place, pairs[part], cluster)
            write(place, [place_row(method, p.changes, number) for p in points[part]])
    return []


def make_part(place: Place, pairs: list[Pair], cluster: "Cluster | None") -> None:
    """Make what is missing of a few trials, and let go of their data."""
    restore(pairs, place.path)
    missing = [(store, run) for store, run in pairs if store.steps(run)]
    if missing:
        make(missing, cluster)
    for store, _ in pairs:
        store.forget()


def place_row(method: str, changes: dict, number: int) -> dict:
    """The columns of a trial that say which it is."""
    said = json.dumps(changes, sort_keys=True)
    return {"method": method, "changes": said, "round": number + 1}


def write(place: Place, made: list[dict]) -> None:
    """Put finished trials into the file, in the place of what stood there of them."""
    rows = []
    for row in made:
        store, run = pair(place, row["method"], json.loads(row["changes"]))
        key = {"key": store.model_key(run)}
        rows.append({"task": place.task} | row | store.scores(run) | key)
    whole = pd.concat([earlier(place.path), pd.DataFrame(rows)]).reset_index(drop=True)
    whole = whole.drop_duplicates(WHERE, keep="last")
    known = whole[whole.task == place.task]
    bare = [name for name in BARE if name in set(known.method)]
    if len(bare) < len(BARE):
        return
    first = [known[known.method == name].iloc[-1] for name in BARE]
    mine = pd.concat([pd.DataFrame(first), known[~known.method.isin(BARE)]])
    judged_rows = judged([row.dropna().to_dict() for _, row in mine.iterrows()])
    others = whole[whole.task != place.task]
    write_csv(pd.concat([others, pd.DataFrame(judged_rows)]), place.path)


def best_of(place: Place, method: str, tried: list[spaces.Point]) -> spaces.Point | None:
    """The trial with the least criterion among those tried; None before the first."""
    if not tried:
        return None
    found = earlier(place.path)
    found = found[(found.task == place.task) & (found.method == method)]
    criterion = dict(zip(found.changes, found.criterion, strict=True))
    return min(tried, key=lambda point: criterion[json.dumps(point.changes, sort_keys=True)])
