"""From predicted frames back to motions, and how far their distribution is from the truth.

Motions are displacements of the three shapes (`data/drawn/shapes.py`) from one frame to the next,
in pixels of a SIDE × SIDE picture, x right, y down.
"""

import math

import torch
from torch import Tensor

from cdvae.data.drawn.shapes import AXES, SIDE, Shapes, cover, visible

REACH = 8  # motions are looked for up to this far in x and in y, pixels
SEEN = 0.5  # a shape counts in a picture where at least this share of it can be seen
MOVES = 1.0  # from this length on a shape moves, pixels; the true motions are longer
NEAR_AXIS = math.pi / 8  # the axis is the nearest of four: |, —, \ and /
EDGES = torch.arange(-9.0, 10.0, 2.0)  # of the histogram's bins, pixels; 0 lies within one
PSEUDO = 0.5  # counts added to each bin of a prediction
N_BINS = (len(EDGES) - 1) ** 2
COLUMNS = ("circle", "square", "triangle", "circle_triangle")
PAIR = [0, 2]  # of the last column


def votes(shapes: Shapes, frames: Tensor) -> Tensor:
    """How much each pixel of a next frame (N, 3, H, W) looks like each shape: (N, 3, H, W).

    The pixel's colour against the shape's and against the nearest of what may lie behind it: 1 for
    the shape's own, −1 for another's, 2a − 1 for a mixture with the share a. Pixels that look like
    a shape in front abstain, as anything may be behind it.
    """
    distance = (frames[:, None] - shapes.colour[..., None, None]).square().sum(2)
    apart = (shapes.colour[:, :, None] - shapes.colour[:, None]).square().sum(3)
    rank = torch.cat([shapes.rank, torch.full_like(shapes.rank[:, :1], -1)], 1)  # background last
    found = []
    for kind in range(3):
        own, before = distance[:, kind], rank > rank[:, kind, None]
        behind = rank < rank[:, kind, None]
        other = torch.where(behind[..., None, None], distance, torch.inf).amin(1)
        front = torch.where(before[..., None, None], distance, torch.inf).amin(1)
        scale = torch.where(behind, apart[:, kind], torch.inf).amin(1)[:, None, None]
        vote = ((other - own) / scale).clamp(-1, 1)
        found.append(torch.where(front < torch.minimum(other, own), 0.0, vote))
    return torch.stack(found, 1)


def measure(shapes: Shapes, frames: Tensor) -> Tensor:
    """Where each shape of a picture has gone in a next frame of it: (N, 3, 2) pixels.

    shapes: those of the first frame; frames: (N, 3, SIDE, SIDE) in [0, 1]. The motion is the
    displacement, at most REACH in each direction, of the shape's mask that collects the most
    votes, refined by a parabola through the neighbours.
    """
    side = SIDE + REACH + 1  # room for the mask to leave the picture without coming in again
    mask = torch.fft.rfft2(cover(shapes, SIDE), s=(side, side))
    found = torch.fft.rfft2(votes(shapes, frames), s=(side, side))
    score = torch.fft.irfft2(found * mask.conj(), s=(side, side))  # by displacement, modulo side
    line = torch.arange(-REACH - 1, REACH + 2) % side
    score = score[..., line, :][..., line]
    best = score[..., 1:-1, 1:-1].flatten(2).argmax(2)
    y, x = best // (2 * REACH + 1) + 1, best % (2 * REACH + 1) + 1
    n, kind = torch.arange(len(frames))[:, None], torch.arange(3)
    top = score[n, kind, y, x]
    d_x = vertex(score[n, kind, y, x - 1], top, score[n, kind, y, x + 1])
    d_y = vertex(score[n, kind, y - 1, x], top, score[n, kind, y + 1, x])
    return torch.stack([x + d_x, y + d_y], 2) - (REACH + 1)


def vertex(left: Tensor, top: Tensor, right: Tensor) -> Tensor:
    """Where between −½ and ½ the parabola through values at −1, 0 and 1 is largest."""
    bend = (2 * top - left - right).clamp_min(1e-6)
    return ((right - left) / (2 * bend)).clamp(-0.5, 0.5)


def along(motions: Tensor) -> Tensor:
    """The signed step of each shape along its own axis, (…, 3, 2) to (…, 3) pixels."""
    return (motions * AXES).sum(-1)


