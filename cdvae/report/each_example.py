"""Scores of each test example, kept beside the tables: what the verdicts are drawn from.

`each_example.safetensors` holds, for each run, its scores with 100 samples in the order of the test
split, so that verdicts can be drawn again without training a model.
"""

import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from cdvae.report.results import key_of_run, results_folder
from cdvae.runs.experiment import Experiment
from cdvae.runs.measures import compared
from cdvae.runs.store import Run
from cdvae.tools.files import atomic, is_whole

NAME = "each_example.safetensors"

Scores = dict[str, np.ndarray]  # {metric: (n_test,)}


def keep(experiment: Experiment, runs: list[Run]) -> dict[Run, Scores]:
    """Write the scores of these finished runs; returns them and those of earlier runs.

    Earlier runs stay if the present code and settings would make them again, and go if not.
    """
    path = results_folder(experiment.profile.name, experiment.source.name) / NAME
    found = {}
    if is_whole(path):
        found = still_valid(experiment, path)
    for run in runs:
        scores = experiment.each_score(run)
        found[run] = {m: scores[m].numpy().reshape(len(scores[m]), -1)[:, -1] for m in compared()}
    found = dict(sorted(found.items(), key=lambda pair: str(pair[0])))
    arrays = {
        f"{run}/{metric}": np.ascontiguousarray(values)
        for run, scores in found.items()
        for metric, values in scores.items()
    }
    with atomic(path) as temporary:
        keys = {str(run): experiment.score_key(run) for run in found}
        save_file(arrays, temporary, {"keys": json.dumps(keys)})  # one entry: their order varies
    return found


def still_valid(experiment: Experiment, path: Path) -> dict[Run, Scores]:
    """The runs of a file whose keys are what they were."""
    found = {}
    with safe_open(path, framework="numpy") as file:
        for name, key in json.loads(file.metadata()["keys"]).items():
            if key == key_of_run(experiment, name):
                found[Run.named(name)] = {m: file.get_tensor(f"{name}/{m}") for m in compared()}
    return found
