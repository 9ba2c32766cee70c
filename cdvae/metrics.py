"""Scores of Sec. 6.3: best error to ground truth and variance of the samples."""

from collections.abc import Callable

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


def grid_variance(samples: Tensor) -> Tensor:
    """Variance over samples (batch, n, C, 32, 32), mean of 16 grid points and channels: (batch,).

    The unbiased variance over the n draws, in unit².
    """
    points = samples[..., GRID_POINTS, :][..., GRID_POINTS]
    return points.var(1).flatten(1).mean(1)


@torch.no_grad()
def score_samples(
    draw: Callable[[slice, int], Tensor],
    x_g: Tensor,
    counts: tuple[int, ...] = COUNTS,
    batch_size: int = 25,
    progress: Callable[[int], None] = lambda n: None,
) -> dict[str, Tensor]:
    """Scores of each test example, streaming over batches so that memory does not grow with N.

    draw(part, n) gives samples (batch, n, C, 32, 32) for the test examples of that slice.
    Returns best_error (N, counts) in unit², best_error_l1 (N, counts) and variance (N,).
    """
    parts: dict[str, list[Tensor]] = {"best_error": [], "best_error_l1": [], "variance": []}
    for start in range(0, len(x_g), batch_size):
        part = slice(start, min(start + batch_size, len(x_g)))
        samples, truth = draw(part, max(counts)), x_g[part]
        parts["best_error"].append(best_of(squared_errors(samples, truth), counts).cpu())
        parts["best_error_l1"].append(best_of(absolute_errors(samples, truth), counts).cpu())
        parts["variance"].append(grid_variance(samples).cpu())
        progress(part.stop - part.start)
    return {name: torch.cat(values) for name, values in parts.items()}
