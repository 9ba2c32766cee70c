"""The small trained models that come with the project, each with a card: `cdvae.load(name)`.

    python -m cdvae.checkpoints --data coco --root DIR

makes those of a data set again: it trains and scores what `cdvae reproduce` has not, and brings the
results folder up to date with these very models. Weights are kept in half precision; what that
changes is measured and stands in the card with the scores.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from cdvae.data.fields import Task, task_named
from cdvae.explore import walks as steering
from cdvae.methods.registry import settings_of, untrained
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError, atomic, project_root, sha256, write_json

KEPT = {  # methods of each task that are worth a slider, for each data set
    "scenes": {
        "relighting": ("cvae", "gauss", "mdn4", "mdn12"),
        "resaturation": ("cvae", "gauss", "mdn12"),
        "motion": ("cvae", "gauss", "mdn12", "crossconv"),
    },
    "coco": {
        "relighting": ("cvae", "gauss", "mdn4", "mdn12"),
        "resaturation": ("cvae", "gauss", "mdn12"),
    },
    "ucf101": {"motion": ("cvae", "gauss", "mdn12")},
}
LARGEST = 5_000_000  # bytes of one checkpoint …
IN_ALL = 40_000_000  # … and of all that the project comes with
MEASURED = (50, 4)  # test examples and samples of each that half precision is judged on
LIMITS = (
    "Fields are 32 x 32; a photo's detail is its own, put back by Eq. 10.",
    "The networks are those of the quick profile: small, and trained for minutes.",
    "Samples are plausible at best: they say nothing about what a scene was really like.",
)
LIMITS_OF = {
    "scenes": ("It knows the built-in world alone: drawn shapes in rooms, no photos.",),
    "coco": ("It has seen everyday photos from Flickr, and inherits what people photograph.",),
    "ucf101": ("It has seen a few hundred clips of people doing sports and chores.",),
}


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and its card; `model` is in evaluation mode, on the processor."""

    name: str
    model: nn.Module
    task: Task
    card: dict

    def sample(self, x_c: Tensor, n: int, seed: int = 0) -> Tensor:
        """n draws for each x_c (N, C_c, 32, 32) in its stated range: (N, n, C_g, 32, 32)."""
        return self.model.sample(x_c, n, torch.Generator().manual_seed(seed))

    def reproduce(self, x_c: Tensor, x_g: Tensor, seed: int = 0) -> Tensor:
        """Layers given back from codes of their own, CDVAE(z_o) of Eq. 10."""
        generator = torch.Generator().manual_seed(seed)
        return steering.reproduce(self.model, x_c, x_g, generator)

    def pictures(self, photo: str | Path, n: int, seed: int = 0) -> list:
        """A photo relit or resaturated in n ways, 512 × 512 Pillow images with their details.

        Raises InputError for a file that is no photo, and for a model of motion.
        """
        from PIL import Image

        from cdvae.postprocess import own as subjects

        if self.task.name == "motion":
            raise InputError(f"{self.name} predicts motion: load a model of another task")
        subject = subjects.own(photo, self.task.name)
        fields = self.sample(subject.x_c, n, seed)[0, :, 0].numpy()
        own = self.reproduce(subject.x_c, subject.x_g, seed)[0, 0].numpy()
        made = subject.with_layers(fields, own)
        return [Image.fromarray((picture * 255).round().astype("uint8")) for picture in made]


def folder() -> Path:
    """Where the project's checkpoints and their cards lie."""
    return project_root() / "results" / "checkpoints"


