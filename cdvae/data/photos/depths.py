"""Pictures of any mode and depth as 8-bit RGB."""

from pathlib import Path

import numpy as np

from cdvae.data.reading import Unusable

SCALES = (255, 1023, 4095, 16383, 65535)  # white in 8, 10, 12, 14 and 16 bits
DEEP = ("PNG", "TIFF")  # formats with 16 bits a colour
COLOURS = ("RGB", "RGBA", "LA")
INTEGERS = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def to_rgb(image, path: Path):
    """A Pillow image as 8-bit RGB.

    Grey, CMYK and palettes become RGB, and transparency is laid on white. Deeper pictures are read
    by their range: 16-bit files often hold 10, 12 or 14 bits, and floats mostly lie in [0, 1].
    Raises ValueError for values that are no brightness. path: the file that the image is of.
    """
    from PIL import Image

    if image.mode in INTEGERS or image.mode == "F":
        return Image.fromarray(in_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in COLOURS and image.format in DEEP and is_almost_black(image):
        image = deep_colours(path) or image
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def in_eight_bits(values: np.ndarray) -> np.ndarray:
    """Integers by the fewest bits that hold them all, floats in [0, 1] or as such integers: uint8.

    Floats may overshoot a little at both ends, as resampling makes them. Raises ValueError for
    other values: negative, not finite, or beyond 16 bits.
    """
    low, high = float(values.min()), float(values.max())
    is_float = values.dtype.kind == "f"
    least = -0.1 * max(high, 1) if is_float else 0
    if not (np.isfinite([low, high]).all() and low >= least and high <= SCALES[-1]):
        raise Unusable(f"values from {low:g} to {high:g}, which are no colours")
    is_share = is_float and high <= 2
    scale = 1 if is_share else next(white for white in SCALES if high <= white)
    return (values.astype(np.float64) * (255 / scale)).clip(0, 255).round().astype(np.uint8)


def is_almost_black(image) -> bool:
    """Whether no colour is above 63, as when 14 bits or fewer are taken for 16."""
    extrema = image.getextrema()
    colours = extrema if image.mode == "RGB" else extrema[:-1]
    return max(high for _, high in colours) <= SCALES[0] >> 2


def deep_colours(path: Path):
    """The picture in a file of 16-bit colours, where Pillow keeps 8 of them; None in any other."""
    import cv2
    from PIL import Image

    data = np.fromfile(path, np.uint8)
    values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        return None
    picture = Image.fromarray(in_eight_bits(values[..., 2::-1]))
    if values.shape[2] == 4:
        picture.putalpha(Image.fromarray(in_eight_bits(values[..., 3])))
    return picture
