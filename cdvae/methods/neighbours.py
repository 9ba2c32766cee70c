"""Nearest neighbour whose feature space and smoothing are chosen on validation examples."""

import torch
from torch import Tensor

from cdvae.methods.baselines import NearestNeighbour, gaussian_blur
from cdvae.metrics import best_of, squared_errors
from cdvae.training import Examples

BLUR = 2.0  # pixels
COMPONENTS = 32  # of the whitened space


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
        _, values, vectors = torch.linalg.svd(x - self.mean, full_matrices=False)
        scale = values[:COMPONENTS] / len(x) ** 0.5
        self.matrix = vectors[:COMPONENTS].T / scale

    def __call__(self, x_c: Tensor) -> Tensor:
        return (x_c.flatten(1) - self.mean) @ self.matrix


SPACES = {
    "pixels": Pixels,
    "blurred": Blurred,
    "contrast": Contrast,
    "gradients": Gradients,
    "whitened": Whitened,
}


class FeatureNeighbour(NearestNeighbour):
    """`NearestNeighbour` by Euclidean distance in a feature space of x_c."""

    def __init__(self, x_c: Tensor, x_g: Tensor, sigma: float, space: str):
        self.features = SPACES[space](x_c)
        super().__init__(self.features(x_c), x_g, sigma)

    def nearest(self, x_c: Tensor, n: int) -> Tensor:
        """Indices of the n nearest training examples, nearest first: (batch, n)."""
        return super().nearest(self.features(x_c), n)


@torch.no_grad()
def fit_neighbours(
    train: Examples, valid: Examples, sigmas: tuple[float, ...], spaces: tuple[str, ...], n: int
) -> tuple[FeatureNeighbour, dict]:
    """The space and the smoothing with the least best error of n on `valid`, and their names."""
    errors = {}
    for space in spaces:
        sharp = FeatureNeighbour(train.x_c, train.x_g, 0.0, space)
        index = torch.cat([sharp.nearest(x_c, n) for x_c in valid.x_c.split(25)])
        for sigma in sigmas:
            x_g = gaussian_blur(train.x_g, sigma)
            parts = zip(index.split(25), valid.x_g.split(25), strict=True)
            best = [best_of(squared_errors(x_g[rows], truth), (n,)) for rows, truth in parts]
            errors[space, sigma] = float(torch.cat(best).mean())
    space, sigma = min(errors, key=errors.get)
    about = {"smoothing_px": sigma, "feature_space": space}
    return FeatureNeighbour(train.x_c, train.x_g, sigma, space), about
