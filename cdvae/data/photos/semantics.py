"""What is in a picture and where: the semantic features of Figure 3 (Sec. 4.1)."""

from collections.abc import Sequence

import numpy as np

from cdvae.data.fields import GRID
from cdvae.data.photos.annotations import Annotations, Record


def features(annotations: Annotations, records: Sequence[Sequence[int]]) -> np.ndarray:
    """Label distribution and 5 × 5 coverage of each category, a row for each photo: (N, D).

    records: the numbers of the records of each photo. D = n + 25 n for the file's n categories in
    the order of their ids.
    """
    n = len(annotations.categories)
    rows = np.zeros((len(records), n + n * GRID**2), np.float32)
    for row, numbers in zip(rows, records, strict=True):
        size, boxes, columns = as_one([annotations.records[k] for k in numbers])
        layout = layout_coverage(boxes, columns, n, size)
        row[:] = np.concatenate([label_distribution(columns, n), layout.ravel()])
    return rows


def as_one(records: Sequence[Record]) -> tuple[tuple[float, float], np.ndarray, np.ndarray]:
    """Size, boxes and columns of a photo with one record or more; what two of them say alike
    counts once."""
    size, boxes, columns = records[0].size, records[0].boxes, records[0].columns
    for other in records[1:]:
        scaled = other.boxes * np.tile(np.divide(size, other.size), 2)
        table = np.column_stack([boxes, columns])
        more = np.column_stack([scaled, other.columns])
        known = (more[:, None] == table[None]).all(2).any(1)
        boxes, columns = np.r_[boxes, scaled[~known]], np.r_[columns, other.columns[~known]]
    return size, boxes, columns


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
