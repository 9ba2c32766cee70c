"""The embedding targets of many examples: as `guidance.targets`, in less memory and time.

Labels and layout are mostly zeros (a photo shows few of the categories): features are never whole
in memory, but read in blocks, sparse beside dense. A mirror image needs no copy and no pass of its
own. The covariance of rows and their mirror images has eigenvectors that are even (the same in the
mirror) or odd (with the other sign): two problems of half the size, made of the originals alone,
and a mirror image has its original's coordinates, the odd ones with the other sign.

Products of pixels are in single precision, of pixels less their mean. Equal to `guidance.targets`
up to rounding and to the signs of a code's components, which no embedding settles.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import safe_open
from scipy import linalg, sparse

from cdvae.data.fields import GRID, SIZE, task_named
from cdvae.guidance import BLOCK, FAINT, NOISE, projections, rotation_onto
from cdvae.runs.graph_many import heat_graph

N_NEIGHBOURS, N_PCA = 10, 128  # as LPP has them


class OnDisk:
    """The first n rows of a tensor in a file, of which some are read at a time."""

    def __init__(self, path: Path, name: str, n: int):
        self.path, self.name = path, name
        with safe_open(path, framework="np") as file:
            self.shape = (n, *file.get_slice(name).get_shape()[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """These rows; the file is mapped into memory no longer than that takes."""
        with safe_open(self.path, framework="np") as file:
            return np.array(file.get_slice(self.name)[slice(*rows.indices(len(self))[:2])])


class Rows:
    """The features of a layer (Figure 3), those of each example and then of its mirror image.

    pixels (N, C, 32, 32) float32; semantics: rows (N, D_s), none for a layer without; n_labels of
    its columns are labels. weight: of labels and of layout, as in `guidance.features`. is_flow:
    whether the first channel changes its sign in a mirror image.
    """

    def __init__(
        self,
        pixels: np.ndarray | OnDisk,
        semantics: sparse.csr_matrix | None,
        n_labels: int,
        weight: float,
        flips: bool,
        is_flow: bool = False,
    ):
        self.x, self.flips, n = pixels, flips, len(pixels)
        whole = sparse.csr_matrix((n, 0)) if semantics is None else semantics.astype(np.float64)
        width = whole.shape[1]
        self.image, self.sign = mirror(n_labels, width, pixels.shape[1], is_flow)
        total = sum(part.sum(0, dtype=np.float64) for part in self.blocks())
        mean = np.concatenate([np.asarray(whole.sum(0)).ravel(), total]) / n
        self.mean = (mean + self.sign * mean[self.image]) / 2 if flips else mean
        apart = (part - self.mean[width:].astype(np.float32) for part in self.blocks())
        spread = sum(np.square(each).sum(dtype=np.float64) for each in apart) / n
        square, scales = np.asarray(whole.power(2).sum(0)).ravel() / n, np.ones(width)
        for part in (slice(0, n_labels), slice(n_labels, width)):
            own = square[part].sum() - np.square(self.mean[:width][part]).sum()
            scales[part] = weight * (spread**0.5 or 1.0) / (max(own, 0.0) ** 0.5 or 1.0)
        self.semantics = (whole @ sparse.diags(scales)).tocsr()
        self.mean[:width] *= scales

    def blocks(self) -> Iterator[np.ndarray]:
        """The pixels (n, D_p) float32, some thousand rows at a time."""
        for start in range(0, len(self.x), BLOCK):
            part = self.x[start : start + BLOCK]
            yield part.reshape(len(part), -1)

    def sides(self) -> list[tuple[sparse.csr_matrix, float]]:
        """Orthonormal even directions (D, k) and odd ones with their sign in the mirror, 1 and −1;
        where nothing is mirrored all directions are even."""
        d = len(self.mean)
        same = sparse.identity(d, format="csr")
        if not self.flips:
            return [(same, 1.0)]
        mirrored = sparse.csr_matrix((self.sign, self.image, np.arange(d + 1)))
        found = []
        for side in (1.0, -1.0):
            both = (same + side * mirrored)[:, self.image >= np.arange(d)]
            lengths = np.sqrt(np.asarray(both.power(2).sum(0)).ravel())
            both = both[:, lengths > 0] @ sparse.diags(1 / lengths[lengths > 0])
            found.append((both.tocsr(), side))
        return found

    def covariance(self, kind: type) -> np.ndarray:
        """Of the originals' features, (D, D), about the mean of all rows, with products of pixels
        in that precision: among even directions, and among odd ones, it is that of all rows."""
        d_s = self.semantics.shape[1]
        found = np.zeros((len(self.mean), len(self.mean)))
        found[:d_s, :d_s] = (self.semantics.T @ self.semantics).toarray()
        for k, part in enumerate(self.blocks()):
            pixels = part.astype(kind) - self.mean[d_s:].astype(kind)
            found[d_s:, d_s:] += pixels.T @ pixels
            if d_s:
                rows = self.semantics[k * BLOCK : (k + 1) * BLOCK].astype(kind)
                found[:d_s, d_s:] += rows.T @ pixels
        found[d_s:, :d_s] = found[:d_s, d_s:].T
        found /= len(self.x)
        found[:d_s, :d_s] -= np.outer(self.mean[:d_s], self.mean[:d_s])
        return found

    def times(self, matrix: np.ndarray) -> np.ndarray:
        """The originals less the mean of all rows, times a matrix (D, k): (N, k)."""
        d_s = self.semantics.shape[1]
        found = self.semantics @ matrix[:d_s] - self.mean[:d_s] @ matrix[:d_s]
        for k, part in enumerate(self.blocks()):
            found[k * BLOCK : (k + 1) * BLOCK] += (part - self.mean[d_s:]) @ matrix[d_s:]
        return found


def mirror(
    n_labels: int, width: int, channels: int, is_flow: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Which of an example's features each of its mirror image's is, and its sign: (D,) each."""
    columns, pixels = np.arange(width), np.arange(channels * SIZE**2).reshape(-1, SIZE, SIZE)
    layout = columns[n_labels:].reshape(-1, GRID, GRID)[..., ::-1]
    image = [columns[:n_labels], layout.ravel(), width + pixels[..., ::-1].ravel()]
    sign = np.ones(width + pixels.size)
    sign[width : width + is_flow * SIZE**2] = -1.0
    return np.concatenate(image), sign


