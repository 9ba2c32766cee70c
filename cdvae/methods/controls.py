"""What best-of-N rewards without a model: two controls, and the row of the truth."""

import torch
from torch import Tensor

from cdvae.methods.neighbours import Nearest, NearestNeighbour, fit_neighbours
from cdvae.methods.registry import Method
from cdvae.model import DRAWN, nearest
from cdvae.tools.registry import register
from cdvae.training import Examples


class Control:
    """A sampler without codes: an original comes back as the nearest of its first samples."""

    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """x_g as the control gives it back: (batch, C_g, 32, 32)."""
        return nearest(self.sample(x_c, DRAWN, generator), x_g)


class Marginal(Control):
    """A control that ignores the input: any training field may be the answer."""

    def __init__(self, x_g: Tensor):
        self.x_g = x_g

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n training fields for each x_c, drawn with replacement: (batch, n, C_g, 32, 32)."""
        index = torch.randint(len(self.x_g), (len(x_c), n), generator=generator, device=x_c.device)
        return self.x_g[index]


class MeanPlusNoise(Control):
    """A control with one answer: the mean of the n_mean nearest fields, and noise around it.

    The noise is Gaussian with the covariance of the errors that this mean makes on validation
    examples (x_c, x_g), whatever the input.
    """

    def __init__(self, nearest: NearestNeighbour, n_mean: int, x_c: Tensor, x_g: Tensor):
        self.nearest, self.n_mean = nearest, n_mean
        self.errors = x_g - torch.cat([self.mean(part) for part in x_c.split(25)])

    def mean(self, x_c: Tensor) -> Tensor:
        """The mean field for each x_c: (batch, C_g, 32, 32)."""
        return self.nearest.sample(x_c, self.n_mean).mean(1)

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: (batch, n, C_g, 32, 32)."""
        k = len(self.errors)  # errors mixed by N(0, 1/k) weights have just their covariance
        weights = torch.randn(len(x_c), n, k, generator=generator, device=x_c.device)
        noise = torch.tensordot(weights / k**0.5, self.errors, dims=1)
        return self.mean(x_c)[:, None] + noise


def fit_marginal(train: Examples, valid: Examples, profile, n: int) -> tuple[Marginal, dict]:
    """The control that ignores the input; it needs no validation."""
    return Marginal(train.x_g), {}


def fit_mean(train: Examples, valid: Examples, profile, n: int) -> tuple[MeanPlusNoise, dict]:
    """The mean of the n nearest in x_c itself, its smoothing chosen as nearest neighbour's."""
    nearest, about = fit_neighbours(train, valid, profile.nearest.sigmas, ("pixels",), n)
    return MeanPlusNoise(nearest, n, valid.x_c, valid.x_g), about


register(
    Method(
        name="marginal",
        label="(marginal)",
        kind="control",
        about="any training field, whatever the input",
        look=("#BBBBBB", "x"),
        fit=fit_marginal,
    )
)
register(
    Method(
        name="mean_noise",
        label="(mean + noise)",
        kind="control",
        about="one answer and Gaussian noise about it",
        look=("#CC79A7", "+"),
        fit=fit_mean,
        tables={"nearest": Nearest},
    )
)
register(
    Method(
        name="truth",
        label="(truth)",
        kind="truth",
        about="the exact conditional, where the data set knows it",
        look=("#000000", "*"),
    )
)