def bins(points: Tensor) -> Tensor:
    """The number of each point's bin, (…, 2) to (…): 9 × 9 bins of 2 × 2 pixels, the outermost
    without end."""
    index = torch.bucketize(points.contiguous(), EDGES[1:-1].contiguous())
    return index[..., 0] * (len(EDGES) - 1) + index[..., 1]


def histogram(points: Tensor, pseudo: float = 0.0) -> Tensor:
    """Shares of points (M, 2) in each bin: (N_BINS,). pseudo: counts added to each bin."""
    counts = torch.bincount(bins(points), minlength=N_BINS) + pseudo
    return counts / counts.sum()


def divergence(true: Tensor, predicted: Tensor) -> float:
    """KL(true ‖ predicted) of two sets of points (M, 2), in nats, by histograms.

    Half a count is added to each bin of the prediction, so that the divergence is finite.
    """
    p, q = histogram(true), histogram(predicted, PSEUDO)
    return float(torch.where(p > 0, p * (p.clamp_min(1e-12) / q).log(), 0.0).sum())


def columns(motions: Tensor) -> dict[str, Tensor]:
    """Points (…, 2) of each column of the paper's table, from motions (…, 3, 2): a shape's (x, y);
    for circle and triangle their steps along their axes."""
    found = {name: motions[..., kind, :] for kind, name in enumerate(COLUMNS[:3])}
    return found | {COLUMNS[3]: along(motions)[..., PAIR]}


def counted(seen: Tensor) -> dict[str, Tensor]:
    """The pictures (N,) that count for each column, by the shapes that can be seen, (N, 3)."""
    found = {name: seen[:, kind] for kind, name in enumerate(COLUMNS[:3])}
    return found | {COLUMNS[3]: seen[:, PAIR].all(1)}


def divergences(true: Tensor, predicted: Tensor, seen: Tensor) -> dict[str, float]:
    """KL from true motions, draws of the world (M, 3, 2), to predicted ones (N, n, 3, 2) of shapes
    that count, seen (N, 3), in nats for each column of the paper's table."""
    p, q, rows = columns(true), columns(predicted), counted(seen)
    return {name: divergence(p[name], q[name][rows[name]].flatten(0, 1)) for name in COLUMNS}


def binned(predicted: Tensor, seen: Tensor) -> dict[str, list[list[int]]]:
    """The bin of each predicted motion (N, n, 3, 2), by column; no bins where it does not count."""
    rows = counted(seen)
    return {
        name: [b if count else [] for b, count in zip(bins(p).tolist(), rows[name], strict=True)]
        for name, p in columns(predicted).items()
    }


def summary(motions: Tensor, seen: Tensor) -> dict[str, float]:
    """What predicted motions (N, n, 3, 2) do, by shape: shares of the samples.

    moves_*: by MOVES or more; axis_*: of those, along the shape's own axis; up_*: of those, up
    (circle, triangle: and left) or left (square). correlation: of the circle's and triangle's
    steps along their axes.
    """
    found = {}
    for kind, name in enumerate(COLUMNS[:3]):
        v = motions[seen[:, kind], :, kind].flatten(0, 1)
        moving = v[v.norm(dim=1) >= MOVES]
        step = moving @ AXES[kind]
        close = step.abs() >= math.cos(NEAR_AXIS) * moving.norm(dim=1)
        found[f"moves_{name}"] = len(moving) / max(len(v), 1)
        found[f"axis_{name}"] = float(close.float().mean())
        found[f"up_{name}"] = float((step < 0).float().mean())
    both = columns(motions)[COLUMNS[3]][counted(seen)[COLUMNS[3]]]
    found["correlation"] = float(torch.corrcoef(both.flatten(0, 1).T)[0, 1])
    return found


def errors(shapes: Shapes, frames: Tensor, motion: Tensor) -> dict[str, float]:
    """Root mean square distance of measured from true motions (N, 3, 2), by shape, in pixels."""
    wrong = (measure(shapes, frames) - motion).square().sum(2)
    seen = visible(shapes) >= SEEN
    return {
        name: float(wrong[seen[:, kind], kind].mean().sqrt())
        for kind, name in enumerate(COLUMNS[:3])
    }
