"""Tiny ImageNet as its archive has it, laid out as COCO is.

`tiny-imagenet-200/` has a folder for each class with a list of boxes, and one list for all photos
of its val part; its test part has no labels and is left out.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cdvae.tools.files import InputError, write_text, writing

FOLDER = "tiny-imagenet-200"
SIDE = 64  # pixels
CORNERS = 4  # x and y of the first and of the last pixel of a box
KEPT = {  # of each class the first so many by a hash of their places, then by one of their names
    "val2017": (25, 20),
    "train2017": (265, 160),
}


class Photo(NamedTuple):
    """A labelled photo: where it lies, its class and its id in COCO's manner, its box's corners."""

    path: Path
    wnid: str
    identity: int
    corners: list[int]

    @property
    def place(self) -> str:
        """Where it lies in the archive."""
        path = self.path.as_posix()
        return path[path.rindex(FOLDER) :]

    @property
    def name(self) -> str:
        """Its file's name in COCO's layout."""
        return f"{self.identity:012d}.jpg"


def arrange(root: Path, kept: bool = False) -> None:
    """Move what `root/tiny-imagenet-200` holds into `train2017/`, `val2017/` and `annotations/`.

    kept: only the 36,000 photos that the project's own results are of. Of photos that are there
    twice the first counts, val before train. Interrupted, it can be called again with the archive
    unpacked anew. Raises InputError where a photo or a list is missing or cannot be read.
    """
    source, seen = root / FOLDER, set()
    try:
        categories = categories_of(source)
        parts = {"val2017": tested(source, categories), "train2017": trained(source, categories)}
        found = {part: distinct(photos, seen) for part, photos in parts.items()}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{source} is not as the archive has it ({error}): remove it and fetch again"
        ) from error
    with writing(root):
        for part, photos in found.items():
            chosen = few(photos, *KEPT[part]) if kept else photos
            place(root, part, chosen, list(categories.values()))
        shutil.rmtree(source)


def categories_of(source: Path) -> dict[str, dict]:
    """COCO's entry of each class: the first of its names, or all where another has the same."""
    wnids = sorted(folder.name for folder in (source / "train").iterdir())
    said = [line.split("\t") for line in (source / "words.txt").read_text("utf-8").splitlines()]
    words = dict(said)
    short = [words[wnid].split(",")[0] for wnid in wnids]
    entries = {}
    for number, (wnid, first) in enumerate(zip(wnids, short, strict=True), 1):
        name = first if short.count(first) == 1 else words[wnid]
        entries[wnid] = {"id": number, "name": name, "supercategory": wnid}
    return entries


def trained(source: Path, categories: dict[str, dict]) -> Iterator[Photo]:
    """The photos to train on."""
    for wnid, entry in categories.items():
        folder = source / "train" / wnid
        for name, *corners in lines(folder / f"{wnid}_boxes.txt"):
            yield photo(folder / "images" / name, entry, corners)


def tested(source: Path, categories: dict[str, dict]) -> Iterator[Photo]:
    """The labelled photos to test on."""
    for name, wnid, *corners in lines(source / "val" / "val_annotations.txt"):
        yield photo(source / "val" / "images" / name, categories[wnid], corners)


def lines(path: Path) -> list[list[str]]:
    """The fields of each line of a list."""
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()]


def photo(path: Path, entry: dict, corners: list[str]) -> Photo:
    """A photo of a line of a list."""
    number = re.search(r"_(\d+)\.", path.name)
    if number is None or len(corners) != CORNERS:
        raise ValueError(f"{path.name} has no number, or no box of four numbers")
    identity = 100_000 * entry["id"] + int(number[1])
    return Photo(path, entry["supercategory"], identity, [int(corner) for corner in corners])


def distinct(photos: Iterable[Photo], seen: set[bytes]) -> list[Photo]:
    """Those whose bytes were not seen before, in the order of their ids."""
    found = []
    for each in sorted(photos, key=lambda each: each.place):
        content = sha256(each.path.read_bytes()).digest()
        if content not in seen:
            seen.add(content)
            found.append(each)
    return sorted(found, key=lambda each: each.identity)


def few(photos: list[Photo], by_place: int, by_name: int) -> list[Photo]:
    """Of each class the first so many by the hash of their places, then by that of their names."""
    by_class: dict[str, list[Photo]] = {}
    for each in photos:
        by_class.setdefault(each.wnid, []).append(each)
    chosen = []
    for mine in by_class.values():
        mine = sorted(mine, key=lambda each: sha256(each.place.encode()).digest())[:by_place]
        chosen += sorted(mine, key=lambda each: sha256(each.name.encode()).digest())[:by_name]
    return sorted(chosen, key=lambda each: each.identity)


def place(root: Path, part: str, photos: list[Photo], categories: list[dict]) -> None:
    """Write the annotations of a part, and move its photos to their places."""
    number = {entry["supercategory"]: entry["id"] for entry in categories}
    images, annotations = [], []
    for each in photos:
        about = {"id": each.identity, "file_name": each.name, "width": SIDE, "height": SIDE}
        images.append(about)
        x, y, last_x, last_y = each.corners
        box = [x, y, min(last_x + 1, SIDE) - x, min(last_y + 1, SIDE) - y]
        about = {"id": len(images), "image_id": each.identity, "iscrowd": 0, "bbox": box}
        annotations.append(about | {"category_id": number[each.wnid], "area": box[2] * box[3]})
    whole = {"info": {"description": FOLDER}, "categories": categories}
    whole |= {"images": images, "annotations": annotations}
    write_text(root / "annotations" / f"instances_{part}.json", json.dumps(whole))
    (root / part).mkdir(parents=True, exist_ok=True)
    for each in photos:
        each.path.replace(root / part / each.name)
