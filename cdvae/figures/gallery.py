"""The pictures that the figures are made of: originals and samples of a task, post-processed.

Photos are stretched to 512 × 512, scenes drawn at 224 × 224; fields are upsampled to that size
(Sec. 4.2) and given their details back (Eq. 10). Motion is not post-processed (Sec. 6).
"""

from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from cdvae.data.drawn.closeup import TIMES, closeups
from cdvae.data.drawn.scenes import SCENES
from cdvae.data.photos.originals import grey_of, saturation_of
from cdvae.data.sources import original
from cdvae.figures.shown import Shown
from cdvae.postprocess.details import (
    leaves_range,
    relight,
    relight_as_printed,
    resaturate,
    saturations,
    to_linear,
    to_srgb,
    with_details,
)
from cdvae.postprocess.upsample import Upsampler
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError

DISPLAY = 168  # px, the width of a picture in a figure; larger ones are averaged down to it


class Gallery:
    """Pictures (h, w, 3) uint8 of one task's examples, by number.

    data, root: where the examples are from; InputError without a root that they need. drawn: of
    data without pictures of their own, (K, H, W, 3), as `drawn_pictures` makes them.
    """

    def __init__(
        self, shown: Shown, data: str, root: str | Path | None, drawn: np.ndarray | None = None
    ):
        if drawn is None and root is None:
            raise InputError(f"pictures of {data} need --root, the folder that holds it")
        self.shown, self.task, self.data, self.drawn = shown, shown.task, data, drawn
        self.root = Path(root) if root else None
        self.is_linear = data == SCENES.name or shown.task == "relighting"  # and not in sRGB
        self.original, self._make = cache(self._original), cache(self._make)
        self.prepared = lru_cache(1)(self._prepared)

    def __len__(self) -> int:
        return len(self.shown.ids)

    def _original(self, k: int) -> np.ndarray:
        """The photo, frame or drawing of example k."""
        if self.drawn is not None:
            return for_display(to_srgb(self.drawn[k]) if self.is_linear else self.drawn[k])
        return for_display(original(self.data, self.root, self.task, self.shown.ids[k]))

    def made(
        self, k: int, method: str, as_printed: bool = False
    ) -> tuple[list[np.ndarray], list[float]]:
        """Example k with each of a method's samples, and the share of pixels that go beyond.

        Beyond white, where light is clipped, or beyond full saturation or none, where it is bent.
        as_printed: relit by Eq. 10 as printed, with the share of pixels left without light.
        """
        return self._make(k, method, as_printed)

    def beyond(self, k: int, n: int) -> np.ndarray:
        """Where the main method's sample n of example k goes beyond, as in `made`.

        At the size of a figure (h, w).
        """
        main = self.shown.main
        fields = self.shown.samples[main][k][n : n + 1, 0], self.shown.reproduced[main][k, 0]
        colours, upsample = self.prepared(k)
        if self.task == "relighting":
            ((made, _),) = relight(colours, *fields, upsample)
            where = (made >= 1).any(2)
        else:
            (new,) = with_details(*fields, saturation_of(colours), upsample)
            where = leaves_range(saturations(colours, new)[1])
        return for_display(np.repeat(where[..., None], 3, 2).astype(np.float32))[..., 0] >= 128

    def _make(self, k: int, method: str, as_printed: bool) -> tuple[list, list[float]]:
        fields = self.shown.samples[method][k][:, 0], self.shown.reproduced[method][k, 0]
        colours, upsample = self.prepared(k)
        if self.task == "resaturation":
            found = resaturate(colours, *fields, upsample)
        elif as_printed:
            found = relight_as_printed(colours, self.shown.x_g[k], *fields, upsample)
        else:
            found = relight(colours, *fields, upsample)
        screen = to_srgb if self.is_linear else np.asarray
        return [for_display(screen(picture)) for picture, _ in found], [part for _, part in found]

    def _prepared(self, k: int) -> tuple[np.ndarray, Upsampler]:
        """The colours (H, W, 3) of example k that are changed, and its upsampler."""
        if self.drawn is not None:
            screen = to_srgb if self.is_linear else np.asarray
            return self.drawn[k], Upsampler(grey_of(screen(self.drawn[k])))
        colours, upsample = prepared_photo(self.data, self.root, self.task, self.shown.ids[k])
        return to_linear(colours) if self.is_linear else colours, upsample


def drawn_pictures(profile: str, data: str, shown: Shown) -> np.ndarray | None:
    """Pictures (K, H, W, 3) of data whose examples have none of their own; else None.

    Scenes are drawn again on a finer grid, in linear light; InputError if they are not the
    profile's. The fields of other data are enlarged.
    """
    if shown.image is None:
        return None
    image = shown.image.transpose(0, 2, 3, 1)
    if data != SCENES.name:
        return image.repeat(TIMES, 1).repeat(TIMES, 2).clip(0, 1)
    scenes = closeups(shown.ids, load_profile(profile).n_test)
    middle = scenes[:, TIMES // 2 :: TIMES, TIMES // 2 :: TIMES]
    if np.abs(middle - image).max() > 0.01:
        raise InputError(f"the samples kept of profile {profile} are old: run cdvae reproduce")
    return scenes


@lru_cache(2)  # of some 50 MB each
def prepared_photo(data: str, root: Path, task: str, example: str) -> tuple[np.ndarray, Upsampler]:
    """A photo (512, 512, 3) float32 sRGB, and its upsampler."""
    colours = original(data, root, task, example)
    return colours, Upsampler(grey_of(colours))


def for_display(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) in [0, 1] as uint8, at most DISPLAY wide."""
    import cv2

    height, width = picture.shape[:2]
    if width > DISPLAY:
        size = (DISPLAY, round(DISPLAY * height / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return (picture * 255).round().clip(0, 255).astype(np.uint8)
