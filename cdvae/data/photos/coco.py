"""COCO's annotations as semantic features (Sec. 4.1, Figure 3)."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cdvae.data.photos.layout import label_distribution, layout_coverage
from cdvae.tools.files import InputError


def annotation_file(folder: Path) -> Path | None:
    """The annotations that belong to an image folder of COCO's layout, if they are there."""
    path = folder.parent / "annotations" / f"instances_{folder.name}.json"
    return path if path.is_file() else None


def open_annotations(path: Path):
    """The pycocotools index of an annotation file; raises InputError if it is not one."""
    from pycocotools.coco import COCO

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it loads
            return COCO(str(path))
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AssertionError, TypeError):
        raise InputError(f"{path} is not a COCO annotation file: fetch it again") from None


def semantics(path: Path, names: Sequence[str]) -> tuple[np.ndarray, int]:
    """Label distribution and 5 × 5 coverage of each category, for the named photos: (N, D).

    D = n + 25 n for the file's n categories in the order of their ids; also returns n. Crowd
    regions (iscrowd = 1) are left out: their box surrounds a group and is no object's. So are
    boxes of no area and those of unknown categories. A photo the file does not know has no
    objects: its features are zero.
    """
    coco = open_annotations(path)
    column = {category: k for k, category in enumerate(sorted(coco.cats))}
    by_name = {image["file_name"]: image for image in coco.imgs.values()}
    rows = np.zeros((len(names), 26 * len(column)), np.float32)
    for row, name in zip(rows, names, strict=True):
        image = by_name.get(Path(name).name)
        if image is not None:
            row[:] = photo_semantics(coco.imgToAnns[image["id"]], column, image)
    return rows, len(column)


def category_names(path: Path) -> tuple[str, ...]:
    """Names of the categories in the order of the features' columns."""
    coco = open_annotations(path)
    return tuple(coco.cats[category]["name"] for category in sorted(coco.cats))


def photo_semantics(annotations: list[dict], column: dict[int, int], image: dict) -> np.ndarray:
    """The features of one photo (26 n,) from its annotations and its own width and height."""
    size = (image["width"], image["height"])
    boxes, categories = [], []
    for annotation in annotations:
        category = column.get(annotation["category_id"])
        x, y, w, h = annotation["bbox"]
        x0, x1 = np.clip([x, x + w], 0, size[0])
        y0, y1 = np.clip([y, y + h], 0, size[1])
        if annotation.get("iscrowd") or category is None or x1 <= x0 or y1 <= y0:
            continue
        boxes.append((x0, y0, x1, y1))
        categories.append(category)
    box, kind = np.array(boxes).reshape(-1, 4), np.array(categories, int)
    layout = layout_coverage(box, kind, len(column), size)
    return np.concatenate([label_distribution(kind, len(column)), layout.ravel()])
