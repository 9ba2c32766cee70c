"""Answers that differ, beside all choices that there are."""

from itertools import combinations

import pytest
import torch

import cdvae
from cdvae.checkpoints import names
from cdvae.covering import DRAWN, covering
from cdvae.tools.errors import InputError


@pytest.fixture
def draws():
    return torch.randn(20, 8, 1, 3, 2, generator=torch.Generator().manual_seed(0))


def radius(all_rows, chosen):
    """The largest distance of any row to the nearest of those chosen."""
    return torch.cdist(all_rows, chosen).min(1).values.max()


def test_they_cover_within_twice_the_least_radius(draws):
    for own, chosen in zip(draws.flatten(2), covering(draws, 3).flatten(2), strict=True):
        least = min(radius(own, own[list(some)]) for some in combinations(range(len(own)), 3))
        assert radius(own, chosen) <= 2 * least + 1e-5


def least_apart(some):
    """The least distance of two of these rows."""
    return torch.pdist(some).min()


def test_they_are_draws_at_least_half_as_far_apart_as_any_could_be(draws):
    for own, chosen in zip(draws.flatten(2), covering(draws, 3).flatten(2), strict=True):
        assert (torch.cdist(chosen, own).min(1).values < 1e-6).all()
        most = max(least_apart(own[list(some)]) for some in combinations(range(len(own)), 3))
        assert least_apart(chosen) >= most / 2 - 1e-5


def test_the_first_is_the_most_typical(draws):
    middle = draws.flatten(2).mean(1, keepdim=True)  # the least sum of squares is nearest to it
    index = torch.cdist(draws.flatten(2), middle)[..., 0].argmin(1)
    assert torch.equal(covering(draws, 1)[:, 0], draws[torch.arange(20), index])


def test_a_checkpoint_gives_them():
    checkpoint = cdvae.load(names()[-1])
    x_c = torch.rand(2, checkpoint.task.channels_c, 32, 32)
    expected = covering(checkpoint.sample(x_c, 3 * DRAWN, seed=1), 3)
    assert torch.equal(checkpoint.sample(x_c, 3, seed=1, spread="covering"), expected)
    with pytest.raises(InputError, match="independent, covering"):
        checkpoint.sample(x_c, 3, spread="wide")
