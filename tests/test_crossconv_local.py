"""The network with kernels that differ by place, its intervals and its oracles."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics import clip_figures, clip_results, limits
from cdvae.dynamics.pairs import FramePairs
from cdvae.methods.crossconv_local import LocalCrossConv, LocalSizes, enlarged, products
from cdvae.model import Batch

SIZES = LocalSizes(common=3, code=2, half=8, quarter=8, eighth=8)


def batch(n: int = 3, seed: int = 0) -> Batch:
    pictures = torch.rand(2, n, 3, 32, 32, generator=torch.manual_seed(seed))
    none = torch.zeros(n, 0)
    return Batch(pictures[0], pictures[1] - pictures[0], none, none, 0.5, 0.0)


def network(sampled: bool = True) -> LocalCrossConv:
    """A network whose noise differs by place, as that of a trained one does."""
    torch.manual_seed(0)
    model = LocalCrossConv(SIZES, 0.1, 32, sampled).eval()
    torch.nn.init.normal_(model.deviation.weight, std=10.0)
    return model


@torch.no_grad()
def test_a_code_mixes_kernels_at_each_place():
    """The fine half of `decode` is a convolution whose kernel at a place is Σ_m k_m B_m."""
    model, rows = network(), batch()
    half = model.features(rows.x_c)[0]
    here = torch.randn(3, SIZES.eighth, 4, 4)
    mixed = enlarged(model.mix_half(here), 4)
    fine = model.kernels_half(half) * mixed
    weight, bias = model.kernels_half.weight, model.kernels_half.bias
    padded = F.pad(half, [2] * 4)
    for n, m, y, x in ((0, 0, 3, 5), (2, 7, 15, 0), (1, 3, 8, 8)):
        kernel = mixed[n, m, y, x] * weight[m]  # of this place
        value = (kernel * padded[n, :, y : y + 5, x : x + 5]).sum() + mixed[n, m, y, x] * bias[m]
        assert float(fine[n, m, y, x]) == pytest.approx(float(value), abs=1e-5)


@torch.no_grad()
def test_the_loss_is_the_bound_by_hand():
    model, rows = network(), batch()
    torch.manual_seed(1)
    terms = model.loss(rows)
    torch.manual_seed(1)
    mu, log_var = model.q_z_given_x(rows.x_c, rows.x_g)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    z = mu + (log_var / 2).exp() * torch.randn(mu.shape)
    maps = model.features(rows.x_c)
    priors = zip(model.p_common(maps[2]), model.p_here(maps[2], z[:, :3]), strict=True)
    prior_mu, prior_log_var = (torch.cat(both, 1) for both in priors)
    p = torch.distributions.Normal(prior_mu, (prior_log_var / 2).exp())
    kl = torch.distributions.kl_divergence(q, p).sum(1).mean()
    mean, log_sigma = model.decode(maps, z)
    v = torch.distributions.Normal(mean, log_sigma.exp())
    reconstruction = -v.log_prob(rows.x_g).flatten(1).sum(1).mean()
    assert float(terms["kl"]) == pytest.approx(float(kl), rel=1e-4)
    assert float(terms["reconstruction"]) == pytest.approx(float(reconstruction), rel=1e-4)
    assert float(terms["loss"]) == pytest.approx(float(reconstruction + 0.5 * kl), rel=1e-4)
    assert torch.equal(network(False).loss(rows)["loss"], network(False).loss(rows)["loss"])


def test_the_mean_is_learned_with_one_deviation_and_the_noise_of_what_it_leaves():
    """Gradients of the loss by those of its two parts; an autoencoder's has nothing of chance."""
    model, rows = network(sampled=False), batch()
    parts = dict(model.named_parameters())
    total = torch.autograd.grad(model.loss(rows)["loss"], parts.values(), allow_unused=True)
    v, log_sigma = model.decode(model.features(rows.x_c), model.encode(rows.x_c, rows.x_g))
    even = torch.distributions.Normal(v, model.log_sigma.exp()).log_prob(rows.x_g)
    noise = torch.distributions.Normal(v.detach(), log_sigma.exp()).log_prob(rows.x_g)
    losses = [-x.flatten(1).sum(1).mean() for x in (even, noise)]
    mean, left = (torch.autograd.grad(x, parts.values(), allow_unused=True) for x in losses)
    for name, whole, one, other in zip(parts, total, mean, left, strict=True):
        expected = other if name.startswith("deviation") else one
        assert (other is None) == (not name.startswith("deviation"))
        if expected is not None:
            assert torch.allclose(
                whole, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
            )


@torch.no_grad()
def test_draws_are_of_the_prior_its_first_part_first():
    model, x_c = network(), batch().x_c
    n_code, eighth = 3 + SIZES.code * 16, model.features(x_c)[2].repeat_interleave(4, 0)
    assert model.q_z_given_x(x_c, batch().x_g)[0].shape == (3, n_code)
    generator, z = torch.manual_seed(3), []
    for prior in (model.p_common, lambda e: model.p_here(e, z[0])):
        mu, log_var = prior(eighth)
        z.append(mu + (log_var / 2).exp() * torch.randn(mu.shape, generator=generator))
    found = model.prior_codes(x_c, 4, torch.manual_seed(3))
    assert torch.allclose(found.flatten(0, 1), torch.cat(z, 1), atol=1e-6)
    one = model.sample(x_c, 4, torch.manual_seed(3))
    assert torch.allclose(one, model.sample_given_z(x_c, found), atol=1e-6)


