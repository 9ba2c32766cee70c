"""What samples depend on, held to closed forms on made fields, and to the world's own rules."""

import math

import pytest
import torch

from cdvae.data.drawn import scenes, world
from cdvae.data.fields import TASKS
from cdvae.report import dependence, windows

SIZE = 32


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("b", "w"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 2.0), (3.0, 1.0)])
def test_the_share_between_inputs_is_that_of_the_variances(b, w):
    means, errors = noise(300, 1, 1, SIZE, SIZE), noise(300, 4, 1, SIZE, SIZE, seed=1)
    found = dependence.share_between(b * means + w * errors)
    assert found == pytest.approx(b**2 / (b**2 + w**2), abs=0.01)


def test_the_share_between_two_inputs_by_hand():
    samples = torch.tensor([[1.0, 3.0], [6.0, 8.0]])[:, :, None, None, None]
    # within: 2; of the means 2 and 7: 12.5; between: 12.5 − 2/2 = 11.5
    assert dependence.share_between(samples) == pytest.approx(11.5 / 13.5)
    assert dependence.share_between(torch.ones(3, 2, 1, 4, 4)) == 0


def cells(k: int, seed: int) -> torch.Tensor:
    """Fields that are constant in each cell of an 8 × 8 grid: (k, 1, 40, 40)."""
    return noise(k, 1, 5, 5, seed=seed).repeat_interleave(8, 2).repeat_interleave(8, 3)


def test_the_layout_of_the_truth_agrees_and_that_of_others_does_not():
    x_g = cells(200, 0)
    assert dependence.layout_agreement(x_g[:, None], x_g) == pytest.approx(1)
    assert dependence.layout_agreement(-x_g[:, None], x_g) == pytest.approx(-1)
    shifted = x_g[:, None] + 5 * cells(1, 1)  # one average field, the same for every input
    assert dependence.layout_agreement(shifted, x_g) == pytest.approx(1)
    assert abs(dependence.layout_agreement(x_g.roll(1, 0)[:, None], x_g)) < 0.05
    half = torch.stack([x_g + cells(200, seed) for seed in (2, 3)], 1)
    assert dependence.layout_agreement(half, x_g) == pytest.approx(1 / math.sqrt(2), abs=0.02)
    assert dependence.layout_agreement(torch.zeros_like(half), x_g) == 0


def test_edges_agree_with_those_of_their_own_input_alone():
    x_c = noise(20, 1, SIZE, SIZE)
    own, other = dependence.edge_agreement(x_c, 0.3 * x_c[:, None] + 2)
    assert own == pytest.approx(1) and abs(other) < 0.05
    own, other = dependence.edge_agreement(x_c, x_c.roll(1, 0)[:, None])
    assert abs(own) < 0.05 and other == pytest.approx(1 / 19, abs=0.05)
    flat = torch.ones(20, 3, 1, SIZE, SIZE)
    assert dependence.edge_agreement(x_c, flat) == (0, 0)


def test_steepness_of_a_plane():
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    found = dependence.steepness((3 * x + 4 * y)[None, None])
    assert found.shape == (1, 31 * 31) and torch.allclose(found, torch.tensor(5.0))


def test_inputs_are_spread_over_the_split():
    assert dependence.to_rows(5, 9) == [0, 1, 2, 3, 4]
    rows = dependence.to_rows(1000, 4)
    assert rows == [0, 333, 666, 999]


def test_the_tilt_of_a_plane_is_its_slope():
    line = (torch.arange(SIZE) + 0.5) / SIZE * 2 - 1
    plane = 0.4 * (1 + 0.25 * line[None] - 0.5 * line[:, None])
    expected = torch.tensor([-0.25, 0.25, 0.5])
    assert torch.allclose(windows.tilts(plane), expected, atol=1e-5)
    assert int(windows.from_where(plane)) == world.SIDES.index("top")
    assert int(windows.from_where(torch.full((SIZE, SIZE), 0.4))) == 0


def test_paleness_is_the_difference_and_counts_its_own_place_alone():
    for k, place in enumerate(windows.places()):
        field = torch.where(place, 0.05, 0.45)
        expected = torch.zeros(3)
        expected[k] = 0.4
        assert torch.allclose(windows.paleness(field), expected, atol=1e-6)
        assert not (windows.surroundings(place) & place).any()


@pytest.fixture(scope="module")
def truth():
    """Draws of the exact conditional, by task."""
    rows, found = list(range(150)), {}
    for task in TASKS:
        test = scenes.load(TASKS[task], "test", len(rows), 0)
        generator = torch.Generator().manual_seed(0)
        draws = test.truth.sample(torch.tensor(rows), 8, generator)
        found[task] = test, draws, windows.by_window(test.truth, rows, draws)
    return found


def test_in_truth_light_comes_from_the_window_and_windows_are_where_they_are(truth):
    _, _, light = truth["relighting"]
    for side in (1, 2, 3):  # three quarters by the world's rule, but for lamps, objects and chance
        assert light[side][side] > 0.6
        assert sum(light[side]) == pytest.approx(1)
    _, _, pale = truth["resaturation"]
    for side in (1, 2, 3):
        here = pale[side].pop(side - 1)
        assert here > 0.2 and max(map(abs, pale[side])) < 0.05
    assert truth["motion"][2] is None


def test_the_truth_depends_on_its_input_and_other_inputs_samples_do_not(truth):
    for test, draws, _ in truth.values():
        found = dependence.measures(test.x_c, test.x_g, draws)
        assert 0.1 < found["between"] < 0.95 and found["edges"] > 0.1
        cells = dependence.coarse(draws).unflatten(0, draws.shape[:2])  # alike given the input
        alike = dependence.share_between(cells[..., None, None])
        assert found["layout"] == pytest.approx(alike, abs=0.06) and alike > 0.1
        ignoring = draws.flatten(0, 1)[torch.randperm(1200, generator=torch.Generator())]
        without = dependence.measures(test.x_c, test.x_g, ignoring.view_as(draws))
        assert max(abs(without[name]) for name in ("between", "layout", "edges")) < 0.05
        assert without["edges_of_truth"] == found["edges_of_truth"]
