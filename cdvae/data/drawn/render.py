"""Pictures of scenes: geometry once for each scene, then exact layers for each draw.

image = albedo × shading holds exactly, in linear light; a pixel belongs to one part (no blending).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cdvae.data.drawn.world import MOST, PARTS, Hidden, Scenes
from cdvae.data.fields import SIZE

TOWARDS = ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0))  # to the light of modes left, right, top
SHADOW_REACH = 0.5  # a cast shadow is displaced by this share of the object's radius
CORNERS = ((0.0, -1.0), (0.866, 0.5), (-0.866, 0.5))  # of a triangle, on the unit circle


class Geometry(NamedTuple):
    """What depends on the visible state alone."""

    label: Tensor  # (N, 32, 32) part at each pixel
    value: Tensor  # (N, 32, 32) HSV value of the albedo
    normal: Tensor  # (N, 2, 32, 32) slope of the surface, 0 where it faces the viewer
    shadow: Tensor  # (N, 3, 32, 32) bool: backdrop shaded from the left, right, top light
    hue: Tensor  # (N, 32, 32)


def pixel_grid(device: torch.device) -> Tensor:
    """Pixel centres (2, 32, 32): x then y."""
    line = torch.arange(SIZE, device=device) + 0.5
    return torch.stack(torch.meshgrid(line, line, indexing="xy"))


def turned(scenes: Scenes, m: int, x: Tensor, y: Tensor) -> Tensor:
    """Vectors (x, y) in units of object m's radius, turned into its frame: (N, 2, …)."""
    cos, sin = scenes.angle[:, m, None, None].cos(), scenes.angle[:, m, None, None].sin()
    return torch.stack([cos * x + sin * y, cos * y - sin * x], 1)


def local(scenes: Scenes, m: int, grid: Tensor) -> Tensor:
    """Each pixel in the frame of object m, its own radius 1, its own angle: (N, 2, 32, 32)."""
    radius = scenes.radius[:, m, None, None, None]
    x, y = ((grid - scenes.centre[:, m, :, None, None]) / radius).unbind(1)
    return turned(scenes, m, x, y)


def edge_distances(u: Tensor) -> Tensor:
    """Signed distance inwards from a triangle's three edges: (3, N, 32, 32)."""
    return torch.stack([0.5 + u[:, 0] * x + u[:, 1] * y for x, y in CORNERS])


def inside(scenes: Scenes, m: int, u: Tensor) -> Tensor:
    """Whether local coordinates u lie in object m: (N, 32, 32) bool."""
    shape = scenes.category[:, m, None, None] // 3
    circle = u.square().sum(1) < 1
    square = u.abs().amax(1) < 0.85
    triangle = edge_distances(u).amin(0) > 0
    is_in = torch.where(shape == 0, circle, torch.where(shape == 1, square, triangle))
    return is_in & (scenes.category[:, m, None, None] >= 0)


def slope(scenes: Scenes, m: int, u: Tensor) -> Tensor:
    """Surface slope of object m at u: a ball, a bevelled tile, a pyramid (N, 2, 32, 32)."""
    shape = scenes.category[:, m, None, None, None] // 3
    bevel = torch.where(u.abs() > 0.5, 0.7 * u.sign(), 0.0)
    first, second, third = edge_distances(u)[:, :, None]
    corner = -0.7 * torch.tensor(CORNERS, device=u.device)[:, :, None, None]
    nearer = torch.where(first < second, corner[0], corner[1])  # of three edges, the nearest
    facet = torch.where(third < torch.minimum(first, second), corner[2], nearer)
    return torch.where(shape == 0, u, torch.where(shape == 1, bevel, facet))


def paint_pattern(scenes: Scenes, m: int, u: Tensor) -> Tensor:
    """Brightness pattern of object m: plain, striped or checked (N, 32, 32)."""
    paint = scenes.category[:, m, None, None] % 3
    stripes = (9 * u[:, 0]).sin().sign()
    checks = stripes * (9 * u[:, 1]).sin().sign()
    return 0.8 + 0.2 * torch.where(paint == 1, stripes, torch.where(paint == 2, checks, 1.0))


def backdrop_pattern(scenes: Scenes, grid: Tensor) -> Tensor:
    """A graded wall, boards or clouds, and a darker floor: (N, 32, 32)."""
    x, y = grid
    kind, phase = scenes.backdrop[:, None, None], scenes.phase[:, :, None, None]
    wall = 0.75 + 0.25 * (y / SIZE)
    boards = 0.8 + 0.2 * (0.9 * x + phase[:, 0]).sin().sign()
    clouds = 0.75 + 0.125 * (
        (0.3 * x + phase[:, 0]).sin() + (0.4 * y + 0.2 * x + phase[:, 1]).sin()
    )
    pattern = torch.where(kind == 0, wall, torch.where(kind == 1, boards, clouds))
    return pattern * torch.where(y > scenes.horizon[:, None, None], 0.7, 1.0)


