"""From a picture to the layers of a task."""

import torch
from torch import Tensor


def value_saturation(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """HSV value and saturation of colours rgb (N, 3, H, W) in [0, 1]: (N, 1, H, W) each.

    As OpenCV defines them: V is the largest channel and S = (V − smallest) / V; a black pixel
    has S = 0, and so has a grey one.
    """
    value, least = rgb.amax(1, keepdim=True), rgb.amin(1, keepdim=True)
    return value, torch.where(value > 0, (value - least) / value.clamp_min(1e-12), 0.0)
