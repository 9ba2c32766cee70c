"""From a photo to the layers of a task, at 32 × 32."""

from pathlib import Path

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


WORK = {"resaturation": colours, "relighting": colours_and_shading}  # for `chunks.gather`


def as_floats(image: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> (N, 3, H, W) in [0, 1]."""
    return image.movedim(3, 1).float() / 255


def assemble(task: str, gathered: Gathered) -> tuple[Tensor, Tensor]:
    """x_c and x_g of a photo task from what the workers gathered."""
    image = as_floats(gathered.load("image"))
    if task == "resaturation":
        return value_saturation(image)
    shading = gathered.load("shading")[:, None]
    return srgb_to_linear(image) / shading, shading
