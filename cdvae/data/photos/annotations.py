"""COCO's annotation files: the boxes of each image, and an account of every entry that is odd.

Such files are made by many tools. One odd entry of thousands is left out, counted and named; a file
of which nothing can be used is refused.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cdvae.tools.files import InputError

BULKY = ("segmentation", "keypoints")  # of an entry, and not used here
NUMBER = re.compile(r"-?[0-9]{1,18}")  # an id that is written as text


class Record(NamedTuple):
    """An image as an annotation file lists it, and its boxes.

    size: width and height in pixels; boxes (n, 4) are x0, y0, x1, y1 inside it; columns (n,) is the
    place of each box's category among the file's.
    """

    file: str
    size: tuple[float, float]
    boxes: np.ndarray
    columns: np.ndarray


class Annotations(NamedTuple):
    """What an annotation file holds.

    categories: their names in the order of their ids, each once. odd: the entries left out, with
    the reason.
    crowds, flat: how many boxes are left out because they surround a group of objects
    (iscrowd = 1) or have no area.
    """

    path: Path
    records: list[Record]
    categories: tuple[str, ...]
    odd: dict[str, str]
    crowds: int
    flat: int


def annotation_file(folder: Path) -> Path | None:
    """The annotations that belong to an image folder of COCO's layout, if they are there."""
    path = folder.parent / "annotations" / f"instances_{folder.name}.json"
    return path if path.is_file() else None


def read_annotations(path: Path) -> Annotations:
    """Read an annotation file; raises InputError if it is none or if nothing in it can be used."""
    about, odd = parsed(path), {}
    categories = dict(categories_in(about["categories"], odd))
    order = sorted(categories, key=lambda number: (isinstance(number, str), number))
    if not order:
        raise InputError(f"{path} names no categories: add them, or move the file away")
    names = list(dict.fromkeys(categories[number] for number in order))
    column = {number: names.index(categories[number]) for number in order}
    images = dict(images_in(about["images"], odd))
    boxes, crowds, flat = boxes_in(about["annotations"], images, column, odd)
    if about["annotations"] and not (any(boxes.values()) or crowds or flat):
        name, why = next(iter(odd.items()), ("its images", "none can be used"))
        raise InputError(f"{path} has no usable box ({name}: {why}): mend it or move it away")
    records = [Record(*images[number], *arrays(boxes[number])) for number in images]
    return Annotations(path, records, tuple(names), odd, crowds, flat)


def with_categories(annotations: Annotations, categories: Sequence[str]) -> Annotations:
    """The same in terms of another file's categories, by their names; boxes of others are left
    out."""
    if tuple(categories) == annotations.categories:
        return annotations
    column = {name: k for k, name in enumerate(categories)}
    new = np.array([column.get(name, -1) for name in annotations.categories])
    records = []
    for record in annotations.records:
        known = new[record.columns] >= 0
        columns = new[record.columns[known]]
        records.append(record._replace(boxes=record.boxes[known], columns=columns))
    return annotations._replace(records=records, categories=tuple(categories))


def parsed(path: Path) -> dict[str, list]:
    """The lists of an annotation file, as JSON in any of its encodings has them."""
    try:
        about = json.loads(path.read_bytes(), object_hook=without_bulk)
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or not isinstance(about.get("images"), list):
        raise InputError(f"{path} is not a COCO annotation file: fetch it again or move it away")
    if not isinstance(about.get("annotations"), list):
        raise InputError(f"{path} has no list of annotations: add it, or move the file away")
    lists = ("images", "annotations", "categories")
    return {name: found if isinstance(found := about.get(name), list) else [] for name in lists}


def without_bulk(entry: dict) -> dict:
    """An entry without its outlines, which take most of the memory."""
    for name in BULKY:
        entry.pop(name, None)
    return entry


