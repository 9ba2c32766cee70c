"""Visual Dynamics' network: every shape of A.2, the cross convolution, and the bound of A.1."""

import time

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from cdvae.methods.crossconv import (
    CrossConv,
    FineCrossConv,
    Sizes,
    cross_convolution,
    future,
    resized,
)
from cdvae.model import Batch
from cdvae.runs.settings import load_profile

NARROW = load_profile("smoke").dynamics.network


@pytest.fixture(scope="module")
def full() -> CrossConv:
    torch.manual_seed(0)
    return CrossConv(3, 3, Sizes(), 0.1).eval()


def small(sigma: float = 0.1, kind: type[CrossConv] = CrossConv) -> CrossConv:
    torch.manual_seed(0)
    return kind(3, 3, NARROW, sigma)


def shapes_in(module: torch.nn.Module, kind: type, *inputs) -> list[tuple]:
    """Output shapes, without the batch, of the layers of one kind in the order they run."""
    seen, hooks = [], []
    for child in module.modules():
        if isinstance(child, kind):
            hooks.append(
                child.register_forward_hook(lambda m, i, o: seen.append(tuple(o.shape[1:])))
            )
    with torch.no_grad():
        module(*inputs)
    for hook in hooks:
        hook.remove()
    return [tuple(shape) for shape in seen]


def test_motion_encoder_has_the_shapes_of_a2(full):
    """Six 5 × 5 layers from 128 × 128 to 256 × 5 × 5, which are 3,200 means and log-variances."""
    frames = torch.rand(1, 6, 128, 128)
    layers = shapes_in(full.encoder, torch.nn.Conv2d, frames)
    assert [c for c, *_ in layers] == [96, 96, 128, 128, 256, 256]
    assert layers[-1] == (256, 5, 5)
    assert all(m.kernel_size == (5, 5) for m in full.encoder.modules() if hasattr(m, "groups"))
    assert len(shapes_in(full.encoder, torch.nn.BatchNorm2d, frames)) == 6
    mu, log_var = full.encoder(frames)
    assert mu.shape == log_var.shape == (1, 3200) and full.sizes.n_code() == 3200


def test_kernel_decoder_has_the_shapes_of_a2(full):
    z = torch.randn(2, 3200)
    layers = shapes_in(full.kernel_decoder, torch.nn.Conv2d, z)
    assert layers == [(128, 5, 5), (128, 5, 5)]
    assert full.kernels(z).shape == (2, 4, 32, 5, 5)


def test_image_encoder_has_the_shapes_of_a2(full):
    picture = torch.rand(1, 3, 128, 128)
    expected = [(1, 32, 64, 64), (1, 32, 32, 32), (1, 32, 16, 16), (1, 32, 8, 8)]
    assert [tuple(maps.shape) for maps in full.features(picture)] == expected
    for encoder, side in zip(full.image_encoders, (256, 128, 64, 32), strict=True):
        layers = shapes_in(encoder, torch.nn.Conv2d, torch.rand(1, 3, side, side))
        assert [c for c, *_ in layers] == [64, 64, 64, 32]
        assert len(shapes_in(encoder, torch.nn.MaxPool2d, torch.rand(1, 3, side, side))) == 2
        assert len(shapes_in(encoder, torch.nn.BatchNorm2d, torch.rand(1, 3, side, side))) == 4


