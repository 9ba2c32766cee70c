"""From generated layers to photos: detail maps (Eq. 10), relighting, resaturation (Sec. 4.2, 5)."""

from collections.abc import Callable

import numpy as np
import torch

from cdvae.data.intrinsic import DARKEST, linear_to_srgb, srgb_to_linear

HUELESS = 8 / 255  # of the largest minus the smallest channel
Upsample = Callable[[np.ndarray], np.ndarray]  # (n, 32, 32) -> (n, H, W), linear


def with_details(
    generated: np.ndarray, reproduced: np.ndarray, original: np.ndarray, upsample: Upsample
) -> np.ndarray:
    """Î_g = CDVAE(z_g) + (I_o − CDVAE(z_o)), Eq. 10, at the photo's size: (n, H, W).

    generated (n, 32, 32) are the samples CDVAE(z_g); reproduced (32, 32) is CDVAE(z_o), the
    original layer as the model gives it back; original (H, W) is I_o. As upsampling is linear,
    only the difference of the two fields is upsampled; where there is none, I_o comes out.
    """
    return original + upsample(generated - reproduced)


def relit(light: np.ndarray, shading: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """A photo under new light: its albedo times `new`, and the share of pixels that clipped.

    light (H, W, 3) is the photo in linear light, shading and new (H, W) in linear light as well;
    the albedo is light / shading. A new shading is at least 10⁻⁴, as every shading is
    (`intrinsic.decompose`); what then exceeds white is clipped. Returns linear light in [0, 1].
    """
    made = light / shading[..., None] * np.maximum(new, DARKEST)[..., None]
    clipped = (new < DARKEST) | (made > 1).any(2)
    return made.clip(0, 1), float(clipped.mean())


def own_shading(light: np.ndarray, shading: np.ndarray) -> np.ndarray:
    """An upsampled shading (H, W) in its range: from the pixel's brightest channel to 1.

    So that the albedo, light / shading, is in [0, 1] (`intrinsic.decompose`).
    """
    return np.maximum(shading.clip(DARKEST, 1), light.max(2))


def resaturated(colours: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """Colours (H, W, 3) in [0, 1] with HSV saturation `new` (H, W), hue and value kept.

    Saturation beyond [0, 1] is clipped; returns the share of pixels where it was. A grey pixel has
    no hue and stays grey, and below HUELESS a hue is mostly the JPEG's noise: there the change of
    saturation fades to none in proportion.
    """
    value, least = colours.max(2), colours.min(2)
    own = (value - least) / np.where(value > 0, value, 1)
    known = np.minimum(1, (value - least) / HUELESS)
    wanted = own + known * (new - own)
    ratio = wanted.clip(0, 1) / np.where(own > 0, own, 1)
    made = value[..., None] - (value[..., None] - colours) * ratio[..., None]
    return made.clip(0, 1), float(((wanted < 0) | (wanted > 1)).mean())


def to_linear(photo: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light."""
    return srgb_to_linear(torch.from_numpy(photo)).numpy()


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB."""
    return linear_to_srgb(torch.from_numpy(light)).numpy()
