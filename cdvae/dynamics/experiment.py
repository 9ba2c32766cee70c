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
from cdvae.dynamics.pairs import FramePairs, Network, build_network, codes, fit_network
from cdvae.dynamics.rows import FrameMethod, frame_methods
from cdvae.runs.settings import Profile
from cdvae.runs.store import Fitted, Run, Store
from cdvae.tools.device import pick_device
from cdvae.tools.files import key_of, output_root
from cdvae.tools.meaning import meaning
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances

SPLITS = {"train": "n_train", "valid": "n_valid", "test": "n_test"}  # and their sizes' names
SCORED = ("n_test", "n_samples")  # settings that shape scores alone
CODES = "codes of training pairs"  # beside the weights in a checkpoint


class FrameExperiment(Store):
    """The runs of one profile on pairs of frames of moving shapes."""

    unit, data = "pairs", "shapes"
    shaping = ("n_train", "size")  # settings that shape what a method looks up …
    learning = ("n_valid", "fine", "sigma", "network", "training")  # … and a network
    build = staticmethod(build_network)
    learned_by = (build_network, FramePairs, fit_network, codes)  # code that shapes a model
    judge = staticmethod(scoring.score_method)

    def __init__(self, profile: Profile, device: str = "auto"):
        self.profile, self.settings = profile, profile.dynamics
        self.device = pick_device(device)
        self._pairs: dict[str, Pairs] = {}

    def runs(self) -> list[Run]:
        """Every method with every seed; what learns nothing and draws little by chance once."""
        return [
            Run("motion", name, seed)
            for name, method in frame_methods(self.data).items()
            for seed in (self.settings.seeds if method.varies else self.settings.seeds[:1])
        ]

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

    def stamp(self) -> str:
        """A key of what the data are."""
        return meaning(shapes.load)

    def model_key(self, run: Run) -> str:
        """The key of all that shapes a run's model: data, settings, code."""
        learned, settings = self.is_learned(run), {"data_seed": self.profile.data_seed}
        settings |= self.chosen(self.shaping + (self.learning if learned else ()))
        code = meaning(*self.learned_by) if learned else ""
        place = (self.data, self.stamp(), run.method, self.method(run).sampled)
        return key_of(*place, run.seed, settings, code)

    def score_key(self, run: Run) -> str:
        """The key of all that shapes a run's scores."""
        rows = self.method(run).rows
        network = (self.build, FramePairs) if self.is_learned(run) else ()
        code = meaning(self.judge, [row.draw for row in rows], network)
        names = [(row.name, row.given, row.noise) for row in rows]
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
        """Where a checkpoint lies that came with the project: that of the first seed."""
        return self.folder() / f"{run.method}.safetensors"

    def checkpoint(self, run: Run) -> Path:
        """The checkpoint of a run: the project's own if it is this run's, else the cache's."""
        path = self.committed(run)
        if path.exists():
            with safe_open(path, framework="pt") as file:
                if file.metadata()["key"] == self.model_key(run):
                    return path
        return super().checkpoint(run)

    def untrained(self, run: Run) -> Network:
        return self.build(self.settings, self.method(run).sampled, self.device)

    def fitted(self, run: Run, on_check: Callable[[dict], None]) -> Fitted:
        """Train its network; codes of training pairs are kept beside the weights."""
        train, valid = self.examples("train"), self.examples("valid")
        sampled = self.method(run).sampled
        made = fit_network(self.build, self.settings, sampled, train, valid, run.seed, on_check)
        settings = self.chosen(self.shaping + self.learning)
        return Fitted(*made, settings, {CODES: codes(made[0], train, run.seed)})

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
        """Scores of a run on the test split: {"rows", "sizes", "provenance", …}."""
        known = self.known(run, progress)
        start = time.perf_counter()
        found = self.scored(self.method(run), known)
        about = self.record(run, "about") if self.is_learned(run) else {}
        about.pop("settings", None)  # they stand once, beside all runs' accounts
        about |= {"score_seconds": time.perf_counter() - start, "key": self.score_key(run)}
        about |= {"score_circumstances": circumstances(self.device)}
        sizes = {"train": self.n_train(), "test": len(known.test.first)}
        return found | {"sizes": sizes, "provenance": about}

    def scored(self, method: FrameMethod, known: Known) -> dict[str, Any]:
        """Scores of its rows: {"rows", "code", "bins"}."""
        return self.judge(method, known, self.settings.n_samples)

    def n_train(self) -> int:
        """The number of training pairs."""
        return self.settings.n_train
