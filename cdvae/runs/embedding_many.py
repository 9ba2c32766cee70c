"""The embedding targets of many examples: as `guidance.targets`, in memory that does not grow so.

Labels and layout are mostly zeros (a photo shows few of the categories), and a mirror image needs
no copy: features are never whole in memory. They are read in blocks, sparse beside dense, and what
is solved is as large as a row is long. Equal to `guidance.targets` up to rounding and to the signs
of a code's components, which no embedding settles.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from scipy import linalg, sparse

from cdvae.data.fields import GRID, task_named
from cdvae.guidance import BLOCK, FAINT, NOISE, heat_graph, projections, rotation_onto

N_NEIGHBOURS, N_PCA = 10, 128  # as LPP has them


class Block(NamedTuple):
    """Some rows: labels and layout (n, D_s), already weighed, and pixels (n, D_p) less their mean,
    in double precision."""

    semantics: sparse.csr_matrix
    pixels: np.ndarray


class Rows:
    """The features of a layer (Figure 3), those of each example and then of its mirror image.

    pixels (N, C, 32, 32) float32; semantics: rows (N, D_s) in parts, none for a layer without;
    n_labels of its columns are labels. weight: of labels and of layout, as in `guidance.features`.
    is_flow: whether the first channel changes its sign in a mirror image.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        semantics: list[sparse.csr_matrix],
        n_labels: int,
        weight: float,
        flips: bool,
        is_flow: bool = False,
    ):
        self.x, self.flips = pixels, flips
        self.signs = np.where(np.arange(pixels.shape[1]) == 0, -1.0 if is_flow else 1.0, 1.0)
        self.n = len(pixels) * (1 + flips)
        width = semantics[0].shape[1] if semantics else 0
        self.mean_p, spread = self.moments()
        self.semantics = semantics or [sparse.csr_matrix((len(pixels), 0))]
        self.mirror = mirrored_columns(n_labels, width)
        scales = np.ones(width)
        for part in (slice(0, n_labels), slice(n_labels, width)):
            if part.stop > part.start:
                scales[part] = weight * spread / self.spread_of(part)
        self.scales = scales
        total = sum(np.asarray(block.semantics.sum(0)).ravel() for block in self.blocks(False))
        self.mean = np.concatenate([total / self.n, np.zeros(len(self.mean_p))])

    def moments(self) -> tuple[np.ndarray, float]:
        """The mean of the pixels, and the root of their total variance."""
        total, square = 0.0, 0.0
        for part in self.parts():
            total = total + part.sum(0)
        mean = total / self.n
        for part in self.parts():
            square += np.square(part - mean).sum()
        return mean, float(np.sqrt(square / self.n)) or 1.0

    def spread_of(self, part: slice) -> float:
        """The same root of some columns of the semantics."""
        total, square = 0.0, 0.0
        for rows in self.semantics:
            mine = rows[:, part].astype(np.float64)
            total, square = total + np.asarray(mine.sum(0)).ravel(), square + mine.power(2).sum()
        n = sum(rows.shape[0] for rows in self.semantics)
        mean = total / n
        if self.flips and part.start:  # a mirrored layout has its columns exchanged
            mean = (mean + mean[self.mirror[part] - part.start]) / 2
        return float(np.sqrt(max(square / n - np.square(mean).sum(), 0.0))) or 1.0

    def parts(self) -> Iterator[np.ndarray]:
        """The pixels in double precision, some thousand rows at a time."""
        for mirrored in (False, True)[: 1 + self.flips]:
            for start in range(0, len(self.x), BLOCK):
                part = self.x[start : start + BLOCK]
                part = part[..., ::-1] * self.signs[:, None, None] if mirrored else part
                yield part.reshape(len(part), -1).astype(np.float64)

    def blocks(self, with_pixels: bool = True) -> Iterator[Block]:
        """All rows, some thousand at a time."""
        whole = sparse.vstack(self.semantics, format="csr")
        weigh = sparse.diags(self.scales)
        pixels = (part - self.mean_p for part in self.parts()) if with_pixels else None
        none = np.zeros((0, 0))
        for mirrored in (False, True)[: 1 + self.flips]:
            for start in range(0, len(self.x), BLOCK):
                rows = whole[start : start + BLOCK]
                rows = rows[:, self.mirror] if mirrored else rows
                yield Block(rows.astype(np.float64) @ weigh, next(pixels) if pixels else none)

    def covariance(self) -> np.ndarray:
        """Of the features, (D, D): products of sparse and dense parts."""
        d_s = len(self.scales)
        found = np.zeros((len(self.mean), len(self.mean)))
        for block in self.blocks():
            found[:d_s, :d_s] += (block.semantics.T @ block.semantics).toarray()
            found[:d_s, d_s:] += block.semantics.T @ block.pixels
            found[d_s:, d_s:] += block.pixels.T @ block.pixels
        found[d_s:, :d_s] = found[:d_s, d_s:].T
        found /= self.n
        found -= np.outer(self.mean, self.mean)
        return found

    def times(self, matrix: np.ndarray) -> np.ndarray:
        """The rows less their mean, times a matrix (D, k): (n, k)."""
        d_s, shift = len(self.scales), self.mean @ matrix
        parts = (b.semantics @ matrix[:d_s] + b.pixels @ matrix[d_s:] for b in self.blocks())
        return np.concatenate([part - shift for part in parts])


