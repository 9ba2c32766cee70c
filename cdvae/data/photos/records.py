"""The records of a folder's photos: the one rule by which training and `data check` match them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cdvae.data.photos.annotations import read_annotations
from cdvae.data.photos.matching import match
from cdvae.tools.content import digest
from cdvae.tools.files import InputError, cache_root, key_of, write_json
from cdvae.tools.meaning import meaning


class Recorded(NamedTuple):
    """The photos that an annotation file lists, with the numbers of their records; the records that
    match no photo and the entries that are odd, each with the reason; the categories; how many
    boxes are left out as crowds and as having no area."""

    of: dict[str, list[int]]
    categories: list[str]
    unmatched: dict[str, str]
    odd: dict[str, str]
    crowds: int
    flat: int


def recorded(folder: Path, names: Sequence[str], annotations: Path) -> Recorded:
    """Match the photos of a folder with an annotation file; remembered, as large files take long.

    Raises InputError if it is no such file, or fits none of the photos.
    """
    key = key_of(str(folder), names, str(annotations), digest(annotations), meaning(matched))
    path = cache_root() / "content" / f"{key}.json"
    if path.exists():
        found = Recorded(**json.loads(path.read_text(encoding="utf-8")))
    else:
        found = matched(folder, names, annotations)
        write_json(path, found._asdict())
    if not found.of:
        name, why = next(iter(found.unmatched.items()), ("its list of images", "it is empty"))
        raise InputError(
            f"{annotations} lists no photo of {folder} ({name}: {why}): "
            "mend its file names or move it away"
        )
    return found


def matched(folder: Path, names: Sequence[str], path: Path) -> Recorded:
    """Match the photos of a folder with an annotation file."""
    annotations = read_annotations(path)
    found = match(folder, names, [record.file for record in annotations.records])
    of = {name: found.of[name] for name in names if name in found.of}
    return Recorded(
        of,
        list(annotations.categories),
        found.unmatched,
        annotations.odd,
        annotations.crowds,
        annotations.flat,
    )
