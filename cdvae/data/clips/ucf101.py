"""UCF101: `UCF-101/<Class>/…` and the lists of its split 1 in `ucfTrainTestlist/`."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cdvae.data.clips import check, originals
from cdvae.data.clips.clips import SUFFIXES, Clips, make_clips, stamp
from cdvae.data.registry import DataSet, register
from cdvae.data.report import Report
from cdvae.data.splits import confirm_sides, source_of, split_training
from cdvae.tools.files import InputError

VIDEOS = "UCF-101"
LISTS = "ucfTrainTestlist"
NUMBER = re.compile("[0-9]{1,9}")


def listed(root: Path, split: str) -> Clips:
    """The clips of a split: "valid" is a tenth of the sources to train on, which "train" is then
    without. Raises InputError for lists that are missing or unreadable."""
    if not (root / LISTS).is_dir():
        raise InputError(
            f"no folder {LISTS} in {root}: give the folder that holds it and {VIDEOS}, "
            "or --data folder for clips without lists"
        )
    classes, names = read_classes(root), read_list(root, split)
    if split != "test":
        sides = {side: split_training(names, side) for side in ("train", "valid")}
        confirm_sides(sides, f"trainlist01.txt in {root / LISTS}", "clips")
        names = sides[split]
    absent = {name: why for name in names if (why := why_not(root, name, classes))}
    present = [name for name in names if name not in absent]
    return Clips(root / VIDEOS, present, absent, classes)


def read_classes(root: Path) -> list[str]:
    """The classes of `classInd.txt` in their order; raises InputError where it cannot be read."""
    path = Path(root) / LISTS / "classInd.txt"
    entries = [line.split() for line in lines_of(path)]
    sound = [len(entry) == 2 and NUMBER.fullmatch(entry[0]) for entry in entries]
    if not entries or not all(sound):
        raise InputError(f"{path} does not list classes as '1 ApplyEyeMakeup': restore it")
    for told in zip(*entries, strict=True):
        twice = [each for each in told if told.count(each) > 1]
        if twice:
            raise InputError(f"{path} has {twice[0]} twice: restore it")
    return [name for _, name in sorted(entries, key=lambda entry: int(entry[0]))]


def read_list(root: Path, split: str) -> list[str]:
    """The clips of `testlist01.txt` ("test") or `trainlist01.txt`, as `<Class>/<clip>`."""
    lines = lines_of(Path(root) / LISTS / f"{'test' if split == 'test' else 'train'}list01.txt")
    return list(dict.fromkeys(line.split()[0].replace("\\", "/") for line in lines))


def lines_of(path: Path) -> list[str]:
    """The lines of a list; raises InputError where it is missing or no text."""
    if not path.is_file():
        raise InputError(f"{path} is missing: unpack UCF101's train/test lists for recognition")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file: restore it") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def why_not(root: Path, name: str, classes: Sequence[str]) -> str | None:
    """What is wrong with a listed clip before it is opened, if anything."""
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts:
        return "listed, but outside the folder"
    if parts[0] not in classes:
        return "listed under a class that classInd.txt does not have"
    if not (Path(root) / VIDEOS / name).is_file():
        return "listed, but not there"
    return None


def original(root: Path, task: str, example: str) -> np.ndarray:
    """The start frame of an example's pair."""
    clip, _, slot = example.rpartition("#")
    return originals.as_picture(clip_path(root, clip), int(slot))


def clip_path(root: Path, clip: str) -> Path:
    """The file of a clip, whose id has no suffix; InputError if it is gone."""
    for end in sorted(SUFFIXES):
        path = (root / VIDEOS / clip).with_name(Path(clip).name + end)
        if path.is_file():
            return path
    raise InputError(f"no clip {clip} in {root}: give the folder that the results were made of")


def checked(root: Path, workers: int | None = None) -> list[Report]:
    """UCF101's layout: every listed clip read through, and the clips that no list names."""
    folder = root / VIDEOS
    if not folder.is_dir() and not (root / LISTS).is_dir():
        return []
    there, unreadable = check.read_through(folder, workers)
    try:
        classes = read_classes(root)
        lists = {split: read_list(root, split) for split in ("train", "test")}
    except InputError as error:
        skipped = unreadable
        used = len(there) - len(skipped)
        name = f"{root.name} clips"
        return [Report(name, "clips", len(there), used, skipped, faults=(str(error),))]
    reports = []
    for split, names in lists.items():
        wrong = {name: why for name in names if (why := why_not(root, name, classes))}
        wrong |= {name: unreadable[name] for name in names if name in unreadable}
        used = len(names) - len(wrong)
        reports.append(Report(f"{root.name} {split}", "clips", len(names), used, wrong))
    listed = {name for names in lists.values() for name in names}
    wrong = {name: "in neither list" for name in there if name not in listed}
    wrong |= {name: f"in neither list; {unreadable[name]}" for name in wrong.keys() & unreadable}
    both = sorted({*map(source_of, lists["train"])} & {*map(source_of, lists["test"])})
    faults = (f"on both sides of the split: {', '.join(both[:3])}",) if both else ()
    if wrong or faults:
        name = f"{root.name} unlisted"
        reports.append(Report(name, "clips", len(wrong), 0, wrong, faults=faults))
    return reports


UCF101 = register(
    DataSet(
        name="ucf101",
        title="UCF101 clips",
        tasks=("motion",),
        make=partial(make_clips, listed),
        stamp=partial(stamp, listed),
        original=original,
        check=checked,
    )
)
