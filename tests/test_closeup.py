"""Scenes on a finer grid are the scenes of the data set."""

import numpy as np
import torch

from cdvae.data.drawn import render, scenes
from cdvae.data.drawn.closeup import TIMES, closeups
from cdvae.data.fields import SIZE, TASKS

IDS = ("test-3-0", "test-3-2")


def test_every_middle_pixel_is_the_data_sets_own():
    fine = closeups(IDS, 20)
    images = scenes.load(TASKS["motion"], "test", 20, 3).x_c[[0, 2]].movedim(1, 3).numpy()
    assert fine.shape == (2, SIZE * TIMES, SIZE * TIMES, 3)
    assert np.array_equal(fine[:, TIMES // 2 :: TIMES, TIMES // 2 :: TIMES], images)


def test_pixels_between_are_rendered_at_their_own_place(monkeypatch):
    fine = closeups(IDS[:1], 20)[0]
    for row, column in np.random.default_rng(0).integers(0, SIZE * TIMES, (20, 2)):
        place = (torch.tensor([column, row]) + 0.5) / TIMES
        grid = place[:, None, None].expand(2, SIZE, SIZE)  # every pixel at this one place
        monkeypatch.setattr(render, "pixel_grid", lambda device, grid=grid: grid)
        image = scenes.load(TASKS["motion"], "test", 20, 3).x_c[0]
        assert np.allclose(image[:, 0, 0], fine[row, column], atol=1e-5)
