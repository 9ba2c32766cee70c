"""How fields look on a screen: layers as pictures, flow as colours."""

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from torch import Tensor

from cdvae.data.fields import Fields
from cdvae.data.photos.intrinsic import linear_to_srgb

LINEAR = ("albedo", "shading")  # layers in linear light wherever they come from
FULL_FLOW = 6.0  # px per second of the 32 × 32 grid that is drawn in full colour


def as_picture(fields: Fields, which: str, k: int) -> np.ndarray:
    """Layer "c" or "g" of example k as an RGB picture (H, W, 3) in [0, 1].

    Layers in linear light are shown as a screen shows light; flow is coloured by direction, paler
    where slow, with full colour from FULL_FLOW on.
    """
    layer = getattr(fields.task, f"layer_{which}")
    x = (fields.x_c if which == "c" else fields.x_g)[k]
    if layer == "flow":
        return flow_colours(x, FULL_FLOW)
    rendered = fields.truth is not None and layer != "saturation"  # scenes are in linear light
    x = linear_to_srgb(x.clamp(0, 1)) if rendered or layer in LINEAR else x.clamp(0, 1)
    return x.expand(3, -1, -1).permute(1, 2, 0).numpy()


def flow_colours(x: Tensor, most: float) -> np.ndarray:
    """Flow (2, H, W) as colours: hue is the direction, saturation the length up to `most`."""
    length = torch.linalg.vector_norm(x, dim=0)
    hue = (torch.atan2(x[1], x[0]) / (2 * torch.pi)) % 1
    return hsv_to_rgb(torch.stack([hue, (length / most).clamp(0, 1), torch.ones_like(hue)], 2))


def colour_wheel(size: int = 33) -> Tensor:
    """The flow (2, size, size) that points away from the centre: the legend of `flow_colours`."""
    line = torch.linspace(-1, 1, size)
    x, y = torch.meshgrid(line, line, indexing="xy")
    inside = x.square() + y.square() <= 1
    return torch.stack([x, y]) * inside