def categories_in(entries: list, odd: dict[str, str]) -> Iterator[tuple[Any, str]]:
    """Id and name of each category."""
    found: dict[Any, str] = {}
    for k, entry in enumerate(entries):
        number = id_of(entry, "id")
        if number is None:
            odd[label("category", k, entry)] = "no id"
            continue
        name = entry.get("name")
        name = name.strip() if isinstance(name, str) and name.strip() else str(number)
        if found.setdefault(number, name) != name:
            odd[f"category {number} ({name})"] = f"an id of another category, {found[number]}"
    yield from found.items()


def images_in(entries: list, odd: dict[str, str]) -> Iterator[tuple[Any, tuple[str, tuple]]]:
    """Id, file and size of each image."""
    found: dict[Any, dict[str, tuple]] = {}
    for k, entry in enumerate(entries):
        number, fields = id_of(entry, "id"), entry if isinstance(entry, dict) else {}
        file = fields.get("file_name")
        size = numbers([fields.get("width"), fields.get("height")], 2)
        if number is None:
            odd[label("image", k, entry)] = "no id"
        elif not isinstance(file, str) or not file.strip():
            odd[label("image", k, entry)] = "no file name"
        elif size is None or min(size) <= 0:
            odd[label("image", k, entry)] = "no width and height"
        else:
            found.setdefault(number, {})[file] = size
    for number, files in found.items():
        if len(files) > 1:
            odd.update({f"image {number} ({file})": "an id of several images" for file in files})
        else:
            yield number, next(iter(files.items()))


def boxes_in(
    entries: list, images: dict, column: dict[Any, int], odd: dict[str, str]
) -> tuple[dict[Any, list], int, int]:
    """(x0, y0, x1, y1, column) of each box by image, and how many are crowds or have no area.

    column: the place of each category, by its id.
    """
    found: dict[Any, list] = {number: [] for number in images}
    ids, crowds, flat = set(), 0, 0
    for k, entry in enumerate(entries):
        image, category = id_of(entry, "image_id"), id_of(entry, "category_id")
        box = numbers(entry.get("bbox"), 4) if isinstance(entry, dict) else None
        if image not in images:
            odd[label("annotation", k, entry)] = "of no image that can be used"
        elif entry.get("iscrowd") in (1, "1"):
            crowds += 1
        elif category not in column:
            odd[label("annotation", k, entry)] = "of an unknown category"
        elif box is None:
            odd[label("annotation", k, entry)] = "a box that is not four numbers"
        else:
            (x, y, w, h), (width, height) = box, images[image][1]
            x0, x1 = (min(max(edge, 0.0), width) for edge in (x, x + w))
            y0, y1 = (min(max(edge, 0.0), height) for edge in (y, y + h))
            if x1 <= x0 or y1 <= y0:
                flat += 1
                continue
            number, row = id_of(entry, "id"), (x0, y0, x1, y1, column[category])
            if number in ids and row in found[image]:
                odd[label("annotation", k, entry)] = "said twice: it counts once"
                continue
            found[image].append(row)
            if number is not None:
                ids.add(number)
    return found, crowds, flat


def arrays(boxes: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) and their columns (n,)."""
    table = np.array(boxes, np.float64).reshape(-1, 5)
    return table[:, :4], table[:, 4].astype(int)


def id_of(entry: Any, name: str) -> Any:
    """An id, whether it is written as a whole number, with a point or as text; None where there is
    none."""
    value = entry.get(name) if isinstance(entry, dict) else None
    if isinstance(value, str):
        value = value.strip()
        return int(value) if NUMBER.fullmatch(value) else value or None
    if isinstance(value, float):  # as programs write a column of numbers in which some are missing
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def numbers(values: Any, n: int) -> tuple[float, ...] | None:
    """n finite numbers, or None."""
    if not isinstance(values, list) or len(values) != n:
        return None
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
        return None
    try:
        found = tuple(map(float, values))
    except OverflowError:
        return None
    return found if all(map(math.isfinite, found)) else None


def label(kind: str, k: int, entry: Any) -> str:
    """What an odd entry is called: by its id, else by its place in the list."""
    number = id_of(entry, "id")
    return f"{kind} {number}" if number is not None else f"{kind} #{k + 1}"
