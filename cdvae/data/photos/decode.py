"""One photo, decoded."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cdvae.data.fields import SIZE
from cdvae.data.listing import Listing, files_under
from cdvae.data.photos.depths import to_rgb
from cdvae.data.reading import Unusable, decoding

ENDINGS = frozenset(".jpg .jpeg .jfif .png .webp .avif .bmp .tif .tiff .gif .ppm .pgm".split())
UNREAD = frozenset(".heic .heif .jxl .raw .dng .cr2 .cr3 .nef .arw .orf .rw2".split())
MOST_PIXELS = 150_000_000  # a larger picture is refused before it is decoded
ORIENTATION = 0x0112  # the EXIF field; its values 2 to 8 and how they turn a picture:
TURNS = "FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90"


def under(folder: Path) -> Listing:
    """The photos in a folder, at any depth; those of kinds that are not read are left out."""
    return files_under(folder, ENDINGS, UNREAD)


def decode(name: str, folder: Path) -> dict[str, np.ndarray]:
    """One photo as {"image": (1, 32, 32, 3) uint8 sRGB}, stretched to a square.

    A JPEG is decoded at the smallest scale that its format offers above 128 × 128, from which
    boxes are averaged (nearer to 32 × 32 a box filter would alias). Raises as `read_rgb` does.
    """
    from PIL.Image import Resampling

    small = read_rgb(folder / name, 4 * SIZE).resize((SIZE, SIZE), Resampling.BOX)
    return {"image": np.array(small, np.uint8)[None]}  # a copy: Pillow's own is read-only


def read_rgb(path: Path, least: int | None = None):
    """A photo as a Pillow image in RGB, at its own size; a JPEG at a scale above `least` pixels.

    Pictures are turned as EXIF says; `to_rgb` says what becomes of their colours. Raises ValueError
    or OSError, without the photo's name, for a file that is no picture or cannot be read.
    """
    with opened(path) as image:
        if least:
            image.draft("RGB", (least, least))
        image.load()
        return upright(to_rgb(image, path), image)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A Pillow image whose pixels are not decoded yet; whatever goes wrong with it has a reason."""
    from PIL import Image

    too_large = f"more than {MOST_PIXELS:,} pixels"
    with warnings.catch_warnings(), decoding("picture"):
        warnings.simplefilter("ignore")  # Pillow's, of odd EXIF and of many pixels
        try:
            image = Image.open(path)
        except Image.UnidentifiedImageError:
            raise Unusable("not a picture that can be read") from None
        except Image.DecompressionBombError:
            raise Unusable(too_large) from None
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise Unusable(too_large)
            yield image


def upright(picture, image):
    """The picture turned as the EXIF of `image` says; as it is where that is broken, for its pixels
    are whole."""
    from PIL.Image import Transpose

    try:
        value = int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return picture
    return picture.transpose(Transpose[TURNS.split()[value - 2]]) if 2 <= value <= 8 else picture
