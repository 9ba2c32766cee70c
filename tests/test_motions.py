"""Motions read back from frames whose motion is known, and the divergence of their histograms."""

import numpy as np
import pytest
import torch
from scipy import stats

from cdvae.data.drawn import shapes
from cdvae.dynamics import motions
from cdvae.methods.crossconv import future, resized

PAIRS = shapes.load("valid", 300, 5)
BEFORE, AFTER = PAIRS.first.float() / 255, PAIRS.second.float() / 255


def test_motions_of_true_pairs_are_found_to_a_fifth_of_a_pixel():
    found = motions.errors(PAIRS.shapes, AFTER, PAIRS.motion)
    assert max(found.values()) < 0.2


def test_no_motion_is_found_where_there_is_none():
    found = motions.errors(PAIRS.shapes, BEFORE, torch.zeros(300, 3, 2))
    assert max(found.values()) < 0.15


@pytest.mark.parametrize(("change", "most"), [("noise", 0.25), ("half resolution", 0.6)])
def test_motions_are_found_in_imperfect_frames(change, most):
    generator = torch.Generator().manual_seed(0)
    noisy = AFTER + 0.1 * torch.randn(AFTER.shape, generator=generator)
    half = future(BEFORE, resized(resized(AFTER - BEFORE, 32), 64))
    found = motions.errors(PAIRS.shapes, noisy if change == "noise" else half, PAIRS.motion)
    assert max(found.values()) < most


def test_motions_off_the_axes_are_found_as_well():
    """The measure knows nothing of the kinds' axes: shapes are moved anywhere within REACH."""
    generator = torch.Generator().manual_seed(1)
    motion = 10 * torch.rand(300, 3, 2, generator=generator) - 5
    frames = shapes.render(PAIRS.shapes.moved(motion))
    wrong = (motions.measure(PAIRS.shapes, frames) - motion).norm(dim=2)
    seen = shapes.visible(PAIRS.shapes) > 0.5
    assert wrong[seen].median() < 0.1 and (wrong[seen] > 1).float().mean() < 0.02


def test_histogram_agrees_with_numpy():
    points = 3 * torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    edges = np.arange(-9, 10, 2.0)
    edges[0], edges[-1] = -np.inf, np.inf
    counts, _, _ = np.histogram2d(*points.T.numpy(), bins=(edges, edges))
    assert torch.allclose(
        motions.histogram(points), torch.from_numpy(counts).flatten().float() / 5000
    )


def test_divergence_agrees_with_scipy_and_vanishes_for_draws_of_one_distribution():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(20_000, 2, generator=generator) * scale for scale in (2.0, 3.0))
    p, q = motions.histogram(a).double(), motions.histogram(b, 0.5).double()
    assert motions.divergence(a, b) == pytest.approx(stats.entropy(p, q), rel=1e-4)
    again = 2 * torch.randn(20_000, 2, generator=generator)
    assert 0 <= motions.divergence(a, again) < 0.01


def test_divergence_is_finite_and_large_where_the_prediction_has_nothing():
    a, b = torch.full((1000, 2), 4.0), torch.full((1000, 2), -4.0)
    assert motions.divergence(a, b) == pytest.approx(np.log((1000 + 81 / 2) / 0.5), rel=1e-4)


def test_divergence_tells_independence_from_correlation():
    """Circle and triangle: right one by one, wrong together."""
    true = shapes.draw_motion(20_000, torch.Generator().manual_seed(0))
    other = shapes.draw_motion(20_000, torch.Generator().manual_seed(1))
    apart = torch.stack([true[:, 0], true[:, 1], other[:, 2]], 1)[:, None]
    seen = torch.ones(20_000, 3, dtype=torch.bool)
    found = motions.divergences(true, apart, seen)
    assert max(found["circle"], found["square"], found["triangle"]) < 0.01
    assert found["circle_triangle"] > 0.5


def test_summary_of_the_world_itself():
    motion = shapes.draw_motion(4000, torch.Generator().manual_seed(0))[:, None]
    found = motions.summary(motion, torch.ones(4000, 3, dtype=torch.bool))
    for kind in ("circle", "square", "triangle"):
        assert found[f"moves_{kind}"] == found[f"axis_{kind}"] == 1
        assert found[f"up_{kind}"] == pytest.approx(0.5, abs=0.03)
    assert found["correlation"] > 0.98


def test_summary_counts_wrong_axes_and_stillness():
    motion = torch.zeros(4, 1, 3, 2)
    motion[0, 0, 0] = torch.tensor([0.0, -3.0])  # up: right
    motion[1, 0, 0] = torch.tensor([3.0, 0.0])  # a circle that moves like a square
    motion[2, 0, 0] = torch.tensor([2.0, 3.0])  # nearer to the diagonal
    found = motions.summary(motion, torch.ones(4, 3, dtype=torch.bool))
    assert found["moves_circle"] == 0.75 and found["axis_circle"] == pytest.approx(1 / 3)
    assert found["moves_square"] == 0
