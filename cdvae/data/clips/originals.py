"""The video frame behind an example's id, at its own resolution, for pictures."""

from pathlib import Path

import numpy as np

from cdvae.data.clips.video import frame_times, pick_pairs, read_frames


def frame(path: Path, slot: int) -> np.ndarray:
    """The start frame of a clip's pair, 0 to 7 (`clips.make_clips`): (H, W, 3) uint8 RGB."""
    start = pick_pairs(frame_times(path))[slot][0]
    return next(image for _, image in read_frames(path, [start]))


def as_picture(path: Path, slot: int) -> np.ndarray:
    """The same as (H, W, 3) float32 sRGB in [0, 1]."""
    return frame(path, slot) / np.float32(255)
