"""Pairs of frames of clips, a moment apart, for Visual Dynamics.

The frames that the motion task pairs lie a second apart, which is too far for a difference image;
here every frame is paired with the one a named step later. Pairs in which next to nothing changes
are left out, and counted.
"""

import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cdvae.data import folder
from cdvae.data.clips import ucf101
from cdvae.data.clips.clips import CHUNK, Clips
from cdvae.data.clips.video import frame_times, read_frames
from cdvae.data.drawn.shapes import Pairs
from cdvae.data.splits import SPLITS
from cdvae.tools.chunks import gather
from cdvae.tools.content import digests
from cdvae.tools.files import InputError, atomic, cache_root, key_of
from cdvae.tools.meaning import meaning


class ClipPairs(NamedTuple):
    """Pairs of frames with the clip that each comes from, and how many were left out as still."""

    pairs: Pairs
    clips: tuple[str, ...]
    still: int


def clip_frames(
    folder: Path, size: int, step: float, per_clip: int, name: str
) -> dict[str, np.ndarray]:
    """The pairs of one clip: "first" and "second", (p, 3, size, size) uint8 RGB, and "change", the
    mean squared difference of each pair with colours in [0, 1], (p,).

    The whole frame is shrunk to a square by area averaging, as the motion task has it. Of more than
    `per_clip` pairs as many are taken, evenly spaced. Raises ValueError, without the clip's name,
    where it has none.
    """
    import cv2

    path = Path(folder) / name
    chosen = pairs_apart(frame_times(path), step, per_clip)
    wanted = sorted({index for pair in chosen for index in pair})
    small = {
        index: cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
        for index, frame in read_frames(path, wanted)
    }
    if len(small) < len(wanted):
        raise ValueError("frames that decode only sometimes")
    first, second = (np.stack([small[pair[k]] for pair in chosen]) for k in (0, 1))
    change = ((first.astype(np.float32) - second) / 255) ** 2
    return {"first": first, "second": second, "change": change.mean((1, 2, 3))}


def pairs_apart(times: np.ndarray, step: float, most: int) -> list[tuple[int, int]]:
    """Frames and their partners `step` seconds later, to within half a frame (the median interval),
    from increasing frame times; at the most so many, evenly spaced. Raises ValueError for none."""
    if len(times) < 2:
        raise ValueError("a single frame")
    slack = float(np.median(np.diff(times))) / 2 + 1e-6
    right = np.clip(np.searchsorted(times, times + step), 1, len(times) - 1)
    nearer = times + step - times[right - 1] < times[right] - times - step
    partner = np.where(nearer, right - 1, right)
    apart = np.abs(times[partner] - times - step) <= slack
    starts = np.flatnonzero(apart & (partner > np.arange(len(times))))
    if len(starts) == 0:
        raise ValueError(f"no frames {step:.2f} seconds apart")
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).round().astype(int)]
    return [(int(i), int(partner[i])) for i in starts]


def listed(root: Path, split: str) -> Clips:
    """The clips of a split of UCF101, where its lists are there, or of any folder of clips."""
    has_lists = (root / ucf101.LISTS).is_dir()
    return ucf101.listed(root, split) if has_lists else folder.listed(root, split)


def stamp(root: Path) -> str:
    """A key of what the clips in a folder hold and of the code that reads them."""
    parts = [(split, listed(root, split)) for split in SPLITS]
    content = [(split, each.names, digests(each.folder, each.names)) for split, each in parts]
    return key_of(content, meaning(load))


def load(
    root: Path, split: str, n: int, seed: int, size: int, step: float, per_clip: int, least: float
) -> ClipPairs:
    """At most n pairs of a split that change by `least` or more, spread evenly over its clips, in
    an order that the seed shuffles. What cannot be read is left out; raises InputError where
    nothing can."""
    clips = listed(root, split)
    names = [clips.names[i] for i in np.random.default_rng(seed).permutation(len(clips.names))]
    shaped = key_of(stamp(root), seed, size, step, per_clip)
    place = cache_root() / "clips" / f"frames-{split}-{shaped}"
    work = partial(clip_frames, clips.folder, size, step, per_clip)
    gathered = gather(work, names, place, describe="clips", chunk=CHUNK)
    if not gathered.rows:
        raise InputError(f"no clip for {split} in {root} can be used: check the folder")
    moves = np.flatnonzero(gathered.load("change").numpy() >= least)
    if not len(moves):
        raise InputError(f"nothing moves in the clips for {split} in {root}: lower {least=}")
    order = spread_out(np.array(gathered.rows)[moves], seed)[:n]
    rows = torch.from_numpy(moves[order])
    pairs = Pairs(*(gathered.load(name)[rows] for name in ("first", "second")))
    found = tuple(gathered.rows[int(row)] for row in rows)
    return ClipPairs(pairs, found, len(gathered.rows) - len(moves))


def save(found: ClipPairs, path: Path) -> None:
    """Write the pairs of a split as one safetensors file, atomically."""
    about = {"clips": list(found.clips), "still": found.still}
    with atomic(path) as temporary:
        tensors = {"first": found.pairs.first, "second": found.pairs.second}
        save_file(tensors, temporary, metadata={"pairs": json.dumps(about)})


def load_saved(path: Path) -> ClipPairs:
    """Read what `save` wrote."""
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["pairs"])
        pairs = Pairs(file.get_tensor("first"), file.get_tensor("second"))
    return ClipPairs(pairs, tuple(about["clips"]), about["still"])


def spread_out(clips: np.ndarray, seed: int) -> np.ndarray:
    """An order of rows in which every clip comes once before any comes twice, else shuffled."""
    shuffled = np.random.default_rng(seed).permutation(len(clips))
    turn, seen = np.empty(len(clips), int), {}
    for place, row in enumerate(shuffled):
        turn[place] = seen[clips[row]] = seen.get(clips[row], -1) + 1
    return shuffled[np.argsort(turn, kind="stable")]
