"""Weights in little space: matrices in 8 bits, each row with a scale; the rest in half precision.

A row is what an index of the first axis gives. Rounding moves a weight by at most 1/254 of the
largest of its row; what is too large for half precision stays in single precision.
"""

import torch
from torch import Tensor

HOW = "matrices in 8 bits, each row with a scale of its own; the rest in half precision"
LEAST = 1024  # numbers of a matrix that is worth its scales
STEPS = 127  # from 0 to the largest of a row
SCALE = ":scale"  # of the rows of the matrix of that name; names of weights have no colon


def compact(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are kept, by name; whole numbers stay as they are."""
    kept = {}
    for name, value in weights.items():
        value = value.detach().cpu().contiguous()
        if value.is_floating_point() and value.dim() > 1 and value.numel() >= LEAST:
            rows = value.float().flatten(1)
            scale = (rows.abs().amax(1, keepdim=True) / STEPS).clamp_min(1e-30)
            kept[name] = (rows / scale).round().to(torch.int8).view(value.shape)
            kept[name + SCALE] = scale[:, 0].contiguous()
        else:
            kept[name] = halved(value) if value.is_floating_point() else value
    return kept


def halved(value: Tensor) -> Tensor:
    """In half precision, but for what that cannot hold: from 65,520 on all is infinite in it."""
    half = value.half()
    return half if torch.equal(half.isfinite(), value.isfinite()) else value.float()


def expanded(kept: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of what `compact` gave, in single precision."""
    weights = {}
    for name, value in kept.items():
        if name + SCALE in kept:
            rows = value.float().flatten(1) * kept[name + SCALE][:, None]
            weights[name] = rows.view(value.shape)
        elif not name.endswith(SCALE):
            weights[name] = value.float() if value.is_floating_point() else value
    return weights