def fixtures(scenes: Scenes, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Where the window and the lamp are: (N, 32, 32) bool each."""
    x, y = grid
    side = scenes.window[:, None, None]
    upright = (y > 6) & (y < 22)
    left, right = (x < 3) & upright, (x > SIZE - 3) & upright
    top = (y < 3) & (x > 8) & (x < 24)
    window = torch.where(side == 1, left, torch.where(side == 2, right, (side == 3) & top))
    lamp_x, lamp_y = scenes.lamp[:, 0, None, None], scenes.lamp[:, 1, None, None]
    lamp = ((x - lamp_x).abs() < 1.5) & ((y - lamp_y).abs() < 1.5) & (lamp_x >= 0)
    return window, lamp


def geometry(scenes: Scenes, grid: Tensor | None = None) -> Geometry:
    """Paint the objects back to front, then window and lamp; grid: the pixels' centres, if they
    are not those of `pixel_grid`."""
    n, device = len(scenes.window), scenes.lamp.device
    grid = pixel_grid(device) if grid is None else grid
    label = torch.zeros(n, SIZE, SIZE, dtype=torch.long, device=device)
    value = scenes.backdrop_value[:, None, None] * backdrop_pattern(scenes, grid)
    normal = torch.zeros(n, 2, SIZE, SIZE, device=device)
    shadow = torch.zeros(n, 3, SIZE, SIZE, dtype=torch.bool, device=device)
    for m in range(MOST):
        u = local(scenes, m, grid)
        here = inside(scenes, m, u)
        label = torch.where(here, m + 1, label)
        value = torch.where(
            here, scenes.value[:, m, None, None] * paint_pattern(scenes, m, u), value
        )
        normal = torch.where(here[:, None], slope(scenes, m, u), normal)
        for k, towards in enumerate(TOWARDS):
            x, y = SHADOW_REACH * torch.tensor(towards, device=device)
            shadow[:, k] |= inside(scenes, m, u + turned(scenes, m, x, y))
    window, lamp = fixtures(scenes, grid)
    for part, here, brightness in ((MOST + 1, window, 1.0), (MOST + 2, lamp, 0.95)):
        label = torch.where(here, part, label)
        value = torch.where(here, brightness, value)
        normal = torch.where(here[:, None], 0.0, normal)
    padded = torch.cat([scenes.hue, torch.full((n, 2), 0.13, device=device)], 1)
    hue = padded.gather(1, label.flatten(1)).view_as(value)
    return Geometry(label, value, normal, shadow & (label == 0)[:, None], hue)


def shading(scenes: Scenes, g: Geometry, hidden: Hidden, grid: Tensor | None = None) -> Tensor:
    """Linear light on each pixel, in [0, 1]: (N, 1, 32, 32); grid as in `geometry`."""
    device = scenes.lamp.device
    grid = pixel_grid(device) if grid is None else grid
    x, y = grid / SIZE
    half = torch.full_like(x, 0.8)
    reach = torch.stack([1 - 0.6 * x, 0.4 + 0.6 * x, 1 - 0.6 * y, half, 0.35 * half])[hidden.light]
    towards = torch.tensor([*TOWARDS, (0.0, 0.0), (0.0, 0.0)], device=device)[hidden.light]
    facing = (g.normal * towards[:, :, None, None]).sum(1)
    n = torch.arange(len(hidden.light), device=device)
    cast = g.shadow[n, hidden.light.clamp_max(2)] & (hidden.light < 3)[:, None, None]
    direct = reach * (0.42 + 0.26 * facing) * torch.where(cast, 0.45, 1.0)
    distance = (grid - scenes.lamp[:, :, None, None]).square().sum(1)
    glow = 0.45 * torch.exp(-distance / (2 * 6.0**2)) * hidden.lamp_on[:, None, None]
    ambient = torch.where(hidden.light == 4, 0.08, 0.16)[:, None, None]
    light = hidden.intensity[:, None, None] * (ambient + direct + glow * (1 - reach))
    return light[:, None]


def saturation(g: Geometry, hidden: Hidden) -> Tensor:
    """HSV saturation in [0, 1]; dark stripes of a paint are a little duller: (N, 1, 32, 32)."""
    level = hidden.saturation.gather(1, g.label.flatten(1)).view_as(g.value)
    return (level * (0.7 + 0.3 * g.value)).clamp(0, 1)[:, None]


def flow(g: Geometry, hidden: Hidden) -> Tensor:
    """Motion of each visible pixel in pixels per second, x then y: (N, 2, 32, 32)."""
    index = g.label.flatten(1)[..., None].expand(-1, -1, 2)
    return hidden.velocity.gather(1, index).movedim(2, 1).unflatten(2, (SIZE, SIZE)).contiguous()


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """(N, 32, 32) each in [0, 1] -> (N, 3, 32, 32); value is the largest channel."""
    k = torch.tensor([5.0, 3.0, 1.0], device=hue.device)[:, None, None]
    turn = (k + 6 * hue[:, None]) % 6
    dip = torch.minimum(turn, 4 - turn).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * dip)


def boxes(g: Geometry) -> tuple[Tensor, Tensor]:
    """Bounding box of each part's visible pixels, x0 y0 x1 y1 in pixels (N, PARTS, 4), and whether
    any pixel of it can be seen (N, PARTS)."""
    here = g.label[:, None] == torch.arange(PARTS, device=g.label.device)[:, None, None]
    edges = []
    for seen in (here.any(2), here.any(3)):  # along x, along y
        first = seen.float().argmax(2)
        last = SIZE - seen.flip(2).float().argmax(2)
        edges.append((first, last))
    (x0, x1), (y0, y1) = edges
    return torch.stack([x0, y0, x1, y1], 2), here.any((2, 3))
