"""Nearest neighbour in chosen feature spaces, by brute force."""

import pytest
import torch

from cdvae.methods.build import fit_nearest
from cdvae.methods.neighbours import SPACES, FeatureNeighbour, fit_neighbours
from cdvae.training import Examples

torch.manual_seed(0)
X_C, X_G = torch.rand(60, 3, 32, 32), torch.rand(60, 1, 32, 32)


def examples(x_c: torch.Tensor, x_g: torch.Tensor) -> Examples:
    return Examples(x_c, x_g, *torch.zeros(2, len(x_c), 1))


@pytest.mark.parametrize("space", SPACES)
def test_neighbours_are_those_of_brute_force(space):
    model, query = FeatureNeighbour(X_C, X_G, 0.0, space), torch.rand(4, 3, 32, 32)
    f = model.features
    for row, found in zip(query, model.nearest(query, 5), strict=True):
        distance = (f(X_C) - f(row[None])).square().sum(1)
        assert found.tolist() == distance.argsort()[:5].tolist()


def test_whitened_features_have_unit_covariance():
    f = SPACES["whitened"](X_C)(X_C)
    assert torch.allclose(f.T @ f / len(f), torch.eye(f.shape[1]), atol=1e-3)


def test_contrast_does_not_see_brightness():
    f = SPACES["contrast"](X_C)
    assert torch.allclose(f(X_C), f(0.5 * X_C + 0.2), atol=1e-4)


def test_choice_among_pixels_alone_is_that_of_the_plain_baseline():
    train, valid = examples(X_C[:40], X_G[:40]), examples(X_C[40:], X_G[40:])
    sigmas = (0.0, 1.0, 3.0)
    plain, sigma = fit_nearest(train, valid, sigmas, 10)
    chosen, about = fit_neighbours(train, valid, sigmas, ("pixels",), 10)
    assert about == {"smoothing_px": sigma, "feature_space": "pixels"}
    assert torch.equal(plain.sample(X_C[:3], 5), chosen.sample(X_C[:3], 5))


def test_a_space_that_tells_more_is_chosen():
    """The answer depends on shape alone; brightness is noise."""
    shapes = torch.rand(20, 1, 32, 32)
    bright = lambda n: 0.2 + 3 * torch.rand(n, 1, 1, 1)  # noqa: E731
    kinds = torch.arange(20).repeat(6)
    x_c, x_g = shapes[kinds] * bright(120), shapes[kinds].flip(-1)
    train, valid = examples(x_c[:80], x_g[:80]), examples(x_c[80:], x_g[80:])
    _, about = fit_neighbours(train, valid, (0.0,), tuple(SPACES), 3)
    assert about["feature_space"] == "contrast"
