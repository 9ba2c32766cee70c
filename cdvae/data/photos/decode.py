"""Photos on disk: MS-COCO's layout, or any folder; decoded to 32 × 32 in parallel."""

from pathlib import Path

import numpy as np

from cdvae.data.fields import SIZE
from cdvae.tools.files import InputError

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm"}
MOST_PIXELS = 150_000_000  # a larger picture is refused before it is decoded
YEARS = ("2014", "2017")  # of COCO; the paper's is the first


def under(folder: Path) -> list[str]:
    """The photos in a folder, at any depth, as sorted relative names."""
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.is_file())


def list_photos(folder: Path) -> list[str]:
    """The photos in a folder (`under`); raises InputError for none."""
    found = under(folder)
    if not found:
        raise InputError(f"no photos in {folder}: files like {', '.join(sorted(ENDINGS))} are read")
    return found


def coco_folder(root: Path, split: str) -> Path:
    """The folder of a COCO split, train2014 / val2014 as in Sec. 6.1, else those of 2017."""
    part = "val" if split == "test" else "train"
    for year in YEARS:
        if (root / f"{part}{year}").is_dir():
            return root / f"{part}{year}"
    raise InputError(f"no folder {part}2014 (or {part}2017) in {root}: is it COCO's layout?")


def decode(name: str, folder: Path) -> dict[str, np.ndarray]:
    """One photo as {"image": (1, 32, 32, 3) uint8 sRGB}, stretched to a square.

    A JPEG is decoded at the smallest scale that its format offers above 128 × 128, from which
    boxes are averaged (nearer to 32 × 32 a box filter would alias). Pictures are turned as EXIF
    says; grey, CMYK and palettes become RGB, 16 bits become 8, transparency is laid on white.
    Raises ValueError or OSError for a file that is no picture.
    """
    from PIL import Image, ImageOps

    try:
        image = Image.open(folder / name)
    except Image.UnidentifiedImageError:
        raise ValueError("not a picture that can be read") from None
    except Image.DecompressionBombError:
        raise ValueError(f"more than {MOST_PIXELS:,} pixels") from None
    with image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"more than {MOST_PIXELS:,} pixels")
        image.draft("RGB", (4 * SIZE, 4 * SIZE))
        try:
            image = to_rgb(ImageOps.exif_transpose(image))
        except (SyntaxError, IndexError, EOFError) as error:  # as Pillow's decoders fail
            raise ValueError(f"damaged picture ({error})") from None
        small = image.resize((SIZE, SIZE), Image.Resampling.BOX)
    return {"image": np.array(small, np.uint8)[None]}  # a copy: Pillow's own is read-only


def to_rgb(image):
    """A Pillow image of any mode as 8-bit RGB."""
    from PIL import Image

    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        sixteen = np.asarray(image).astype(np.float64)
        image = Image.fromarray((sixteen / 257).clip(0, 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")
