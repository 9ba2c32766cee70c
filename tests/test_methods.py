"""The extension and the rivals, against closed forms and by hand."""

import math
from itertools import pairwise

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import leaky_relu

from cdvae.data.fields import TASKS
from cdvae.methods import method
from cdvae.methods.flow_matching import Flow, FlowMatching
from cdvae.methods.spatial import SpatialCDVAE
from cdvae.methods.spatial_layers import Stretcher
from cdvae.model import Batch
from cdvae.networks import SLOPE
from cdvae.runs.settings import load_profile

NEW = ("cdvae-spatial", "jmvae", "fm", "unet")


def batch(task: str, n: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    sizes = TASKS[task].channels_c, TASKS[task].channels_g
    x_c, x_g = (torch.rand(n, c, 32, 32, generator=generator) for c in sizes)
    return Batch(x_c, x_g, torch.zeros(n, 4), torch.zeros(n, 4))


def model_of(name: str, task: str = "motion", **changes) -> torch.nn.Module:
    torch.manual_seed(0)
    model = method(name).build(TASKS[task], load_profile("smoke", **changes))
    examples = batch(task, 20)
    model.standardise(examples.x_c, examples.x_g)
    return model.eval()


@pytest.mark.parametrize("name", NEW)
def test_samples_have_their_shape_and_seed(name):
    model, x_c = model_of(name), batch("motion", 3).x_c
    first, again, other = (
        model.sample(x_c, 4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert first.shape == (3, 4, 2, 32, 32)
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("name", NEW)
def test_losses_fall(name):
    model, examples = model_of(name).train(), batch("motion", 32)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for step in range(60):
        torch.manual_seed(step % 2)
        loss = model.loss(examples)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[1]


@torch.no_grad()
def test_bound_of_the_spatial_model_by_hand():
    """Each term from torch.distributions, along the same draws."""
    spatial = {"codes_g": [2, 0, 4], "energy": 0.0, "weight_c": 0.5}
    model, examples = model_of("cdvae-spatial", spatial=spatial), batch("motion", 7)
    assert isinstance(model, SpatialCDVAE)
    torch.manual_seed(1)
    terms = model.loss(examples._replace(kl_weight=0.3, guidance_weight=0.2))
    torch.manual_seed(1)
    x_c = model.standard_c.apply_to(examples.x_c)
    x_g = model.standard_g.apply_to(examples.x_g)

    def normal(pair):
        return Normal(pair[0], pair[1].exp().sqrt())

    q_c = [normal(q) for q in model.q_c(x_c)]
    *maps, top = (q.loc + q.scale * torch.randn(q.loc.shape) for q in q_c)
    s = model.settings
    x_hat = model.decoder_c(top, maps)
    constant = math.log(s.sigma_c) + 0.5 * math.log(2 * math.pi)
    log_p = (Normal(x_hat, s.sigma_c).log_prob(x_c) + constant).flatten(1).sum(1)
    assert float(terms["l2_c"]) == pytest.approx(float(-log_p.mean()), rel=1e-5)
    standard = [kl_divergence(q, Normal(torch.zeros_like(q.loc), 1.0)) for q in q_c]
    kl_c = sum(kl.flatten(1).sum(1).mean() for kl in standard)
    assert float(terms["kl_c"]) == pytest.approx(float(kl_c), rel=1e-5)
    prior = normal(model.tie(q_c[-1].loc))
    seen = normal(model.top_g(model.encoder_g(torch.cat([x_g, x_c], 1))[-1]))
    precision = prior.scale**-2 + seen.scale**-2
    mean = (prior.loc / prior.scale**2 + seen.loc / seen.scale**2) / precision
    kl_top = kl_divergence(Normal(mean, precision**-0.5), prior).sum(1).mean()
    assert float(terms["kl_top"]) == pytest.approx(float(kl_top), rel=1e-4)
    assert float(terms["kl_g"]) == pytest.approx(float(terms["kl_top"] + terms["kl_g1"]))
    assert float(terms["embedding"]) == pytest.approx(float(top.square().sum(1).mean()), rel=1e-5)
    whole = 0.5 * (terms["l2_c"] + 0.3 * terms["kl_c"]) + terms["l2_g"] + 0.3 * terms["kl_g"]
    whole = whole + 0.5 * 0.2 * terms["embedding"]
    assert float(terms["loss"]) == pytest.approx(float(whole))


@torch.no_grad()
def test_a_canvas_paints_each_pixel_by_its_own_weights():
    """Pixel by pixel: offset plus the weighted sum of the rectified maps at its cell."""
    width, n, channels = 3, 2, 2
    stretcher = Stretcher(1, channels, maps=5, width=width, widths=(4, 4, 4))
    x_c, guides = torch.randn(2, 1, 32, 32), torch.randn(2, 5, 8, 8)
    maps = torch.randn(2 * n, width, 8, 8)
    seen = []
    stretcher.end.register_forward_hook(lambda module, given, made: seen.append(made))
    painted = stretcher(x_c, guides).paint(maps)
    pixels = seen[0].unflatten(1, (width + 1, channels))  # as the network gives them
    for b, k, c, y, x in ((0, 0, 0, 0, 0), (0, 1, 1, 5, 30), (1, 0, 0, 17, 3), (1, 1, 1, 31, 31)):
        offset, *weights = pixels[b, :, c, y, x].tolist()
        cell = leaky_relu(maps[b * n + k, :, y // 4, x // 4], SLOPE).tolist()
        expected = offset + sum(w * h for w, h in zip(weights, cell, strict=True)) / width**0.5
        assert float(painted[b * n + k, c, y, x]) == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_energy_term_of_the_spatial_model_is_weighed():
    changes = [{"energy": weight} for weight in (0.0, 2.5)]
    losses = []
    for spatial in changes:
        torch.manual_seed(1)
        losses.append(model_of("cdvae-spatial", spatial=spatial).loss(batch("motion", 4)))
    without, with_it = losses
    rest = float(with_it["loss"]) - 2.5 * float(with_it["energy"])
    assert rest == pytest.approx(float(without["loss"]), rel=1e-5)


class Exact(FlowMatching):
    """The exact velocity between N(0, 1) and N(m, s²), each pixel for itself."""

    m, s = 0.7, 0.4

    def velocity(self, x_t, t, x_c):
        t = t[:, None, None, None]
        variance = (1 - t) ** 2 + (t * self.s) ** 2
        covariance = t * self.s**2 - (1 - t)  # of x_1 − x_0 with x_t
        return self.m + covariance / variance * (x_t - t * self.m)


def test_flow_sampler_carries_noise_to_the_target():
    """The exact field carries noise ε to m + s ε; the error is of second order or better."""
    errors = []
    for evaluations in (8, 16, 32):
        model = Exact(1, 1, Flow(widths=(4, 4), vector=8, evaluations=evaluations)).eval()
        x = model.sample(torch.zeros(2, 1, 32, 32), 20, torch.Generator().manual_seed(0))
        noise = torch.randn(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        target = Exact.m + Exact.s * noise.unflatten(0, (2, 20))
        errors.append(float((x - target).square().mean().sqrt()))
    assert errors[0] < 0.01
    assert all(coarse / fine > 3 for coarse, fine in pairwise(errors))


def test_flow_loss_is_least_at_the_exact_velocity():
    """Its excess over the exact field's loss is half the mean squared error of the velocity."""
    torch.manual_seed(0)
    exact = Exact(1, 1, Flow(widths=(4, 4), vector=8, evaluations=2))
    shifted = type("Shifted", (Exact,), {"velocity": lambda *a: Exact.velocity(*a) + 0.5})(
        1, 1, Flow(widths=(4, 4), vector=8, evaluations=2)
    )
    x_g = Exact.m + Exact.s * torch.randn(400, 1, 32, 32)
    examples = Batch(torch.zeros_like(x_g), x_g, None, None)
    losses = []
    for model in (exact, shifted):
        torch.manual_seed(1)
        losses.append(float(model.loss(examples)["loss"]))
    assert losses[1] - losses[0] == pytest.approx(0.5 * 0.5**2 * 1024, rel=0.02)
