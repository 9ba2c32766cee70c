"""The photo behind an example, at its own resolution, for pictures."""

from pathlib import Path

import numpy as np
import torch

from cdvae.data.fields import SIZE
from cdvae.data.photos.decode import read_rgb
from cdvae.data.photos.layers import value_saturation
from cdvae.tools.files import InputError

SIDE = 512  # "at high resolution of 512 × 512" (Sec. 4.2)


def photo(path: Path, side: int | None = SIDE) -> np.ndarray:
    """A photo stretched to a square: (side, side, 3) float32 sRGB in [0, 1].

    side None: the multiple of 32, at most 512, next below its shorter side.
    Raises InputError if there is no such photo or it cannot be read.
    """
    from PIL.Image import Resampling

    try:
        image = read_rgb(Path(path))
    except FileNotFoundError:
        raise InputError(
            f"no photo {path}: give the folder that the results were made of"
        ) from None
    except (ValueError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): give another photo") from error
    if side is None:
        side = max(SIZE, min(SIDE, min(image.size)) // SIZE * SIZE)
    if image.size != (side, side):
        image = image.resize((side, side), Resampling.LANCZOS)
    return np.asarray(image, np.float32) / 255


def grey_of(rgb: np.ndarray) -> np.ndarray:
    """Luma of (H, W, 3) as (H, W), by ITU-R BT.601."""
    return rgb @ np.float32([0.299, 0.587, 0.114])


def saturation_of(rgb: np.ndarray) -> np.ndarray:
    """HSV saturation of (H, W, 3) in [0, 1] as (H, W)."""
    return value_saturation(torch.from_numpy(rgb).permute(2, 0, 1)[None])[1][0, 0].numpy()
