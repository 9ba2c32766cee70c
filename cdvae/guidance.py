"""Embedding guidance (Sec. 4.1, Eq. 8–9): features, LPP, and the targets p of the codes."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from torch import Tensor


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
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(x, min(n_neighbours, len(x) - 1), mode="distance")
    squared = graph.data**2
    graph.data = np.exp(-squared / max(squared.mean(), 1e-12))
    return graph.maximum(graph.T).tocsr()


def projections(y: np.ndarray, graph: sparse.csr_matrix, n_code: int) -> np.ndarray:
    """The n_code directions a (D, n_code) with the least aᵀYᵀLYa / aᵀYᵀDYa, in rising order."""
    degree = np.asarray(graph.sum(1))
    y_d_y = y.T @ (degree * y)
    y_l_y = y_d_y - y.T @ (graph @ y)
    return linalg.eigh(y_l_y, y_d_y, subset_by_index=(0, n_code - 1))[1]


class LPP:
    """Locality preserving projections (He & Niyogi 2003), whitened to the scale of a code.

    PCA to n_pca dimensions, a heat-kernel graph, the projections, and a linear whitening: over
    the training rows `transform` has zero mean and identity covariance, like the prior of a
    code. Unseen rows are embedded by the same map.
    """

    def __init__(self, n_code: int, n_neighbours: int = 10, n_pca: int = 128):
        self.n_code, self.n_neighbours, self.n_pca = n_code, n_neighbours, n_pca

    def fit(self, x: np.ndarray) -> "LPP":
        """Fit to rows x (N, D); raises ValueError if they span fewer than n_code directions."""
        from sklearn.decomposition import PCA

        pca = PCA(min(max(self.n_pca, self.n_code), *x.shape), svd_solver="covariance_eigh").fit(x)
        kept = pca.explained_variance_ > 1e-5 * pca.explained_variance_[0]  # else noise
        if kept.sum() < self.n_code:
            raise ValueError(f"a code of {self.n_code} asked of features of rank {kept.sum()}")
        basis = pca.components_[kept].T.astype(np.float64)
        self.mean = pca.mean_
        y = (x @ basis.astype(x.dtype) - self.mean @ basis).astype(np.float64)
        directions = projections(y, heat_graph(y, self.n_neighbours), self.n_code)
        covariance = directions.T @ np.atleast_2d(np.cov(y.T)) @ directions
        self.matrix = (
            basis
            @ linalg.solve_triangular(
                linalg.cholesky(covariance, lower=True), directions.T, lower=True
            ).T
        )
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Embed rows (N, D): (N, n_code) float32."""
        return (x @ self.matrix.astype(x.dtype) - self.mean @ self.matrix).astype(np.float32)


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
