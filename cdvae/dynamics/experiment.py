"""Visual Dynamics on moving shapes: fit, sample, measure, cached on disk."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from cdvae.data.drawn import shapes
from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics import scoring
from cdvae.dynamics.futures import Known
from cdvae.dynamics.pairs import FramePairs, build_network, codes, fit_network
from cdvae.dynamics.rows import FrameMethod, frame_methods
from cdvae.methods.crossconv import CrossConv
from cdvae.runs.settings import Profile
from cdvae.runs.store import Fitted, Run, Store
from cdvae.tools.device import pick_device
from cdvae.tools.files import key_of, output_root
from cdvae.tools.meaning import meaning
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances

SPLITS = {"train": "n_train", "valid": "n_valid", "test": "n_test"}  # and their sizes' names
SHAPING = ("n_train", "size")  # settings that shape what a method looks up …
FITTING = ("n_train", "n_valid", "size", "sigma", "network", "training")  # … and what it learns
SCORED = ("n_test", "n_samples")  # settings that shape scores alone
CODES = "codes of training pairs"  # beside the weights in a checkpoint
NETWORK = (build_network, FramePairs)  # code that both fitting and scoring hang on


class FrameExperiment(Store):
    """The runs of one profile on pairs of frames of moving shapes."""

    unit, data = "pairs", "shapes"

    def __init__(self, profile: Profile, device: str = "auto"):
        self.profile, self.settings = profile, profile.dynamics
        self.device = pick_device(device)
        self._pairs: dict[str, Pairs] = {}

    def runs(self) -> list[Run]:
        return [Run("motion", name, self.profile.seeds[0]) for name in frame_methods(self.data)]

    def method(self, run: Run) -> FrameMethod:
        """What is run."""
        return frame_methods(self.data)[run.method]

    def prepare(self, runs: list[Run]) -> None:
        """Nothing: shapes are drawn faster than they are read back."""

    def forget(self) -> None:
        self._pairs.clear()

    def data_files(self, run: Run) -> list[Path]:
        return []

    def pairs(self, split: str) -> Pairs:
        """The frames of a split."""
        if split not in self._pairs:
            n, seed = getattr(self.settings, SPLITS[split]), self.profile.data_seed
            self._pairs[split] = shapes.load(split, n, seed, self.settings.size)
        return self._pairs[split]

    def examples(self, split: str) -> FramePairs:
        """The frames of a split as the network takes them."""
        pairs = self.pairs(split)
        return FramePairs(pairs.first.to(self.device), pairs.second.to(self.device))

    def chosen(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Some of the settings."""
        every = asdict(self.settings)
        return {name: every[name] for name in names}

    def model_key(self, run: Run) -> str:
        """The key of all that shapes a run's model: data, settings, code."""
        stamp = meaning(shapes.load)
        settings = {"data_seed": self.profile.data_seed}
        settings |= self.chosen(FITTING if self.is_learned(run) else SHAPING)
        code = meaning(*NETWORK, fit_network, codes) if self.is_learned(run) else ""
        sampled = self.method(run).sampled
        return key_of(self.data, stamp, run.method, sampled, run.seed, settings, code)

    def score_key(self, run: Run) -> str:
        """The key of all that shapes a run's scores."""
        rows = self.method(run).rows
        network = NETWORK if self.is_learned(run) else ()
        code = meaning(scoring.score_method, [row.draw for row in rows], network)
        names = [(row.name, row.given) for row in rows]
        return key_of(self.model_key(run), self.chosen(SCORED), names, code)

    def is_learned(self, run: Run) -> bool:
        return self.method(run).is_learned

    def checks(self, run: Run) -> int:
        return self.settings.training.checks

    def folder(self) -> Path:
        """Where the results lie."""
        return output_root() / "results" / self.profile.name / self.data

    def figure(self, name: str) -> Path:
        """Where a figure is written."""
        return output_root() / "figures" / self.profile.name / self.data / f"dynamics_{name}"

    def committed(self, run: Run) -> Path:
        """Where a checkpoint lies that came with the project."""
        return self.folder() / f"{run.method}.safetensors"

    def checkpoint(self, run: Run) -> Path:
        """The checkpoint of a run: the project's own if it is this run's, else the cache's."""
        path = self.committed(run)
        if path.exists():
            with safe_open(path, framework="pt") as file:
                if file.metadata()["key"] == self.model_key(run):
                    return path
        return super().checkpoint(run)

    def untrained(self, run: Run) -> CrossConv:
        return build_network(self.settings, self.method(run).sampled, self.device)

    def fitted(self, run: Run, on_check: Callable[[dict], None]) -> Fitted:
        """Train its network; codes of training pairs are kept beside the weights."""
        train, valid = self.examples("train"), self.examples("valid")
        sampled = self.method(run).sampled
        made = fit_network(self.settings, sampled, train, valid, run.seed, on_check)
        beside = {CODES: codes(made[0], train, run.seed)}
        return Fitted(*made, self.chosen(FITTING), beside)

    def bank(self, run: Run) -> Tensor:
        """Codes of training pairs, one each: (at most BANK, n_code)."""
        with safe_open(self.checkpoint(run), framework="pt") as file:
            return file.get_tensor(CODES).to(self.device)

    def known(self, run: Run, progress: Progress | None = None) -> Known:
        """What its rows draw from, their draws as they begin."""
        generator = torch.Generator(self.device).manual_seed(run.seed)
        learned = (self.model(run, progress), self.bank(run)) if self.is_learned(run) else ()
        test, train = self.pairs("test"), lambda: self.pairs("train")
        return Known(test, train, self.examples("test"), generator, *learned)

    def score(self, run: Run, progress: Progress) -> dict[str, Any]:
        """Scores of a run on the test split: {"rows", "code", "histograms", "sizes", …}."""
        known = self.known(run, progress)
        start = time.perf_counter()
        found = scoring.score_method(self.method(run), known, self.settings.n_samples)
        about = self.record(run, "about") if self.is_learned(run) else {}
        about.pop("settings", None)  # they stand once, beside all runs' accounts
        about |= {"score_seconds": time.perf_counter() - start, "key": self.score_key(run)}
        about |= {"score_circumstances": circumstances(self.device)}
        sizes = {"train": self.n_train(), "test": len(known.test.first)}
        return found | {"sizes": sizes, "provenance": about}

    def n_train(self) -> int:
        """The number of training pairs."""
        return self.settings.n_train
