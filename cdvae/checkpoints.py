"""Trained models with their cards: those that come with the project, and runs of one's own.

`cdvae.load(name)` gives one that came with the project. `of_run` wraps any trained run, of a
method of one's own too. Publishing is `release.models`.
"""

import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cdvae.covering import DRAWN, SPREADS, covering
from cdvae.data.fields import Task, task_named
from cdvae.methods import learned, method
from cdvae.model import Model
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.compact import expanded
from cdvae.tools.files import InputError, project_root, sha256


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and its card; `model` is in evaluation mode, on the processor.

    card: at least "task", "method", "data", "profile", "seed" and "settings".
    """

    name: str
    model: Model
    task: Task
    card: dict

    def sample(self, x_c: Tensor, n: int, seed: int = 0, spread: str = "independent") -> Tensor:
        """n draws for each x_c (N, C_c, 32, 32) in its stated range: (N, n, C_g, 32, 32).

        spread: "covering" gives those n of DRAWN · n draws that differ most (`covering`). Raises
        InputError for another word.
        """
        if spread not in SPREADS:
            raise InputError(f"spread '{spread}': choose from {', '.join(SPREADS)}")
        generator = torch.Generator().manual_seed(seed)
        if spread == "independent":
            return self.model.sample(x_c, n, generator)
        return covering(self.model.sample(x_c, DRAWN * n, generator), n)

    def reproduce(self, x_c: Tensor, x_g: Tensor, seed: int = 0) -> Tensor:
        """Layers as the model gives them back, CDVAE(z_o) of Eq. 10: (N, C_g, 32, 32)."""
        return self.model.reproduce(x_c, x_g, torch.Generator().manual_seed(seed))

    def pictures(
        self, photo: str | Path, n: int, seed: int = 0, spread: str = "independent"
    ) -> list:
        """A photo relit or resaturated in n ways, 512 × 512 Pillow images with their details;
        spread as in `sample`.

        Raises InputError for a file that is no photo, and for a model of motion. Warns where most
        of a photo has no hue, which a new saturation cannot change.
        """
        from PIL import Image

        from cdvae.postprocess import own as subjects

        if self.task.is_flow:
            raise InputError(f"{self.name} predicts motion: load a model of another task")
        subject = subjects.own(photo, self.task.name)
        if subject.caution:
            warnings.warn(f"{subject.name}: {subject.caution}", stacklevel=2)
        fields = self.sample(subject.x_c, n, seed, spread)[0, :, 0].numpy()
        own = self.reproduce(subject.x_c, subject.x_g, seed)[0, 0].numpy()
        made = subject.with_layers(fields, own)
        return [Image.fromarray((picture * 255).round().astype("uint8")) for picture in made]


def folder() -> Path:
    """Where the project's checkpoints and their cards lie."""
    return project_root() / "results" / "checkpoints"


def names() -> list[str]:
    """The checkpoints that came with the project, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.safetensors"))


def name_of(task: str, method: str, data: str) -> str:
    """What the checkpoint of a method is called; a method's name may have a "-" of its own."""
    return f"{task}-{method}-{data}"


@lru_cache(maxsize=16)
def load(name: str) -> Checkpoint:
    """The checkpoint of that name, with the settings that its card states.

    Its weights are rounded as the card says, and those that no answer hangs on are not there: its
    `loss` and `log_weights` may be NaN. Raises InputError for an unknown name, and for a file that
    is not the one its card describes.
    """
    if name not in (known := names()):
        has = f"choose from {', '.join(known)}" if known else "install from a clone: pip install -e"
        raise InputError(f"no checkpoint '{name}' in {folder()}: {has}")
    path = folder() / f"{name}.safetensors"
    card = read_card(path.with_suffix(".json"))
    with whole(path):
        if sha256(path) != card["sha256"]:
            raise InputError(f"{path} is not the file that its card describes: get both again")
        profile = load_profile(card["profile"], **card["settings"])
        task = task_named(card["task"])
        with torch.random.fork_rng(devices=()):  # initial weights are drawn, and thrown away
            model = method(card["method"]).build(task, profile)
        fill(model, path)
    return Checkpoint(name, model.eval().requires_grad_(False), task, card)


def fill(model: nn.Module, path: Path) -> None:
    """Give a model the weights of a checkpoint; those that are not in it become NaN."""
    found, wanted = expanded(load_file(path)), model.state_dict()
    unknown = {k: torch.full_like(v, torch.nan) for k, v in wanted.items() if v.is_floating_point()}
    model.load_state_dict(wanted | unknown | found)


def of_run(experiment: Experiment, run: Run) -> Checkpoint:
    """A run's model, trained where it is not yet, as a checkpoint that can be explored.

    Raises InputError for a method without weights.
    """
    entry, data = method(run.method), experiment.source.name
    if not entry.is_learned:
        known = ", ".join(learned())
        raise InputError(f"'{run.method}' has nothing to train: choose from {known}")
    model = experiment.model(run).cpu().eval().requires_grad_(False)
    card = {
        "name": name_of(run.task, run.method, data),
        "task": run.task,
        "method": run.method,
        "data": data,
        "profile": experiment.profile.name,
        "seed": run.seed,
        "settings": entry.settings(experiment.settings(run.task, run.method)),
    }
    return Checkpoint(card["name"], model, task_named(run.task), card)


def overview() -> list[dict]:
    """One row a checkpoint, from its card; errors, variances × 10⁻²."""
    rows = []
    for name, card in cards().items():
        with whole(folder() / f"{name}.json"):
            rows.append({"checkpoint": name, **summary_of(card)})
    return rows


def summary_of(card: dict) -> dict:
    """What the overview shows of a card."""
    score = {row["metric"]: row for row in card["scores"] if row["n_samples"] in (1, 100)}
    return {
        "training examples": score["best_error"]["n_train"],
        "best error of 100": 100 * score["best_error"]["value"],
        "variance": 100 * score["variance"]["value"],
        "largest change of a score by rounding, %": 100 * largest_change(card["rounding"]),
        "MB": card["bytes"] / 1e6,
    }


def largest_change(rounding: dict) -> float:
    """The largest relative change of a score by rounding; NaN where none was measured."""
    pairs = [(old, rounding["scores_rounded"][name]) for name, old in rounding["scores"].items()]
    return max((abs(new / old - 1) for old, new in pairs), default=math.nan)


def cards() -> dict[str, dict]:
    """The cards of the checkpoints that came with the project, by name."""
    return {name: read_card(folder() / f"{name}.json") for name in names()}


def read_card(path: Path) -> dict:
    """A model card; InputError if it is missing."""
    if not path.is_file():
        raise InputError(f"{path} is missing: get the checkpoint and its card again")
    with whole(path):
        return dict(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Whatever is wrong with a checkpoint or its card becomes one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise InputError(
            f"{path} is damaged or of other settings ({why}): get the checkpoint and its card again"
        ) from error
