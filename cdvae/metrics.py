"""Scores of samples: those of Sec. 6.3, best error and variance, and proper scores beside them.

Best error of N and variance both gain from more noise, whatever the input; a proper score is least,
in expectation, for draws from the true conditional alone (Gneiting & Raftery 2007).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

COUNTS = (3, 10, 30, 60, 100)  # numbers of samples in Tables 2–4
GRID_POINTS = tuple(4 + 8 * k for k in range(4))  # 16 equally spaced points of a 32 × 32 field


def squared_errors(samples: Tensor, x_g: Tensor) -> Tensor:
    """Mean over pixels and channels of (sample − truth)², in unit²: (batch, n)."""
    return (samples - x_g[:, None]).square().flatten(2).mean(2)


def absolute_errors(samples: Tensor, x_g: Tensor) -> Tensor:
    """Mean over pixels and channels of |sample − truth|: (batch, n)."""
    return (samples - x_g[:, None]).abs().flatten(2).mean(2)


def best_of(errors: Tensor, counts: tuple[int, ...]) -> Tensor:
    """The least of the first n errors of each example, for each n in counts: (batch, counts)."""
    best = errors.cummin(1).values
    return best[:, [n - 1 for n in counts]]


def at_grid(x: Tensor) -> Tensor:
    """Values of fields (…, C, 32, 32) at the 16 grid points and all channels: (…, 16 C)."""
    return x[..., GRID_POINTS, :][..., GRID_POINTS].flatten(-3)


def grid_variance(samples: Tensor) -> Tensor:
    """Variance over samples (batch, n, C, 32, 32), mean of 16 grid points and channels: (batch,).

    The unbiased variance over the n draws, in unit².
    """
    return at_grid(samples).var(1).mean(1)


def energy_score(samples: Tensor, x_g: Tensor) -> Tensor:
    """E‖X − y‖ − ½ E‖X − X'‖ with Euclidean norms of whole fields, in the unit: (batch,).

    The second mean runs over pairs of different draws, which makes the estimate unbiased.
    """
    x, n = samples.flatten(2), samples.shape[1]
    to_truth = (x - x_g.flatten(1)[:, None]).norm(dim=2).mean(1)
    apart = torch.cdist(x, x).sum((1, 2)) / (n * (n - 1))
    return to_truth - 0.5 * apart


def energy_loss(samples: Tensor, truth: Tensor) -> Tensor:
    """The energy score of samples (batch, m, …) of a truth (batch, …), differentiable: (batch,).

    E‖X − y‖ − ½ E‖X − X'‖, unbiased, as `energy_score` has it; distances are rooted with a little
    added, whose gradient is finite where two samples meet.
    """
    x, y = samples.flatten(2), truth.flatten(1)[:, None]
    first, second = torch.triu_indices(x.shape[1], x.shape[1], 1)
    to_truth = ((x - y).square().sum(2) + 1e-6).sqrt().mean(1)
    apart = ((x[:, first] - x[:, second]).square().sum(2) + 1e-6).sqrt().mean(1)
    return to_truth - 0.5 * apart


def grid_scores(samples: Tensor, x_g: Tensor) -> dict[str, Tensor]:
    """Proper scores of what happens at the grid points, by `scoringrules`: (batch,) each.

    crps: mean over the points of the continuous ranked probability score (unbiased), in the unit.
    variogram_score: of order ½ over all pairs of points, mean of a pair, in the unit; it sees
    wrong dependence between points, to which the others are nearly blind.
    """
    from scoringrules import crps_ensemble, vs_ensemble

    x, y = at_grid(samples).cpu().numpy(), at_grid(x_g).cpu().numpy()
    crps = crps_ensemble(y, x, m_axis=1, estimator="fair").mean(1)
    pairs = y.shape[1] * (y.shape[1] - 1)
    variogram = vs_ensemble(y, x, m_axis=1, p=0.5) / pairs
    both = {"crps": crps, "variogram_score": variogram}
    return {name: torch.from_numpy(values).float() for name, values in both.items()}


def ranks(samples: Tensor, x_g: Tensor, generator: torch.Generator) -> Tensor:
    """Rank of the truth among the n draws at each grid point, from 0 to n: (batch, 16 C) int64.

    Among draws equal to the truth its place is random. A calibrated sampler has uniform ranks.
    """
    x, y = at_grid(samples), at_grid(x_g)[:, None]
    less, equal = (x < y).sum(1), (x == y).sum(1)
    place = torch.rand(less.shape, generator=generator, device=less.device)
    return less + (place * (equal + 1)).long()


def rank_deviation(rank: Tensor, n: int, bins: int = 10) -> float:
    """Share of the ranks that would have to move for a flat histogram: 0 to 1 − 1/bins."""
    share = torch.histc(rank.flatten().float(), bins, 0, n) / rank.numel()
    return float(0.5 * (share - 1 / bins).abs().sum())


@torch.no_grad()
def score_samples(
    draw: Callable[[slice, int], Tensor],
    x_g: Tensor,
    counts: tuple[int, ...] = COUNTS,
    batch_size: int = 25,
    own: Mapping[str, Callable[[Tensor, Tensor], Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Scores of each test example, streaming over batches so that memory does not grow with N.

    draw(part, n) gives samples (batch, n, C, 32, 32) for the test examples of that slice. own:
    further scores by name, of samples and truth, (batch,) each.
    Returns best_error (N, counts) in unit², best_error_l1 (N, counts), variance, energy_score,
    crps and variogram_score (N,), ranks (N, 16 C).
    """
    parts: dict[str, list[Tensor]] = {}
    generator = torch.Generator(x_g.device).manual_seed(0)
    for start in range(0, len(x_g), batch_size):
        part = slice(start, min(start + batch_size, len(x_g)))
        samples, truth = draw(part, max(counts)), x_g[part]
        scores = {
            "best_error": best_of(squared_errors(samples, truth), counts),
            "best_error_l1": best_of(absolute_errors(samples, truth), counts),
            "variance": grid_variance(samples),
            "energy_score": energy_score(samples, truth),
            "ranks": ranks(samples, truth, generator),
        }
        scores |= grid_scores(samples, truth)
        scores |= {name: score(samples, truth) for name, score in (own or {}).items()}
        for name, values in scores.items():
            parts.setdefault(name, []).append(values.cpu())
    return {name: torch.cat(values) for name, values in parts.items()}
