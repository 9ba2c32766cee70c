"""The loop: schedules, reproducibility, the best check, and what it does with a wild loss."""

import pytest
import torch
from torch import nn

from cdvae.data.fields import TASKS
from cdvae.methods import method
from cdvae.model import Batch
from cdvae.runs.settings import load_profile
from cdvae.training import Descent, Examples, NotFinite, fit, guidance_weight, kl_weight

PROFILE = load_profile("smoke")


def examples(n: int, seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    x_c, x_g = torch.rand(2, n, 1, 32, 32, generator=generator)
    return Examples(x_c, x_g, *torch.randn(2, n, 8, generator=generator))


def trained(seed: int) -> tuple[nn.Module, list[dict]]:
    torch.manual_seed(seed)
    model = method("gauss").build(TASKS["resaturation"], PROFILE)
    history = fit(model, examples(130, 0), examples(40, 1), PROFILE.training, seed)
    return model, history


def test_same_seed_gives_equal_bits_and_another_seed_does_not():
    (first, rows), (again, rows_again), (other, _) = trained(0), trained(0), trained(1)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row["valid_loss"] for row in rows] == [row["valid_loss"] for row in rows_again]
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_a_step_is_that_of_adam_on_each_weight_with_gradients_scaled_to_a_norm():
    """The loop keeps all weights in one vector; torch's own Adam and clipping keep them apart.

    CVAE has no batch normalisation, before which a bias has no gradient but rounding.
    """
    settings = load_profile("smoke", training={"gradient_norm": 5.0}).training
    models = []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(method("cvae").build(TASKS["resaturation"], PROFILE))
    data, index = examples(64, 0), torch.arange(64)
    descent, reference = Descent(models[0], settings), models[1]
    optimiser = torch.optim.Adam(reference.parameters(), settings.learning_rate)
    for step in range(2):
        torch.manual_seed(step)
        batch = data.batch(index, *descent.weighing())
        optimiser.param_groups[0]["lr"] = descent.schedule.get_last_lr()[0]
        optimiser.zero_grad()
        reference.loss(batch)["loss"].backward()
        nn.utils.clip_grad_norm_(reference.parameters(), settings.gradient_norm)
        optimiser.step()
        torch.manual_seed(step)
        descent.update(data, index)
    descent.release()
    places = {part.untyped_storage().data_ptr() for part in models[0].parameters()}
    assert len(places) == len(list(models[0].parameters()))
    for a, b in zip(models[0].parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)


def test_schedules():
    settings = PROFILE.training
    assert kl_weight(0.0, settings) == 0 and kl_weight(settings.warm_up, settings) == 1
    assert kl_weight(settings.warm_up / 2, settings) == 0.5
    assert guidance_weight(0.0, settings) == settings.guidance_start
    just_before = guidance_weight(settings.guidance_share - 1e-9, settings)
    assert just_before == pytest.approx(settings.guidance_end, rel=1e-3)
    assert guidance_weight(settings.guidance_share, settings) == 0
    falling = [guidance_weight(k / 100, settings) for k in range(100)]
    assert falling == sorted(falling, reverse=True)


class Scripted(nn.Module):
    """A model whose validation loss is given, and whose weight counts the steps."""

    def __init__(self, valid_losses):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.valid_losses = iter(valid_losses)

    def loss(self, batch: Batch):
        if torch.is_grad_enabled():
            return {"loss": -self.weight.sum()}  # Adam moves the weight up, step by step
        return {"loss": torch.tensor(next(self.valid_losses))}


def test_weights_of_the_best_check_are_kept():
    settings = load_profile("smoke", training={"steps": 4, "checks": 4, "batch_size": 130}).training
    seen = []
    model = Scripted([3.0, 1.0, 2.0, 5.0])
    fit(
        model,
        examples(130, 0),
        examples(40, 1),
        settings,
        0,
        lambda row: seen.append(model.weight.item()),
    )
    assert model.weight.item() == seen[1]


class Wild(nn.Module):
    """A loss that becomes infinite at the third step."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls = 0

    def loss(self, batch: Batch):
        self.calls += torch.is_grad_enabled()
        tie = torch.tensor(float("inf") if self.calls == 3 else 1.0)
        return {"tie": tie, "kl": torch.tensor(1.0), "loss": self.weight.sum() + tie}


def test_a_loss_that_is_not_finite_stops_with_step_term_and_remedy():
    with pytest.raises(NotFinite, match=r"step 2 \(term: tie\): lower training.learning_rate"):
        fit(Wild(), examples(300, 0), examples(40, 1), PROFILE.training, 0)


def test_history_names_every_term_in_nats():
    _, rows = trained(0)
    assert [row["step"] for row in rows] == [3, 6]
    for term in ("loss", "tie", "kl_c", "kl_g", "kl_g1", "kl_g3", "reconstruction_g"):
        assert {f"train_{term}", f"valid_{term}"} <= set(rows[0])
    assert rows[0]["images_per_second"] > 0
