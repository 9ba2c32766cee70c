"""The pictures that the figures are made of: originals and samples of a task, post-processed.

Photos are stretched to 512 × 512; fields are upsampled to that size (Sec. 4.2) and given their
details back (Eq. 10). Scenes have no more than their 32 × 32 pixels: detail maps apply, upsampling
does not. Motion is not post-processed (Sec. 6).
"""

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch

from cdvae.data.layers import value_saturation
from cdvae.data.originals import frame, grey_of, photo, photo_path
from cdvae.files import InputError
from cdvae.postprocess import (
    Upsample,
    own_shading,
    relit,
    resaturated,
    to_linear,
    to_srgb,
    with_details,
)
from cdvae.shown import Shown
from cdvae.upsample import Upsampler

DISPLAY = 168  # px, the width of a picture in a figure; larger ones are averaged down to it


class Gallery:
    """Pictures (h, w, 3) uint8 of one task's examples, by number.

    data, root: where the examples are from; InputError without a root that they need.
    """

    def __init__(self, shown: Shown, data: str, root: str | Path | None):
        if data != "scenes" and root is None:
            raise InputError(f"pictures of {data} need --root, the folder that holds it")
        self.shown, self.task, self.data = shown, shown.task, data
        self.root = Path(root) if root else None
        self.original, self.made = cache(self._original), cache(self._made)

    def __len__(self) -> int:
        return len(self.shown.ids)

    def _original(self, k: int) -> np.ndarray:
        """The photo, frame or scene of example k."""
        if self.data == "scenes":
            return for_display(to_srgb(self.scene(k)))
        if self.task == "motion":
            return for_display(frame(self.root, self.shown.ids[k]) / np.float32(255))
        return for_display(photo(photo_path(self.data, self.root, self.shown.ids[k])))

    def _made(self, k: int, method: str) -> tuple[list[np.ndarray], list[float]]:
        """Example k with each of a method's samples, and the share of pixels that clipped."""
        change = relight if self.task == "relighting" else resaturate
        fields = self.shown.samples[method][k][:, 0], self.shown.reproduced[method][k, 0]
        if self.data == "scenes":
            found = change(self.scene(k), self.shown.x_g[k], *fields, lambda field: field)
            pictures = [to_srgb(light) for light, _ in found]
        else:
            colours, upsample = prepared(photo_path(self.data, self.root, self.shown.ids[k]))
            if self.task == "relighting":
                found = change(to_linear(colours), self.shown.x_g[k], *fields, upsample)
                pictures = [to_srgb(light) for light, _ in found]
            else:
                found = change(colours, self.shown.x_g[k], *fields, upsample)
                pictures = [picture for picture, _ in found]
        return [for_display(picture) for picture in pictures], [share for _, share in found]

    def scene(self, k: int) -> np.ndarray:
        """A scene in linear light, (32, 32, 3)."""
        return self.shown.image[k].transpose(1, 2, 0)


@lru_cache(2)  # of some 50 MB each
def prepared(path: Path) -> tuple[np.ndarray, Upsampler]:
    """A photo (512, 512, 3) float32 sRGB, and its upsampler."""
    colours = photo(path)
    return colours, Upsampler(grey_of(colours))


def relight(light, x_g, generated, reproduced, upsample: Upsample) -> list[tuple]:
    """Linear light (H, W, 3) under each of the generated shadings (n, 32, 32).

    The original layer I_o is the model's own x_g (1, 32, 32), upsampled: decomposing the photo once
    more at its full size would take seconds a photo. What detail it lacks stays in the albedo.
    """
    shading = own_shading(light, upsample(x_g)[0])
    return [
        relit(light, shading, new) for new in with_details(generated, reproduced, shading, upsample)
    ]


def resaturate(colours, x_g, generated, reproduced, upsample: Upsample) -> list[tuple]:
    """Colours (H, W, 3) with each of the generated saturations; I_o is their own saturation."""
    own = value_saturation(torch.from_numpy(colours).permute(2, 0, 1)[None])[1][0, 0].numpy()
    return [resaturated(colours, new) for new in with_details(generated, reproduced, own, upsample)]


def for_display(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in [0, 1] as uint8, at most DISPLAY wide."""
    import cv2

    height, width = picture.shape[:2]
    if width > DISPLAY:
        size = (DISPLAY, round(DISPLAY * height / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return (picture * 255).round().clip(0, 255).astype(np.uint8)
