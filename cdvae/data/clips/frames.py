"""Pairs of frames of clips, a moment apart, for Visual Dynamics.

The frames that the motion task pairs lie a second apart, which is too far for a difference image;
here each of its eight starting frames of a clip is paired with the frame STEP later.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch

from cdvae.data import folder
from cdvae.data.clips import ucf101
from cdvae.data.clips.clips import CHUNK, Clips
from cdvae.data.clips.video import frame_times, pick_pairs, read_frames
from cdvae.data.drawn.shapes import Pairs
from cdvae.data.splits import SPLITS
from cdvae.tools.chunks import gather
from cdvae.tools.content import digests
from cdvae.tools.files import InputError, cache_root, key_of
from cdvae.tools.meaning import meaning

STEP = 0.2  # from the first frame of a pair to the second, in seconds; the nearest frame is taken


def clip_frames(folder: Path, size: int, name: str) -> dict[str, np.ndarray]:
    """Up to eight pairs of one clip: "first" and "second", (p, 3, size, size) uint8 RGB.

    The whole frame is shrunk to a square by area averaging, as the motion task has it.
    Raises ValueError, without the clip's name, where it has no pairs.
    """
    import cv2

    path = Path(folder) / name
    times = frame_times(path)
    starts = [start for start, _, _ in pick_pairs(times)]
    seconds = [later(times, start) for start in starts]
    wanted = sorted({*starts, *seconds})
    small = {
        index: cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
        for index, frame in read_frames(path, wanted)
    }
    if len(small) < len(wanted):
        raise ValueError("frames that decode only sometimes")
    return {
        "first": np.stack([small[i] for i in starts]),
        "second": np.stack([small[i] for i in seconds]),
    }


def later(times: np.ndarray, start: int) -> int:
    """The frame after `start` that is nearest to STEP later."""
    return start + 1 + int(np.abs(times[start + 1 :] - times[start] - STEP).argmin())


def listed(root: Path, split: str) -> Clips:
    """The clips of a split of UCF101, where its lists are there, or of any folder of clips."""
    has_lists = (root / ucf101.LISTS).is_dir()
    return ucf101.listed(root, split) if has_lists else folder.listed(root, split)


def stamp(root: Path) -> str:
    """A key of what the clips in a folder hold and of the code that reads them."""
    parts = [(split, listed(root, split)) for split in SPLITS]
    content = [(split, each.names, digests(each.folder, each.names)) for split, each in parts]
    return key_of(content, meaning(load))


def load(root: Path, split: str, n: int, seed: int, size: int) -> Pairs:
    """At most n pairs of a split of UCF101 or of any folder of clips, in an order that is shuffled
    by the seed. What cannot be read is left out; raises InputError where nothing can."""
    clips = listed(root, split)
    names = [clips.names[i] for i in np.random.default_rng(seed).permutation(len(clips.names))]
    place = cache_root() / "clips" / f"frames-{split}-{key_of(stamp(root), seed, size)}"
    work = partial(clip_frames, clips.folder, size)
    gathered = gather(work, names, place, describe="clips", chunk=CHUNK, enough=n)
    if not gathered.rows:
        raise InputError(f"no clip for {split} in {root} can be used: check the folder")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(gathered.rows))[:n])
    return Pairs(gathered.load("first")[order], gathered.load("second")[order])
