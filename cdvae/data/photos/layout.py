"""What is in a picture and where: the semantic features of Figure 3."""

import numpy as np

from cdvae.data.fields import GRID


def label_distribution(categories: np.ndarray, n_labels: int) -> np.ndarray:
    """Share of each category among the objects (n_labels,); sums to 1, or to 0 without objects."""
    counts = np.bincount(categories, minlength=n_labels).astype(np.float32)
    return counts / max(counts.sum(), 1)


def layout_coverage(
    boxes: np.ndarray, categories: np.ndarray, n_labels: int, size: tuple[float, float]
) -> np.ndarray:
    """Share of each cell of a GRID × GRID grid that the boxes of each category cover.

    boxes (n, 4) are x0, y0, x1, y1 in an image of `size` (width, height); where boxes of one
    category overlap, the area counts once. Exact. Returns (n_labels, GRID, GRID), rows are y.
    """
    coverage = np.zeros((n_labels, GRID, GRID), np.float32)
    scaled = boxes.astype(np.float64) * GRID / np.array([*size, *size])
    for category in np.unique(categories):
        coverage[category] = union_in_cells(scaled[categories == category].clip(0, GRID))
    return coverage


def union_in_cells(boxes: np.ndarray) -> np.ndarray:
    """Area of the union of boxes (n, 4), in cell units, within each unit cell (GRID, GRID)."""
    lines = np.arange(GRID + 1)
    xs, ys = (np.unique(np.concatenate([lines, boxes[:, k], boxes[:, k + 2]])) for k in (0, 1))
    x, y = (xs[1:] + xs[:-1]) / 2, (ys[1:] + ys[:-1]) / 2
    in_x = (x > boxes[:, :1]) & (x < boxes[:, 2:3])
    in_y = (y > boxes[:, 1:2]) & (y < boxes[:, 3:])
    covered = np.einsum("ni,nj->ij", in_y.astype(int), in_x.astype(int)) > 0
    area = covered * np.outer(np.diff(ys), np.diff(xs))
    total = np.zeros((GRID, GRID))
    np.add.at(total, np.ix_(y.astype(int), x.astype(int)), area)
    return total
