"""The photo or the video frame behind an example's id, at its own resolution, for pictures."""

from pathlib import Path

import numpy as np

from cdvae.data.clips.clips import LISTS, SUFFIXES, VIDEOS
from cdvae.data.clips.video import frame_times, pick_pairs, read_frames
from cdvae.data.fields import SIZE
from cdvae.data.photos.decode import coco_folder, to_rgb
from cdvae.tools.files import InputError

SIDE = 512  # "at high resolution of 512 × 512" (Sec. 4.2)


def photo(path: Path, side: int | None = SIDE) -> np.ndarray:
    """A photo stretched to a square: (side, side, 3) float32 sRGB in [0, 1].

    side None: the multiple of 32, at most 512, next below its shorter side.
    """
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = to_rgb(ImageOps.exif_transpose(opened))
    if side is None:
        side = max(SIZE, min(SIDE, min(image.size)) // SIZE * SIZE)
    if image.size != (side, side):
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(image, np.float32) / 255


def photo_path(data: str, root: Path, example: str) -> Path:
    """The file of a test photo; InputError if it is gone."""
    path = (coco_folder(root, "test") if data == "coco" else root) / example
    if not path.is_file():
        raise InputError(f"no photo {path}: give the folder that the results were made of")
    return path


def grey_of(rgb: np.ndarray) -> np.ndarray:
    """Luma of (H, W, 3) as (H, W), by ITU-R BT.601."""
    return rgb @ np.float32([0.299, 0.587, 0.114])


def frame(root: Path, example: str) -> np.ndarray:
    """The start frame of the pair `<clip>#<k>` (`clips.load_clips`): (H, W, 3) uint8 RGB."""
    clip, _, slot = example.rpartition("#")
    path = clip_path(Path(root), clip)
    start = pick_pairs(frame_times(path))[int(slot)][0]
    return next(image for _, image in read_frames(path, [start]))


def clip_path(root: Path, clip: str) -> Path:
    """The file of a clip, whose id has no suffix in UCF101's layout; InputError if it is gone."""
    if not (root / LISTS).is_dir():
        paths = [root / clip]
    else:
        name = Path(clip).name
        paths = [(root / VIDEOS / clip).with_name(name + end) for end in sorted(SUFFIXES)]
    for path in paths:
        if path.is_file():
            return path
    raise InputError(f"no clip {clip} in {root}: give the folder that the results were made of")
