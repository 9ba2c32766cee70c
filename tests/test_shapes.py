"""The moving shapes: their rules, their rendering against supersampled masks, and determinism."""

import numpy as np
import pytest
import torch
from scipy import stats

from cdvae.data.drawn import shapes


def drawn(n: int, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return shapes.draw_shapes(n, generator), shapes.draw_motion(n, generator)


def test_each_kind_moves_along_its_axis_at_its_speed():
    _, motion = drawn(2000)
    circle, square, triangle = motion.unbind(1)
    assert (circle[:, 0] == 0).all() and (square[:, 1] == 0).all()
    assert torch.allclose(triangle[:, 0], triangle[:, 1])
    for step in (circle[:, 1], square[:, 0]):
        assert step.abs().min() >= 1.5 and step.abs().max() <= 5
        assert abs((step > 0).float().mean() - 0.5) < 0.05
        assert stats.kstest(step.abs().numpy(), stats.uniform(1.5, 3.5).cdf).pvalue > 0.001


def test_the_triangle_follows_the_circle_and_the_square_does_not():
    _, motion = drawn(2000)
    circle, square = motion[:, 0, 1], motion[:, 1, 0]
    triangle = motion[:, 2] @ shapes.AXES[2]
    assert ((triangle / circle >= 0.8 - 1e-5) & (triangle / circle <= 1.2 + 1e-5)).all()
    assert abs(np.corrcoef(circle, square)[0, 1]) < 0.07
    assert np.corrcoef(circle, triangle)[0, 1] > 0.98


def inside(state, kind: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points lie in a shape, from its corners or radius: found in another way."""
    u, v = x - float(state.centre[0, kind, 0]), y - float(state.centre[0, kind, 1])
    r = float(state.radius[0, kind])
    if kind == 0:
        return u**2 + v**2 < r**2
    if kind == 1:
        return (abs(u) < 0.9 * r) & (abs(v) < 0.9 * r)
    turns = np.deg2rad([-90, 30, 150])
    corners = 1.4 * r * np.stack([np.cos(turns), np.sin(turns)], 1)
    sides = []
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        sides.append((b[0] - a[0]) * (v - a[1]) - (b[1] - a[1]) * (u - a[0]) > 0)
    return np.logical_and.reduce(sides)


@pytest.mark.parametrize("kind", range(3))
def test_coverage_agrees_with_counting_points(kind):
    state, _ = drawn(1, seed=3)
    fine = (np.arange(64 * 16) + 0.5) / 16
    counted = inside(state, kind, fine[None], fine[:, None])
    counted = counted.reshape(64, 16, 64, 16).mean((1, 3))
    ours = shapes.cover(state, 64)[0, kind].numpy()
    assert abs(ours.sum() - counted.sum()) < 0.02 * counted.sum()
    assert np.abs(ours - counted).max() < 0.3 and np.abs(ours - counted).mean() < 2e-3


def test_pictures_are_painted_from_back_to_front():
    """At shape centres that another shape covers wholly, the one in front shows."""
    state, _ = drawn(300, seed=4)
    picture = shapes.render(state)
    alpha = shapes.cover(state, 64)
    checked = 0
    for n in range(300):
        whole = (alpha[n] == 1).float() * (1 + state.rank[n, :, None, None])
        top = whole.amax(0)
        for kind in range(3):
            here = (top == 1 + state.rank[n, kind]) & (whole[kind] > 0)
            others = (alpha[n] * (state.rank[n] > state.rank[n, kind])[:, None, None]).amax(0)
            here &= others == 0
            seen = picture[n][:, here]
            assert torch.allclose(seen, state.colour[n, kind, :, None].expand_as(seen), atol=1e-6)
            checked += int(here.sum())
        empty = alpha[n].amax(0) == 0
        seen = picture[n][:, empty]
        assert torch.allclose(seen, state.colour[n, 3, :, None].expand_as(seen))
    assert checked > 10_000


def test_a_hidden_shape_is_known_to_be_hidden():
    state, _ = drawn(1)
    state = state._replace(
        centre=torch.full((1, 3, 2), 32.0),
        radius=torch.tensor([[10.0, 6.0, 6.0]]),
        rank=torch.tensor([[2, 1, 0]]),
    )
    assert shapes.visible(state)[0] == pytest.approx([1, 0, 0], abs=0.02)


def test_one_renderer_for_all_sizes():
    """A picture of 128 pixels, averaged, is nearly that of 64."""
    small, large = (shapes.load("test", 20, 0, size) for size in (64, 128))
    mean = torch.nn.functional.avg_pool2d(large.first.float(), 2)
    assert (mean - small.first).abs().mean() < 0.5  # of 255
    assert torch.equal(small.motion, large.motion)


def test_same_seed_gives_equal_bytes_and_splits_differ():
    first, again, other = (
        shapes.load(*a) for a in (("train", 60, 0), ("train", 60, 0), ("test", 60, 0))
    )
    assert torch.equal(first.first, again.first) and torch.equal(first.second, again.second)
    assert not torch.equal(first.first, other.first)
    assert first.first.dtype == torch.uint8


def test_the_second_frame_is_the_first_with_its_shapes_moved():
    pairs = shapes.load("valid", 10, 1)
    after = shapes.render(pairs.shapes._replace(centre=pairs.shapes.centre + pairs.motion))
    assert (after * 255 - pairs.second).abs().max() <= 0.5 + 1e-4
