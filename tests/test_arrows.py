"""Arrows point where a known flow goes."""

import numpy as np
import pytest

from cdvae.figures.arrows import SMALLEST, arrows, distinct, fastest


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:32, :32] + 0.5
    return (columns - x) ** 2 + (rows - y) ** 2 < radius**2


def two_objects() -> np.ndarray:
    """One object to the left and up, one down; the rest creeps to the right."""
    flow = np.zeros((2, 32, 32))
    flow[0] = 0.2
    flow[:, disc(9, 10, 5)] = [[-4.0], [-1.0]]
    flow[:, disc(23, 21, 4)] = [[0.0], [3.0]]
    return flow


def test_each_object_has_one_arrow_that_points_its_way():
    first, second = arrows(two_objects())
    assert (first.dx, first.dy) == pytest.approx((-4, -1))
    assert (second.dx, second.dy) == pytest.approx((0, 3))
    assert np.hypot(first.x - 9, first.y - 10) < 1 and np.hypot(second.x - 23, second.y - 21) < 1
    assert first.cells == disc(9, 10, 5).sum() and second.cells == disc(23, 21, 4).sum()


def test_touching_regions_that_move_apart_have_an_arrow_each():
    flow = np.zeros((2, 32, 32))
    flow[0, 10:20, 6:16], flow[0, 10:20, 16:26] = 2.0, -2.0
    assert sorted(arrow.dx for arrow in arrows(flow)) == [-2, 2]


@pytest.mark.parametrize("angle", [0.0, 0.8, 2.0, 4.0])
def test_noise_does_not_turn_arrows(angle):
    flow = np.random.default_rng(0).normal(0, 0.3, (2, 32, 32))
    flow[:, disc(16, 16, 9)] += 3 * np.array([[np.cos(angle)], [np.sin(angle)]])
    (arrow,) = arrows(flow)
    assert np.hypot(arrow.dx - 3 * np.cos(angle), arrow.dy - 3 * np.sin(angle)) < 0.15


def test_a_pan_is_one_arrow_and_rest_is_none():
    flow = np.zeros((2, 32, 32))
    assert arrows(flow) == []
    flow[1] = -1.5
    (arrow,) = arrows(flow)
    assert (arrow.dx, arrow.dy, arrow.cells) == (0, -1.5, 1024)
    assert arrows(flow, top=4.0) == []  # beside a flow that is much faster it is small


def test_small_regions_have_no_arrow():
    flow = np.zeros((2, 32, 32))
    flow[0, :10, :10] = 2.0
    flow[0, 20, 20 : 20 + SMALLEST - 1] = 2.0
    assert len(arrows(flow)) == 1


def test_fastest_is_a_percentile_of_the_lengths():
    flow = np.zeros((5, 2, 32, 32))
    flow[:, 0, :2], flow[:, 1, :2] = 3.0, 4.0  # a sixteenth of the cells
    assert fastest(flow) == 5


def test_distinct_motions_are_one_of_each_kind_in_order_of_frequency():
    kinds = np.random.default_rng(1).normal(0, 2, (4, 2, 32, 32))
    of = np.array([2] * 40 + [0] * 30 + [3] * 20 + [1] * 10)
    samples = kinds[of] + np.random.default_rng(2).normal(0, 0.2, (100, 2, 32, 32))
    assert of[distinct(samples, 4)].tolist() == [2, 0, 3, 1]
