"""Answers that differ: few of many draws that leave none of the others far away."""

import torch
from torch import Tensor

DRAWN = 12  # draws for each that is wanted
SPREADS = ("independent", "covering")  # how several answers are chosen


def covering(draws: Tensor, n: int) -> Tensor:
    """n of the m draws for each x_c, (batch, m, …), that differ most: (batch, n, …).

    First the most typical, whose squared distances to all others have the least sum; then, each
    time, the draw that is farthest from all those chosen. Every draw then lies within twice the
    least radius with which n of them could cover the m (Gonzalez 1985, Theoretical Computer
    Science 38). They are no independent draws: proper scores and means are not to be taken of them.
    """
    rows, every = draws.flatten(2), torch.arange(len(draws), device=draws.device)
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    chosen = [distances.square().sum(2).argmin(1)]
    nearest = distances[every, chosen[0]]
    while len(chosen) < n:
        chosen.append(nearest.argmax(1))
        nearest = torch.minimum(nearest, distances[every, chosen[-1]])
    return draws[every[:, None], torch.stack(chosen, 1)]