def names() -> list[str]:
    """The checkpoints that there are, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.safetensors"))


def name_of(task: str, method: str, data: str) -> str:
    return f"{task}-{method}-{data}"


@lru_cache(maxsize=16)
def load(name: str) -> Checkpoint:
    """The checkpoint of that name, with the settings that its card states.

    Raises InputError for an unknown name, and for a file that is not the one its card describes.
    """
    from safetensors.torch import load_file

    if name not in (known := names()):
        has = f"choose from {', '.join(known)}" if known else "install from a clone: pip install -e"
        raise InputError(f"no checkpoint '{name}' in {folder()}: {has}")
    path = folder() / f"{name}.safetensors"
    card = read_card(path.with_suffix(".json"))
    if sha256(path) != card["sha256"]:
        raise InputError(f"{path} is not the file that its card describes: get both again")
    profile = load_profile(card["profile"], **card["settings"])
    task = task_named(card["task"])
    with torch.random.fork_rng(devices=()):  # initial weights are drawn, and thrown away
        model = untrained(card["method"], task, profile)
    model.load_state_dict(load_file(path))  # in single precision, as the model is
    return Checkpoint(name, model.eval().requires_grad_(False), task, card)


def overview() -> list[dict]:
    """One row a checkpoint, from its card; errors, variances × 10⁻², changes × 10⁻³."""
    rows = []
    for name in names():
        card = read_card(folder() / f"{name}.json")
        score = {row["metric"]: row for row in card["scores"] if row["n_samples"] in (1, 100)}
        rounded = card["rounding_to_half_precision"]
        rows.append(
            {
                "checkpoint": name,
                "training examples": score["best_error"]["n_train"],
                "best error of 100": 100 * score["best_error"]["value"],
                "variance": 100 * score["variance"]["value"],
                "largest change by rounding": 1000 * rounded["largest_change"],
                "MB": card["bytes"] / 1e6,
            }
        )
    return rows


def read_card(path: Path) -> dict:
    """A model card; InputError if it is missing."""
    if not path.is_file():
        raise InputError(f"{path} is missing: get the checkpoint and its card again")
    return json.loads(path.read_text(encoding="utf-8"))


def halved(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a model in half precision; whole numbers stay as they are."""
    weights = model.state_dict().items()
    return {k: (v.half() if v.is_floating_point() else v).cpu().contiguous() for k, v in weights}


@torch.no_grad()
def rounding(model: nn.Module, rounded: nn.Module, x_c: Tensor, n: int) -> dict[str, float]:
    """What rounding the weights changes in samples, in the unit of the field.

    Both models draw with the same noise. A draw of another component of a mixture is a change,
    too, so the largest change may be a whole sample's; spread is what the samples vary by.
    """
    samples = []
    for each in (model, rounded):
        samples.append(each.sample(x_c, n, torch.Generator().manual_seed(0)))
    change = samples[1] - samples[0]
    return {
        "root_mean_square_change": float(change.square().mean().sqrt()),
        "largest_change": float(change.abs().max()),
        "spread_of_samples": float(samples[0].std(1).square().mean().sqrt()),
        "examples": len(x_c),
        "samples_each": n,
    }


def make(experiment, task: str, method: str, to: Path) -> Path:
    """Write the checkpoint and the card of one trained and scored model; returns the checkpoint.

    Raises InputError if the scores beside the results are not those of this very model, or if the
    file would be larger than LARGEST.
    """
    from safetensors.torch import save_file

    from cdvae.runs.experiment import Run

    run = Run(task, method, experiment.profile.seeds[0])
    model, about = experiment.model(run).cpu(), scored(experiment, run)
    data = experiment.source.name
    path = to / f"{name_of(task, method, data)}.safetensors"
    with atomic(path) as temporary:
        save_file(halved(model), temporary, metadata={"name": path.stem})
        if temporary.stat().st_size > LARGEST:
            raise InputError(f"{path.name} has more than {LARGEST:,} bytes: leave it out of KEPT")
    rounded = untrained(method, task_named(task), experiment.profile)
    rounded.load_state_dict({name: w.float() for name, w in halved(model).items()})
    x_c = experiment.fields(task)["test"].x_c[: MEASURED[0]]
    card = {
        "name": path.stem,
        "task": task,
        "method": method,
        "data": data,
        "profile": experiment.profile.name,
        "seed": run.seed,
        "settings": settings_of(method, experiment.profile),
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "made_by": command(data, experiment.profile.name),
        "trained": {
            "git_commit": about["circumstances"]["git_commit"],
            "git_dirty": about["circumstances"]["git_dirty"],
            "versions": about["circumstances"]["versions"],
            "device": about["circumstances"]["device"],
            "seconds": about["seconds"],
            "checkpoint_sha256": about["checkpoint_sha256"],
        },
        "scores": scores_of(experiment, run),
        "scores_from": f"results/{experiment.profile.name}/{data}/scores.csv",
        "rounding_to_half_precision": rounding(model, rounded.eval(), x_c, MEASURED[1]),
        "limits": [*LIMITS_OF.get(data, ()), *LIMITS],
        "licence": "MIT, as the project; the data's own terms are in cdvae/data/README.md",
    }
    write_json(path.with_suffix(".json"), card)
    return path


