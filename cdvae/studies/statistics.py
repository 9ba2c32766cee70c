"""What a data set is like: how ambiguous its answers are, and how much moves."""

import torch
from torch import Tensor

from cdvae.data.clips.clips import lengths, still
from cdvae.data.fields import Fields


def ambiguity(
    fields: Fields, n_neighbours: int = 10, n: int = 500, p: Tensor | None = None
) -> dict[str, float]:
    """How much of the variance of x_g is left among examples that look alike.

    For the first n examples: the variance of x_g over the example and its nearest neighbours in
    x_c (Euclidean), as a share of the variance over all examples. 1 says that neighbours agree no
    more than strangers, 0 that x_c settles x_g. With an embedding p (N, D) the same for neighbours
    in it ("embedded"). Where the true conditional is known, its own share ("true") is what would be
    left with infinitely many examples.
    """
    total = fields.x_g.var(0).mean()

    def left(keys: Tensor) -> float:
        nearest = neighbours(keys, n, n_neighbours + 1)
        return float(fields.x_g[nearest].var(1).mean() / total)

    found = {"neighbours": left(fields.x_c.flatten(1))}
    if p is not None:
        found["embedded"] = left(p)
    if fields.truth is not None:
        generator = torch.Generator().manual_seed(0)
        draws = fields.truth.sample(torch.arange(min(n, 100)), 30, generator)
        found["true"] = float(draws.var(1).mean() / total)
    return found


def neighbours(keys: Tensor, n: int, k: int) -> Tensor:
    """The k nearest examples of each of the first n, itself first: (n, k) numbers."""
    return torch.cdist(keys[:n], keys).topk(k, largest=False).indices


def reading(task: str, found: dict[str, float]) -> str:
    """What `ambiguity` found, in a sentence or two."""
    text = f"{task}: examples that look alike still differ by {found['neighbours']:.0%} of all "
    text += f"variance of x_g, so the picture settles {max(0, 1 - found['neighbours']):.0%} of it"
    if "embedded" in found:
        text += f"; alike in the embedding, by {found['embedded']:.0%}"
    if "true" in found:
        open_share = found["true"]
        text += f". By the world's own rules {open_share:.0%} is open whatever one knows of x_c"
    return text + "."


def motion_percentiles(fields: Fields, percents: tuple[int, ...] = (5, 25, 50, 75, 95)) -> Tensor:
    """Percentiles over examples of the mean flow length, in grid pixels per second."""
    mean_length = lengths(fields.x_g).mean((1, 2))
    return torch.quantile(mean_length, torch.tensor(percents) / 100)


def still_share(fields: Fields) -> float:
    """The share of frame pairs that do not move (`clips.still`)."""
    return float(still(fields).float().mean())
