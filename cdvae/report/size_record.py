"""What the study of sizes has found so far: `sizes.csv`, and beside it what it was made of.

`sizes.csv` is tidy; `sizes.json` has the profile and the provenance of each run; and
`sizes.safetensors` its scores of each test example, of which verdicts are drawn, to three digits:
there are hundreds of runs. Those of half B are in `sizes_b.…`. A run is in all three or does not
count, so that a killed study goes on.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from cdvae.data.fields import Task
from cdvae.methods import methods
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment
from cdvae.runs.measures import compared
from cdvae.runs.store import Run
from cdvae.tools.files import atomic, write_json
from cdvae.tools.registry import entries

COLUMNS = [
    *("profile", "data", "task", "method", "seed", "n_train", "metric"),
    *("n_samples", "value", "unit", "n_test"),
]
KEPT = np.float16  # scores lie between 1e-4 and 1e4; costs a mean over examples some 1e-5
Each = dict[tuple[str, str], np.ndarray]  # {(metric, method): scores (test examples, seeds)}


def stem(half: str) -> str:
    """The files' name without ending: half A, or all examples, has the plain one."""
    return "sizes_b" if half == "B" else "sizes"


class Record:
    """The files of one profile, data set and half of the test examples."""

    def __init__(self, profile: str, data: str, half: str, folder: Path | None = None):
        self.place, self.half = (profile, data), half
        self.path = (folder or results_folder(profile, data)) / f"{stem(half)}.csv"
        self.about, self.names = self._json(), self._names()
        there = self.path.exists()
        self.scores = pd.read_csv(self.path) if there else pd.DataFrame(columns=COLUMNS)

    def _json(self) -> dict[str, Any]:
        path = self.path.with_suffix(".json")
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": {}}

    def _names(self) -> dict[str, Any]:
        """The header of the scores of each example: runs, and the examples of each task."""
        path = self.path.with_suffix(".safetensors")
        if not path.exists():
            return {"runs": [], "ids": {}}
        with safe_open(path, framework="numpy") as file:
            return json.loads(file.metadata()["about"])

    def has(self, run: Run, n: int, key: str) -> bool:
        """Whether a run on so many examples is recorded, made as it would be made now."""
        name = named(run, n)
        known = self.about["runs"].get(name, {}).get("key") == key
        return known and name in self.names["runs"]

    def add(self, experiment: Experiment, run: Run, n: int) -> None:
        """Record a finished run, in the place of what stood there of it."""
        scored, name = experiment.scores(run), named(run, n)
        each = experiment.each_score(run)
        arrays = self.arrays()
        for metric in compared():
            values = each[metric].numpy().reshape(len(each[metric]), -1)[:, -1]  # of most draws
            arrays[f"{name}/{metric}"] = values.astype(KEPT)
        self.names["runs"] = sorted({*self.names["runs"], name})
        self.names["ids"][run.task] = list(experiment.fields(run.task)["test"].ids)
        with atomic(self.path.with_suffix(".safetensors")) as temporary:
            save_file(arrays, temporary, {"about": json.dumps(self.names, sort_keys=True)})
        self.about |= {"profile": experiment.profile.values(), "data": self.place[1]}
        self.about["runs"][name] = scored["provenance"]
        write_json(self.path.with_suffix(".json"), self.about, indent=0)
        place = (*self.place, *asdict(run).values(), n)
        n_test = scored["sizes"]["test"]
        rows = [(*place, *row, n_test) for row in scored["rows"]]
        mine = self.scores[["task", "method", "seed", "n_train"]].apply(tuple, axis=1)
        others = self.scores[mine != place[2:]] if len(mine) else self.scores
        lines = [*others.itertuples(index=False, name=None), *rows]
        self.scores = in_order(pd.DataFrame(lines, columns=COLUMNS))
        write_csv(self.scores, self.path)

    def arrays(self) -> dict[str, np.ndarray]:
        """The scores of each example that are recorded, by run and metric."""
        path = self.path.with_suffix(".safetensors")
        if not path.exists():
            return {}
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name).astype(KEPT) for name in file.keys()}

    def tasks(self) -> list[str]:
        """The tasks that runs are recorded of."""
        found = {name.split("/")[0] for name in self.names["runs"]}
        return [task for task in entries(Task) if task in found]

    def each(self, task: str) -> dict[int, Each]:
        """The scores of each test example of a task, by the number of training examples."""
        arrays, found = self.arrays(), {}
        for name in self.names["runs"]:
            of_task, method, _, n = name.split("/")
            if of_task == task:
                for metric in compared():
                    place = found.setdefault(int(n), {})
                    place.setdefault((metric, method), []).append(arrays[f"{name}/{metric}"])
        stacked = {
            n: {key: np.stack(v, 1).astype(np.float32) for key, v in by.items()}
            for n, by in found.items()
        }
        return dict(sorted(stacked.items()))

    def ids(self, task: str) -> tuple[str, ...]:
        """The test examples of a task."""
        return tuple(self.names["ids"][task])


def named(run: Run, n: int) -> str:
    """The name of a run on so many training examples."""
    return f"{run}/{n}"


def in_order(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows by task, size, method in the order of the tables, and seed."""
    tasks, names = list(entries(Task)), list(methods())
    rank = scores[["n_train", "seed"]].assign(
        task=scores.task.map(tasks.index), method=scores.method.map(names.index)
    )
    order = rank.sort_values(["task", "n_train", "method", "seed"], kind="stable").index
    return scores.loc[order].reset_index(drop=True)