def leading(rows: Rows, kind: type, least: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n principal axes (D, n) of the rows in rising order, fewer where variances are at most
    `least` of the largest, and their signs in the mirror (n,)."""
    covariance, found = rows.covariance(kind), []
    for directions, side in rows.sides():
        part = directions.T @ (covariance @ directions)
        first = max(0, len(part) - n)
        variances, axes = linalg.eigh(
            part, subset_by_index=(first, len(part) - 1), overwrite_a=True
        )
        found.append((variances, directions @ axes, np.full(len(variances), side)))
    variances, axes, parity = (np.concatenate(each, -1) for each in zip(*found, strict=True))
    order = variances.argsort()[-n:]
    order = order[variances[order] > least * variances.max()]
    return axes[:, order], parity[order]


def embedded(rows: Rows, n_code: int) -> np.ndarray:
    """The rows by locality preserving projections, whitened (`guidance.LPP`): (n, n_code) float32.

    Raises ValueError where they span fewer than n_code directions.
    """
    for kind, least in ((np.float32, FAINT), (np.float64, NOISE)):
        basis, parity = leading(rows, kind, least, max(N_PCA, n_code))
        if basis.shape[1] >= n_code:
            break
    else:
        raise ValueError(f"a code of {n_code} asked of features of rank {basis.shape[1]}")
    y = rows.times(basis)
    graph = heat_graph(y, parity if rows.flips else None, N_NEIGHBOURS)
    y = np.concatenate([y, y * parity]) if rows.flips else y
    directions = projections(y, graph, n_code)
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
    n_labels, is_flow = about["n_labels"], task_named(about["task"]).is_flow
    n = min(n or len(about["ids"]), len(about["ids"]))
    x_c, x_g, named = (OnDisk(path, name, n) for name in ("x_c", "x_g", "semantics"))
    parts = [sparse.csr_matrix(named[k : k + BLOCK]) for k in range(0, n, BLOCK)]
    semantics = sparse.vstack(parts, format="csr") if named.shape[1] else None
    p_c = embedded(Rows(x_c, semantics, n_labels, weight, flips), n_code)
    p_g = embedded(Rows(x_g, None, 0, weight, flips, is_flow), n_code)
    return p_c, p_g @ rotation_onto(p_g, p_c)
