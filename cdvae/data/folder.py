"""A person's own folder: photos or clips at any depth, without annotations."""

import os
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from cdvae.data.clips import check as clip_check
from cdvae.data.clips import clips, originals
from cdvae.data.clips.clips import Clips, make_clips
from cdvae.data.listing import walk
from cdvae.data.photos import check as photo_check
from cdvae.data.photos import decode as photos
from cdvae.data.photos import examples
from cdvae.data.photos.examples import Part
from cdvae.data.photos.originals import photo
from cdvae.data.registry import DataSet, Request, register
from cdvae.data.report import Report
from cdvae.data.splits import SPLITS, confirm_sides, shuffled, split_names
from cdvae.tools.files import InputError

PHOTO_TASKS = ("relighting", "resaturation")


def photo_parts(request: Request) -> dict[str, Part]:
    """The photos of each split; raises InputError where there are too few."""
    names, left_out = photos.under(request.root)
    sides = {split: split_names(names, split) for split in SPLITS}
    if not names:
        raise InputError(f"no photos in {request.root}: {instead(request.root)}")
    confirm_sides(sides, str(request.root), "photos")
    return {
        split: Part(
            request.root,
            shuffled(sides[split], request.seed)[: request.size(split)],
            left_out if split == "train" else {},
        )
        for split in SPLITS
    }


def listed(root: Path, split: str) -> Clips:
    """The clips of a split, by source (`splits.py`); raises InputError where there are too few."""
    names, left_out = clips.under(root)
    if not names:
        raise InputError(f"no clips in {root}: {instead(root)}")
    sides = {each: split_names(names, each) for each in SPLITS}
    confirm_sides(sides, str(root), "clips")
    return Clips(root, sides[split], left_out if split == "train" else {})


def tasks_at(root: Path) -> tuple[str, ...]:
    """The tasks of photos, clips or both; raises InputError where there are neither."""
    has_photos, has_clips = (bool(each.under(root).names) for each in (photos, clips))
    if not (has_photos or has_clips):
        raise InputError(f"no photos and no clips in {root}: {instead(root)}")
    return PHOTO_TASKS * has_photos + ("motion",) * has_clips


def instead(folder: Path) -> str:
    """What a folder holds in place of photos or clips, and what could be read."""
    endings = Counter(os.path.splitext(name)[1].lower() for name in walk(folder, {}))
    held = ", ".join(f"{n} {ending or 'without ending'}" for ending, n in endings.most_common(3))
    read = f"photos like {some(photos.ENDINGS)} and clips like {some(clips.SUFFIXES)} are read"
    return f"it holds {held}, while {read}" if held else f"it holds no visible file; {read}"


def some(endings: frozenset[str]) -> str:
    return ", ".join(sorted(endings))


def stamp(request: Request) -> list:
    """What the photos or the clips hold."""
    if request.task.name in PHOTO_TASKS:
        return examples.stamp(photo_parts, request)
    return clips.stamp(listed, request)


def original(root: Path, task: str, example: str) -> np.ndarray:
    """The photo of an example, or the frame that its pair starts with."""
    if task in PHOTO_TASKS:
        return photo(root / example)
    clip, _, slot = example.rpartition("#")
    if not (root / clip).is_file():
        raise InputError(f"no clip {clip} in {root}: give the folder that the results were made of")
    return originals.as_picture(root / clip, int(slot))


def checked(root: Path, workers: int | None = None) -> list[Report]:
    """Any folder: every photo decoded and every clip read through."""
    read = {"photos": photo_check.decode_all, "clips": clip_check.read_through}
    reports = []
    for unit, through in read.items():
        names, wrong = through(root, workers)
        if names:
            reports.append(Report(root.name, unit, len(names), len(names) - len(wrong), wrong))
    if not reports:
        raise InputError(f"no photos and no clips in {root}: {instead(root)}")
    return reports


FOLDER = register(
    DataSet(
        name="folder",
        title="a folder of one's own",
        tasks=(*PHOTO_TASKS, "motion"),
        make=examples.makers(photo_parts) | {"motion": partial(make_clips, listed)},
        stamp=stamp,
        tasks_at=tasks_at,
        original=original,
        check=checked,
    )
)
