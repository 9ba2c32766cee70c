"""The controls: what they draw, by counting and by covariances."""

import torch

from cdvae.methods.controls import Marginal, MeanPlusNoise
from cdvae.methods.neighbours import NearestNeighbour


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
