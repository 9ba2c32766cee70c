"""The built-in world: small rooms whose exact P(x_g | x_c) is known and can be sampled.

A scene is what can be seen (`Scenes`): two to six painted objects before a backdrop, perhaps a
window, perhaps a lamp. What cannot be seen (`Hidden`) is drawn from mixtures that depend on what
can: the light, the saturation of each object's paint, and each object's motion. Training shows one
draw for each scene; `scenes.SceneTruth` draws as many as are wanted.

The conditional is exact given the visible state. It equals P(x_g | x_c) as far as the picture tells
the state, which an object that is almost wholly covered may not.
"""

from typing import NamedTuple

import torch
from torch import Tensor

MOST = 6  # objects in a scene
SHAPES = ("circle", "square", "triangle")
PAINTS = ("plain", "striped", "checked")
CATEGORIES = tuple(f"{paint} {shape}" for shape in SHAPES for paint in PAINTS) + ("window", "lamp")
WINDOW, LAMP = 9, 10  # categories
PARTS = MOST + 3  # background 0, objects 1 … MOST, window, lamp: the values of a label map
SIDES = ("none", "left", "right", "top")  # where the window is

# Light: P(mode | window). Modes: day from the left, from the right, from the top, frontal, night.
LIGHTS = ("left", "right", "top", "frontal", "night")
P_LIGHT = torch.tensor(
    [
        [0.25, 0.25, 0.0, 0.5, 0.0],
        [0.75, 0.0, 0.0, 0.0, 0.25],
        [0.0, 0.75, 0.0, 0.0, 0.25],
        [0.0, 0.0, 0.75, 0.0, 0.25],
    ]
)
P_LAMP_ON = torch.tensor([0.15, 0.15, 0.15, 0.15, 0.9])  # given the light
INTENSITY = (0.8, 1.1)  # uniform factor on all light

# Saturation: a scene is muted, vivid or mixed; paint decides how low and how high.
STYLES = ("muted", "vivid", "mixed")
P_STYLE = torch.tensor([0.3, 0.4, 0.3])
PAINT_LEVELS = torch.tensor([[0.15, 0.80], [0.35, 0.65], [0.10, 0.90]])  # low, high for each paint
P_HIGH_MIXED = torch.tensor([0.3, 0.7])  # for an object above / below the horizon, in a mixed scene
BACKDROP_LEVELS = torch.tensor([[0.10, 0.50], [0.20, 0.40], [0.15, 0.70]])
SATURATION_SPREAD = 0.05  # uniform, either way

# Motion over one second: circles vertical, squares horizontal, triangles diagonal.
AXES = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.7071, 0.7071]])  # x right, y down
P_REST = 0.2
P_FORWARD = torch.tensor([0.8, 0.2])  # along the axis, for a centre in the upper / lower half
P_FOLLOW = 0.9  # a triangle goes the way of the scene's first circle
SPEED = (12.0, 1.25)  # px · px of radius per second; largest factor either way
P_PAN = torch.tensor([0.7, 0.15, 0.15])  # the camera rests, pans left, pans right
PAN_SPEED = 1.5  # px per second


class Scenes(NamedTuple):
    """What can be seen, a row for each scene; lengths in pixels, angles in radians."""

    category: Tensor  # (N, MOST) 0 … 8, or −1 for no object; later objects lie on top
    centre: Tensor  # (N, MOST, 2) x, y
    radius: Tensor  # (N, MOST)
    angle: Tensor  # (N, MOST)
    value: Tensor  # (N, MOST) brightness of the paint
    hue: Tensor  # (N, MOST + 1) in [0, 1), of the backdrop first
    backdrop: Tensor  # (N,) kind 0 … 2
    backdrop_value: Tensor  # (N,)
    phase: Tensor  # (N, 2) of the backdrop's pattern
    horizon: Tensor  # (N,) the floor begins here
    window: Tensor  # (N,) index into SIDES
    lamp: Tensor  # (N, 2) x, y; negative for no lamp

    def rows(self, index: Tensor) -> "Scenes":
        """The scenes at `index`."""
        return Scenes(*(part[index] for part in self))


class Hidden(NamedTuple):
    """What cannot be seen, a row for each draw: discrete modes and continuous values."""

    light: Tensor  # (N,) index into LIGHTS
    lamp_on: Tensor  # (N,) bool
    intensity: Tensor  # (N,)
    style: Tensor  # (N,) index into STYLES
    high: Tensor  # (N, MOST + 1) bool: the backdrop's and each object's level
    saturation: Tensor  # (N, PARTS)
    direction: Tensor  # (N, MOST) −1, 0 or 1 along the shape's axis
    pan: Tensor  # (N,) −1, 0 or 1
    velocity: Tensor  # (N, PARTS, 2) px per second


def uniform(low: float, high: float, shape: tuple, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)


