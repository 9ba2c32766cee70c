"""Edge-preserving upsampling of a 32 × 32 field to a photo's size (Sec. 4.2).

Nothing readable of Lu and Forsyth's method (2015) could be found, so all but the paper's few
sentences is ours. A sample j lies in each cell of the grid, in every segment that the cell meets,
at their common centroid; it has a weight w_j and an orientation θ_j. The field is

    Interp(w, θ; S)(x) = m_s + Σ_j w_j B_j(x),   the sum over the samples in x's own segment s,

where B_j is a Gaussian of the place, longer along θ_j than across, times one of the difference
between the grey value at x and that of the sample, as in a joint bilateral filter (which makes
borders that no segment has); those at a pixel are scaled to sum to one. m_s is the level of a
segment, so that the penalty on |w| pulls to that level and not to zero. ↓G∗ is the mean over each
cell, as photos were brought to 32 × 32 (`data/photos.py`). For fixed θ the rest is linear least
squares,

    min |A w + C m − Y_d|² + λ |w|² + μ |m − m̄|²,

with m̄_s the mean of Y_d over segment s. It is solved in its dual, one equation a cell: a photo is
prepared and factorised once, and each of its fields then costs two triangular solves. θ is not
optimised but taken from the photo, along its edges (structure tensor); segments are Felzenszwalb
and Huttenlocher's, of the grey photo.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import gaussian_filter, sobel
from scipy.sparse import csr_array

from cdvae.data.fields import SIZE

CELLS = SIZE**2


@dataclass(frozen=True)
class Settings:
    """Chosen on training photos (`upsampling.py`); lengths are in cells of the grid."""

    scale: float = 2000.0  # of the segmentation: larger, fewer segments
    smallest: float = 20.0  # least area of a segment, in cells
    along: float = 0.8  # deviation of a basis function along its orientation
    across: float = 0.5  # and across, where the photo has one clear orientation
    alike: float = 0.2  # deviation of its grey values, which are from 0 to 1
    weight: float = 3e-4  # λ
    level: float = 1e-4  # μ


DEFAULT = Settings()
BLUR = 0.8  # px, before the segmentation (its authors' value)
FARTHEST = 150.0  # squared, in deviations: exp of it can still be divided by in single precision
REACH = 2  # a pixel hears the samples of so many cells on each side of its own


def segments(grey: np.ndarray, settings: Settings = DEFAULT) -> np.ndarray:
    """Segments of a grey photo (H, W) in [0, 1]: labels (H, W) from 0, each a connected region."""
    from skimage.segmentation import felzenszwalb

    least = max(1, round(settings.smallest * grey.size / CELLS))
    return felzenszwalb(grey.astype(float), settings.scale, BLUR, least)


def orientations(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """θ (32, 32) along the edges of a photo (H, W), in radians from x to y, and its coherence.

    From the structure tensor, averaged with a deviation of half a cell; the coherence is 0 where
    gradients have no common direction and 1 where they have one.
    """
    sides = [length // SIZE for length in grey.shape]
    centre = tuple(slice(side // 2, None, side) for side in sides)
    x, y = sobel(grey.astype(float), 1), sobel(grey.astype(float), 0)
    half = [side / 2 for side in sides]
    xx, yy, xy = (gaussian_filter(each, half)[centre] for each in (x * x, y * y, x * y))
    theta = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2
    return theta, np.hypot(xx - yy, 2 * xy) / (xx + yy + 1e-8)


class Samples:
    """The samples of a segmentation: one for each cell and each segment that meets it.

    share (cells, segments): the part of each cell in each segment. number (cells, segments): which
    sample that is, or −1. place (samples, 2): centroid, y and x in cells. grey (samples,): its mean
    there. cell (samples,).
    """

    def __init__(
        self, label: np.ndarray, cell: np.ndarray, y: np.ndarray, x: np.ndarray, grey: np.ndarray
    ):
        n = int(label.max()) + 1
        key = (cell * n + label).ravel()
        area = np.bincount(key, minlength=CELLS * n)
        found = np.flatnonzero(area)
        sums = [np.bincount(key, each.ravel(), CELLS * n)[found] for each in (y, x, grey)]
        self.place, self.grey = np.stack(sums[:2], 1) / area[found, None], sums[2] / area[found]
        self.cell = found // n
        number = np.full(CELLS * n, -1)
        number[found] = np.arange(len(found))
        self.number, self.share = number.reshape(CELLS, n), area.reshape(CELLS, n)
        self.share = self.share * (CELLS / label.size)

    def __len__(self) -> int:
        return len(self.cell)


def basis(label, y, x, grey, samples: Samples, theta, width_across, settings) -> csr_array:
    """Φ (pixels, samples): each basis function at each pixel of its own segment.

    y and x (H, W) are the pixels' places in cells; theta and width_across (samples,).
    """
    reach = range(-REACH, REACH + 1)
    offsets = [(dy, dx) for dy in reach for dx in reach if abs(dy) + abs(dx) < 2 * REACH]
    values = np.zeros((label.size, len(offsets)), np.float32)
    heard = np.zeros((label.size, len(offsets)), np.int32)
    y, x, grey = (each.ravel().astype(np.float32) for each in (y, x, grey))
    label = label.ravel()
    form = [each.astype(np.float32) for each in precision(theta, settings.along, width_across)]
    sample_y, sample_x = samples.place.T.astype(np.float32)
    sample_grey = samples.grey.astype(np.float32)
    row, column = y.astype(int), x.astype(int)
    for k, (dy, dx) in enumerate(offsets):
        r, c = row + dy, column + dx
        there = (r >= 0) & (r < SIZE) & (c >= 0) & (c < SIZE)
        j = samples.number[np.where(there, r * SIZE + c, 0), label]
        there &= j >= 0
        j = np.where(there, j, 0)
        right, down = x - sample_x[j], y - sample_y[j]
        xx, xy, yy = (each[j] for each in form)
        far = xx * right**2 + 2 * xy * right * down + yy * down**2
        far += ((grey - sample_grey[j]) / settings.alike) ** 2
        values[:, k] = np.exp(-0.5 * far.clip(max=FARTHEST)) * there
        heard[:, k] = j
    values /= values.sum(1, keepdims=True)
    starts = np.arange(len(values) + 1) * len(offsets)
    return csr_array((values.ravel(), heard.ravel(), starts), (len(values), len(samples)))


def precision(theta, along: float, across) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inverse covariance (xx, xy, yy) of Gaussians with these deviations along and across θ."""
    cos, sin = np.cos(theta), np.sin(theta)
    a, b = along**-2, np.asarray(across, float) ** -2
    return a * cos**2 + b * sin**2, (a - b) * cos * sin, a * sin**2 + b * cos**2


