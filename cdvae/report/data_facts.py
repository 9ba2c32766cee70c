"""What the data of a results folder were: data.json, counted from the examples themselves."""

import json
from typing import Any

from cdvae.data.fields import Fields
from cdvae.data.splits import source_of
from cdvae.report.results import results_folder
from cdvae.runs.experiment import Experiment
from cdvae.tools.files import write_json

NAME = "data.json"


def facts(fields: Fields) -> dict[str, Any]:
    """Counts of a split.

    files: photos, clips or scenes. sources: the same, but clips cut from one video are one.
    annotated: examples with labels; categories: labels that any of them has.
    """
    files = {name.split("#")[0] for name in fields.ids}
    labels = fields.semantics[:, : fields.n_labels] > 0
    return {
        "examples": len(fields),
        "files": len(files),
        "sources": len({source_of(name) for name in files}),
        "annotated": int(labels.any(1).sum()),
        "categories": int(labels.any(0).sum()),
    }


def update(experiment: Experiment, tasks: list[str]) -> None:
    """Write data.json beside the scores: of each task its data's key and the facts of its splits.

    Tasks whose key stands there already are not read again.
    """
    path = results_folder(experiment.profile.name, experiment.source.name) / NAME
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    keys = {task: experiment.plan(task).key for task in tasks}
    stale = [task for task, key in keys.items() if found.get(task, {}).get("key") != key]
    for task in stale:
        splits = experiment.labelled(task)
        found[task] = {"key": keys[task]} | {name: facts(each) for name, each in splits.items()}
    if stale:
        write_json(path, found)
