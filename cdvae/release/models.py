"""Publishing: the small checkpoints that come with the project, each with its card.

Which ones is what the methods' entries name (`Method.published`). A data set's are trained and
scored where `cdvae reproduce` has not done so yet, and the results folder is brought up to date
with these very models. Weights are rounded (`tools.compact`), and only those are kept that answers
hang on; what rounding changes is measured and stands in the card with the scores.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from cdvae.checkpoints import fill, name_of, read_card
from cdvae.data.fields import Task, task_named
from cdvae.data.sources import data_set, data_sets
from cdvae.methods import method, methods
from cdvae.metrics import score_samples
from cdvae.model import Model
from cdvae.release.answering import modules_without, weights_for_answers
from cdvae.report import results
from cdvae.report.data_facts import facts
from cdvae.runs.experiment import Experiment
from cdvae.runs.store import Run, weights_sha256
from cdvae.tools.compact import HOW, compact
from cdvae.tools.files import InputError, atomic, sha256, write_json
from cdvae.tools.registry import entries

LARGEST = 5_000_000  # bytes of one checkpoint …
IN_ALL = 40_000_000  # … and of all that the project comes with
MEASURED = (50, 100)  # test examples and samples of each that rounding is judged on
LIMITS = (
    "Fields are 32 x 32; a photo's detail is its own, put back by Eq. 10.",
    "The networks are those of the {profile} profile: small, and trained for minutes.",
    "Samples are plausible at best: they say nothing about what a scene was really like.",
)
LIMITS_OF = {
    "scenes": ("It knows the built-in world alone: drawn shapes in rooms, no photos.",),
    "coco": ("It has seen everyday photos from Flickr, and inherits what people photograph.",),
}
KEPT_SCORES = ["metric", "n_samples", "value", "unit", "n_train", "n_test"]  # in a card


def kept(data: str) -> list[tuple[str, str]]:
    """The (task, method) of a data set that the project brings a checkpoint of."""
    pairs = [(task, each) for task in entries(Task) for each in methods().values()]
    return [(task, each.name) for task, each in pairs if f"{task}-{data}" in each.published]


def published() -> list[str]:
    """The names of the checkpoints that the project brings."""
    return [name_of(*pair, data) for data in data_sets() for pair in kept(data)]


def make_all(experiment: Experiment, to: Path) -> list[Path]:
    """Every published checkpoint of the experiment's data; stale ones of it are removed.

    Raises InputError where none is published, and where all together are larger than IN_ALL.
    """
    data, seed = experiment.source.name, experiment.profile.seeds[0]
    if not kept(data):
        known = ", ".join(name for name in data_sets() if kept(name))
        raise InputError(f"no checkpoints are kept of --data {data}: choose from {known}")
    runs = [Run(task, name, seed) for task, name in kept(data)]
    results.finish(experiment, runs)
    made = [make(experiment, run, to) for run in runs]
    remove_others(data, made, to)
    total = sum(path.stat().st_size for path in to.glob("*.safetensors"))
    if total > IN_ALL:
        raise InputError(f"{to} holds {total:,} bytes, more than {IN_ALL:,}: publish fewer")
    return made


def remove_others(data: str, made: list[Path], folder: Path) -> None:
    """Remove the checkpoints of a data set, by their cards, that are not among those made."""
    for card in folder.glob("*.json"):
        path = card.with_suffix(".safetensors")
        if read_card(card)["data"] == data and path not in made:
            path.unlink(missing_ok=True)
            card.unlink()


def make(experiment: Experiment, run: Run, to: Path) -> Path:
    """Write the checkpoint and the card of one trained and scored model; returns the checkpoint.

    Raises InputError if the scores beside the results are not those of this very model, or if the
    file would be larger than LARGEST.
    """
    model, about = experiment.model(run).cpu(), scored(experiment, run)
    path = to / f"{name_of(run.task, run.method, experiment.source.name)}.safetensors"
    kept = weights_for_answers(model, *examples(experiment, run, 2))
    with atomic(path) as temporary:
        save_file(compact(kept), temporary, metadata={"name": path.stem})
        if temporary.stat().st_size > LARGEST:
            raise InputError(f"{path.name} has more than {LARGEST:,} bytes: do not publish it")
    change = {"weights": HOW, "left_out": modules_without(model, kept)}
    change |= rounding(experiment, run, model, path)
    write_json(path.with_suffix(".json"), card_of(experiment, run, path, about, change))
    return path


def card_of(
    experiment: Experiment, run: Run, path: Path, about: dict[str, Any], change: dict[str, Any]
) -> dict[str, Any]:
    """The card of the checkpoint at `path`; about: the run's provenance, change: by rounding."""
    data, profile, made = experiment.source.name, experiment.profile.name, about["circumstances"]
    named = ("git_commit", "git_dirty", "versions", "device")
    return {
        "name": path.stem,
        "task": run.task,
        "method": run.method,
        "data": data,
        "profile": profile,
        "seed": run.seed,
        "settings": method(run.method).settings(experiment.settings(run.task, run.method)),
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "made_by": command(data, profile),
        "trained": {
            **{name: made[name] for name in named},
            "seconds": about["seconds"],
            "checkpoint_sha256": about["checkpoint_sha256"],
        },
        "scores": scores_of(experiment, run),
        "scores_from": f"results/{profile}/{data}/scores.csv",
        "rounding": change,
        "limits": [
            *(*LIMITS_OF.get(data, ()), seen(experiment, run.task)),
            *(limit.format(profile=profile) for limit in LIMITS),
        ],
        "licence": "MIT, as the project; the data's own terms are in cdvae/data/README.md",
    }


