"""From predicted frames back to motions, and how far their distribution is from the truth."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cdvae.data.shapes import AXES, SIDE, Shapes, cover, visible

REACH = 8  # motions are looked for up to this far in x and in y, pixels
SEEN = 0.5  # a shape counts in a picture where at least this share of it can be seen


def votes(shapes: Shapes, frames: Tensor) -> Tensor:
    """How much each pixel of a next frame (N, 3, SIDE, SIDE) looks like each shape: (N, 3, …).

    The pixel's colour against the shape's and against the nearest of what may lie behind it: 1 for
    the shape's own, −1 for another's, 2a − 1 for a mixture with the share a. Pixels that look like
    a shape in front abstain, as anything may be behind it.
    """
    distance = (frames[:, None] - shapes.colour[..., None, None]).square().sum(2)
    apart = (shapes.colour[:, :, None] - shapes.colour[:, None]).square().sum(3)
    found = []
    for kind in range(3):
        other = torch.arange(4) != kind
        rank = torch.cat([shapes.rank, torch.full_like(shapes.rank[:, :1], -1)], 1)
        infront = (rank > shapes.rank[:, kind, None]) & other
        behind = (~infront & other)[..., None, None]
        rest = torch.where(behind, distance, torch.inf).amin(1)
        cover = torch.where(infront[..., None, None], distance, torch.inf).amin(1)
        scale = torch.where(~infront & other, apart[:, kind], torch.inf).amin(1)[:, None, None]
        vote = ((rest - distance[:, kind]) / scale).clamp(-1, 1)
        found.append(torch.where(cover < torch.minimum(rest, distance[:, kind]), 0.0, vote))
    return torch.stack(found, 1)


def measure(shapes: Shapes, frames: Tensor) -> Tensor:
    """Where each shape of a picture has gone in a next frame of it: (N, 3, 2) pixels.

    shapes: those of the first frame; frames: (N, 3, SIDE, SIDE) in [0, 1]. The motion is the
    displacement, at most REACH in each direction, of the shape's mask that collects the most
    votes, refined by a parabola through the neighbours.
    """
    side = SIDE + REACH
    mask = torch.fft.rfft2(cover(shapes, SIDE), s=(side, side))
    found = torch.fft.rfft2(votes(shapes, frames), s=(side, side))
    score = torch.fft.irfft2(found * mask.conj(), s=(side, side))  # [dy, dx], negative ones wrap
    line = torch.arange(-REACH - 1, REACH + 2) % side
    score = score[..., line, :][..., line]
    inner = score[..., 1:-1, 1:-1].flatten(2)
    best = inner.argmax(2)
    y, x = best // (2 * REACH + 1), best % (2 * REACH + 1)
    n, k = torch.arange(len(frames))[:, None], torch.arange(3)
    refined = []
    for d_y, d_x in ((0, 1), (1, 0)):
        at = [score[n, k, y + 1 + s * d_y, x + 1 + s * d_x] for s in (-1, 0, 1)]
        bend = (2 * at[1] - at[0] - at[2]).clamp_min(1e-6)
        refined.append(((at[2] - at[0]) / (2 * bend)).clamp(-0.5, 0.5))
    return torch.stack([x - REACH + refined[0], y - REACH + refined[1]], 2)
