"""Nearest neighbour (Sec. 6.2): in a feature space and with a smoothing chosen on validation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cdvae.methods.registry import Method
from cdvae.metrics import best_of, squared_errors
from cdvae.nearest import NearestRows
from cdvae.tools.registry import register
from cdvae.training import Examples

BLUR = 2.0  # pixels
COMPONENTS = 32  # of the whitened space …
LEAST = 1e-10  # … that have more than this share of the first one's variance
AT_ONCE = 25  # validation examples whose neighbours are smoothed at a time


@dataclass(frozen=True)
class Nearest:
    """Settings."""

    sigmas: tuple = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)  # smoothings that are tried, in pixels
    spaces: tuple = ("pixels",)  # feature spaces that are tried (SPACES)


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing of fields (N, C, H, W), σ in pixels, edges mirrored (4 σ window)."""
    if sigma <= 0:
        return x
    size = x.shape[-1]
    kernel = blur_matrix(size, sigma).to(x)
    return kernel @ x @ kernel.T


def blur_matrix(size: int, sigma: float) -> Tensor:
    """The (size, size) matrix that blurs a line, edges mirrored (d c b a|a b c d)."""
    reach = int(4 * sigma + 0.5)
    offset = torch.arange(-reach, reach + 1)
    weight = torch.exp(-0.5 * (offset / sigma) ** 2)
    weight = weight / weight.sum()
    source = torch.arange(size)[:, None] + offset[None]
    source = source.remainder(2 * size)
    source = torch.minimum(source, 2 * size - 1 - source)
    return torch.zeros(size, size).scatter_add_(1, source, weight.expand(size, -1).contiguous())


class Pixels:
    """x_c as it is."""

    def __init__(self, x_c: Tensor):
        """x_c (N, C_c, 32, 32): what a space may be fitted to."""

    def __call__(self, x_c: Tensor) -> Tensor:
        return x_c.flatten(1)


class Blurred(Pixels):
    """Without detail, which says where things are to the pixel."""

    def __call__(self, x_c: Tensor) -> Tensor:
        return gaussian_blur(x_c, BLUR).flatten(1)


class Contrast(Pixels):
    """Each layer at zero mean and unit deviation: shapes, not brightness."""

    def __call__(self, x_c: Tensor) -> Tensor:
        x = x_c - x_c.mean((2, 3), keepdim=True)
        return (x / x.std((2, 3), keepdim=True).clamp_min(1e-3)).flatten(1)


class Gradients(Pixels):
    """Differences of neighbouring pixels of the blurred layer: edges."""

    def __call__(self, x_c: Tensor) -> Tensor:
        x = gaussian_blur(x_c, BLUR / 2)
        return torch.cat([x.diff(dim=2).flatten(1), x.diff(dim=3).flatten(1)], 1)


class Whitened(Pixels):
    """Leading principal components, each at unit variance."""

    def __init__(self, x_c: Tensor):
        x = x_c.flatten(1)
        self.mean = x.mean(0)
        products = (rows.T @ rows for rows in (part - self.mean for part in x.split(4096)))
        values, vectors = torch.linalg.eigh(sum(part.double() for part in products) / len(x))
        leading = values.argsort(descending=True)[:COMPONENTS]
        leading = leading[values[leading] > LEAST * values[-1]]
        self.matrix = (vectors[:, leading] / values[leading].sqrt()).to(x)

    def __call__(self, x_c: Tensor) -> Tensor:
        return (x_c.flatten(1) - self.mean) @ self.matrix


SPACES = {
    "pixels": Pixels,
    "blurred": Blurred,
    "contrast": Contrast,
    "gradients": Gradients,
    "whitened": Whitened,
}


class NearestNeighbour:
    """The n examples nearest in x_c lend their x_g, smoothed by a Gaussian.

    x_c (N, C_c, 32, 32) and x_g (N, C_g, 32, 32) are the training fields, sigma is in pixels;
    near is Euclidean in the feature space.
    """

    def __init__(self, x_c: Tensor, x_g: Tensor, sigma: float, space: str = "pixels"):
        self.features, self.x_g, self.sigma = SPACES[space](x_c), x_g, sigma
        self.rows = NearestRows(self.features(x_c))

    def nearest(self, x_c: Tensor, n: int) -> Tensor:
        """Indices of the n nearest training examples, nearest first: (batch, n)."""
        return self.rows(self.features(x_c), n)[0]

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """The n nearest neighbours' fields in order of distance; nothing is random."""
        return gaussian_blur(self.x_g[self.nearest(x_c, n)], self.sigma)

    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """There are no codes: x_g comes back smoothed, as all that is returned."""
        return gaussian_blur(x_g, self.sigma)


@torch.no_grad()
def fit_neighbours(
    train: Examples, valid: Examples, sigmas: tuple[float, ...], spaces: tuple[str, ...], n: int
) -> tuple[NearestNeighbour, dict]:
    """The space and the smoothing with the least best error of n on `valid`, and their names."""
    errors, models = {}, {}
    for space in spaces:
        models[space] = NearestNeighbour(train.x_c, train.x_g, 0.0, space)
        index, best = models[space].nearest(valid.x_c, n), {sigma: 0.0 for sigma in sigmas}
        for rows, truth in zip(index.split(AT_ONCE), valid.x_g.split(AT_ONCE), strict=True):
            sharp = train.x_g[rows]
            for sigma in sigmas:
                error = squared_errors(gaussian_blur(sharp, sigma), truth)
                best[sigma] += float(best_of(error, (n,)).sum())
        errors |= {(space, sigma): total / len(valid) for sigma, total in best.items()}
    space, sigma = min(errors, key=errors.get)
    about = {"smoothing_px": sigma, "feature_space": space}
    chosen = models[space]
    chosen.sigma = sigma
    return chosen, about


def fit(train: Examples, valid: Examples, profile, n: int) -> tuple[NearestNeighbour, dict]:
    """Nearest neighbour as a profile has it."""
    return fit_neighbours(train, valid, profile.nearest.sigmas, profile.nearest.spaces, n)


register(
    Method(
        name="nn",
        label="NN",
        kind="paper",
        about="nearest neighbour in x_c, smoothed",
        look=("#999999", "s"),
        fit=fit,
        tables={"nearest": Nearest},
    )
)
