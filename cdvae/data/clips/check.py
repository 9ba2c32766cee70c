"""Clips read through, for `cdvae data check`."""

from functools import partial
from pathlib import Path

import numpy as np

from cdvae.data.clips.clips import under
from cdvae.data.clips.video import frame_times, pick_pairs
from cdvae.data.reading import read_all


def read_through(folder: Path, workers: int | None = None) -> tuple[list[str], dict[str, str]]:
    """All clips below a folder, and those of them that have no pairs, with the reason."""
    names, left_out = under(folder) if folder.is_dir() else ([], {})
    _, failed = read_all(partial(count_pairs, folder), names, "clips", workers)
    return sorted([*names, *left_out]), {**left_out, **failed}


def count_pairs(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Read a clip through; how many pairs it has as {"found": (1, 1)}. Raises as `video` does."""
    return {"found": np.array([[len(pick_pairs(frame_times(folder / name)))]])}
