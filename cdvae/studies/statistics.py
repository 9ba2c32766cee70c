"""What a data set is like: how ambiguous its answers are, and how much moves."""

import torch
from torch import Tensor

from cdvae.data.clips.clips import lengths, still
from cdvae.data.fields import Fields


def ambiguity(fields: Fields, n_neighbours: int = 10, n: int = 500) -> dict[str, float]:
    """How much of the variance of x_g is left among examples that look alike.

    For the first n examples: the variance of x_g over the example and its nearest neighbours in
    x_c (Euclidean), as a share of the variance over all examples. 1 says that neighbours agree no
    more than strangers, 0 that x_c settles x_g. Where the true conditional is known, its own share
    ("true") is what would be left with infinitely many examples.
    """
    keys = fields.x_c.flatten(1)
    nearest = torch.cdist(keys[:n], keys).topk(n_neighbours + 1, largest=False).indices
    total = fields.x_g.var(0).mean()
    found = {"neighbours": float(fields.x_g[nearest].var(1).mean() / total)}
    if fields.truth is not None:
        generator = torch.Generator().manual_seed(0)
        draws = fields.truth.sample(torch.arange(min(n, 100)), 30, generator)
        found["true"] = float(draws.var(1).mean() / total)
    return found


def motion_percentiles(fields: Fields, percents: tuple[int, ...] = (5, 25, 50, 75, 95)) -> Tensor:
    """Percentiles over examples of the mean flow length, in grid pixels per second."""
    mean_length = lengths(fields.x_g).mean((1, 2))
    return torch.quantile(mean_length, torch.tensor(percents) / 100)


def still_share(fields: Fields) -> float:
    """The share of frame pairs that do not move (`clips.still`)."""
    return float(still(fields).float().mean())
