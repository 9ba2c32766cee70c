"""Moving shapes, after Visual Dynamics (Xue et al. 2016): pairs of pictures whose motion is known.

Each picture has a circle, a square and a triangle before a plain background, of random sizes,
places, colours and order. Circles move vertically, squares horizontally, triangles along one
diagonal. The square moves independently of the others; the triangle goes the circle's way (up and
left when it goes up), nearly as far. Nothing in the first picture tells how they will move, so
P(motion | picture) is the distribution that `draw_motion` draws from.

Kinds and order of things are the paper's; sizes, speeds and colours are ours. Lengths are pixels
of a SIDE × SIDE picture, x right, y down, at whatever size the picture is rendered.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cdvae.data.drawn.render import CORNERS, hsv_to_rgb
from cdvae.data.drawn.world import uniform

NAMES = ("circle", "square", "triangle")
SIDE = 64
RADIUS = (6.0, 10.0)
STRETCH = 1.4  # of a triangle's corners, so that it covers about as much as the others
HALF_SIDE = 0.9  # of a square, in radii
CENTRE = (14.0, 50.0)  # in x and in y
SPEED = (1.5, 5.0)  # length of a step, uniform; both ways are equally likely
FOLLOW = (0.8, 1.2)  # the triangle's step in units of the circle's, uniform
DIAGONAL = math.sqrt(0.5)
AXES = torch.tensor([[0.0, 1.0], [1.0, 0.0], [DIAGONAL, DIAGONAL]])  # of each kind's motion
SPLIT_SEEDS = {"train": 0, "valid": 1, "test": 2}
CHUNK = 125  # pictures rendered at a time, so that they stay in the processor's cache


class Shapes(NamedTuple):
    """What can be seen, a row for each picture; columns are circle, square, triangle."""

    centre: Tensor  # (N, 3, 2) x, y
    radius: Tensor  # (N, 3)
    rank: Tensor  # (N, 3) 0 at the back … 2 in front
    colour: Tensor  # (N, 4, 3) RGB in [0, 1]; the background's is the last

    def rows(self, index: Tensor | slice) -> "Shapes":
        """The pictures at `index`."""
        return Shapes(*(part[index] for part in self))

    def moved(self, motion: Tensor) -> "Shapes":
        """The same shapes one step later; motion (N, 3, 2) in pixels."""
        return self._replace(centre=self.centre + motion)


def draw_shapes(n: int, generator: torch.Generator) -> Shapes:
    """n pictures; the four colours of each are spread over the circle of hues."""
    order = torch.rand(n, 4, generator=generator).argsort(1)
    turn = uniform(0, 1, (n, 1), generator) + uniform(-0.06, 0.06, (n, 4), generator)
    hue = (turn + order / 4) % 1
    saturation, value = uniform(0.5, 1, (n, 4), generator), uniform(0.5, 1, (n, 4), generator)
    rgb = hsv_to_rgb(*(x[..., None] for x in (hue, saturation, value)))[..., 0]
    return Shapes(
        centre=uniform(*CENTRE, (n, 3, 2), generator),
        radius=uniform(*RADIUS, (n, 3), generator),
        rank=torch.rand(n, 3, generator=generator).argsort(1),
        colour=rgb.movedim(1, 2),
    )


def draw_motion(n: int, generator: torch.Generator) -> Tensor:
    """n draws of what the three shapes do: (n, 3, 2) pixels."""
    way = 2 * torch.randint(0, 2, (n, 2), generator=generator) - 1
    own = way * uniform(*SPEED, (n, 2), generator)
    follows = own[:, :1] * uniform(*FOLLOW, (n, 1), generator)
    return torch.cat([own, follows], 1)[..., None] * AXES


def distance_outside(shapes: Shapes, x: Tensor, y: Tensor) -> Tensor:
    """How far a point lies outside each shape, negative inside: (N, 3, H, W).

    x (W,) and y (H, 1). Outside corners the largest distance to an edge stands for it.
    """
    u = x - shapes.centre[..., 0, None, None]
    v = y - shapes.centre[..., 1, None, None]
    r = shapes.radius[..., None, None]
    circle = torch.hypot(u[:, 0], v[:, 0]) - r[:, 0]
    square = torch.maximum(u[:, 1].abs(), v[:, 1].abs()) - HALF_SIDE * r[:, 1]
    edges = [-(a * u[:, 2] + b * v[:, 2]) for a, b in CORNERS]  # opposite each corner
    triangle = torch.stack(edges).amax(0) - 0.5 * STRETCH * r[:, 2]
    return torch.stack([circle, square, triangle], 1)


def cover(shapes: Shapes, size: int) -> Tensor:
    """The share of each pixel that each shape would cover alone: (N, 3, size, size)."""
    pixel = SIDE / size
    line = (torch.arange(size) + 0.5) * pixel
    return (0.5 - distance_outside(shapes, line, line[:, None]) / pixel).clamp_(0, 1)


def render(shapes: Shapes, size: int = SIDE) -> Tensor:
    """The pictures, (N, 3, size, size) in [0, 1], edges blended; painted from back to front."""
    n, alpha = len(shapes.radius), cover(shapes, size)
    picture = shapes.colour[:, 3, :, None, None].expand(n, 3, size, size)
    each = torch.arange(n)
    for kind in shapes.rank.argsort(1).unbind(1):  # the kind at the back of each, then the next
        here = alpha[each, kind][:, None]
        picture = torch.lerp(picture, shapes.colour[each, kind, :, None, None], here)
    return picture


def visible(shapes: Shapes, size: int = SIDE) -> Tensor:
    """The share of each shape that no other shape hides: (N, 3)."""
    alpha = cover(shapes, size)
    infront = shapes.rank[:, None] > shapes.rank[:, :, None]  # (N, kind, other)
    hidden = torch.where(infront[..., None, None], alpha[:, None], 0.0).amax(2)
    return (alpha * (1 - hidden)).sum((2, 3)) / alpha.sum((2, 3)).clamp_min(1e-6)


def flow(shapes: Shapes, motion: Tensor, size: int = SIDE) -> Tensor:
    """Motion of what each pixel shows, (N, 2, size, size) in pixels of the SIDE × SIDE picture."""
    alpha, n = cover(shapes, size), torch.arange(len(motion))
    field = torch.zeros(len(motion), 2, size, size)
    for kind in shapes.rank.argsort(1).unbind(1):
        here = alpha[n, kind][:, None] > 0.5
        field = torch.where(here, motion[n, kind][..., None, None], field)
    return field


class Pairs(NamedTuple):
    """Two frames of each scene; for shapes also what is in the first and how it moves."""

    first: Tensor  # (N, 3, size, size) uint8
    second: Tensor  # (N, 3, size, size) uint8
    shapes: Shapes | None = None
    motion: Tensor | None = None  # (N, 3, 2) pixels


def load(split: str, n: int, seed: int, size: int = SIDE) -> Pairs:
    """n pairs of one split, rendered; the same arguments give the same bytes.

    The splits are drawn apart, each from its own seed. `size` changes the rendering alone.
    """
    generator = torch.Generator().manual_seed(3 * seed + SPLIT_SEEDS[split])
    shapes, motion = draw_shapes(n, generator), draw_motion(n, generator)
    frames = torch.empty(2, n, 3, size, size, dtype=torch.uint8)
    for part in torch.arange(n).split(CHUNK):
        before = shapes.rows(part)
        for frame, state in zip(frames, (before, before.moved(motion[part])), strict=True):
            frame[part] = (render(state, size) * 255).round().to(torch.uint8)
    return Pairs(*frames, shapes, motion)
