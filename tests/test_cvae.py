"""The conditional VAE against a plain reading of Sec. 6.2."""

import torch
from torch import nn

from cdvae.methods.cvae import CVAE
from cdvae.model import Batch


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


def test_own_code_of_the_conditional_vae():
    """Where q is almost a point, every field is the decoding of its mean."""
    torch.manual_seed(0)
    model = CVAE(1, 1, 4, 3, 1.0).eval()
    model.q_head.linear.weight.data[3:], model.q_head.linear.bias.data[3:] = 0, -8
    x_c, x_g = torch.rand(2, 2, 1, 32, 32)
    with torch.no_grad():
        mu, _ = model.q_z_given_x(x_c, x_g)
        expected = model.decode(model.image_tower(x_c), mu)
    found = model.with_own_code(x_c, x_g, 100, torch.Generator().manual_seed(0))
    assert found.shape == (2, 100, 1, 32, 32)
    assert (found.mean(1) - expected).abs().max() < 0.02
