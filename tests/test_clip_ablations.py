"""The network on clips with one thing changed at a time, and the study that scores the changes."""

import json

import pandas as pd
import pytest
import torch

from cdvae.data.clips import frames
from cdvae.data.clips.frames import ClipPairs
from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics import variants
from cdvae.model import Batch
from cdvae.runs.settings import load_profile
from cdvae.studies import clips
from cdvae.tools.files import InputError

PLAIN = load_profile("smoke").clip_dynamics
KINDS = {each.name: each.kind for each in variants.variants(PLAIN)}


def rows(n: int = 4) -> Batch:
    pictures = torch.rand(2, n, 3, 64, 64, generator=torch.manual_seed(0))
    return Batch(pictures[0], pictures[1] - pictures[0], *torch.zeros(2, n, 0), 1.0, 0.0)


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return KINDS[name](PLAIN.network, 0.1, 64, True).eval()


@pytest.mark.parametrize("name", KINDS)
def test_every_variant_gives_a_bound_and_draws(name):
    """The KL term of the loss is that of `kl`, draws have the shape of differences, and their
    noise has the deviation that the network states."""
    model, batch = network(name), rows()
    with torch.no_grad():
        torch.manual_seed(1)
        terms = model.loss(batch)
        torch.manual_seed(1)
        mu, log_var = model.q_z_given_x(batch.x_c, batch.x_g)
        z = mu + torch.randn(mu.shape) * (log_var / 2).exp()
        kl = model.kl(model.features(batch.x_c)[2], (mu, log_var), z)
    assert kl.shape == (4,) and (kl >= 0).all()
    assert float(terms["kl"]) == pytest.approx(float(kl.mean()), rel=1e-4)
    total = terms["reconstruction"] + terms["kl"]
    assert float(terms["loss"]) == pytest.approx(float(total), rel=1e-5)
    z = model.prior_codes(batch.x_c, 3, torch.Generator().manual_seed(0))
    plain = model.sample_given_z(batch.x_c, z)
    noise = model.sample_given_z(batch.x_c, z, torch.Generator().manual_seed(0)) - plain
    assert noise.shape == (4, 3, 3, 64, 64)
    if name != "whole":  # whose noise has half the resolution
        assert float(noise.std()) == pytest.approx(0.1, rel=0.02)


def test_half_resolution_noise_is_that_of_the_output():
    model, batch = network("whole"), rows()
    z = model.prior_codes(batch.x_c, 3)
    noise = model.sample_given_z(batch.x_c, z, torch.Generator().manual_seed(0))
    noise = noise - model.sample_given_z(batch.x_c, z)
    drawn = 0.1 * torch.empty(12, 3, 32, 32).normal_(generator=torch.Generator().manual_seed(0))
    at_side = torch.nn.functional.interpolate(drawn, scale_factor=2, mode="bilinear")
    assert torch.allclose(noise.flatten(0, 1), at_side, atol=1e-6)


