"""Photos as examples of the two photo tasks."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from cdvae.data.fields import Fields
from cdvae.data.photos.annotations import read_annotations, with_categories
from cdvae.data.photos.layers import LAYERS, Layers
from cdvae.data.photos.semantics import features
from cdvae.data.registry import Maker, Request
from cdvae.tools.chunks import gather
from cdvae.tools.content import digest, digests
from cdvae.tools.files import InputError


class Part(NamedTuple):
    """The photos of a split, in order: their folder, their names in it, and what is left out.

    annotations: the file with their boxes, and `records` the numbers of each photo's records in it.
    categories: those that the features measure. note: what a user should know before all else.
    """

    folder: Path
    names: list[str]
    left_out: Mapping[str, str]
    annotations: Path | None = None
    records: Mapping[str, list[int]] = {}
    categories: Sequence[str] = ()
    note: str = ""


Parts = Callable[[Request], Mapping[str, Part]]  # the photos of each split of a folder


def makers(parts: Parts) -> dict[str, Maker]:
    """How the examples of the photo tasks are made."""
    return {task: partial(make_photos, parts, each) for task, each in LAYERS.items()}


def make_photos(parts: Parts, layers: Layers, request: Request, split: str) -> Fields:
    """Decode photos and make the layers of a task; what cannot be used is counted and named."""
    part = parts(request)[split]
    work, place = partial(layers.of_photo, part.folder), request.folder / split
    gathered = gather(work, part.names, place, describe=f"{split} photos")
    skipped = {**part.left_out, **gathered.failed}
    found, used = len(part.names), len(gathered.rows)
    request.account(split, "photos", found, used, skipped)
    if not used:
        why = next(iter(gathered.failed.values()))
        raise InputError(f"no readable photo in {part.folder} for {split}: {why}")
    x_c, x_g = layers.of_all(gathered)
    if part.annotations is None:
        return Fields(request.task, x_c, x_g, torch.zeros(used, 0), 0, gathered.rows)
    annotations = with_categories(read_annotations(part.annotations), part.categories)
    rows = features(annotations, [part.records[name] for name in gathered.rows])
    labels = len(annotations.categories)
    return Fields(request.task, x_c, x_g, torch.from_numpy(rows), labels, gathered.rows)


def stamp(parts: Parts, request: Request) -> list:
    """What every photo and every annotation file holds that shapes the splits."""
    content = []
    for split, part in parts(request).items():
        if part.note:
            warnings.warn(part.note, stacklevel=2)
        boxes = part.annotations and digest(part.annotations)
        content.append((split, part.names, digests(part.folder, part.names), boxes))
    return content
