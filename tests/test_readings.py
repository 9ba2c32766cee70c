"""The rows beside the paper's: each differs from its row in what it says, and in nothing else."""

import math

import pytest
import torch

from cdvae.data.fields import TASKS
from cdvae.gaussian import kl
from cdvae.methods import method
from cdvae.model import Batch
from cdvae.runs.settings import load_profile
from cdvae.training import Descent, Examples

ROWS = (
    *("cvae-paper", "cvae-vector", "shallow-wide"),
    *("gauss-exact", "mdn12-normalised", "gauss-sees", "fm-full"),
)


def model_of(name: str, task: str = "motion"):
    profile = load_profile("smoke").of(task, name)
    torch.manual_seed(0)
    model = method(name).build(TASKS[task], profile)
    batch = batch_of(task, 16)
    model.standardise(batch.x_c, batch.x_g)
    return model, batch, profile


def batch_of(task: str, n: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    sizes = TASKS[task].channels_c, TASKS[task].channels_g
    x_c, x_g = (torch.rand(n, c, 32, 32, generator=generator) for c in sizes)
    return Batch(x_c, x_g, torch.zeros(n, 8), torch.zeros(n, 8))


@pytest.mark.parametrize("name", ROWS)
def test_rows_train_and_sample(name):
    model, batch, profile = model_of(name)
    guided = torch.zeros(16, max(1, method(name).guided_code(profile)))
    examples = Examples(batch.x_c, batch.x_g, guided, guided)
    descent = Descent(model.train(), method(name).training(profile))
    before = descent.weights.clone()
    descent.update(examples, torch.arange(16))
    assert (descent.weights != before).float().mean() > 0.5
    descent.release()
    samples = model.eval().sample(batch.x_c[:3], 4, torch.Generator().manual_seed(0))
    assert samples.shape == (3, 4, 2, 32, 32) and samples.isfinite().all()
    again = model.sample(batch.x_c[:3], 4, torch.Generator().manual_seed(0))
    assert torch.equal(samples, again)
    assert model.reproduce(batch.x_c, batch.x_g).shape == batch.x_g.shape


def test_profiles_cannot_take_from_a_row_what_makes_it():
    profile = load_profile("tuned", by_method={"gauss-exact": {"tie": {"exact": False}}})
    assert profile.of("resaturation", "gauss-exact").tie.exact
    for name in ("gauss", "mdn4", "mdn12", "shallow"):
        tie = load_profile("tuned").of("resaturation", name).tie
        assert not tie.exact and not tie.mdn_normalised  # as printed
    assert profile.of("motion", "mdn12-normalised").tie.mdn_normalised


def test_settings_of_a_method_come_after_those_of_the_task():
    changes = {
        "by_method": {"cvae": {"cvae": {"sigma": 2.0}, "training": {"steps": 7}}},
        "by_task": {
            "motion": {"cvae": {"sigma": 5.0}, "by_method": {"cvae": {"cvae": {"width": 3}}}}
        },
    }
    profile = load_profile("quick", **changes)
    assert profile.of("motion").cvae.sigma == 5.0
    assert profile.of("motion", "cvae").cvae == profile.of("relighting", "cvae").cvae.__class__(
        width=3, sigma=2.0
    )
    assert method("cvae").training(profile.of("relighting", "cvae")).steps == 7
    assert method("gauss").training(profile.of("relighting", "gauss")).steps == 1000


def test_draws_of_the_exact_row_are_those_of_the_exact_tie():
    exact, printed = model_of("gauss-exact")[0].tie, model_of("gauss")[0].tie
    assert exact.exact and not printed.exact
    z_c, shrink = torch.ones(1, 8), 1 / (1 + exact.sigma**2)
    mu, log_var = exact.conditional(z_c)
    assert mu[0, 0] == pytest.approx(shrink)
    assert log_var[0, 0].exp() == pytest.approx(shrink * exact.sigma**2)
    assert printed.conditional(z_c)[0][0, 0] == 1.0


def test_the_wide_code_has_as_many_numbers_as_the_deep_models_have_in_all():
    wide, deep = model_of("shallow-wide")[0], model_of("gauss")[0]
    assert len(wide.dvae_g.latents) == 1
    assert sum(wide.dvae_g.latents) == sum(deep.dvae_g.latents) == wide.tie.n_code


def test_plain_loss_is_the_squared_error_of_the_field_and_the_divergence():
    model, batch, _ = model_of("cvae-paper")
    torch.manual_seed(3)
    terms = model.loss(batch._replace(kl_weight=0.5))
    mu, log_var = model.q_z(batch.x_c, batch.x_g)
    torch.manual_seed(3)
    z = mu + (0.5 * log_var).exp() * torch.randn_like(mu)
    x_hat = model.decoded(batch.x_c, z)[:, 0]
    l2 = (x_hat - batch.x_g).square().sum((1, 2, 3)).mean()
    divergence = kl(mu, log_var, torch.zeros_like(mu), torch.zeros_like(mu)).sum(1).mean()
    assert terms["l2"].item() == pytest.approx(l2.item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx((l2 + 0.5 * divergence).item(), rel=1e-5)
    assert not method("cvae-paper").has_likelihood


def test_the_vector_is_all_that_the_decoder_sees_of_x_c():
    model, batch, profile = model_of("cvae-vector")
    narrow = model.image_tower[:13](batch.x_c)
    assert narrow.shape == (16, profile.cvae.code)
    assert torch.equal(model.image_tower[13:](narrow), model.image_tower(batch.x_c))


def test_the_seeing_decoder_tells_two_inputs_of_one_code_apart():
    seeing, batch, _ = model_of("gauss-sees")
    with torch.no_grad():
        z_1 = torch.zeros(2, 8)
        one, other = seeing.mean_of(z_1, batch.x_c[:2])[:, 0]
        assert not torch.allclose(one, other, atol=1e-4)
        blind = model_of("gauss")[0].dvae_g.mean_x(z_1)
        assert torch.equal(blind[0], blind[1])


def test_the_bound_of_the_seeing_model_by_hand():
    model, batch, _ = model_of("gauss-sees")
    model.eval()
    torch.manual_seed(5)
    terms = model.loss(batch)
    torch.manual_seed(5)
    model.dvae_c.q_z_given_x(batch.x_c)
    g = model.dvae_g.q_z_given_x(batch.x_g)
    z = model.seen(g.z[0], batch.x_c)
    mu, log_var = model.dvae_g.p_x_given_z(z)
    standard = model.dvae_g.standard
    log_p = -0.5 * (
        (standard.apply_to(batch.x_g) - mu).square() / log_var.exp()
        + log_var
        + math.log(2 * math.pi)
    )
    log_p = log_p.sum((1, 2, 3)) + standard.log_det(1024)
    assert terms["reconstruction_g"].item() == pytest.approx(-log_p.mean().item(), rel=1e-4)


def test_the_whole_network_has_maps_of_every_pixel():
    model, batch, _ = model_of("fm-full")
    maps = model.down(torch.cat([batch.x_g, batch.x_c], 1))
    assert [each.shape[-1] for each in maps[:-1]] == [32, 16, 8, 4]
    assert model.velocity(batch.x_g, torch.zeros(16), batch.x_c).shape == batch.x_g.shape