def bernoulli(p: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(p.shape, generator=generator, device=p.device) < p


def pick(weights: Tensor, generator: torch.Generator) -> Tensor:
    """One index for each row of weights (N, K)."""
    return torch.multinomial(weights, 1, generator=generator)[:, 0]


def draw_scenes(n: int, generator: torch.Generator) -> Scenes:
    """n visible states."""
    count = torch.randint(2, MOST + 1, (n, 1), generator=generator)
    category = torch.randint(0, WINDOW, (n, MOST), generator=generator)
    has_lamp = torch.rand(n, 1, generator=generator) < 0.5
    lamp = torch.stack([uniform(4, 28, (n,), generator), uniform(4, 12, (n,), generator)], 1)
    return Scenes(
        category=torch.where(torch.arange(MOST) < count, category, -1),
        centre=uniform(3, 29, (n, MOST, 2), generator),
        radius=uniform(3.5, 8, (n, MOST), generator),
        angle=uniform(-0.4, 0.4, (n, MOST), generator),
        value=uniform(0.45, 1.0, (n, MOST), generator),
        hue=uniform(0, 1, (n, MOST + 1), generator),
        backdrop=torch.randint(0, 3, (n,), generator=generator),
        backdrop_value=uniform(0.3, 0.8, (n,), generator),
        phase=uniform(0, 6.2832, (n, 2), generator),
        horizon=uniform(14, 24, (n,), generator),
        window=torch.randint(0, len(SIDES), (n,), generator=generator),
        lamp=torch.where(has_lamp, lamp, -1.0),
    )


def draw_hidden(scenes: Scenes, generator: torch.Generator) -> Hidden:
    """One draw of the hidden variables for each scene."""
    return Hidden(
        *draw_light(scenes, generator),
        *draw_saturation(scenes, generator),
        *draw_motion(scenes, generator),
    )


def draw_light(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Light mode, whether the lamp is on, and the intensity."""
    light = pick(P_LIGHT.to(scenes.lamp.device)[scenes.window], generator)
    lamp_on = bernoulli(P_LAMP_ON.to(light.device)[light], generator) & (scenes.lamp[:, 0] >= 0)
    return light, lamp_on, uniform(*INTENSITY, light.shape, generator)


def draw_saturation(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Style, which of its two levels each part has, and the saturation of each part."""
    device, n = scenes.lamp.device, len(scenes.window)
    style = pick(P_STYLE.to(device).expand(n, -1), generator)
    below = (scenes.centre[:, :, 1] > scenes.horizon[:, None]).long()
    p_high = torch.cat([torch.full((n, 1), 0.5, device=device), P_HIGH_MIXED.to(device)[below]], 1)
    high = torch.where(
        style[:, None] == 2, bernoulli(p_high, generator), (style[:, None] == 1).expand_as(p_high)
    )
    levels = torch.cat(
        [
            BACKDROP_LEVELS.to(device)[scenes.backdrop][:, None],
            PAINT_LEVELS.to(device)[scenes.category.clamp_min(0) % 3],
        ],
        1,
    )
    saturation = torch.where(high, levels[..., 1], levels[..., 0])
    saturation += uniform(-SATURATION_SPREAD, SATURATION_SPREAD, saturation.shape, generator)
    fixtures = torch.tensor([0.05, 0.3], device=device).expand(n, -1)  # window, lamp
    return style, high, torch.cat([saturation, fixtures], 1)


def draw_motion(scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Direction of each object along its axis, pan of the camera, velocity of each part."""
    device = scenes.lamp.device
    shape = scenes.category.clamp_min(0) // 3
    half = (scenes.centre[:, :, 1] > 16).long()
    forward = bernoulli(P_FORWARD.to(device)[half], generator)
    is_circle = (scenes.category >= 0) & (shape == 0)
    first = is_circle.long().argmax(1, keepdim=True)
    follows = is_circle.any(1, keepdim=True) & (shape == 2)
    same = bernoulli(torch.full(shape.shape, P_FOLLOW, device=device), generator)
    led = forward.gather(1, first).expand_as(forward)
    forward = torch.where(follows, led == same, forward)
    rests = bernoulli(torch.full(shape.shape, P_REST, device=device), generator)
    direction = torch.where(rests, 0, 2 * forward.long() - 1)
    pan = pick(P_PAN.to(device).expand(len(shape), -1), generator)
    pan = torch.tensor([0, -1, 1], device=device)[pan]
    speed = SPEED[0] / scenes.radius
    speed = speed * SPEED[1] ** uniform(-1, 1, speed.shape, generator)
    own = (direction * speed)[..., None] * AXES.to(device)[shape]
    camera = torch.stack([PAN_SPEED * pan, torch.zeros_like(pan)], 1).to(own.dtype)[:, None]
    return direction, pan, torch.cat([camera, own + camera, camera, camera], 1)
