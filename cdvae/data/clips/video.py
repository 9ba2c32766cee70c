"""One clip: when its frames show, which of them make pairs one second apart, and their flow.

Nothing that a file says about itself is believed where it can be counted: a clip is read through
once for the times of its frames, and a second time for the few that are wanted.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cdvae.data.clips.clock import clock
from cdvae.data.clips.flow import SMALLEST, flow, on_grid
from cdvae.data.fields import SIZE
from cdvae.data.listing import NOT_UTF8, is_utf8
from cdvae.data.reading import Unusable, decoding
from cdvae.tools.files import key_of

PAIRS = 8  # "for each video, we sample eight images equally" (Sec. 6.1)
APART = 1.0  # "frames of one second interval" (Sec. 6.1), in seconds
SLACK = 0.1  # the partner is never further than this from one second later, in seconds
LONGEST = 320  # flow is computed at this length, UCF101's own, or at full size if less; in pixels


def clip_pairs(root: Path, per_clip: int, method: str, name: str) -> dict[str, np.ndarray]:
    """The pairs of the clip `root / name`: its frames on the grid and their flow over one second.

    x_c (p, 3, 32, 32) uint8 RGB; x_g (p, 2, 32, 32) float32 in grid pixels per second; slot (p,),
    which of the eight pairs each is. p ≤ per_clip ≤ 8: fewer are a fixed draw from the eight.
    Raises ValueError, without the clip's name, where it has no pairs.
    """
    path = Path(root) / name
    pairs = pick_pairs(frame_times(path))
    draw = np.random.default_rng(int(key_of(name), 16)).permutation(len(pairs))[:per_clip]
    slots = sorted(int(slot) for slot in draw)
    with decoding("video"):
        images, flows = _measure(path, [pairs[slot] for slot in slots], method)
    return {"x_c": np.stack(images), "x_g": np.stack(flows), "slot": np.array(slots, np.uint8)}


def frame_times(path: Path) -> np.ndarray:
    """When each frame that decodes is shown, in seconds from the first: (n,), increasing.

    Raises ValueError where no frame decodes or nothing tells when they show.
    """
    import cv2

    stamps = []
    with opened(path) as capture:
        while capture.grab():
            stamps.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        rate = capture.get(cv2.CAP_PROP_FPS)
    return clock(np.array(stamps), rate)


def pick_pairs(times: np.ndarray) -> list[tuple[int, int, float]]:
    """Up to eight pairs (start, partner, seconds between them), from increasing frame times.

    A frame can start a pair if another lies one second later, to within half a frame (the median
    interval) and never more than 0.1 s; that one is its partner. The starts are equally spaced in
    time, from the first frame that can start a pair to the last one (whose partner is the last
    frame, or nearly so). A clip with fewer than eight such frames gives them all.
    Raises ValueError where there is none.
    """
    if len(times) < 2:
        raise ValueError("a single frame")
    slack = min(float(np.median(np.diff(times))) / 2, SLACK) + 1e-6
    partners = _nearest(times, times + APART)
    starts = np.flatnonzero(np.abs(times[partners] - times - APART) <= slack)
    if len(starts) == 0:
        short = times[-1] < APART
        raise ValueError("shorter than a second" if short else "no frames one second apart")
    if len(starts) > PAIRS:
        even = np.linspace(times[starts[0]], times[starts[-1]], PAIRS)
        starts = np.unique(starts[_nearest(times[starts], even)])
    return [(int(i), int(partners[i]), float(times[partners[i]] - times[i])) for i in starts]


def _nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The index of the time nearest to each wanted one."""
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    left = right - 1
    return np.where(wanted - times[left] <= times[right] - wanted, left, right)


def _measure(path: Path, pairs: Sequence[tuple[int, int, float]], method: str):
    """The start frame on the grid and the flow of each pair, in order, holding few frames."""
    images, flows, held = {}, {}, {}
    wanted = sorted({index for start, partner, _ in pairs for index in (start, partner)})
    for index, frame in read_frames(path, wanted):
        held[index] = shrink(frame)
        for start, partner, seconds in pairs:
            if start == index:
                images[start] = small(frame).transpose(2, 0, 1)
            if partner == index:
                flows[start] = on_grid(flow(held[start], held[index], method), seconds)
        waiting = {i for start, partner, _ in pairs if partner > index for i in (start, partner)}
        held = {i: frame for i, frame in held.items() if i in waiting}
    if len(flows) < len(pairs):
        raise Unusable("frames that decode only sometimes")
    return [images[start] for start, *_ in pairs], [flows[start] for start, *_ in pairs]


def read_frames(path: Path, wanted: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The wanted frames (their numbers increasing), (h, w, 3) uint8 RGB, read in sequence."""
    import cv2

    position = -1
    with opened(path) as capture:
        for index in wanted:
            while position < index and capture.grab():
                position += 1
            good, frame = capture.retrieve() if position == index else (False, None)
            if not good:
                break
            yield index, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def shrink(frame: np.ndarray) -> np.ndarray:
    """A frame of at most 320 pixels' length, by area averaging; of more where it is so narrow that
    flow would have no room.

    More cost time without gain: flow from 320 to 1000 pixels, brought to the grid, explains the
    second frame equally well (mean absolute difference 12.1 of 255, without flow 18.3).
    """
    import cv2

    height, width = frame.shape[:2]
    scale = max(LONGEST / max(height, width), SMALLEST / min(height, width))
    if scale >= 1:
        return frame
    size = (round(width * scale), round(height * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def small(frame: np.ndarray) -> np.ndarray:
    """A frame on the grid, by area averaging: (32, 32, 3) uint8."""
    import cv2

    return cv2.resize(frame, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An opened clip; raises ValueError where it is no video or fails to decode, OSError where it
    is not there.

    FFmpeg is named because OpenCV would otherwise take some files for picture sequences, and is
    hushed because the reasons are ours to report. A path that is not UTF-8 would end the process.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    hush = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # OpenCV 4, 5
    hush(2)  # errors only
    if not is_utf8(str(path)):
        raise Unusable(NOT_UTF8)
    if os.stat(path).st_size == 0:
        raise Unusable("an empty file")
    with decoding("video"):
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not capture.isOpened():
            raise Unusable("not a readable video")
        try:
            yield capture
        finally:
            capture.release()
