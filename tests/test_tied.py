"""The models of the ablations, and the table of them."""

import pandas as pd
import pytest
import torch

from cdvae.data.fields import TASKS
from cdvae.dvae import DVAE
from cdvae.methods import method
from cdvae.methods.tied import AllTied
from cdvae.model import CDVAE, Batch
from cdvae.runs import parallel
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.studies import ablations
from cdvae.ties import GaussianTie, MDNTie
from cdvae.tools.files import InputError

SIGMA = 0.3


def all_tied(sigma: float, share: float = 1.0) -> AllTied:
    torch.manual_seed(0)
    dvaes = (DVAE(1, (6, 5), (4, 8), 16, 0.5) for _ in range(2))
    return AllTied(*dvaes, [GaussianTie(n, sigma, share) for n in (6, 5)]).eval()


def test_every_layer_is_charged():
    """The cost beyond that of the top tie is the lower tie's, on the same draws."""
    model, (x_c, x_g) = all_tied(SIGMA), torch.rand(2, 5, 1, 32, 32)
    batch = Batch(x_c, x_g, torch.zeros(5, 5), torch.zeros(5, 5), kl_weight=0.5)
    torch.manual_seed(1)
    terms = model.loss(batch)
    torch.manual_seed(1)
    top_alone = CDVAE.loss(model, batch)
    torch.manual_seed(1)
    c, g = model.dvae_c.q_z_given_x(x_c), model.dvae_g.q_z_given_x(x_g)
    lower = float(((c.z[0] - g.z[0]) ** 2).sum(1).mean().detach()) / (2 * SIGMA**2)
    more = {name: float((terms[name] - top_alone[name]).detach()) for name in ("tie", "loss")}
    assert more == pytest.approx({"tie": lower, "loss": 0.5 * lower}, rel=1e-4)


def test_lower_codes_are_drawn_from_prior_times_tie(monkeypatch):
    """At a given z_c and a given prior: precisions add."""
    model = all_tied(SIGMA)
    drawn = []
    monkeypatch.setattr(model.dvae_g, "mean_x", lambda z: drawn.append(z) or z[:, :1, None, None])
    prior = torch.full((20000, 6), 0.5), torch.full((20000, 6), -1.0)
    monkeypatch.setattr(model.dvae_g, "p_z_given_above", lambda layer, z: prior)
    ladder = type("Ladder", (), {"z": [torch.full((20000, 6), 2.0), torch.zeros(20000, 5)]})
    monkeypatch.setattr(model.dvae_c, "q_z_given_x", lambda x, generator, n: ladder)
    model.sample(torch.zeros(1, 1, 32, 32), 20000, torch.Generator().manual_seed(0))
    a, b = SIGMA**-2, torch.tensor(-1.0).exp() ** -1
    assert float(drawn[0].mean()) == pytest.approx(float((2 * a + 0.5 * b) / (a + b)), abs=0.005)
    assert float(drawn[0].var()) == pytest.approx(float(1 / (a + b)), rel=0.02)


def test_untied_components_keep_their_prior():
    model = all_tied(1e-3, share=0.5)
    x_c = torch.rand(1, 1, 32, 32)
    z_c = model.dvae_c.q_z_given_x(x_c, torch.Generator().manual_seed(0), 500).z
    z_g = []
    model.dvae_g.mean_x = lambda z: z_g.append(z) or z[:, :1, None, None]
    model.sample(x_c, 500, torch.Generator().manual_seed(0))
    assert (z_g[0][:, :3] - z_c[0][:, :3]).abs().max() < 0.02
    assert (z_g[0][:, 3:] - z_c[0][:, 3:]).abs().mean() > 0.1


def test_one_component():
    model = method("mdn1").build(TASKS["resaturation"], load_profile("smoke"))
    assert isinstance(model.tie, MDNTie) and model.tie.shape[0] == 1
    batch = Batch(*torch.rand(2, 4, 1, 32, 32), *torch.zeros(2, 4, 8))
    assert torch.isfinite(model.loss(batch)["loss"])


@pytest.mark.parametrize("task", ["relighting", "motion"])
@pytest.mark.parametrize("name", ["smoke", "tuned"])  # which has settings for methods alone
def test_each_variant_is_a_run_of_its_own(name, task):
    plain = load_profile(name)
    keys = {}
    for variant in ablations.variants(task, plain, 200):
        experiment = Experiment(load_profile(name, **variant.changes))
        keys[variant[:3]] = experiment.score_key(Run(task, variant.method, 0))
    assert len(set(keys.values())) == len(keys) > 25


def test_a_variant_has_the_settings_of_what_it_is_compared_with():
    plain = load_profile("tuned")
    for variant in ablations.variants("relighting", plain, 200):
        if one := method(variant.method).variant_of:
            changed = load_profile("tuned", **variant.changes).of("relighting", variant.method)
            base = plain.of("relighting", one)
            assert changed.network == base.network and changed.training == base.training


def test_table_of_ablations(monkeypatch):
    few = [
        v for v in ablations.variants("relighting", load_profile("smoke"), 200) if v.method != "nn"
    ]
    few = [v for v in few if v.group in {"base", "guidance", "examples"}][3:9]
    monkeypatch.setattr(ablations, "variants", lambda *_: few)
    monkeypatch.setattr(parallel, "cores", lambda: 1)  # here: workers would import all anew
    found, about = ablations.table("smoke", "scenes", None, "relighting")
    assert isinstance(found, pd.DataFrame) and len(about) == len(few)
    best = found[(found.metric == "best_error") & (found.n_samples == 100)]
    assert len(best) == len(few) and best.value.notna().all()
    assert {"key", "checkpoint_sha256"} <= set(about[next(iter(about))])


def test_settings_of_one_task_alone():
    profile = load_profile("smoke", by_task={"motion": {"tie": {"sigma": 0.9}}})
    assert profile.of("motion").tie.sigma == 0.9 != profile.of("relighting").tie.sigma
    wrong = load_profile("smoke", by_task={"motion": {"tie": {"sgima": 0.9}}})
    with pytest.raises(InputError, match="unknown setting 'sgima'"):
        wrong.of("motion")


def test_some_of_the_examples():
    run = Run("relighting", "nn", 0)
    experiment = Experiment(load_profile("smoke", n_used=120, flips=True))
    assert len(experiment.examples("relighting", "train")) == 240
    assert experiment.scores(run)["sizes"] == {"train": 120, "test": 40}
