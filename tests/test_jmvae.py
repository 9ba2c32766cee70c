"""JMVAE against torch.distributions, and on a layer that its input decides."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from cdvae.gaussian import sample
from cdvae.methods.jmvae import JMVAE, SharedCode
from cdvae.model import Batch


def model_of(n_code: int = 3) -> JMVAE:
    torch.manual_seed(0)
    return JMVAE(1, 2, SharedCode(stem=(4, 6), hidden=16, code=n_code, noise_floor=0.7, alpha=0.1))


def normal(pair: tuple[torch.Tensor, torch.Tensor]) -> Normal:
    return Normal(pair[0], pair[1].exp().sqrt())


def test_objective_by_hand():
    model, x_c, x_g = model_of(), torch.rand(5, 1, 32, 32), torch.rand(5, 2, 32, 32)
    torch.manual_seed(1)
    terms = model.loss(Batch(x_c, x_g, None, None, kl_weight=0.3))
    torch.manual_seed(1)
    q = model.q_head(model.encoder(torch.cat([x_c, x_g], 1)))
    z, q = sample(*q), normal(q)
    alone = normal(model.q_head_c(model.encoder_c(x_c)))
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()
    kl_alone = kl_divergence(q, alone).sum(1).mean()
    log_p = [
        normal(model.p_x_given_z(decoder, z)).log_prob(x).flatten(1).sum(1).mean()
        for decoder, x in ((model.decoder_c, x_c), (model.decoder_g, x_g))
    ]
    expected = -sum(log_p) + 0.3 * (kl + 0.1 * kl_alone)
    assert terms["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert terms["kl_alone"].item() == pytest.approx(kl_alone.item(), rel=1e-5)


def test_output_noise_has_its_floor():
    model = model_of()
    _, log_var = model.p_x_given_z(model.decoder_g, 10 * torch.randn(20, 3))
    assert float(log_var.min()) >= math.log(0.7**2) - 1e-6


def test_samples_follow_the_input():
    """x_g repeats the level of x_c: after training, draws of a bright input are bright."""
    model = model_of().train()
    level = torch.linspace(-1, 1, 64)[:, None, None, None]
    x_c, x_g = level.expand(-1, 1, 32, 32), level.expand(-1, 2, 32, 32)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(300):
        loss = model.loss(Batch(x_c, x_g, None, None))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    draws = model.eval().sample(x_c[[0, -1]], 20, torch.Generator().manual_seed(0))
    assert draws.shape == (2, 20, 2, 32, 32)
    assert draws.mean((1, 2, 3, 4)).tolist() == pytest.approx([-1, 1], abs=0.3)
