"""Weights in 8 bits, and which of a model's weights its answers need."""

import pytest
import torch
from torch import nn

from cdvae.data.fields import task_named
from cdvae.methods import learned, method
from cdvae.release.answering import modules_without, weights_for_answers
from cdvae.runs.settings import load_profile
from cdvae.tools.compact import LEAST, SCALE, compact, expanded


def test_rounding_is_at_most_half_a_step_of_each_row():
    weights = {
        "matrix": torch.randn(40, 50) * torch.logspace(-6, 3, 40)[:, None],
        "kernels": torch.randn(20, 8, 3, 3),
        "zero": torch.zeros(64, 64),
        "bias": torch.randn(2000),
        "small": torch.randn(8, 8),
        "large": torch.tensor([1.0, 7e4, 1e6]),
        "count": torch.tensor(7),
    }
    kept = compact(weights)
    found = expanded(kept)
    assert found.keys() == weights.keys()
    for name in ("matrix", "kernels", "zero"):
        assert kept[name].dtype == torch.int8 and weights[name].numel() >= LEAST
        most = weights[name].flatten(1).abs().amax(1)
        far = (found[name] - weights[name]).flatten(1).abs().amax(1)
        assert (far <= most / 254 * 1.0001).all(), name
        assert torch.equal(found[name].flatten(1).abs().amax(1) > 0, most > 0)
    for name in ("bias", "small"):
        assert torch.equal(found[name], weights[name].half().float())
    assert torch.equal(found["large"], weights["large"])  # no half is that large
    assert int(found["count"]) == 7 and f"bias{SCALE}" not in kept
    assert found["matrix"].dtype == torch.float32


def answers(model, x_c, x_g):
    generator = torch.Generator().manual_seed(0)
    return (
        model.sample(x_c, 3, generator),
        model.reproduce(x_c, x_g, generator),
        model.fields_of(x_c[:1], model.draws(x_c[:1], 3, generator)),
    )


@pytest.mark.parametrize("task", ["relighting", "motion"])
@pytest.mark.parametrize("name", learned())
def test_answers_hang_on_no_weight_that_is_left_out(name, task):
    entry = method(name)
    if not entry.serves(task):
        pytest.skip(f"{name} has no {task}")
    about, profile = task_named(task), load_profile("smoke")
    torch.manual_seed(0)
    model = entry.build(about, profile).eval()
    x_c, x_g = (torch.rand(2, n, 32, 32) for n in (about.channels_c, about.channels_g))
    expected = answers(model, x_c, x_g)
    kept = weights_for_answers(model, x_c, x_g)
    for key, value in model.state_dict().items():
        if key not in kept and value.is_floating_point():
            value.fill_(torch.nan)  # what a checkpoint without it would have
    for left, right in zip(expected, answers(model, x_c, x_g), strict=True):
        assert torch.equal(left, right) and left.isfinite().all()


class Half(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        self.mixed = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])


def test_modules_without_a_weight_are_named_once():
    kept = ["used.weight", "mixed.1.weight"]
    assert modules_without(Half(), kept) == ["unused", "mixed.0"]