class Upsampler:
    """Interp of one photo, prepared: brings fields on the grid to the photo's size.

    grey: (H, W) in [0, 1], H and W multiples of 32 (ValueError if not). label: its segments
    (H, W), numbered from 0 without gaps; by default those of `segments`.
    """

    def __init__(
        self, grey: np.ndarray, label: np.ndarray | None = None, settings: Settings = DEFAULT
    ):
        if grey.shape[0] % SIZE or grey.shape[1] % SIZE:
            raise ValueError(f"a photo of {grey.shape} is no multiple of {SIZE} × {SIZE}")
        self.label = segments(grey, settings) if label is None else label
        self.settings = settings
        lines = ((np.arange(length) + 0.5) * (SIZE / length) for length in grey.shape)
        y, x = np.meshgrid(*lines, indexing="ij")
        cell = y.astype(int) * SIZE + x.astype(int)
        samples = Samples(self.label, cell, y, x, grey)
        theta, coherence = (each.ravel()[samples.cell] for each in orientations(grey))
        width = settings.along + (settings.across - settings.along) * coherence
        self.basis = basis(self.label, y, x, grey, samples, theta, width, settings)
        ones = np.full(cell.size, CELLS / cell.size, np.float32)
        down = csr_array((ones, (cell.ravel(), np.arange(cell.size))), (CELLS, cell.size))
        self.a, self.c = (down @ self.basis).astype(float), samples.share
        self.mean_of = (samples.share / samples.share.sum(0)).T
        gram = (self.a @ self.a.T).toarray() / settings.weight
        gram += self.c @ self.c.T / settings.level
        gram[np.diag_indices(CELLS)] += 1
        self.factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)

    def solve(self, fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """w (samples, n) and m (segments, n) of fields (n, 32, 32)."""
        y = fields.reshape(len(fields), -1).T.astype(float)
        mean = self.mean_of @ y
        dual = cho_solve(self.factor, y - self.c @ mean, check_finite=False)
        return (
            self.a.T @ dual / self.settings.weight,
            mean + self.c.T @ dual / self.settings.level,
        )

    def __call__(self, fields: np.ndarray) -> np.ndarray:
        """Fields (n, 32, 32) -> (n, H, W) float32; linear in the fields."""
        w, m = (each.astype(np.float32) for each in self.solve(fields))
        return (self.basis @ w + m[self.label.ravel()]).T.reshape(-1, *self.label.shape)


def downsample(fields: np.ndarray) -> np.ndarray:
    """↓G∗: the means over the cells of the grid, (n, H, W) -> (n, 32, 32)."""
    n, height, width = fields.shape
    return fields.reshape(n, SIZE, height // SIZE, SIZE, width // SIZE).mean((2, 4))
