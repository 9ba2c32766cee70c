"""Scenes at more than 32 × 32 pixels, for pictures: the same draws on a finer grid.

A fine picture is put together from TIMES² renderings whose pixel centres interleave.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch

from cdvae.data.drawn import render, world
from cdvae.data.drawn.scenes import CHUNK, draw
from cdvae.data.fields import SIZE

TIMES = 7  # odd: the middle rendering is the scene as the models see it


def closeups(ids: Sequence[str], n_test: int) -> np.ndarray:
    """Test scenes `test-<seed>-<k>` in linear light, (len(ids), 224, 224, 3).

    n_test: how many scenes the split has, which shapes them all; k is below `scenes.CHUNK`, as what
    is hidden in later scenes is drawn after it.
    """
    _, seed, _ = ids[0].split("-")
    rows = torch.tensor([int(name.split("-")[2]) for name in ids])
    scenes, generator = draw("test", n_test, int(seed))
    hidden = world.draw_hidden(scenes.rows(torch.arange(min(n_test, CHUNK))), generator)
    scenes, hidden = scenes.rows(rows), world.Hidden(*(part[rows] for part in hidden))
    return finely(scenes, hidden)


def finely(scenes: world.Scenes, hidden: world.Hidden) -> np.ndarray:
    """Pictures of scenes in linear light, (N, 224, 224, 3)."""
    fine = np.empty((len(scenes.window), SIZE * TIMES, SIZE * TIMES, 3), np.float32)
    centres = render.pixel_grid(scenes.lamp.device)
    for down, right in product(range(TIMES), repeat=2):
        move = torch.tensor([(each + 0.5) / TIMES - 0.5 for each in (right, down)])
        grid = centres + move[:, None, None]
        g = render.geometry(scenes, grid)
        albedo = render.hsv_to_rgb(g.hue, render.saturation(g, hidden)[:, 0], g.value)
        light = albedo * render.shading(scenes, g, hidden, grid)
        fine[:, down::TIMES, right::TIMES] = light.movedim(1, 3).numpy()
    return fine
