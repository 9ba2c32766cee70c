"""Nearest neighbour by brute force, SciPy and scikit-learn, in each feature space."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestNeighbors

from cdvae import nearest
from cdvae.methods.neighbours import SPACES, NearestNeighbour, fit_neighbours, gaussian_blur
from cdvae.training import Examples

torch.manual_seed(0)
X_C, X_G = torch.rand(60, 3, 32, 32), torch.rand(60, 1, 32, 32)


def examples(x_c: torch.Tensor, x_g: torch.Tensor) -> Examples:
    return Examples(x_c, x_g, *torch.zeros(2, len(x_c), 1))


def scipys(x: torch.Tensor, sigma: float) -> np.ndarray:
    images = [
        gaussian_filter(image.numpy(), sigma, mode="reflect", truncate=4.0)
        for image in x.flatten(0, 1)
    ]
    return np.stack(images).reshape(x.shape)


@pytest.mark.parametrize("sigma", [0.5, 1.5, 4.0])
def test_blur_is_scipys(sigma):
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(gaussian_blur(x, sigma), scipys(x, sigma), atol=1e-5)


def test_no_blur_changes_nothing():
    x = torch.rand(1, 1, 32, 32)
    assert torch.equal(gaussian_blur(x, 0.0), x)


def test_neighbours_are_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    x_c, x_g = torch.rand(200, 3, 32, 32, generator=generator), torch.rand(200, 1, 32, 32)
    queries = torch.rand(9, 3, 32, 32, generator=generator)
    model = NearestNeighbour(x_c, x_g, 0.0)
    reference = NearestNeighbors(n_neighbors=10).fit(x_c.flatten(1)).kneighbors(queries.flatten(1))
    np.testing.assert_array_equal(model.nearest(queries, 10), reference[1])
    assert torch.equal(model.sample(queries, 10), x_g[torch.from_numpy(reference[1])])


@pytest.mark.parametrize("noise", [0.02, 1.0])
def test_what_sketches_leave_out_is_no_neighbour(noise, monkeypatch):
    """Smooth rows, of which a sketch tells nearly all, and noise, of which it tells little."""
    for name, size in (("SKETCH", 8), ("SAMPLE", 50), ("MANY", 100), ("VALUES", 20_000)):
        monkeypatch.setattr(nearest, name, size)
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(620, 6)) @ rng.normal(size=(6, 40))
    rows = torch.from_numpy(smooth + noise * rng.normal(size=smooth.shape)).float()
    keys, queries = rows[:600], rows[600:]
    search, asked = nearest.NearestRows(keys), []
    if noise == 1.0:
        by_products = search.by_products
        search.by_products = lambda x, n: asked.append(n) or by_products(x, n)
    assert search.basis is not None
    index, squared = search(queries, 9)
    reference = NearestNeighbors(n_neighbors=9).fit(keys).kneighbors(queries)
    np.testing.assert_array_equal(index, reference[1])
    np.testing.assert_allclose(squared.sqrt(), reference[0], rtol=1e-4)
    assert bool(asked) == (noise == 1.0)


def test_of_equal_rows_the_first_are_taken():
    keys = torch.ones(7, 3)
    index, squared = nearest.NearestRows(keys)(keys[:2], 4)
    assert index.tolist() == 2 * [[0, 1, 2, 3]] and not squared.any()


def test_too_many_neighbours_are_refused():
    model = NearestNeighbour(torch.rand(5, 1, 32, 32), torch.rand(5, 1, 32, 32), 1.0)
    with pytest.raises(ValueError, match="6 neighbours asked of 5"):
        model.sample(torch.rand(1, 1, 32, 32), 6)


@cache  # to find the whitened space takes seconds
def neighbours_in(space: str) -> NearestNeighbour:
    return NearestNeighbour(X_C, X_G, 0.0, space)


@pytest.mark.parametrize("space", SPACES)
def test_neighbours_are_those_of_brute_force(space):
    model, query = neighbours_in(space), torch.rand(4, 3, 32, 32)
    f = model.features
    for row, found in zip(query, model.nearest(query, 5), strict=True):
        distance = (f(X_C) - f(row[None])).square().sum(1)
        assert found.tolist() == distance.argsort()[:5].tolist()


def test_whitened_features_have_unit_covariance():
    f = neighbours_in("whitened").features(X_C)
    assert torch.allclose(f.T @ f / len(f), torch.eye(f.shape[1]), atol=1e-3)


def test_contrast_does_not_see_brightness():
    f = SPACES["contrast"](X_C)
    assert torch.allclose(f(X_C), f(0.5 * X_C + 0.2), atol=1e-4)


def test_choice_of_smoothing_among_pixels_alone_is_that_of_scikit_learn_and_scipy():
    """Where the answer is the neighbour's with noise, some smoothing is best, and not the most."""
    smooth = 8 * gaussian_blur(X_G - 0.5, 2.0)
    noisy = smooth + torch.randn(X_G.shape, generator=torch.Generator().manual_seed(1))
    near = X_C + 0.01 * torch.rand(X_C.shape)
    train, valid, sigmas = examples(X_C, noisy), examples(near, smooth), (0.0, 1.0, 2.0, 6.0)
    index = NearestNeighbors(n_neighbors=10).fit(X_C.flatten(1)).kneighbors(near.flatten(1))[1]
    errors = []
    for sigma in sigmas:
        found = scipys(noisy, sigma)[index] - smooth.numpy()[:, None]
        errors.append((found**2).mean((2, 3, 4)).min(1).mean())
    best = sigmas[int(np.argmin(errors))]
    assert best not in (sigmas[0], sigmas[-1])
    chosen, about = fit_neighbours(train, valid, sigmas, ("pixels",), 10)
    assert about == {"smoothing_px": best, "feature_space": "pixels"}
    assert torch.equal(
        NearestNeighbour(X_C, noisy, best).sample(near[:3], 5), chosen.sample(near[:3], 5)
    )


def test_a_space_that_tells_more_is_chosen():
    """The answer depends on shape alone; brightness is noise."""
    shapes = torch.rand(20, 1, 32, 32)
    bright = lambda n: 0.2 + 3 * torch.rand(n, 1, 1, 1)  # noqa: E731
    kinds = torch.arange(20).repeat(6)
    x_c, x_g = shapes[kinds] * bright(120), shapes[kinds].flip(-1)
    train, valid = examples(x_c[:80], x_g[:80]), examples(x_c[80:], x_g[80:])
    _, about = fit_neighbours(train, valid, (0.0,), tuple(SPACES), 3)
    assert about["feature_space"] == "contrast"
