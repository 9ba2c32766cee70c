"""Runs and what is kept of them: models and scores in the cache, each under a key of its own.

A model and its scores are looked up under a key made of every setting and of the meaning of all
code that shaped them (`tools.meaning`), and made when they are not there; so an interrupted
reproduction goes on from what is finished.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cdvae.tools.device import memory_given_back, one_thread
from cdvae.tools.files import atomic, cache_root, is_whole, write_json
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances, peak_memory_mb

History = list[dict[str, float]]  # a row a check (`training.fit`)


@dataclass(frozen=True)
class Run:
    """One cell of the tables."""

    task: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}/{self.method}/{self.seed}"

    @classmethod
    def named(cls, name: str) -> "Run":
        """The run that is printed so."""
        task, method, seed = name.split("/")
        return cls(task, method, int(seed))


@dataclass(frozen=True)
class Fitted:
    """What training gives: a model, its history, settings to be told, and tensors to be kept."""

    model: nn.Module
    history: History
    settings: dict[str, Any]
    beside: dict[str, Tensor]


class Store(ABC):
    """Models and scores of runs; `Experiment` and `FrameExperiment` say how they are made."""

    device: torch.device
    unit = "images"  # of the speed that is reported

    @abstractmethod
    def model_key(self, run: Run) -> str:
        """The key of all that shapes a run's model."""

    @abstractmethod
    def score_key(self, run: Run) -> str:
        """The key of all that shapes a run's scores."""

    @abstractmethod
    def is_learned(self, run: Run) -> bool:
        """Whether the run has a model with weights."""

    @abstractmethod
    def checks(self, run: Run) -> int:
        """How often its validation loss is taken in training."""

    @abstractmethod
    def untrained(self, run: Run) -> nn.Module:
        """Its model as training begins."""

    @abstractmethod
    def fitted(self, run: Run, on_check: Callable[[dict], None]) -> Fitted:
        """Train its model."""

    @abstractmethod
    def score(self, run: Run, progress: Progress) -> dict[str, Any]:
        """Score it on the test split: {"rows", "provenance", "sizes", …}."""

    @abstractmethod
    def prepare(self, runs: list[Run]) -> None:
        """Make the data of these runs, once, before workers would each do it."""

    @abstractmethod
    def forget(self) -> None:
        """Let go of the data that are held; they are read again when they are needed."""

    @abstractmethod
    def data_files(self, run: Run) -> list[Path]:
        """The files of the cache that `prepare` has made for a run."""

    def checkpoint(self, run: Run) -> Path:
        """Where the run's weights lie, or will."""
        return cache_root() / "models" / f"{self.model_key(run)}.safetensors"

    def score_file(self, run: Run) -> Path:
        """Where its scores lie, or will."""
        return cache_root() / "scores" / f"{self.score_key(run)}.json"

    def score_files(self, run: Run) -> list[Path]:
        """All files of its scores; the one that is written last, last."""
        return [self.score_file(run)]

    def is_scored(self, run: Run) -> bool:
        """Whether its scores are there, whole."""
        return all(is_whole(path) for path in self.score_files(run))

    def made_of(self, run: Run) -> dict[str, Path]:
        """What a run reads, where it lies here, by its name in the cache: a checkpoint that is
        there, and the files of its data."""
        found = {name_in_cache(path): path for path in self.data_files(run)}
        if self.is_learned(run) and is_whole(path := self.checkpoint(run)):
            found[f"models/{self.model_key(run)}.safetensors"] = path
        return found

    def makes(self, run: Run) -> list[str]:
        """What a run leaves, by name in the cache."""
        weights = [f"models/{self.model_key(run)}.safetensors"] if self.is_learned(run) else []
        return weights + [name_in_cache(path) for path in self.score_files(run)]

    def steps(self, run: Run) -> int:
        """How many steps of progress are left of a run: its checks, and one for the scores."""
        if self.is_scored(run):
            return 0
        trains = self.is_learned(run) and not is_whole(self.checkpoint(run))
        return 1 + trains * self.checks(run)

    def model(self, run: Run, progress: Progress | None = None) -> nn.Module:
        """The trained model of a run, loaded or trained."""
        self.ensure_trained(run, progress)
        with torch.random.fork_rng(devices=()):  # initial weights are drawn, and thrown away
            model = self.untrained(run)
        with safe_open(self.checkpoint(run), framework="pt") as file:
            names = set(file.keys()) & set(model.state_dict())
            model.load_state_dict({name: file.get_tensor(name) for name in names})
        return model.to(self.device).eval()

    def ensure_trained(self, run: Run, progress: Progress | None = None) -> None:
        """Train the model of a run if its checkpoint is not there, or no longer."""
        if not is_whole(self.checkpoint(run)):
            with one_thread():
                self.train(run, progress or Progress(0, quiet=True))

    def record(self, run: Run, name: str) -> Any:
        """What training left in the header of the checkpoint: "about" or "history"."""
        self.ensure_trained(run)
        with safe_open(self.checkpoint(run), framework="pt") as file:
            return json.loads(file.metadata()[name])

    def history(self, run: Run) -> History:
        """The rows that training left."""
        return self.record(run, "history")

    def train(self, run: Run, progress: Progress) -> None:
        """Train a model and write its weights, with its settings and history in their header."""

        def on_check(row: dict[str, float]) -> None:
            speed = f"{row['images_per_second']:,.0f} {self.unit}/s"
            progress.step(f"{run} step {row['step']}: loss {row['valid_loss']:,.1f}, {speed}")

        made = self.fitted(run, on_check)
        about = {
            "run": asdict(run),
            "settings": made.settings,
            "seconds": sum(row["seconds"] for row in made.history),
            "circumstances": circumstances(self.device),
            "peak_memory_mb": peak_memory_mb(self.device),
        }
        key = self.model_key(run)
        header = {"history": json.dumps(made.history), "about": json.dumps(about), "key": key}
        weights = made.model.state_dict() | made.beside
        with atomic(cache_root() / "models" / f"{key}.safetensors") as temporary:
            tensors = {name: value.contiguous() for name, value in weights.items()}
            save_file(tensors, temporary, metadata=header)

    def about_model(self, run: Run) -> dict[str, Any]:
        """What is to be known of a trained model."""
        about = self.record(run, "about")
        about["checkpoint_sha256"] = weights_sha256(self.checkpoint(run))
        about["images_per_second"] = max(row["images_per_second"] for row in self.history(run))
        return about

    def scores(self, run: Run, progress: Progress | None = None) -> dict[str, Any]:
        """Scores of a run on the test split, loaded or made."""
        path = self.score_file(run)
        if not self.is_scored(run):
            if self.is_learned(run):
                self.ensure_trained(run, progress)
            with one_thread(), memory_given_back():
                write_json(path, self.score(run, progress or Progress(0, quiet=True)))
            if progress:
                progress.step(f"{run} scored")
        return json.loads(path.read_text(encoding="utf-8"))


def name_in_cache(path: Path) -> str:
    """A file's name below the cache's folder, the same on every machine."""
    return path.relative_to(cache_root()).as_posix()


def weights_sha256(path: Path) -> str:
    """The SHA-256 of a checkpoint's tensors with their names, in hex; its header has times."""
    digest = hashlib.sha256()
    with safe_open(path, framework="np") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
            digest.update(tensor.tobytes())
    return digest.hexdigest()
