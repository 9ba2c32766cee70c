"""Visual Dynamics on real clips: pairs of frames, networks, scores, cached on disk."""

from pathlib import Path
from typing import Any

import torch

from cdvae.data.clips import frames
from cdvae.data.clips.frames import ClipPairs
from cdvae.data.drawn.shapes import Pairs
from cdvae.data.splits import source_of
from cdvae.dynamics import clip_scoring
from cdvae.dynamics.experiment import SPLITS, FrameExperiment
from cdvae.dynamics.futures import Known
from cdvae.dynamics.pairs import FramePairs, codes, fit_network
from cdvae.dynamics.rows import FrameMethod
from cdvae.methods.crossconv_local import LocalCrossConv
from cdvae.runs.settings import Profile
from cdvae.runs.store import Run
from cdvae.tools.device import pick_device
from cdvae.tools.files import cache_root, is_whole, key_of, path_of


def build_network(settings: Any, sampled: bool, device: torch.device) -> LocalCrossConv:
    """An untrained network; initial weights come from torch's global random state."""
    model = LocalCrossConv(settings.network, settings.sigma, settings.size, sampled)
    return model.to(device, memory_format=torch.channels_last)


class ClipExperiment(FrameExperiment):
    """The runs of one profile on a folder of clips."""

    data = "ucf101"
    shaping = ("n_train", "size", "step", "per_clip", "least")
    learning = ("n_valid", "sigma", "network", "training")
    build = staticmethod(build_network)
    learned_by = (build_network, FramePairs, fit_network, codes)
    judge = staticmethod(clip_scoring.score_method)

    def __init__(self, profile: Profile, root: str, device: str = "auto"):
        self.profile, self.settings = profile, profile.clip_dynamics
        self.root, self.device = path_of(root), pick_device(device)
        self._pairs: dict[str, ClipPairs] = {}
        self._stamp: str | None = None

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

    def scored(self, method: FrameMethod, known: Known) -> dict[str, Any]:
        """Scores of its rows: {"rows", "each", "groups", "still"}."""
        found = self.judge(method, known, self.settings.n_samples)
        still = {split: self.clip_pairs(split).still for split in ("train", "test")}
        return found | {"groups": self.groups(), "still": still}

    def n_train(self) -> int:
        """The number of training pairs, of which there may be fewer than asked for."""
        return len(self.pairs("train").first)