@torch.no_grad()
def test_changes_are_what_they_are_called():
    batch = rows()
    for name in ("whole", "whole-fine", "standard-prior"):  # the prior does not see the picture
        model = network(name)
        q = torch.randn(4, model.prior_codes(batch.x_c, 1).shape[2]), torch.zeros(4, 1)
        by_hand = 0.5 * q[0].square().sum(1)
        given = (q[0], q[1].expand_as(q[0]))
        maps = model.features(batch.x_c)[2]
        assert torch.allclose(model.kl(maps, given, q[0]), by_hand, rtol=1e-4)
    blind, seeing = network("no-products"), network("as-it-is")
    blind_first = blind.encoder[1]
    seeing.encoder[0].weight[:, :24] = blind_first.weight
    seeing.encoder[0].weight[:, 24:] = 0
    for ours, theirs in zip(
        seeing.q_z_given_x(*batch[:2]), blind.q_z_given_x(*batch[:2]), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert network("no-common").prior_codes(batch.x_c, 1).shape[2] == PLAIN.network.code * 64
    assert not network("even-noise").deviation.weight.requires_grad
    assert network("even-noise").log_sigma.requires_grad
    assert not network("fixed-noise").log_sigma.requires_grad


@torch.no_grad()
def test_free_bits_charge_what_lies_above_them():
    model, batch = network("free-bits"), rows()
    plain = network("as-it-is")
    q = model.q_z_given_x(*batch[:2])
    maps = model.features(batch.x_c)[2]
    assert torch.allclose(model.kl(maps, q, q[0]), plain.kl(maps, q, q[0]))
    model.train()
    priors = [
        torch.cat(x, 1)
        for x in zip(
            model.p_common(maps), model.p_here(maps, q[0][:, : PLAIN.network.common]), strict=True
        )
    ]
    each = torch.distributions.kl_divergence(
        *(torch.distributions.Normal(m, (v / 2).exp()) for m, v in (q, priors))
    ).mean(0)
    charged = sum(max(float(x), variants.FREE) for x in each)
    assert model.kl(maps, q, q[0]).tolist() == pytest.approx([charged] * 4, rel=1e-4)


def test_laplace_density_against_torch():
    x = torch.linspace(-1, 1, 9)
    by_torch = torch.distributions.Laplace(0.1, 0.3 / 2**0.5).log_prob(x)
    mu, log_sigma = torch.tensor(0.1), torch.tensor(0.3).log()
    assert torch.allclose(variants.log_laplace(x, mu, log_sigma), by_torch, atol=1e-5)


@pytest.fixture
def some_clips(tmp_path, monkeypatch):
    """Pairs that stand for clips, so that no video is written."""

    def load(root: str, split: str, n: int, *_: object) -> ClipPairs:
        n = min(n, 40)
        seed = ("train", "valid", "test").index(split)
        pictures = torch.randint(0, 256, (n, 3, 64, 64), generator=torch.manual_seed(seed))
        pairs = Pairs(pictures.byte(), pictures.roll(1, 3).byte())
        return ClipPairs(pairs, tuple(f"Walk/v_Walk_g{k % 5:02d}_c01.avi" for k in range(n)), 0)

    monkeypatch.setattr(frames, "load", load)
    monkeypatch.setattr(frames, "stamp", lambda root: "made up")
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    return tmp_path


def test_study_writes_what_it_has_and_goes_on(some_clips, monkeypatch):
    few = lambda plain: [each for each in variants.variants(plain) if each.name in NAMES]  # noqa: E731
    monkeypatch.setattr(clips, "variants", few)
    path = clips.run("smoke", str(some_clips), names=["whole"], device="cpu")
    table = pd.read_csv(path)
    assert table.variant.tolist() == ["as-it-is", "whole"]
    about = json.loads(path.with_suffix(".json").read_text())["runs"]
    assert set(about) == {"as-it-is/0", "whole/0"} and about["whole/0"]["key"]
    for cached in (some_clips / "cache" / "scores").iterdir():  # as in a clone without a cache
        cached.unlink()
    monkeypatch.setattr(clips, "interval", lambda *_: pytest.fail("made again"))
    assert clips.run("smoke", str(some_clips), names=["whole"], device="cpu") == path


def test_study_looks_at_validation_pairs_alone(some_clips):
    base, whole = (each for each in variants.variants(PLAIN) if each.name in NAMES)
    experiment = clips.VariantExperiment(whole, "smoke", str(some_clips), "cpu")
    assert torch.equal(experiment.pairs("test").first, experiment.pairs("valid").first)
    other = clips.VariantExperiment(base, "smoke", str(some_clips), "cpu")
    run = clips.run_of(0)
    assert experiment.model_key(run) != other.model_key(run)
    with pytest.raises(InputError, match="unknown variant 'no': choose from as-it-is, whole"):
        clips.run("smoke", str(some_clips), names=["no"])


NAMES = ("as-it-is", "whole")
