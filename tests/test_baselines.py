"""Baselines against SciPy, scikit-learn and a plain reading of Sec. 6.2."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestNeighbors
from torch import nn

from cdvae.methods.baselines import CVAE, Marginal, MeanPlusNoise, NearestNeighbour, gaussian_blur
from cdvae.model import Batch


@pytest.mark.parametrize("sigma", [0.5, 1.5, 4.0])
def test_blur_is_scipys(sigma):
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    blurred = gaussian_blur(x, sigma)
    for image, expected in zip(blurred.flatten(0, 1), x.flatten(0, 1), strict=True):
        reference = gaussian_filter(expected.numpy(), sigma, mode="reflect", truncate=4.0)
        np.testing.assert_allclose(image, reference, atol=1e-5)


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


def test_too_many_neighbours_are_refused():
    model = NearestNeighbour(torch.rand(5, 1, 32, 32), torch.rand(5, 1, 32, 32), 1.0)
    with pytest.raises(ValueError, match="6 neighbours asked of 5"):
        model.sample(torch.rand(1, 1, 32, 32), 6)


def test_cvae_towers_have_five_convolutions_each():
    model = CVAE(3, 1, 8, 16, 0.5)
    for tower in (model.image_tower, model.encoder_tower):
        assert sum(isinstance(layer, nn.Conv2d) for layer in tower) == 5


def test_cvae_loss_is_scaled_l2_and_kl():
    torch.manual_seed(0)
    model = CVAE(3, 2, 8, 16, sigma=0.7)
    x_c, x_g = torch.rand(4, 3, 32, 32), torch.rand(4, 2, 32, 32)
    model.standardise(x_c, x_g)
    torch.manual_seed(1)
    terms = model.loss(Batch(x_c, x_g, *torch.zeros(2, 4, 16), kl_weight=0.5))
    torch.manual_seed(1)
    c, g = model.standard_c.apply_to(x_c), model.standard_g.apply_to(x_g)
    mu, log_var = model.q_z_given_x(c, g)
    z = mu + torch.exp(0.5 * log_var) * torch.randn(mu.shape)
    l2 = ((model.decode(model.image_tower(c), z) - g) ** 2).sum() / (2 * 0.49) / 4
    q = torch.distributions.Normal(mu, torch.exp(0.5 * log_var))
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum() / 4
    torch.testing.assert_close(terms["l2"], l2)
    torch.testing.assert_close(terms["kl"], kl)
    torch.testing.assert_close(terms["loss"], l2 + 0.5 * kl)


def test_cvae_samples_follow_their_seed():
    torch.manual_seed(0)
    model = CVAE(3, 2, 8, 16, 0.5)
    x_c = torch.rand(3, 3, 32, 32)
    first, again = (model.sample(x_c, 5, torch.Generator().manual_seed(0)) for _ in range(2))
    assert first.shape == (3, 5, 2, 32, 32)
    assert torch.equal(first, again)


def test_marginal_draws_training_fields_whatever_the_input():
    x_g = torch.arange(10.0)[:, None, None, None].expand(10, 1, 32, 32)
    draws = Marginal(x_g).sample(torch.randn(3, 1, 32, 32), 5000, torch.Generator().manual_seed(0))
    assert draws.shape == (3, 5000, 1, 32, 32)
    share = draws[:, :, 0, 0, 0].long().flatten().bincount(minlength=10) / 15_000
    torch.testing.assert_close(share, torch.full((10,), 0.1), atol=0.01, rtol=0)


def test_mean_plus_noise_has_the_mean_of_the_neighbours_and_the_errors_covariance():
    generator = torch.Generator().manual_seed(0)
    x_c, x_g = torch.randn(2, 40, 1, 32, 32, generator=generator)
    nearest = NearestNeighbour(x_c, x_g, 0)
    valid_c, valid_g = torch.randn(2, 30, 1, 32, 32, generator=generator)
    model = MeanPlusNoise(nearest, 10, valid_c, valid_g)
    draws = model.sample(valid_c[:1], 20_000, generator)[0].flatten(1)
    expected = torch.stack([x_g[k] for k in nearest.nearest(valid_c[:1], 10)[0]]).mean(0)
    torch.testing.assert_close(draws.mean(0), expected.flatten(), atol=0.05, rtol=0)
    errors = [
        valid_g[i] - x_g[nearest.nearest(valid_c[i : i + 1], 10)[0]].mean(0) for i in range(30)
    ]
    few = torch.stack(errors).flatten(1)[:, :5]
    torch.testing.assert_close(draws[:, :5].T.cov(), few.T @ few / 30, atol=0.06, rtol=0)
