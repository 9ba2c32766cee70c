"""From a photo to the layers of a task, at 32 × 32."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cdvae.data.photos.decode import decode
from cdvae.data.photos.intrinsic import decompose, srgb_to_linear
from cdvae.tools.chunks import Gathered


def value_saturation(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """HSV value and saturation of colours rgb (N, 3, H, W) in [0, 1]: (N, 1, H, W) each.

    As OpenCV defines them: V is the largest channel and S = (V − smallest) / V; a black pixel
    has S = 0, and so has a grey one.
    """
    value, least = rgb.amax(1, keepdim=True), rgb.amin(1, keepdim=True)
    return value, torch.where(value > 0, (value - least) / value.clamp_min(1e-12), 0.0)


def colours(folder: Path, name: str) -> dict[str, np.ndarray]:
    """{"image": (1, 32, 32, 3) uint8}: all that value and saturation need."""
    return decode(name, folder)


def colours_and_shading(folder: Path, name: str) -> dict[str, np.ndarray]:
    """The image and its shading (1, 32, 32) float32, from which albedo = image / shading."""
    found = decode(name, folder)
    _, shading = decompose(as_floats(torch.from_numpy(found["image"])))
    return found | {"shading": shading[:, 0].numpy()}


def as_floats(image: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> (N, 3, H, W) in [0, 1]."""
    return image.movedim(3, 1).float() / 255


def values_and_saturations(gathered: Gathered) -> tuple[Tensor, Tensor]:
    """x_c and x_g of resaturation from what was gathered of the photos."""
    return value_saturation(as_floats(gathered.load("image")))


def albedos_and_shadings(gathered: Gathered) -> tuple[Tensor, Tensor]:
    """x_c and x_g of relighting from what was gathered of the photos."""
    shading = gathered.load("shading")[:, None]
    return srgb_to_linear(as_floats(gathered.load("image"))) / shading, shading


class Layers(NamedTuple):
    """How a task's layers come from photos: what is done with each, and with all of them."""

    of_photo: Callable[[Path, str], dict[str, np.ndarray]]
    of_all: Callable[[Gathered], tuple[Tensor, Tensor]]


RESATURATION = Layers(colours, values_and_saturations)
RELIGHTING = Layers(colours_and_shading, albedos_and_shadings)
LAYERS = {"relighting": RELIGHTING, "resaturation": RESATURATION}
