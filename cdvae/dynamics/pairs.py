"""The cross convolutional network trained on pairs of frames."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cdvae.methods.crossconv import CrossConv, FineCrossConv, Frames
from cdvae.methods.crossconv_local import LocalCrossConv
from cdvae.model import Batch
from cdvae.training import fit

Network = CrossConv | LocalCrossConv

BANK = 1000  # training pairs whose codes stand for all, as many as in the authors' demonstration
SCALE = 2000  # training pairs that the scale of differences is taken from


@dataclass(frozen=True)
class FramePairs:
    """Pairs of frames (N, 3, H, W) uint8 as `training.fit` takes them: x_g is the difference."""

    first: Tensor
    second: Tensor

    @property
    def x_c(self) -> Tensor:
        return self.first

    def __len__(self) -> int:
        return len(self.first)

    def batch(self, index: Tensor | slice, kl_weight: float = 1.0, lam: float = 0.0) -> Batch:
        """The pairs at `index` in [0, 1], laid out as the processor convolves fastest."""
        x_c, second = (
            (x[index].float() / 255).contiguous(memory_format=torch.channels_last)
            for x in (self.first, self.second)
        )
        none = x_c.new_zeros(len(x_c), 0)  # nothing is embedded
        return Batch(x_c, second - x_c, none, none, kl_weight, lam)


def build_network(settings: Frames, sampled: bool, device: torch.device) -> CrossConv:
    """An untrained network; initial weights come from torch's global random state."""
    kind = FineCrossConv if settings.fine else CrossConv
    model = kind(3, 3, settings.network, settings.sigma, sampled)
    return model.to(device, memory_format=torch.channels_last)


def fit_network(
    build: Callable[[Any, bool, torch.device], Network],
    settings: Any,
    sampled: bool,
    train: FramePairs,
    valid: FramePairs,
    seed: int,
    on_check: Callable[[dict[str, float]], None],
) -> tuple[Network, list[dict[str, float]]]:
    """A trained network and what training left (`training.fit`)."""
    torch.manual_seed(seed)
    model = build(settings, sampled, train.first.device)
    model.standardise(*train.batch(slice(0, SCALE))[:2])
    return model, fit(model, train, valid, settings.training, seed, on_check)


@torch.no_grad()
def codes(model: Network, pairs: FramePairs, seed: int) -> Tensor:
    """Codes of the first pairs, one each: (at most BANK, n_code)."""
    generator = torch.Generator(pairs.first.device).manual_seed(seed)
    parts = torch.arange(min(BANK, len(pairs))).split(100)
    found = [model.encode(*pairs.batch(part)[:2], generator) for part in parts]
    return torch.cat(found)
