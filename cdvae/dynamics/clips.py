"""Visual Dynamics on real clips: pairs of frames, networks, scores, cached on disk."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cdvae.data.clips import frames
from cdvae.data.clips.frames import ClipPairs
from cdvae.data.drawn.shapes import Pairs
from cdvae.data.splits import source_of
from cdvae.dynamics import clip_scoring
from cdvae.dynamics.experiment import CODES, SPLITS, FrameExperiment
from cdvae.dynamics.pairs import SCALE, FramePairs, codes
from cdvae.dynamics.rows import frame_methods
from cdvae.methods.crossconv_local import LocalCrossConv
from cdvae.runs.settings import Profile
from cdvae.runs.store import Fitted, Run
from cdvae.tools.device import pick_device
from cdvae.tools.files import cache_root, is_whole, key_of, path_of
from cdvae.tools.meaning import meaning
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances
from cdvae.training import fit

SHAPING = ("n_train", "size", "step", "per_clip", "least")  # settings that shape the pairs …
FITTING = (*SHAPING, "n_valid", "network", "sigma", "training")  # … and what is learned of them
SCORED = ("n_test", "n_samples")  # settings that shape scores alone


class ClipExperiment(FrameExperiment):
    """The runs of one profile on a folder of clips."""

    data = "ucf101"

    def __init__(self, profile: Profile, root: str, device: str = "auto"):
        self.profile, self.settings = profile, profile.clip_dynamics
        self.root, self.device = path_of(root), pick_device(device)
        self._pairs: dict[str, ClipPairs] = {}
        self._stamp: str | None = None

    def runs(self) -> list[Run]:
        """Every method with every seed; what draws nothing by chance once."""
        seeds = self.settings.seeds
        found = []
        for name, method in frame_methods(self.data).items():
            by_chance = method.is_learned or name == "marginal"
            found += [Run("motion", name, seed) for seed in (seeds if by_chance else seeds[:1])]
        return found

    def prepare(self, runs: list[Run]) -> None:
        """Read the clips."""
        for split in SPLITS:
            self.clip_pairs(split)

    def data_files(self, run: Run) -> list[Path]:
        """The pairs of each split."""
        return [self.pairs_file(split) for split in SPLITS]

    def stamp(self) -> str:
        """A key of what the clips hold, looked up once."""
        if self._stamp is None:
            self._stamp = frames.stamp(self.root)
        return self._stamp

    def shaped(self, split: str) -> tuple:
        """What shapes the pairs of a split, beside the clips."""
        s, n = self.settings, getattr(self.settings, SPLITS[split])
        return (split, n, self.profile.data_seed, s.size, s.step, s.per_clip, s.least)

    def pairs_file(self, split: str) -> Path:
        """Where the pairs of a split lie, or will, for a machine that has no clips."""
        key = key_of(self.stamp(), self.shaped(split))
        return cache_root() / "clips" / f"pairs-{key}.safetensors"

    def clip_pairs(self, split: str) -> ClipPairs:
        """The pairs of a split, with their clips."""
        if split not in self._pairs:
            path = self.pairs_file(split)
            if not is_whole(path):
                frames.save(frames.load(self.root, *self.shaped(split)), path)
            self._pairs[split] = frames.load_saved(path)
        return self._pairs[split]

    def pairs(self, split: str) -> Pairs:
        return self.clip_pairs(split).pairs

    def groups(self) -> list[str]:
        """The video group of each test pair: what is resampled together."""
        return [source_of(clip) for clip in self.clip_pairs("test").clips]

    def model_key(self, run: Run) -> str:
        learned, settings = self.is_learned(run), {"data_seed": self.profile.data_seed}
        settings |= self.chosen(FITTING if learned else SHAPING)
        parts = (build_network, fit_network, codes, FramePairs) if learned else ()
        place = (self.data, self.stamp(), run.method, self.method(run).sampled)
        return key_of(*place, run.seed, settings, meaning(*parts) if learned else "")

    def score_key(self, run: Run) -> str:
        rows = self.method(run).rows
        network = (build_network, FramePairs) if self.is_learned(run) else ()
        code = meaning(clip_scoring.score_method, [row.draw for row in rows], network)
        names = [(row.name, row.given) for row in rows]
        return key_of(self.model_key(run), self.chosen(SCORED), names, code)

    def untrained(self, run: Run) -> LocalCrossConv:
        return build_network(self.settings, self.method(run).sampled, self.device)

    def fitted(self, run: Run, on_check: Callable[[dict], None]) -> Fitted:
        """Train its network; codes of training pairs are kept beside the weights."""
        train, valid = self.examples("train"), self.examples("valid")
        sampled = self.method(run).sampled
        made = fit_network(self.settings, sampled, train, valid, run.seed, on_check)
        return Fitted(*made, self.chosen(FITTING), {CODES: codes(made[0], train, run.seed)})

    def score(self, run: Run, progress: Progress) -> dict[str, Any]:
        """Scores of a run on the test split: {"rows", "each", "groups", "sizes", "provenance"}."""
        known = self.known(run, progress)
        start = time.perf_counter()
        found = clip_scoring.score_method(self.method(run), known, self.settings.n_samples)
        about = self.record(run, "about") if self.is_learned(run) else {}
        about.pop("settings", None)  # they stand once, beside all runs' accounts
        about |= {"score_seconds": time.perf_counter() - start, "key": self.score_key(run)}
        about |= {"score_circumstances": circumstances(self.device)}
        sizes = {split: len(self.pairs(split).first) for split in ("train", "test")}
        still = {split: self.clip_pairs(split).still for split in ("train", "test")}
        found |= {"groups": self.groups(), "still": still}
        return found | {"sizes": sizes, "provenance": about}


def build_network(settings: Any, sampled: bool, device: torch.device) -> LocalCrossConv:
    """An untrained network; initial weights come from torch's global random state."""
    model = LocalCrossConv(settings.network, settings.sigma, settings.size, sampled)
    return model.to(device, memory_format=torch.channels_last)


def fit_network(
    settings: Any,
    sampled: bool,
    train: FramePairs,
    valid: FramePairs,
    seed: int,
    on_check: Callable[[dict[str, float]], None],
) -> tuple[LocalCrossConv, list[dict[str, float]]]:
    """A trained network and what training left (`training.fit`)."""
    torch.manual_seed(seed)
    model = build_network(settings, sampled, train.first.device)
    model.standardise(*train.batch(slice(0, SCALE))[:2])
    return model, fit(model, train, valid, settings.training, seed, on_check)
