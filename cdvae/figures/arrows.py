"""Motion as arrows (Figure 8): large motions only, one arrow for a region that moves alike."""

from typing import NamedTuple

import numpy as np

from cdvae.data.clips.clips import MOVES

ALIKE = 0.5  # regions are joined while their motions differ by less than this share of the fastest
LARGE = 0.5  # motions below this share of the fastest are left out
LONGEST = 7.0  # cells: an arrow of the fastest motion in a row is drawn at least so long
INK = "#F0E442"  # of arrows, Okabe and Ito's yellow, edged in black
SMALLEST = 12  # cells, of 1024; smaller regions have no arrow


class Arrow(NamedTuple):
    """The mean motion (dx, dy) of a region, in px per second of the grid, drawn from (x, y)."""

    x: float
    y: float
    dx: float
    dy: float
    cells: int


def fastest(flows: np.ndarray) -> float:
    """The 98th percentile of the lengths in flows (…, 2, 32, 32), in px per second."""
    return float(np.quantile(np.linalg.norm(flows, axis=-3), 0.98))


def arrows(flow: np.ndarray, top: float | None = None) -> list[Arrow]:
    """Arrows of a flow (2, 32, 32) in px per second, largest region first.

    Cells that move by LARGE × top and more are taken; top is by default the flow's own `fastest`.
    In each of their connected patches, neighbouring regions are joined, the most alike first
    (average linkage), until the motions of any two differ by ALIKE × top. An arrow starts at the
    cell of its region that is nearest to the centroid; the centre of the first cell is (½, ½).
    """
    from scipy.ndimage import label

    top = fastest(flow) if top is None else top
    patch, n = label(np.linalg.norm(flow, axis=0) >= max(LARGE * top, 1e-6))
    found = []
    for k in range(1, n + 1):
        for region in alike(flow, patch == k, ALIKE * top):
            y, x = np.nonzero(region)
            middle = np.hypot(y - y.mean(), x - x.mean()).argmin()
            motion = map(float, flow[:, region].mean(1))
            found.append(Arrow(x[middle] + 0.5, y[middle] + 0.5, *motion, len(x)))
    return sorted(found, key=lambda arrow: -arrow.cells)


def alike(flow: np.ndarray, patch: np.ndarray, threshold: float) -> list[np.ndarray]:
    """The regions of a connected patch (32, 32) that move alike, as masks, but for small ones."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.image import grid_to_graph

    if patch.sum() < SMALLEST:
        return []
    clustering = AgglomerativeClustering(
        None,
        connectivity=grid_to_graph(*patch.shape, mask=patch),
        linkage="average",
        distance_threshold=threshold,
    )
    number = np.full(patch.shape, -1)
    number[patch] = clustering.fit_predict(flow[:, patch].T)
    regions = (number == k for k in range(number.max() + 1))
    return [region for region in regions if region.sum() >= SMALLEST]


def distinct(samples: np.ndarray, n: int = 4) -> np.ndarray:
    """Which of the samples (N, 2, 32, 32) stand for n distinct motions: (n,), N ≥ n.

    Samples are clustered (k-means, seeded); of each cluster the member nearest to its mean is
    taken, largest cluster first.
    """
    from sklearn.cluster import KMeans

    flat = samples.reshape(len(samples), -1)
    found = KMeans(n, n_init=3, random_state=0).fit(flat)
    sizes = np.bincount(found.labels_, minlength=n)
    far = np.linalg.norm(flat - found.cluster_centers_[found.labels_], axis=1)
    members = [np.flatnonzero(found.labels_ == k) for k in np.argsort(-sizes, kind="stable")]
    return np.array([mine[far[mine].argmin()] for mine in members])


def lengthened(top: float) -> float:
    """How many times its length an arrow is drawn where the fastest motion is `top`."""
    return max(1.0, LONGEST / max(top, 1e-6))


def draw_arrows(axis, shape: tuple[int, int], flow: np.ndarray, longer: float) -> None:
    """The arrows of a flow (2, 32, 32) over a picture (height, width) in an axis of its pixels.

    Those of its own large motions; of a flow that nowhere reaches MOVES, none.
    """
    from matplotlib import patheffects

    height, width = shape[0] / 32, shape[1] / 32
    edge = [patheffects.withStroke(linewidth=3, foreground="black")]
    look = {"arrowstyle": "-|>", "color": INK, "lw": 1.4, "mutation_scale": 9}
    for arrow in arrows(flow) if fastest(flow) >= MOVES else []:
        start = np.array([arrow.x * width, arrow.y * height]) - 0.5
        end = start + longer * np.array([arrow.dx * width, arrow.dy * height])
        look |= {"shrinkA": 0, "shrinkB": 0}
        drawn = axis.annotate("", end, start, arrowprops=look, annotation_clip=False)
        drawn.arrow_patch.set_path_effects(edge)
    axis.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))
