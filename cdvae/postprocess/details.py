"""From generated layers to photos: detail maps (Eq. 10), relighting, resaturation (Sec. 4.2, 5)."""

from collections.abc import Callable

import numpy as np
import torch

from cdvae.data.photos.intrinsic import DARKEST, linear_to_srgb, srgb_to_linear
from cdvae.data.photos.originals import saturation_of

HUELESS = 8 / 255  # of the largest minus the smallest channel
DIMMEST = 0.05  # the least shading that is put in proportion; darker ones count as this
NEWLY_WHITE = 0.02  # the share of pixels that new light may bring to white, in any channel
WHITE = float(srgb_to_linear(torch.tensor(254.5 / 255, dtype=torch.float64)))  # 8 bits: 255
SHOULDER = 0.1  # of saturation: how far from either end its changes begin to bend
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


def relit(light: np.ndarray, change: np.ndarray) -> tuple[np.ndarray, float]:
    """A photo in linear light (H, W, 3) under new light, and the share of pixels beyond white.

    change (H, W) is log CDVAE(z_g) − log CDVAE(z_o), upsampled. That is Eq. 10 in log shading,
    where adding a detail map multiplies by it,

        Ŝ = CDVAE(z_g) · S_o / CDVAE(z_o),    photo = albedo · Ŝ = light · CDVAE(z_g) / CDVAE(z_o),

    and the photo's own shading S_o cancels. Light that would bring more than NEWLY_WHITE of the
    pixels to white is turned down, as a camera would. Returns linear light in [0, 1].
    """
    made = light * np.exp(change)[..., None]
    made *= exposure(made, light)
    return made.clip(0, 1), float((made > 1).any(2).mean())


def exposure(made: np.ndarray, own: np.ndarray) -> float:
    """The largest factor, at most 1, that leaves NEWLY_WHITE of the pixels newly white.

    made, own (H, W, 3): linear light as it would be and as it is in the photo. A pixel is newly
    white if one of its channels is, where texture can be lost.
    """
    newly = np.where(own <= WHITE, made, 0).max(2)
    newly = newly[newly > WHITE]
    allowed = int(NEWLY_WHITE * made[..., 0].size)
    return 1.0 if len(newly) <= allowed else WHITE / float(np.sort(newly)[-1 - allowed])


def log_shading(shading: np.ndarray) -> np.ndarray:
    """Logarithm of a shading in linear light, which counts as at least DIMMEST."""
    return np.log(np.maximum(shading, DIMMEST))


def relit_as_printed(
    light: np.ndarray, shading: np.ndarray, new: np.ndarray
) -> tuple[np.ndarray, float]:
    """A photo under a shading of Eq. 10 as printed, and the share of pixels without light.

    light (H, W, 3) is the photo in linear light, shading and new (H, W) in linear light as well;
    the albedo is light / shading. A shading is at least 10⁻⁴ (`intrinsic.decompose`); where the
    sum of Eq. 10 is less, a pixel is black. Returns linear light in [0, 1].
    """
    made = light / shading[..., None] * np.maximum(new, DARKEST)[..., None]
    return made.clip(0, 1), float((new < DARKEST).mean())


def own_shading(light: np.ndarray, shading: np.ndarray) -> np.ndarray:
    """An upsampled shading (H, W) in its range: from the pixel's brightest channel to 1.

    So that the albedo, light / shading, is in [0, 1] (`intrinsic.decompose`).
    """
    return np.maximum(shading.clip(DARKEST, 1), light.max(2))


def resaturated(colours: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """Colours (H, W, 3) in [0, 1] with HSV saturation `new` (H, W), hue and value kept.

    Saturation that would leave [0, 1] is bent back into it; returns the share of pixels where it
    would. A grey pixel has no hue and stays grey, and below HUELESS a hue is mostly the JPEG's
    noise: there the change of saturation fades to none, as the square of what hue there is.
    """
    own, wanted = saturations(colours, new)
    ratio = bent(wanted, own) / np.where(own > 0, own, 1)
    value = colours.max(2, keepdims=True)
    made = value - (value - colours) * ratio[..., None]
    return made.clip(0, 1), float(leaves_range(wanted).mean())


def saturations(colours: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """HSV saturation (H, W) of colours, and that which replaces it where hues are known.

    The second is of any size.
    """
    value = colours.max(2)
    span = value - colours.min(2)
    own = span / np.where(value > 0, value, 1)
    known = np.minimum(1, span / HUELESS)
    return own, own + known**2 * (new - own)


def without_hue(colours: np.ndarray) -> float:
    """The share of pixels (H, W, 3) in [0, 1] whose hue is noise, if they have one at all."""
    return float((colours.max(2) - colours.min(2) < HUELESS).mean())


def leaves_range(wanted: np.ndarray) -> np.ndarray:
    """Where a saturation is below 0 or above 1."""
    return (wanted < 0) | (wanted > 1)


def bent(wanted: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Saturations `wanted` of any size in [0, 1], where `own` becomes `own`: both (H, W).

    What is more than r from 0 and 1 stays as it is, with r the SHOULDER or, if that is less, the
    room that `own` has. Beyond, with t how far in units of r, the distance to the end becomes
    r / (1 + t): it nears the end and never gets there, so that neighbours stay apart.
    """
    rises = wanted > own
    far = np.where(rises, 1 - wanted, wanted)  # from the end that it moves towards
    room = np.minimum(SHOULDER, np.where(rises, 1 - own, own))
    bends = far < room
    r = room[bends]
    far[bends] = r * r / (2 * r - far[bends])  # that is r / (1 + t), also where r is 0
    return np.where(rises, 1 - far, far)


def relight(
    light: np.ndarray, generated: np.ndarray, reproduced: np.ndarray, upsample: Upsample
) -> list[tuple[np.ndarray, float]]:
    """Linear light (H, W, 3) under each of the generated shadings (n, 32, 32), as `relit` does.

    reproduced (32, 32) is CDVAE(z_o). Where Eq. 10 adds a detail map, one multiplies here.
    """
    change = upsample(log_shading(generated) - log_shading(reproduced))
    return [relit(light, each) for each in change]


def relight_as_printed(
    light: np.ndarray,
    x_g: np.ndarray,
    generated: np.ndarray,
    reproduced: np.ndarray,
    upsample: Upsample,
) -> list[tuple[np.ndarray, float]]:
    """The same with Eq. 10 as printed, to see what it does.

    I_o is the model's own x_g (1, 32, 32), upsampled: decomposing the photo once more at its full
    size would take seconds a photo. What detail it lacks stays in the albedo.
    """
    shading = own_shading(light, upsample(x_g)[0])
    made = with_details(generated, reproduced, shading, upsample)
    return [relit_as_printed(light, shading, new) for new in made]


def resaturate(
    colours: np.ndarray, generated: np.ndarray, reproduced: np.ndarray, upsample: Upsample
) -> list[tuple[np.ndarray, float]]:
    """Colours (H, W, 3) with each of the generated saturations (n, 32, 32), as `resaturated` does.

    reproduced (32, 32) is CDVAE(z_o); I_o is the colours' own saturation.
    """
    own = saturation_of(colours)
    return [resaturated(colours, new) for new in with_details(generated, reproduced, own, upsample)]


def to_linear(photo: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light."""
    return srgb_to_linear(torch.from_numpy(photo)).numpy()


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB."""
    return linear_to_srgb(torch.from_numpy(light)).numpy()
