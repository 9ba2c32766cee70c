"""Check a folder of data: what is there, what is missing, damaged or does not match."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from cdvae.data.clips import clips
from cdvae.data.clips.video import frame_times, pick_pairs
from cdvae.data.photos import coco
from cdvae.data.photos import decode as photos
from cdvae.data.report import Report
from cdvae.data.splits import source_of
from cdvae.tools.chunks import gather
from cdvae.tools.files import InputError


def check(root: Path, workers: int | None = None) -> list[Report]:
    """Read every photo or clip below `root` and account for it: a Report for each part.

    COCO's and UCF101's layouts are known by their folders and held against their annotations and
    lists; anything else is a folder of photos, clips or both. In a Report, `skipped` names what
    is wrong and why, and n_used counts what can be used. Raises InputError where there is nothing
    to check.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"no folder {root}: give one that exists")
    if (root / clips.LISTS).is_dir() or (root / clips.VIDEOS).is_dir():
        return check_ucf101(root, workers)
    parts = [f"{part}{year}" for year in photos.YEARS for part in ("train", "val")]
    parts = [part for part in parts if (root / part).is_dir() or coco.annotation_file(root / part)]
    return [check_coco(root, part, workers) for part in parts] or check_folder(root, workers)


def check_coco(root: Path, part: str, workers: int | None = None) -> Report:
    """One part of COCO's layout: every photo decoded, and held against its annotations."""
    names = photos.under(root / part)
    sizes, wrong = _read(partial(measure_photo, root / part), names, "photos", workers)
    counts, notes = {}, []
    listed: Mapping[str, tuple[int, int]] = {}
    annotations = coco.annotation_file(root / part)
    if annotations is None:
        notes.append("no annotations: guidance would use pixel features alone")
    else:
        try:
            listed = annotated_sizes(annotations)
        except InputError as error:
            notes.append(str(error))
        for name, size in listed.items():
            if name not in wrong and sizes.get(name) != size:
                wrong[name] = "annotated at another size" if name in sizes else "not there"
        counts["without_annotations"] = len(set(names) - set(listed))
    found = len(set(names) | set(listed))
    return Report(f"{root.name} {part}", "photos", found, found - len(wrong), wrong, counts, notes)


def check_ucf101(root: Path, workers: int | None = None) -> list[Report]:
    """UCF101's layout: every listed clip read through, and the clips that no list names."""
    folder = root / clips.VIDEOS
    there = clips.under(folder)
    _, failed = _read(partial(count_pairs, folder), there, "clips", workers)
    try:
        classes = clips.read_classes(root)
        lists = {split: clips.read_list(root, split) for split in ("train", "test")}
    except InputError as error:
        return [_account(f"{root.name} clips", "clips", there, failed, [str(error)])]
    reports = []
    for split, names in lists.items():
        wrong = {name: why for name in names if (why := clips.why_not(root, name, classes))}
        wrong |= {name: failed[name] for name in names if name in failed}
        reports.append(_account(f"{root.name} {split}", "clips", names, wrong))
    listed = {name for names in lists.values() for name in names}
    wrong = {name: "in neither list" for name in there if name not in listed}
    wrong |= {name: f"in neither list; {failed[name]}" for name in wrong.keys() & failed}
    both = {*map(source_of, lists["train"])} & {*map(source_of, lists["test"])}
    notes = [f"on both sides of the split: {', '.join(sorted(both)[:3])}"] if both else []
    if wrong or notes:
        reports.append(_account(f"{root.name} unlisted", "clips", wrong, wrong, notes))
    return reports


def check_folder(root: Path, workers: int | None = None) -> list[Report]:
    """Any folder: every photo decoded and every clip read through."""
    kinds = {
        "photos": (photos.under(root), measure_photo),
        "clips": (clips.under(root), count_pairs),
    }
    reports = [
        _account(root.name, unit, names, _read(partial(work, root), names, unit, workers)[1])
        for unit, (names, work) in kinds.items()
        if names
    ]
    if not reports:
        raise InputError(f"no photos and no clips in {root}: give the folder that holds them")
    return reports


def measure_photo(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Decode a photo; its (width, height) as {"found": (1, 2)}. Raises as `photos.decode` does."""
    from PIL import Image

    photos.decode(name, folder)
    with Image.open(folder / name) as image:
        return {"found": np.array([image.size])}


def count_pairs(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Read a clip through; how many pairs it has as {"found": (1, 1)}. Raises as `video` does."""
    return {"found": np.array([[len(pick_pairs(frame_times(folder / name)))]])}


def annotated_sizes(path: Path) -> dict[str, tuple[int, int]]:
    """(width, height) of each photo that an annotation file lists; InputError if it is not one."""
    images = coco.open_annotations(path).imgs.values()
    return {image["file_name"]: (image["width"], image["height"]) for image in images}


def _read(
    work: Callable, names: Sequence[str], unit: str, workers: int | None
) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """What `work` found in each file, and why it could not read the others."""
    with tempfile.TemporaryDirectory() as folder:
        read = gather(work, names, Path(folder), describe=unit, chunk=128, workers=workers)
        found = map(tuple, read.load("found").tolist())
        return dict(zip(read.rows, found, strict=True)), dict(read.failed)


def _account(source, unit, names, wrong, notes=()) -> Report:
    return Report(source, unit, len(names), len(names) - len(wrong), wrong, {}, tuple(notes))