def test_motion_decoder_has_the_shapes_of_a2(full):
    moved = [torch.rand(1, 32, side, side) for side in (64, 32, 16, 8)]
    layers = shapes_in(full.decoder, torch.nn.Conv2d, moved)
    assert layers == [(128, 64, 64), (128, 64, 64), (3, 64, 64)]
    kernels = [m.kernel_size[0] for m in full.decoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert kernels == [9, 1, 1]


def test_cross_convolution_keeps_the_size_of_the_maps(full):
    maps, kernels = torch.rand(2, 32, 16, 16), torch.rand(2, 32, 5, 5)
    assert cross_convolution(maps, kernels).shape == maps.shape


def test_the_full_network_takes_one_training_step():
    torch.manual_seed(0)
    model = CrossConv(3, 3, load_profile("paper").dynamics.network, 0.1)
    assert model.sizes == Sizes()
    x_c = torch.rand(2, 3, 128, 128)
    batch = Batch(x_c, x_c.roll(3, 2) - x_c, torch.empty(2, 0), torch.empty(2, 0))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    model.loss(batch)["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    before = next(model.parameters()).clone()
    optimiser.step()
    assert not torch.equal(before, next(model.parameters()))
    assert model.eval().sample(x_c, 2).shape == (2, 2, 3, 128, 128)


def loop(maps: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """One conv2d for each sample and each map."""
    rows = []
    for maps_of_one, kernels_of_one in zip(maps, kernels, strict=True):
        each = [
            F.conv2d(m[None, None], k[None, None], padding=2)[0, 0]
            for m, k in zip(maps_of_one, kernels_of_one, strict=True)
        ]
        rows.append(torch.stack(each))
    return torch.stack(rows)


def test_cross_convolution_equals_a_loop():
    maps, kernels = torch.randn(5, 7, 12, 10), torch.randn(5, 7, 5, 5)
    assert (cross_convolution(maps, kernels) - loop(maps, kernels)).abs().max() < 1e-5


def test_cross_convolution_does_not_flip_the_kernel():
    """By its definition: out[y, x] = Σ k[i, j] in[y + i − 2, x + j − 2]."""
    maps, kernels = torch.zeros(1, 1, 9, 9), torch.zeros(1, 1, 5, 5)
    maps[0, 0, 4, 4], kernels[0, 0, 0, 1] = 1.0, 2.0
    moved = cross_convolution(maps, kernels)
    assert moved[0, 0, 6, 5] == 2 and moved.sum() == 2


def test_cross_convolution_is_ten_times_faster_than_a_loop():
    """At batch 32, the four scales of A.2 together, one thread; best of three."""
    maps = [torch.randn(32, 32, side, side) for side in (64, 32, 16, 8)]
    kernels = torch.randn(32, 32, 5, 5)
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def seconds(function) -> float:
        took = []
        for _ in range(3):
            start = time.perf_counter()
            for each in maps:
                function(each, kernels)
            took.append(time.perf_counter() - start)
        return min(took)

    fast, slow = seconds(cross_convolution), seconds(loop)
    torch.set_num_threads(before)
    print(f"loop {1000 * slow:.0f} ms, grouped {1000 * fast:.1f} ms: {slow / fast:.0f} times")
    assert slow > 10 * fast


@pytest.mark.parametrize("kind", [CrossConv, FineCrossConv])
def test_the_loss_is_the_bound_in_nats(kind):
    model = small(0.3, kind).eval()
    x_c, x_g = torch.rand(3, 3, 64, 64), 0.2 * torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        mu, log_var = model.q_z_given_x(x_c, x_g)
        torch.manual_seed(7)
        terms = model.loss(Batch(x_c, x_g, x_c[:, 0], x_c[:, 0], kl_weight=0.5))
        torch.manual_seed(7)
        z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
        v = model.decode(model.features(x_c), model.kernels(z))
    q = Normal(mu, (0.5 * log_var).exp())
    kl = kl_divergence(q, Normal(0, 1)).sum(1).mean()
    target = resized(x_g, v.shape[-1])
    log_p = Normal(v, 0.3).log_prob(target) - Normal(target, 0.3).log_prob(target)
    reconstruction = -log_p.sum((1, 2, 3)).mean()
    assert terms["kl"] == pytest.approx(float(kl), rel=1e-4)
    assert terms["reconstruction"] == pytest.approx(float(reconstruction), rel=1e-4)
    assert terms["loss"] == pytest.approx(float(reconstruction + 0.5 * kl), rel=1e-4)


def test_only_the_fine_network_is_taught_what_a_half_of_the_resolution_hides():
    """A difference whose mean over each 2 × 2 pixels is 0."""
    x_c, none = torch.rand(2, 3, 64, 64), torch.empty(2, 0)
    hidden = 0.2 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(32, 32).expand(2, 3, 64, 64)
    for kind, is_seen in ((CrossConv, False), (FineCrossConv, True)):
        model = small(0.3, kind).eval()
        codes, losses = [], []
        for v in (torch.zeros_like(hidden), hidden):
            torch.manual_seed(0)
            codes.append(model.q_z_given_x(x_c, v)[0])
            losses.append(float(model.loss(Batch(x_c, v, none, none))["reconstruction"].detach()))
        assert (not torch.allclose(*codes, atol=1e-6)) == is_seen
        assert (losses[1] != pytest.approx(losses[0], rel=1e-3)) == is_seen


def test_the_fine_network_is_the_same_on_blocks_of_pixels():
    """Its places hold 2 × 2 pixels: it is a network of 12 channels, of half the side."""
    fine, torch_seed = small(kind=FineCrossConv).eval(), torch.manual_seed(0)
    plain = CrossConv(12, 12, NARROW, 0.1).eval()
    weights = {k: v for k, v in fine.state_dict().items() if not k.startswith("encoder.")}
    plain.load_state_dict(weights, strict=False)
    x_c, z = torch.rand(2, 3, 64, 64), torch.randn(2, 3, fine.sizes.n_code(), generator=torch_seed)
    blocks = x_c.unflatten(2, (32, 2)).unflatten(4, (32, 2))  # (N, 3, 32, 2, 32, 2)
    blocks = blocks.permute(0, 1, 3, 5, 2, 4).flatten(1, 3)
    expected = plain.sample_given_z(blocks, z).unflatten(2, (3, 2, 2))
    expected = expected.permute(0, 1, 2, 5, 3, 6, 4).flatten(5, 6).flatten(3, 4)
    assert torch.allclose(fine.sample_given_z(x_c, z), expected, atol=1e-6)


def test_samples_follow_their_generator_and_their_codes():
    model = small().eval()
    x_c = torch.rand(2, 3, 64, 64)
    one, two = (model.sample(x_c, 3, torch.Generator().manual_seed(s)) for s in (0, 0))
    assert torch.equal(one, two) and one.shape == (2, 3, 3, 64, 64)
    z = torch.randn(2, 3, model.sizes.n_code())
    each = torch.stack([model.sample_given_z(x_c, z[:, k : k + 1])[:, 0] for k in range(3)], 1)
    assert torch.allclose(model.sample_given_z(x_c, z), each, atol=1e-5)


def test_future_frames_are_input_plus_difference_in_range():
    x_c = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    v = torch.full((1, 3, 64, 64), 0.3)
    frame = future(x_c, v)
    assert frame.shape == x_c.shape
    assert frame[0, :, 0, 0] == pytest.approx([0.4, 0.8, 1.0])
    assert future(x_c, -v)[0, :, 5, 5] == pytest.approx([0.0, 0.2, 0.6])
