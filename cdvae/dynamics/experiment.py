"""Visual Dynamics from pairs of frames to scores: fit, sample, measure, cached on disk.

On the moving shapes a sample is turned back into motions (`motions.py`) and these are held to the
true ones; on clips, where none are known, only differences are compared. Methods: `crossconv`; the
baselines `ae`, the same network with a code that is not sampled, and `flow`, which lends the flow
of the nearest training pictures; `truth`, the world itself; `still`, in which nothing changes.
Codes to sample from: N(0, I), or those of training pairs (names end in `_empirical`), as in the
authors' demonstration; an autoencoder has no N(0, I), so a Gaussian is fitted to its codes.
"""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae.data.clips import frames
from cdvae.data.drawn import shapes
from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics.pairs import FramePairs, build_network, codes, fit_network
from cdvae.methods.crossconv import CrossConv
from cdvae.runs.experiment import Run, one_thread, pick_device, room_hash
from cdvae.runs.settings import Profile
from cdvae.tools.files import atomic, cache_root, key_of, output_root, write_json
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances, peak_memory_mb

DATA = ("shapes", "ucf101")
LEARNED = ("crossconv", "ae")
METHODS = {"shapes": (*LEARNED, "flow", "truth"), "ucf101": (*LEARNED, "flow", "still")}
ROOMS = ("gaussian", "methods/crossconv", "training", "dynamics/pairs")
DATA_ROOMS = ("data/drawn/shapes", "data/drawn/render", "data/drawn/world")
SCORE_ROOMS = ("dynamics/motions", "dynamics/futures", "dynamics/flow_copy")
SCORED = ("n_test", "n_samples")  # settings that shape scores, not models
CODES = "codes of training pairs"  # beside the weights in a checkpoint


class Dynamics:
    """The runs of one profile on shapes or clips; the interface that `parallel.score_all` needs."""

    def __init__(
        self, profile: Profile, data: str = "shapes", root: str | None = None, device: str = "auto"
    ):
        self.profile, self.settings, self.data = profile, profile.dynamics, data
        if data != "shapes":
            steps = replace(self.settings.training, steps=self.settings.clip_steps)
            self.settings = replace(self.settings, training=steps)
        self.device = pick_device(device)
        self.root = Path(root).expanduser() if root else None
        self._pairs: dict[str, Pairs] = {}

    def runs(self) -> list[Run]:
        return [Run("motion", method, self.profile.seeds[0]) for method in METHODS[self.data]]

    def prepare(self, runs: list[Run]) -> None:
        """Shapes are drawn faster than they are read back; clips are cached by themselves."""

    def pairs(self, split: str) -> Pairs:
        """The frames of a split."""
        if split not in self._pairs:
            s = self.settings
            n = {"train": s.n_train, "valid": s.n_valid, "test": s.n_test}[split]
            seed = self.profile.data_seed
            if self.data == "shapes":
                self._pairs[split] = shapes.load(split, n, seed, s.size)
            else:
                self._pairs[split] = frames.load(self.root, split, n, seed, s.size)
        return self._pairs[split]

    def examples(self, split: str) -> FramePairs:
        pairs = self.pairs(split)
        return FramePairs(pairs.first.to(self.device), pairs.second.to(self.device))

    def key(self, run: Run) -> str:
        """The key of all that shapes a run's model."""
        stamp = room_hash(DATA_ROOMS) if self.data == "shapes" else frames.stamp(self.root)
        every = asdict(self.settings) | {"data_seed": self.profile.data_seed}
        settings = {name: value for name, value in every.items() if name not in SCORED}
        return key_of(self.data, stamp, run.method, run.seed, settings, room_hash(ROOMS))

    def score_key(self, run: Run) -> str:
        """The key of all that shapes a run's scores."""
        settings = {name: getattr(self.settings, name) for name in SCORED}
        return key_of(self.key(run), settings, room_hash(SCORE_ROOMS))

    def score_file(self, run: Run) -> Path:
        return cache_root() / "scores" / f"{self.score_key(run)}.json"

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
                if file.metadata()["key"] == self.key(run):
                    return path
        return cache_root() / "models" / f"{self.key(run)}.safetensors"

    def steps(self, run: Run) -> int:
        """How many steps of progress are left of a run: its checks, and one for the scores."""
        if self.score_file(run).exists():
            return 0
        trains = run.method in LEARNED and not self.checkpoint(run).exists()
        return 1 + trains * self.settings.training.checks

    def model(self, run: Run, progress: Progress | None = None) -> CrossConv:
        """The trained network of a run, loaded or trained."""
        if not self.checkpoint(run).exists():
            with one_thread():
                self.train(run, progress or Progress(0, quiet=True))
        model = build_network(self.settings, run.method != "ae", self.device)
        with safe_open(self.checkpoint(run), framework="pt") as file:
            names = set(file.keys()) - {CODES}
            model.load_state_dict({name: file.get_tensor(name) for name in names})
        return model.eval()

    def record(self, run: Run, name: str):
        """What training left in the header of the checkpoint: "about" or "history"."""
        with safe_open(self.checkpoint(run), framework="pt") as file:
            return json.loads(file.metadata()[name])

    def train(self, run: Run, progress: Progress) -> None:
        """Train a network and write its weights, with its history in their header."""
        train, valid = self.examples("train"), self.examples("valid")

        def on_check(row: dict[str, float]) -> None:
            speed = f"{row['images_per_second']:,.0f} pairs/s"
            progress.step(f"{run} step {row['step']}: loss {row['valid_loss']:,.1f}, {speed}")

        sampled = run.method != "ae"
        model, history = fit_network(self.settings, sampled, train, valid, run.seed, on_check)
        about = {
            "run": asdict(run),
            "seconds": sum(row["seconds"] for row in history),
            "circumstances": circumstances(self.device),
            "peak_memory_mb": peak_memory_mb(self.device),
        }
        header = {"history": json.dumps(history), "about": json.dumps(about), "key": self.key(run)}
        with atomic(cache_root() / "models" / f"{self.key(run)}.safetensors") as temporary:
            weights = {name: value.contiguous() for name, value in model.state_dict().items()}
            weights[CODES] = codes(model, train, run.seed)
            save_file(weights, temporary, metadata=header)

    def bank(self, run: Run) -> Tensor:
        """Codes of training pairs, one each: (at most BANK, n_code)."""
        with safe_open(self.checkpoint(run), framework="pt") as file:
            return file.get_tensor(CODES).to(self.device)

    def scores(self, run: Run, progress: Progress | None = None) -> dict:
        """Scores of a run on the test split, loaded or made: {"rows", "provenance", "code"}."""
        path = self.score_file(run)
        if not path.exists():
            with one_thread():
                write_json(path, self.score(run, progress or Progress(0, quiet=True)))
            if progress:
                progress.step(f"{run} scored")
        return json.loads(path.read_text(encoding="utf-8"))

    def score(self, run: Run, progress: Progress) -> dict:
        from cdvae.dynamics.futures import score_run

        if run.method in LEARNED:
            self.model(run, progress)
        start = time.perf_counter()
        found = score_run(self, run)
        about = self.record(run, "about") if run.method in LEARNED else {}
        about |= {"score_seconds": time.perf_counter() - start, "key": self.score_key(run)}
        about |= {"score_circumstances": circumstances(self.device)}
        return found | {"provenance": about}
