"""Embedding guidance (Sec. 4.1, Eq. 8–9): features, LPP, and the targets p of the codes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg, sparse
from torch import Tensor

from cdvae.nearest import NearestRows

FAINT = 1e-5  # of the largest variance: fainter directions are left out where a code can spare them
NOISE = 1e-10  # of the largest variance: what has less of it is rounding
BLOCK = 4096  # rows


@dataclass(frozen=True)
class Guidance:
    """Settings."""

    semantic_weight: float = 2.0  # of labels and of layout, in deviations of the pixels


def features(x: Tensor, semantics: Tensor, n_labels: int, semantic_weight: float) -> np.ndarray:
    """Feature vectors of Figure 3, [f_label, f_bbox, f_img], (N, D) float32.

    x (N, C, 32, 32) are the pixels; semantics (N, D) has n_labels columns of the label
    distribution, then the layout, or no column. The first two parts are brought to
    `semantic_weight` times the total deviation of the pixels (the paper reweights them higher and
    does not say how much).
    """
    pixels = x.flatten(1).cpu().numpy()
    if semantics.shape[1] == 0:
        return pixels
    parts = np.split(semantics.cpu().numpy(), [n_labels], axis=1)
    scale = semantic_weight * spread(pixels)
    return np.concatenate(
        [part * (scale / spread(part)) for part in parts if part.size] + [pixels], 1
    )


def spread(x: np.ndarray) -> float:
    """Root of the total variance of rows (N, D); never zero."""
    return float(np.sqrt(x.var(0).sum())) or 1.0


def heat_graph(x: np.ndarray, n_neighbours: int) -> sparse.csr_matrix:
    """Symmetric k-nearest-neighbour graph of rows (N, D) with W_ij = exp(−‖x_i − x_j‖² / t).

    t, which the paper leaves open, is the mean squared length of the edges. N · k entries.
    """
    n, k = len(x), min(n_neighbours, len(x) - 1)
    rows = torch.from_numpy(x)
    index, squared = (each.numpy() for each in NearestRows(rows)(rows, k + 1))
    own = index == np.arange(n)[:, None]
    own[~own.any(1), -1] = True  # of many equal rows: the last goes instead of itself
    index, squared = index[~own].reshape(n, k), squared[~own].reshape(n, k)
    heat = np.exp(-squared / max(squared.mean(), 1e-12))
    graph = sparse.csr_matrix((heat.ravel(), index.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    return graph.maximum(graph.T).tocsr()


def projections(y: np.ndarray, graph: sparse.csr_matrix, n_code: int) -> np.ndarray:
    """The n_code directions a (D, n_code) with the least aᵀYᵀLYa / aᵀYᵀDYa, in rising order.

    Directions in which only rows without neighbours vary (their weights vanish) have no quotient
    and are left out; where fewer than n_code remain, there are fewer columns.
    """
    degree = np.asarray(graph.sum(1))
    y_d_y = y.T @ (degree * y)
    sizes, axes = linalg.eigh(y_d_y)
    kept = sizes > NOISE * sizes[-1]
    white = axes[:, kept] / np.sqrt(sizes[kept])  # whiteᵀ YᵀDY white = 1
    y_l_y = white.T @ (y_d_y - y.T @ (graph @ y)) @ white
    return white @ linalg.eigh(y_l_y)[1][:, :n_code]


class LPP:
    """Locality preserving projections (He & Niyogi 2003), whitened to the scale of a code.

    PCA to n_pca dimensions, a heat-kernel graph, the projections, and a linear whitening: over
    the training rows `transform` has zero mean and identity covariance, like the prior of a
    code. Unseen rows are embedded by the same map. Rows are centred before anything else, in double
    precision: photos of a fixed camera differ by less than single precision tells of their squares.
    """

    def __init__(self, n_code: int, n_neighbours: int = 10, n_pca: int = 128):
        self.n_code, self.n_neighbours, self.n_pca = n_code, n_neighbours, n_pca

    def fit(self, x: np.ndarray) -> "LPP":
        """Fit to rows x (N, D); raises ValueError if they span fewer than n_code directions."""
        self.mean = x.mean(0, dtype=np.float64)
        covariance = sum(rows.T @ rows for rows in self.centred(x)) / len(x)
        first = max(0, x.shape[1] - max(self.n_pca, self.n_code))
        variances, axes = linalg.eigh(covariance, subset_by_index=(first, x.shape[1] - 1))
        for least in (FAINT, NOISE):
            basis = axes[:, variances > least * variances[-1]]
            if basis.shape[1] >= self.n_code:
                break
        else:
            raise ValueError(f"a code of {self.n_code} asked of features of rank {basis.shape[1]}")
        y = np.concatenate([rows @ basis for rows in self.centred(x)])
        directions = projections(y, heat_graph(y, self.n_neighbours), self.n_code)
        if (rank := directions.shape[1]) < self.n_code:
            raise ValueError(f"a code of {self.n_code} asked of features of rank {rank}")
        root = linalg.cholesky(directions.T @ np.atleast_2d(np.cov(y.T)) @ directions, lower=True)
        self.matrix = basis @ linalg.solve_triangular(root, directions.T, lower=True).T
        return self

    def centred(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Rows x (N, D) less the mean, in double precision, a few thousand at a time."""
        return (x[start : start + BLOCK] - self.mean for start in range(0, len(x), BLOCK))

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Embed rows (N, D): (N, n_code) float32."""
        return np.concatenate([rows @ self.matrix for rows in self.centred(x)]).astype(np.float32)


def rotation_onto(p: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation R (n, n) that brings rows p nearest to target, min ‖p R − target‖."""
    return linalg.orthogonal_procrustes(p, target)[0]


def targets(
    x_c: Tensor, x_g: Tensor, semantics: Tensor, n_labels: int, n_code: int, semantic_weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where the embedding would have the codes: p_c and p_g, (N, n_code) float32 each.

    The two layers are embedded apart, x_c with its semantics (`features`) and x_g by its pixels
    alone. A whitened embedding is as good after any rotation, and a tie wants the two codes alike,
    so p_g is rotated onto p_c.
    """
    f_c = features(x_c, semantics, n_labels, semantic_weight)
    f_g = features(x_g, semantics[:, :0], 0, semantic_weight)
    p_c = LPP(n_code).fit(f_c).transform(f_c)
    p_g = LPP(n_code).fit(f_g).transform(f_g)
    return p_c, p_g @ rotation_onto(p_g, p_c)
