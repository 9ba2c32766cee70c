"""The studies behind the verdicts: search, limits and cost, on cases with known answers."""

from types import SimpleNamespace

import pytest
import torch
from scoringrules import es_ensemble

from cdvae.data.fields import task_named
from cdvae.dvae import DVAE
from cdvae.methods import method
from cdvae.methods.flow_matching import Flow
from cdvae.model import CDVAE
from cdvae.runs.settings import load_profile
from cdvae.studies import cost, evaluations, limits, trial
from cdvae.ties import GaussianTie


def test_criterion_of_the_search():
    rows = [
        {"method": "nn", "best_error_100": 2.0, "energy_score": 6.0},
        {"method": "marginal", "best_error_100": 3.0, "energy_score": 5.0},
        {"method": "gauss", "best_error_100": 2.5, "energy_score": 5.0},
        {"method": "gauss", "best_error_100": 1.0, "energy_score": 4.0},
    ]
    judged = trial.judged(rows)
    assert [row["criterion"] for row in judged] == pytest.approx([2.2, 2.5, 1.3, 2.25])


def test_principal_components_against_their_variances():
    torch.manual_seed(0)
    scales = torch.tensor([5.0, 3.0, 1.0, 0.1])
    x = torch.zeros(4000, 1, 4, 4)
    x.flatten(1)[:, :4] = torch.randn(4000, 4) * scales
    left = limits.principal(x, x, 2)
    assert left == pytest.approx((1.0 + 0.01) / 16, rel=0.05)


def test_codebook_of_as_many_fields_as_there_are():
    x = torch.eye(100).reshape(100, 1, 10, 10)
    assert limits.codebook(x, x) == pytest.approx(0, abs=1e-10)


def test_mixed_draws_against_scoringrules():
    torch.manual_seed(0)
    similar, anyones = torch.randn(3, 8, 1, 4, 4), 2 + torch.randn(3, 8, 1, 4, 4)
    x_g = torch.randn(3, 1, 4, 4)
    for share, k in ((0.0, 0), (0.25, 2), (1.0, 8)):
        both = torch.cat([similar[:, :k], anyones[:, k:]], 1).flatten(2).numpy()
        fair = es_ensemble(x_g.flatten(1).numpy(), both, estimator="fair").mean()
        assert limits.mixed(similar, anyones, x_g, share) == pytest.approx(fair, rel=1e-5)


def test_cost_counts_parameters_and_times_the_slowest_as_one():
    found = cost.table("smoke", "motion", 3).set_index("method")
    net = method("fm").build(task_named("motion"), load_profile("smoke"))
    assert found.loc["Flow matching", "parameters"] == sum(p.numel() for p in net.parameters())
    assert found.loc["Flow matching", "times faster"] == 1.0
    assert (found["ms for 100 samples"] > 0).all()


def test_the_three_are_matched_in_parameters():
    quick = load_profile("quick")
    built = {
        name: method(name).build(task_named("relighting"), quick)
        for name in ("cdvae-spatial", "fm", "unet", "mdn12")
    }
    found = [sum(p.numel() for p in model.parameters()) for model in built.values()]
    assert max(found) < 1.06 * min(found) and found[0] == min(found)  # no advantage to ours


def test_a_code_of_the_answer_replaces_the_tied_one():
    """One layer, whose codes are all but certain: what comes out is the decoded mean."""
    torch.manual_seed(0)
    dvaes = (DVAE(1, (6,), (4, 8), 16, 0.5) for _ in range(2))
    model = CDVAE(*dvaes, GaussianTie(6, 0.5)).eval()
    head = model.dvae_g.q_head[0].linear
    head.weight.data[6:], head.bias.data[6:] = 0, -8  # log-variances
    x_c, x_g = torch.rand(2, 3, 1, 32, 32)
    found = model.with_own_code(x_c, x_g, 100, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.dvae_g.mean_x(model.dvae_g.q_top_given_x(x_g)[0])
    assert found.shape == (3, 100, 1, 32, 32)
    assert (found.mean(1) - expected).abs().max() < 0.02
    measured = limits.of_model(model, x_c, x_g)
    assert measured["reconstruction"] == pytest.approx(
        float((expected - x_g).square().mean()), rel=0.1
    )
    assert measured["best of 100, top code of the answer"] <= measured["reconstruction"] * 1.01


class Noise:
    """A stand-in for flow matching: draws of Gaussian noise, less of it with more evaluations."""

    settings = Flow()

    def sample(self, x_c, n, generator):
        shape = (len(x_c), n, 1, 32, 32)
        return torch.randn(shape, generator=generator) / self.settings.evaluations


def test_flow_matching_is_scored_by_evaluations(monkeypatch):
    x = torch.zeros(3, 1, 32, 32)
    fields = {"valid": SimpleNamespace(x_c=x, x_g=x)}
    experiment = SimpleNamespace(model=lambda _: Noise(), fields=lambda _: fields, device="cpu")
    rows = evaluations.of_task(experiment, "resaturation", 0)
    assert [row[1] for row in rows] == list(evaluations.NUMBERS) and rows[0][2] == 3
    for _, number, _, error, energy in rows:  # E|X| − ½ E|X − X'| of 1,024 numbers
        assert energy == pytest.approx(32 * (1 - 2**-0.5) / number, rel=0.02)
        assert error == pytest.approx(number**-2, rel=0.15) and error < number**-2
