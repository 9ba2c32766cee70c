"""When the frames of a clip are shown."""

import numpy as np

RATES = (1.0, 1000.0)  # believable frame rates, per second
SOUND = 0.9  # stamps are believed if this share of them and more increase from frame to frame
AGREE = 0.2  # a nominal rate is believed if the stamps' own steps differ from it by less than this


def clock(stamps: np.ndarray, rate: float) -> np.ndarray:
    """Frame times in seconds from the first, increasing, from the frames' own stamps (seconds).

    A few stamps may be missing, repeated or out of order: their frames lie evenly between their
    neighbours. Where there are no stamps, or many are wrong but most of their steps agree with
    the clip's nominal rate (frames per second), the rate counts.
    Raises ValueError where neither tells when the frames are shown.
    """
    if len(stamps) == 0:
        raise ValueError("no frames")
    sound = longest_increase(stamps)
    if sound.sum() >= max(2, SOUND * len(stamps)):
        return filled(stamps, sound)
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError("neither timestamps nor a frame rate")
    steps = np.diff(stamps[np.isfinite(stamps)])
    steps = steps[steps > 0]
    if len(steps) and abs(np.median(steps) * rate - 1) > AGREE:
        raise ValueError("timestamps that do not increase and contradict the frame rate")
    return np.arange(len(stamps)) / rate


def longest_increase(stamps: np.ndarray) -> np.ndarray:
    """The most stamps that increase from one to the next, as a mask (n,): those to believe.

    Of two that are equal the first is believed.
    """
    ends: list[int] = []  # of the increase of each length that ends lowest, its last stamp's index
    before = np.full(len(stamps), -1)
    for k in np.flatnonzero(np.isfinite(stamps)):
        length = int(np.searchsorted(stamps[ends], stamps[k]))
        if length < len(ends) and stamps[ends[length]] == stamps[k]:
            continue
        before[k] = ends[length - 1] if length else -1
        ends[length : length + 1] = [int(k)]
    sound, k = np.zeros(len(stamps), bool), ends[-1] if ends else -1
    while k >= 0:
        sound[k] = True
        k = int(before[k])
    return sound


def filled(stamps: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """Times from the first frame, where those of frames without a sound stamp lie evenly between
    their neighbours', or go on at the usual step at the ends."""
    known = np.flatnonzero(sound)
    step = float(np.median(np.diff(stamps[known]) / np.diff(known)))
    frames = np.arange(len(stamps))
    times = np.interp(frames, known, stamps[known])
    times += step * (np.minimum(frames - known[0], 0) + np.maximum(frames - known[-1], 0))
    return times - times[0]