def seen(experiment: Experiment, task: str) -> str:
    """One sentence: how many examples a model was trained on, and of what."""
    found = facts(experiment.fields(task)["train"])
    text = f"It was trained on {found['examples']:,} examples"
    if found["files"] < found["examples"]:  # several of one clip
        text += f" of {found['files']:,} clips"
    if found["annotated"]:
        text += f"; {found['annotated']:,} of them have labels, of {found['categories']} categories"
    return text + "."


def command(data: str, profile: str) -> str:
    """What makes the checkpoints of a data set."""
    root = " --root DIR" * data_set(data).needs_root
    other = f" --profile {profile}" * (profile != "quick")
    return f"cdvae models make --data {data}{root}{other}"


def examples(experiment: Experiment, run: Run, n: int) -> tuple[Tensor, Tensor]:
    """The first n test examples of a run's task: x_c and x_g."""
    test = experiment.fields(run.task)["test"]
    return test.x_c[:n], test.x_g[:n]


@torch.no_grad()
def rounding(experiment: Experiment, run: Run, model: Model, path: Path) -> dict[str, Any]:
    """What rounding a run's weights to those in `path` changes, in the unit of the field.

    Both models draw with the same noise. A draw of another component of a mixture is a change, too,
    so the largest change may be a whole sample's and counts in the root mean square; the middle one
    of all samples says what a sample changes by. Scores: means over the examples.
    """
    entry, profile = experiment.row(run)
    rounded = entry.build(task_named(run.task), profile)
    fill(rounded, path)
    (x_c, x_g), n = examples(experiment, run, MEASURED[0]), MEASURED[1]
    samples = [
        each.sample(x_c, n, torch.Generator().manual_seed(0)) for each in (model, rounded.eval())
    ]
    change = (samples[1] - samples[0]).flatten(2)
    scores = [means_of(each, x_g) for each in samples]
    return {
        "root_mean_square_change": float(change.square().mean().sqrt()),
        "middle_change": float(change.square().mean(2).sqrt().median()),
        "largest_change": float(change.abs().max()),
        "spread_of_samples": float(samples[0].std(1).square().mean().sqrt()),
        "scores": scores[0],
        "scores_rounded": scores[1],
        "examples": len(x_c),
        "samples_each": n,
    }


def means_of(samples: Tensor, x_g: Tensor) -> dict[str, float]:
    """Three scores of samples (batch, n, …) of x_g, means over the examples."""
    each = score_samples(lambda part, n: samples[part, :n], x_g)
    best = float(each["best_error"][:, -1].mean())
    others = ("variance", "energy_score")
    return {"best_error": best} | {name: float(each[name].mean()) for name in others}


def scored(experiment: Experiment, run: Run) -> dict[str, Any]:
    """The provenance of a run in the results folder; InputError if it is of another model."""
    place = results.results_folder(experiment.profile.name, experiment.source.name)
    path = place / "provenance.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else {}
    about = runs.get(str(run))
    if about is None or about["checkpoint_sha256"] != weights_sha256(experiment.checkpoint(run)):
        raise InputError(f"{path} has no scores of this model of {run}: run cdvae reproduce first")
    return about


def scores_of(experiment: Experiment, run: Run) -> list[dict]:
    """The rows of scores.csv that are this run's."""
    place = results.results_folder(experiment.profile.name, experiment.source.name)
    scores = pd.read_csv(place / "scores.csv")
    mine = (scores.task == run.task) & (scores.method == run.method) & (scores.seed == run.seed)
    return scores.loc[mine, KEPT_SCORES].to_dict("records")
