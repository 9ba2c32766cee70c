"""Light from windows, and windows that are not there: measured where the picture's state is known.

In the built-in world a window stands at the left, the right or the top of the picture, or nowhere.
It is pale, whatever the saturation around it, and light comes from it or not at all.
"""

import torch
from torch import Tensor

from cdvae.data.drawn import render, world
from cdvae.data.drawn.scenes import SceneTruth
from cdvae.data.fields import SIZE

PLACES = world.SIDES[1:]  # where a window can be
TILT = 0.1  # of the mean light, from the middle to the edge: less tells no direction


def places() -> Tensor:
    """Where a window is, at the left, right and top: (3, 32, 32) bool."""
    scenes = world.draw_scenes(len(PLACES), torch.Generator().manual_seed(0))
    scenes = scenes._replace(window=torch.arange(len(PLACES)) + 1)
    return render.fixtures(scenes, render.pixel_grid(scenes.lamp.device))[0]


def surroundings(place: Tensor) -> Tensor:
    """The pixels up to three beside a place (32, 32), and not in it."""
    near = torch.nn.functional.max_pool2d(place[None].float(), 7, 1, 3)[0] > 0
    return near & ~place


def paleness(saturation: Tensor) -> Tensor:
    """How much less saturated each place is than its surroundings: (…, 32, 32) -> (…, 3)."""
    found = [
        saturation[..., surroundings(place)].mean(-1) - saturation[..., place].mean(-1)
        for place in places()
    ]
    return torch.stack(found, -1)


def tilts(shading: Tensor) -> Tensor:
    """How much light rises towards the left, the right and the top: (…, 32, 32) -> (…, 3).

    Of the plane that is nearest to the shading, from the middle of the picture to its edge, as a
    share of the mean.
    """
    line = (torch.arange(SIZE, dtype=shading.dtype, device=shading.device) + 0.5) / SIZE * 2 - 1
    mean = shading.mean((-2, -1)).clamp_min(1e-6)
    norm = line.square().mean()
    x = (shading.mean(-2) * line).mean(-1) / norm / mean
    y = (shading.mean(-1) * line).mean(-1) / norm / mean
    return torch.stack([-x, x, -y], -1)


def from_where(shading: Tensor) -> Tensor:
    """Which side light comes from (…,): 0 nowhere, 1 left, 2 right, 3 top, as in `world.SIDES`."""
    most, side = tilts(shading).max(-1)
    return torch.where(most > TILT, side + 1, 0)


def by_window(
    truth: SceneTruth, rows: list[int], samples: Tensor
) -> list[list[float] | None] | None:
    """What samples (K, n, C_g, 32, 32) of these scenes show, by where the window is.

    A row for each of `world.SIDES`. Of saturation, three columns: the mean `paleness` of each
    place. Of shading, four: the share of samples whose light comes from nowhere or from each side.
    None for a row without scenes, and for other tasks.
    """
    window = truth.scenes.window[torch.tensor(rows)].to(samples.device)
    if truth.task == "resaturation":
        seen = paleness(samples[:, :, 0])
    elif truth.task == "relighting":
        sides = from_where(samples[:, :, 0])
        seen = torch.nn.functional.one_hot(sides, len(world.SIDES)).to(samples.dtype)
    else:
        return None
    groups = [seen[window == side].flatten(0, 1) for side in range(len(world.SIDES))]
    return [group.mean(0).tolist() if len(group) else None for group in groups]
