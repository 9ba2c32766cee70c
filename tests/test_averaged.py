"""Weights that are averaged: by hand, and in a training that they must not change."""

import pytest
import torch
from torch import nn

from cdvae.data.fields import TASKS
from cdvae.methods import method
from cdvae.methods.averaged import RAMP, Averaged
from cdvae.runs.settings import load_profile
from cdvae.training import Examples, Training, fit, mean_loss

SETTINGS = Training(steps=24, checks=4, batch_size=8)


class One(Averaged):
    """A model of one weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))


def test_the_average_by_hand():
    model, mean = One(), 1.0
    for step, weight in enumerate((1.0, 4.0, 2.0, 8.0), start=1):
        model.weight.data.fill_(weight)
        model.follow(0.25)
        decay = min(0.25, (1 + step) / (RAMP + step))
        mean = decay * mean + (1 - decay) * weight
    assert model.weight.item() == 8.0
    assert model.eval().eval().weight.item() == pytest.approx(mean)
    assert model.train().weight.item() == 8.0
    model.eval().load_state_dict({"weight": torch.tensor(3.0)})
    assert model.train().weight.item() == 3.0  # and nothing of before comes back


def trained(averaging: float):
    """A small model, its history and its validation loss after training."""
    profile = load_profile("smoke", spatial={"averaging": averaging})
    draw = torch.Generator().manual_seed(0)
    x_c, x_g = (torch.rand(40, n, 32, 32, generator=draw) for n in (1, 1))
    examples = Examples(x_c, x_g, torch.zeros(40, 4), torch.zeros(40, 4))
    torch.manual_seed(0)
    model = method("cdvae-spatial").build(TASKS["relighting"], profile)
    model.standardise(x_c, x_g)
    history = fit(model, examples, examples, SETTINGS, 0)
    return history, mean_loss(model.eval(), examples, SETTINGS.batch_size, 0)["loss"]


def test_training_is_the_same_and_the_average_is_kept():
    (plain, _), (averaged, kept) = trained(0.0), trained(0.9)
    for one, other in zip(plain, averaged, strict=True):
        assert one["train_loss"] == other["train_loss"]
        assert one["valid_loss"] != other["valid_loss"]
    assert kept == min(row["valid_loss"] for row in averaged)