def command(data: str, profile: str) -> str:
    """What makes the checkpoints of a data set."""
    options = "" if data == "scenes" else f" --data {data} --root DIR"
    return "python -m cdvae.checkpoints" + options + f" --profile {profile}" * (profile != "quick")


def scored(experiment, run) -> dict:
    """The provenance of a run in the results folder; InputError if it is of another model."""
    from cdvae.report.results import results_folder

    path = results_folder(experiment.profile.name, experiment.source.name) / "provenance.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else {}
    about = runs.get(str(run))
    if about is None or about["checkpoint_sha256"] != sha256(experiment.checkpoint(run)):
        raise InputError(f"{path} has no scores of this model of {run}: run cdvae reproduce first")
    return about


def scores_of(experiment, run) -> list[dict]:
    """The rows of scores.csv that are this run's."""
    import pandas as pd

    from cdvae.report.results import results_folder

    folder = results_folder(experiment.profile.name, experiment.source.name)
    scores = pd.read_csv(folder / "scores.csv")
    mine = (scores.task == run.task) & (scores.method == run.method) & (scores.seed == run.seed)
    kept = ["metric", "n_samples", "value", "unit", "n_train", "n_test"]
    return scores.loc[mine, kept].to_dict("records")


def make_all(experiment, to: Path) -> list[Path]:
    """Every checkpoint that KEPT names for the experiment's data; stale ones of it are removed."""
    from cdvae.report import results
    from cdvae.runs.experiment import Run

    data, seed = experiment.source.name, experiment.profile.seeds[0]
    if data not in KEPT:
        raise InputError(f"no checkpoints are kept of --data {data}: choose from {', '.join(KEPT)}")
    runs = [Run(task, method, seed) for task, methods in KEPT[data].items() for method in methods]
    results.finish(experiment, runs)
    made = []
    for task, methods in KEPT[data].items():
        for method in methods:
            made.append(make(experiment, task, method, to))
            print(f"{made[-1].stem}: {made[-1].stat().st_size:,} bytes", flush=True)
    for path in to.glob(f"*-{data}.safetensors"):
        if path not in made:
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
    total = sum(path.stat().st_size for path in to.glob("*.safetensors"))
    if total > IN_ALL:
        raise InputError(f"{to} holds {total:,} bytes, more than {IN_ALL:,}: shorten KEPT")
    return made


def main() -> None:
    from cdvae.runs.experiment import Experiment

    parser = argparse.ArgumentParser(prog="python -m cdvae.checkpoints", description=__doc__)
    parser.add_argument("--data", default="scenes", help=", ".join(KEPT))
    parser.add_argument("--root", help="the folder that holds the photos or clips")
    parser.add_argument("--profile", default="quick")
    options = parser.parse_args()
    try:
        experiment = Experiment(load_profile(options.profile), options.data, options.root, "cpu")
        make_all(experiment, folder())
    except InputError as error:
        sys.exit(f"cdvae: {error}")


if __name__ == "__main__":
    main()