@torch.no_grad()
def test_the_noise_of_draws_has_the_deviation_of_its_place():
    model, rows = network(), batch(1)
    z = model.encode(rows.x_c, rows.x_g, torch.manual_seed(0))[:, None].expand(-1, 4000, -1)
    noise = model.sample_given_z(rows.x_c, z, torch.manual_seed(1)) - model.sample_given_z(
        rows.x_c, z
    )
    expected = model.decode(model.features(rows.x_c), z[:, 0])[1].exp()[0]
    assert expected.max() > 1.1 * expected.min()
    assert torch.allclose(noise[0].std((0, 1)), expected[0], rtol=0.05)


def test_products_find_a_step_as_lucas_and_kanade_do():
    """A smooth picture moved by a fraction of a pixel: (A^T A)^-1 A^T b is minus the step."""
    y, x = torch.meshgrid(*[torch.arange(32.0)] * 2, indexing="ij")

    def picture(dx: float, dy: float) -> torch.Tensor:
        grey = torch.sin((x - dx) / 3) + torch.cos((y - dy) / 4) + torch.sin((x - dx + y - dy) / 5)
        return (grey / 6 + 0.5).expand(1, 3, 32, 32)

    first, step = picture(0, 0), (0.3, -0.2)
    found = (products(first, picture(*step) - first) / 8)[0, :, 2:-2, 2:-2]
    a, b, xx, xy, yy = (each.sign() * each.square() for each in found)
    sums = [float(each.sum()) for each in (a, b, xx, xy, yy)]
    matrix = np.array([[sums[2], sums[3]], [sums[3], sums[4]]])
    assert np.linalg.solve(matrix, -np.array(sums[:2])) == pytest.approx(step, abs=0.03)


def test_the_interval_of_independent_groups_is_the_textbooks():
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 2.0, 400)[None]
    low, high = clip_results.interval(values, np.arange(400))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)
    pairs = np.repeat(values, 2, 1)  # every pair twice, in its group: nothing is gained
    assert clip_results.interval(pairs, np.repeat(np.arange(400), 2)) == pytest.approx((low, high))


def test_oracles_explain_what_they_can_make():
    """A picture blurred by one kernel: one kernel explains it all. A smaller side shows what is the
    same in its pixels, and nothing of a chequerboard."""
    generator = torch.manual_seed(0)
    first = torch.rand(4, 3, 64, 64, generator=generator)
    kernel = torch.rand(1, 1, 5, 5, generator=generator) / 25
    second = F.conv2d(first.flatten(0, 1)[:, None], kernel, padding=2)[:, 0].unflatten(0, (4, 3))
    pairs = Pairs(*((x * 255).round().to(torch.uint8) for x in (first, second)))
    share = limits.limits(pairs).set_index("oracle").explained
    assert share["one kernel for the picture, 5 × 5"] > 0.99
    assert share["a kernel for each 8 × 8, 5 × 5"] > 0.99
    board = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2) * 2.0 - 1
    v = torch.stack([torch.ones(3, 64, 64), board.expand(3, 64, 64)])
    assert torch.allclose(limits.at_side(v, 32), torch.stack([v[0], torch.zeros(3, 64, 64)]))


def test_training_on_few_pairs_explains_them():
    """The network learns: pictures that move by one pixel, either way, are told apart."""
    from cdvae.training import Training, fit

    torch.manual_seed(0)
    smooth = F.interpolate(torch.rand(64, 3, 12, 12), size=40, mode="bilinear")
    way = torch.randint(0, 2, (64,)) * 2
    first = smooth[:, :, 4:36, 4:36]
    second = torch.stack([s[:, 4:36, 3 + w : 35 + w] for s, w in zip(smooth, way, strict=True)])
    pairs = FramePairs(*((x * 255).round().to(torch.uint8) for x in (first, second)))
    model = LocalCrossConv(LocalSizes(3, 2, 16, 16, 16), 0.05, 32).train()
    model.standardise(*pairs.batch(slice(0, 64))[:2])
    settings = Training(60, 2, 32, 3e-3, 2000.0, 0.5, 0.0, 0.0, 0.0)
    fit(model, pairs, pairs, settings, 0)
    x_c, x_g = pairs.batch(slice(0, 64))[:2]
    left = (model.eval().reproduce(x_c, x_g) - x_g).square().sum() / x_g.square().sum()
    assert float(left) < 0.5


def test_what_is_shown_follows_its_rule():
    energies = np.array([9.0, 1.0, 5.0, 3.0, 7.0, 2.0])
    change = np.array([0.0, 0.01, 0.01, 0.01, 0.01, 0.01])  # the first pair hardly moves
    shown = clip_figures.by_rule(energies, change)
    assert shown == {"first": 1, "median": 3, "best": 1, "worst": 4}


def test_the_moving_picture_has_two_frames_of_five_tiles(tmp_path):
    generator = torch.manual_seed(0)
    pairs = Pairs(*torch.randint(0, 256, (2, 2, 3, 16, 16), dtype=torch.uint8, generator=generator))
    clip_figures.animate(pairs, torch.zeros(2, 4, 3, 16, 16), 1, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 2 and picture.size == (5 * 48 + 4 * 6, 48)
