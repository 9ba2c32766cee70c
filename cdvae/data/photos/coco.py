"""MS-COCO's layout: two folders of photos, and their annotations beside them."""

from functools import partial
from pathlib import Path

import numpy as np

from cdvae.data.photos import decode as photos
from cdvae.data.photos import examples
from cdvae.data.photos.annotations import annotation_file, read_annotations
from cdvae.data.photos.check import checked_part
from cdvae.data.photos.examples import Part
from cdvae.data.photos.originals import photo
from cdvae.data.photos.records import recorded
from cdvae.data.registry import DataSet, Request, register
from cdvae.data.report import Report
from cdvae.data.splits import confirm_sides, shuffled
from cdvae.tools.files import InputError

YEARS = ("2014", "2017")  # of COCO; the paper's is the first
VALID_SHARE = 5  # validation takes at most one in five of the photos to train on


def coco_folder(root: Path, split: str) -> Path:
    """The folder of a COCO split, train2014 / val2014 as in Sec. 6.1, else those of 2017."""
    part = "val" if split == "test" else "train"
    for year in YEARS:
        if (root / f"{part}{year}").is_dir():
            return root / f"{part}{year}"
    raise InputError(f"no folder {part}2014 (or {part}2017) in {root}: is it COCO's layout?")


def photo_parts(request: Request) -> dict[str, Part]:
    """The photos of each split, in an order that the seed shuffles, as many as are asked for.

    Validation photos are taken from the folder to train on. Where there are annotations, photos
    that they do not list are left out: nobody has looked for objects in them.
    Raises InputError where photos are missing or too few, or where annotations fit none of them.
    """
    train, test = (whole_part(coco_folder(request.root, split)) for split in ("train", "test"))
    test = in_terms_of(train, test)
    names = shuffled(train.names, request.seed)
    n_valid = min(request.size("valid"), max(1, len(names) // VALID_SHARE))
    sides = {"train": names[n_valid:], "valid": names[:n_valid]}
    confirm_sides(sides, str(train.folder), "photos")
    parts = {"train": train, "valid": train._replace(left_out={}, note=""), "test": test}
    return {
        split: part._replace(
            names=shuffled(sides.get(split, part.names), request.seed)[: request.size(split)]
        )
        for split, part in parts.items()
    }


def in_terms_of(train: Part, test: Part) -> Part:
    """The part to test on, with the categories of the part to train on; without boxes where that
    has none."""
    if train.annotations is None:
        return test._replace(annotations=None, note="")
    others = [name for name in test.categories if name not in train.categories]
    unknown = {f"category {name}": f"not in {train.annotations.name}" for name in others}
    return test._replace(categories=train.categories, left_out={**test.left_out, **unknown})


def whole_part(folder: Path) -> Part:
    """All photos of a folder that can be used."""
    names, left_out = photos.under(folder)
    if not names:
        some = ", ".join(sorted(photos.ENDINGS))
        raise InputError(f"no photos in {folder}: files like {some} are read")
    annotations = annotation_file(folder)
    if annotations is None:
        note = f"no annotations beside {folder}: guidance uses pixel features alone"
        return Part(folder, names, left_out, note=note)
    found = recorded(folder, names, annotations)
    unlisted = {name: f"not in {annotations.name}" for name in names if name not in found.of}
    odd = {**found.unmatched, **found.odd}
    skipped = {**left_out, **unlisted, **odd}
    return Part(folder, list(found.of), skipped, annotations, found.of, found.categories)


def label_names(request: Request) -> tuple[str, ...]:
    """The names of the categories in the order of the features' columns."""
    annotations = annotation_file(coco_folder(request.root, "train"))
    return read_annotations(annotations).categories if annotations else ()


def original(root: Path, task: str, example: str) -> np.ndarray:
    """The photo of an example of any split."""
    paths = [root / f"{part}{year}" / example for year in YEARS for part in ("val", "train")]
    there = [path for path in paths if path.is_file()]
    return photo(there[0] if there else coco_folder(root, "test") / example)


def checked(root: Path, workers: int | None = None) -> list[Report]:
    """Each part of COCO's layout; none if the folder is not laid out so."""
    parts = [root / f"{part}{year}" for year in YEARS for part in ("train", "val")]
    there = [part for part in parts if part.is_dir() or annotation_file(part)]
    return [checked_part(part, workers) for part in there]


COCO = register(
    DataSet(
        name="coco",
        title="MS-COCO photos",
        tasks=("relighting", "resaturation"),
        make=examples.makers(photo_parts),
        stamp=partial(examples.stamp, photo_parts),
        label_names=label_names,
        original=original,
        check=checked,
    )
)
TINY_IMAGENET = register(
    DataSet(
        name="tiny-imagenet",
        title="Tiny ImageNet photos",
        tasks=COCO.tasks,
        make=COCO.make,
        stamp=COCO.stamp,
        label_names=label_names,
        original=original,
    )
)
