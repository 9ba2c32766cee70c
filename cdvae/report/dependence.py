"""Does a sample depend on its input, and on what of it? Measures for the claims under Figures 6–8.

All of them exchange inputs: what holds of a sample and its own input must not hold as well of the
sample and another input. Samples are (K, n, C_g, 32, 32), n ≥ 2 of each of K ≥ 2 inputs x_c
(K, C_c, 32, 32), whose true fields are x_g (K, C_g, 32, 32).
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from cdvae.data.fields import GRID


def measures(x_c: Tensor, x_g: Tensor, samples: Tensor) -> dict[str, float]:
    """Every measure by name; correlations are in [−1, 1], `between` is at most 1."""
    own, other = edge_agreement(x_c, samples)
    true_own, true_other = edge_agreement(x_c, x_g[:, None])
    return {
        "between": share_between(samples),
        "layout": layout_agreement(samples, x_g),
        "edges": own - other,
        "edges_of_truth": true_own - true_other,
    }


def share_between(samples: Tensor) -> float:
    """The share of the samples' variance that lies between inputs: σ_b² / (σ_b² + σ_w²).

    The rest lies between samples of one input. 0 says that the input makes no difference, 1 that
    it settles the answer. The variances are those of a one-way analysis with random effects, summed
    over pixels and unbiased (Searle, Casella, McCulloch 1992): the spread of means over n samples
    holds σ_w²/n too, which is taken off, so that chance can give slightly less than 0.
    """
    x = samples.double().flatten(2)
    n = x.shape[1]
    within = x.var(1).mean(0).sum()
    between = x.mean(1).var(0).sum() - within / n
    total = between + within
    return float(between / total) if total > 0 else 0.0


def coarse(fields: Tensor) -> Tensor:
    """Means over the cells of a 5 × 5 grid, that of the paper's layout: (…, C · 25)."""
    return adaptive_avg_pool2d(fields.double().flatten(0, -4), GRID).flatten(1)


def layout_agreement(samples: Tensor, x_g: Tensor) -> float:
    """Correlation of samples with the true fields over inputs, on a 5 × 5 grid.

    Both without their mean over the inputs, so that an average field that is always right gains
    nothing; over all cells, channels and samples. Draws of the true conditional correlate as much
    as x_c settles the layout, which is less than 1.
    """
    drawn = coarse(samples).unflatten(0, samples.shape[:2])
    true = coarse(x_g)[:, None]
    drawn, true = drawn - drawn.mean((0, 1)), (true - true.mean(0)).expand_as(drawn)
    scale = (drawn.square().sum() * true.square().sum()).sqrt()
    return float((drawn * true).sum() / scale) if scale > 0 else 0.0


def steepness(fields: Tensor) -> Tensor:
    """How much a field changes at each pixel, (N, C, 32, 32) -> (N, 31 · 31), over channels."""
    down = fields[..., 1:, :-1] - fields[..., :-1, :-1]
    right = fields[..., :-1, 1:] - fields[..., :-1, :-1]
    return (down.square() + right.square()).sum(1).sqrt().flatten(1)


def edge_agreement(x_c: Tensor, samples: Tensor) -> tuple[float, float]:
    """Do fields change where the picture does? Mean correlation of `steepness` with that of x_c:
    of the sample's own input, and of all other inputs."""
    n = samples.shape[1]
    fields, inputs = (standard(steepness(part.double())) for part in (samples.flatten(0, 1), x_c))
    found = (fields @ inputs.T / fields.shape[1]).unflatten(0, (-1, n)).mean(1)  # (K, K)
    own, k = found.diagonal().mean(), len(found)
    other = (found.sum() - found.diagonal().sum()) / (k * (k - 1))
    return float(own), float(other)


def standard(rows: Tensor) -> Tensor:
    """Rows with mean 0 and deviation 1; constant ones are 0."""
    centred = rows - rows.mean(1, keepdim=True)
    return centred / centred.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


def to_rows(n: int, most: int) -> list[int]:
    """At most that many of n examples, evenly spread over a split."""
    return torch.linspace(0, n - 1, min(n, most)).round().long().tolist()