def mirrored_columns(n_labels: int, width: int) -> np.ndarray:
    """Which column of an example's semantics each column of its mirror image is."""
    columns = np.arange(width)
    layout = columns[n_labels:].reshape(-1, GRID, GRID)[..., ::-1]
    return np.concatenate([columns[:n_labels], layout.ravel()])


def embedded(rows: Rows, n_code: int) -> np.ndarray:
    """The rows by locality preserving projections, whitened (`guidance.LPP`): (n, n_code) float32.

    Raises ValueError where they span fewer than n_code directions.
    """
    d = len(rows.mean)
    first = max(0, d - max(N_PCA, n_code))
    variances, axes = linalg.eigh(
        rows.covariance(), subset_by_index=(first, d - 1), overwrite_a=True
    )
    for least in (FAINT, NOISE):
        basis = axes[:, variances > least * variances[-1]]
        if basis.shape[1] >= n_code:
            break
    else:
        raise ValueError(f"a code of {n_code} asked of features of rank {basis.shape[1]}")
    y = rows.times(basis)
    directions = projections(y, heat_graph(y, N_NEIGHBOURS), n_code)
    if (rank := directions.shape[1]) < n_code:
        raise ValueError(f"a code of {n_code} asked of features of rank {rank}")
    root = linalg.cholesky(directions.T @ np.atleast_2d(np.cov(y.T)) @ directions, lower=True)
    matrix = linalg.solve_triangular(root, directions.T, lower=True).T
    return (y @ matrix).astype(np.float32)


def targets(
    path: Path, n: int, flips: bool, n_code: int, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where the embedding would have the codes, p_c and p_g, of the first n examples of a file of
    fields (0: of all), then, if `flips`, of their mirror images: (N, n_code) float32 each.

    Raises ValueError where they are too few or too alike.
    """
    with safe_open(path, framework="np") as file:
        about = json.loads(file.metadata()["fields"])
        width = file.get_slice("semantics").get_shape()[1]
    n_labels, is_flow = about["n_labels"], task_named(about["task"]).is_flow
    n = min(n or len(about["ids"]), len(about["ids"]))
    cuts = [slice(k, min(k + BLOCK, n)) for k in range(0, n, BLOCK)] if width else []
    parts = [sparse.csr_matrix(read(path, "semantics", cut)) for cut in cuts]
    p_c = embedded(Rows(read(path, "x_c", slice(n)), parts, n_labels, weight, flips), n_code)
    p_g = embedded(Rows(read(path, "x_g", slice(n)), [], 0, weight, flips, is_flow), n_code)
    return p_c, p_g @ rotation_onto(p_g, p_c)


def read(path: Path, name: str, rows: slice) -> np.ndarray:
    """Rows of a tensor in a file, which is mapped into memory no longer than that takes."""
    with safe_open(path, framework="np") as file:
        return np.array(file.get_slice(name)[rows])
