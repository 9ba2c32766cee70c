"""The built-in world: its stated probabilities, exact layers and exact conditionals."""

import cv2
import numpy as np
import pytest
import torch

from cdvae.data.drawn import render, scenes, world
from cdvae.data.fields import TASKS
from cdvae.data.photos.semantics import label_distribution, layout_coverage

N = 60_000


@pytest.fixture(scope="module")
def drawn() -> tuple[world.Scenes, world.Hidden]:
    generator = torch.Generator().manual_seed(0)
    state = world.draw_scenes(N, generator)
    return state, world.draw_hidden(state, generator)


def close(frequency: float, p: float, n: int) -> bool:
    """Within four standard errors of the stated probability."""
    return abs(frequency - p) < 4 * (p * (1 - p) / n) ** 0.5 + 1e-9


def test_light_follows_the_window(drawn):
    state, hidden = drawn
    for side in range(4):
        rows = state.window == side
        for mode in range(5):
            frequency = (hidden.light[rows] == mode).float().mean()
            assert close(frequency, float(world.P_LIGHT[side, mode]), int(rows.sum()))


def test_lamp_follows_the_light(drawn):
    state, hidden = drawn
    for mode in range(5):
        rows = (hidden.light == mode) & (state.lamp[:, 0] >= 0)
        frequency = hidden.lamp_on[rows].float().mean()
        assert close(frequency, float(world.P_LAMP_ON[mode]), int(rows.sum()))
    assert not hidden.lamp_on[state.lamp[:, 0] < 0].any()


def test_saturation_follows_style_paint_and_place(drawn):
    state, hidden = drawn
    for style in range(3):
        assert close((hidden.style == style).float().mean(), float(world.P_STYLE[style]), N)
    below = state.centre[:, 0, 1] > state.horizon
    for place in (0, 1):
        rows = (hidden.style == 2) & (below == bool(place))
        frequency = hidden.high[rows, 1].float().mean()
        assert close(frequency, float(world.P_HIGH_MIXED[place]), int(rows.sum()))
    level = world.PAINT_LEVELS[state.category[:, 0] % 3, hidden.high[:, 1].long()]
    assert (hidden.saturation[:, 1] - level).abs().max() <= world.SATURATION_SPREAD + 1e-6


def test_motion_rules(drawn):
    state, hidden = drawn
    there = state.category >= 0
    shape = torch.where(there, state.category // 3, -1)
    own = hidden.velocity[:, 1 : world.MOST + 1] - hidden.velocity[:, :1]
    assert own[shape == 0][:, 0].abs().max() < 1e-5  # circles: vertical
    assert own[shape == 1][:, 1].abs().max() < 1e-5  # squares: horizontal
    assert (own[shape == 2][:, 0] - own[shape == 2][:, 1]).abs().max() < 1e-5  # triangles
    rests = hidden.direction == 0
    assert close(rests[there].float().mean(), world.P_REST, int(there.sum()))
    circles = (shape == 0) & ~rests
    for half in (0, 1):
        rows = circles & ((state.centre[:, :, 1] > 16) == bool(half))
        frequency = (hidden.direction[rows] == 1).float().mean()
        assert close(frequency, float(world.P_FORWARD[half]), int(rows.sum()))
    for pan, p in zip((0, -1, 1), world.P_PAN, strict=True):
        assert close((hidden.pan == pan).float().mean(), float(p), N)


def test_triangles_follow_the_first_circle(drawn):
    state, hidden = drawn
    shape = torch.where(state.category >= 0, state.category // 3, -1)
    rows = (shape[:, 0] == 0) & (shape[:, 1] == 2)
    rows &= (hidden.direction[:, :2] != 0).all(1)
    same = (hidden.direction[rows, 0] == hidden.direction[rows, 1]).float().mean()
    assert close(same, world.P_FOLLOW, int(rows.sum()))


def test_same_seed_same_bytes_and_splits_apart():
    for task in TASKS.values():
        first, again = scenes.load(task, "train", 60, 5), scenes.load(task, "train", 60, 5)
        assert torch.equal(first.x_c, again.x_c) and torch.equal(first.x_g, again.x_g)
        assert not torch.equal(first.x_c, scenes.load(task, "test", 60, 5).x_c)
        assert not torch.equal(first.x_c, scenes.load(task, "train", 60, 6).x_c)


def test_image_is_albedo_times_shading_and_its_hsv_is_opencvs():
    """The three tasks show one scene: colour image = albedo × shading; value and saturation are
    those of OpenCV's conversion of that image."""
    parts = {name: scenes.load(task, "test", 40, 0) for name, task in TASKS.items()}
    albedo, shading = parts["relighting"].x_c, parts["relighting"].x_g
    image = parts["motion"].x_c
    assert torch.equal(image, albedo * shading)
    for k in range(40):
        hsv = cv2.cvtColor(image[k].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2HSV)
        np.testing.assert_allclose(hsv[..., 2], parts["resaturation"].x_c[k, 0], atol=1e-5)
        np.testing.assert_allclose(hsv[..., 1], parts["resaturation"].x_g[k, 0], atol=1e-4)


@pytest.mark.parametrize("task", ["relighting", "resaturation", "motion"])
def test_truth_draws_the_conditional_the_data_come_from(task):
    """The data's own x_g ranks uniformly among draws of the truth, at points of the field."""
    fields = scenes.load(TASKS[task], "test", 400, 1)
    draws = fields.truth.sample(torch.arange(400), 39, torch.Generator().manual_seed(0))
    values = torch.cat([draws[:, :, 0, 10, 16], fields.x_g[:, None, 0, 10, 16]], 1)
    values = values + 1e-4 * torch.rand(values.shape)  # ties are broken at random
    rank = (values[:, :-1] < values[:, -1:]).sum(1).float()
    counts = torch.histc(rank, 4, 0, 39)
    assert ((counts - 100).abs() < 45).all(), counts  # five standard deviations of a binomial


def test_ranges():
    for task in ("relighting", "resaturation"):
        fields = scenes.load(TASKS[task], "train", 500, 0)
        for x in (fields.x_c, fields.x_g):
            assert 0 <= x.min() and x.max() <= 1


def test_boxes_and_semantics_are_those_of_the_label_map():
    generator = torch.Generator().manual_seed(3)
    state = world.draw_scenes(30, generator)
    g = render.geometry(state)
    named, n = scenes.semantics(state, g), len(world.CATEGORIES)
    for k in range(30):
        boxes, categories = [], []
        for part in range(1, world.PARTS):
            rows, columns = np.nonzero(g.label[k].numpy() == part)
            if len(rows):
                boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
                fixed = {world.MOST + 1: world.WINDOW, world.MOST + 2: world.LAMP}
                categories.append(fixed.get(part) or int(state.category[k, part - 1]))
        box, kind = np.array(boxes, float).reshape(-1, 4), np.array(categories, int)
        np.testing.assert_allclose(named[k, :n], label_distribution(kind, n), atol=1e-6)
        layout = layout_coverage(box, kind, n, (32, 32))
        np.testing.assert_allclose(named[k, n:], layout.ravel(), atol=1e-5)
