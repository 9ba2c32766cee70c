"""Which photo each record of an annotation file is of.

Records name files in many ways: `a.jpg`, `train2014/a.jpg`, `C:\\photos\\a.jpg`, `a.JPG`. A record
is of the photo whose path ends most like its own; where two photos or two records fit equally well,
neither is taken.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

Parts = tuple[str, ...]  # of a path, the file's name first


class Match(NamedTuple):
    """The numbers of the records of each photo that has any, and why the others match none.

    unmatched: by record's file name, the reason.
    """

    of: dict[str, list[int]]
    unmatched: dict[str, str]


def match(folder: Path, names: Sequence[str], files: Sequence[str]) -> Match:
    """Match the photos of a folder, by their names in it, with the file names of records.

    Names that are exactly alike come first, then those alike but for upper and lower case, then
    those alike but for their endings too. Several records of one file count together.
    """
    base = Path(folder).absolute().as_posix()
    photos = {name: parts_of(f"{base}/{name}") for name in names}
    records = {k: parts_of(file) for k, file in enumerate(files)}
    of: dict[str, list[int]] = {}
    unmatched: dict[str, str] = {}
    for alike in (str, folded, stem):
        claimed, unclear = claims(photos, records, alike)
        unmatched |= {files[k]: "could be of several photos" for k in unclear}
        for name, numbers in claimed.items():
            same, others = one_file(numbers, records, photos[name], alike)
            of |= {name: same} if same else {}
            unmatched |= {files[k]: "one of several records of a photo" for k in others}
        done = {k for numbers in claimed.values() for k in numbers} | unclear
        photos = {name: parts for name, parts in photos.items() if name not in claimed}
        records = {k: parts for k, parts in records.items() if k not in done}
    return Match(of, {**{files[k]: "no such photo" for k in records}, **unmatched})


def claims(
    photos: Mapping[str, Parts], records: Mapping[int, Parts], alike: Callable[[str], str]
) -> tuple[dict[str, list[int]], set[int]]:
    """The records that are most like each photo, and those that are like several."""
    by_name = defaultdict(list)
    for name, parts in photos.items():
        by_name[alike(parts[0])].append(name)
    claimed, unclear = defaultdict(list), set()
    for k, parts in records.items():
        candidates = by_name.get(alike(parts[0]), [])
        shared = [in_common(parts, photos[name], alike) for name in candidates]
        best = [name for name, n in zip(candidates, shared, strict=True) if n == max(shared)]
        if len(best) == 1:
            claimed[best[0]].append(k)
        elif best:
            unclear.add(k)
    return claimed, unclear


def one_file(
    numbers: list[int], records: Mapping[int, Parts], photo: Parts, alike: Callable[[str], str]
) -> tuple[list[int], list[int]]:
    """Of the records that a photo could have, those that name one file with the one most like the
    photo, and the others; all are others where two files are equally like it."""
    ranked = sorted(numbers, key=lambda k: -in_common(records[k], photo, alike))
    first = records[ranked[0]]
    same = [k for k in numbers if is_one(records[k], first, alike)]
    others = [k for k in numbers if k not in same]
    most = in_common(first, photo, alike)
    if any(in_common(records[k], photo, alike) == most for k in others):
        return [], numbers
    return same, others


def is_one(a: Parts, b: Parts, alike: Callable[[str], str]) -> bool:
    """Whether two paths can be of one file: the shorter is the end of the longer."""
    return in_common(a, b, alike) == min(len(a), len(b))


def in_common(a: Parts, b: Parts, alike: Callable[[str], str]) -> int:
    """How many parts at their ends two paths share; only files' names may differ in ending."""
    fold = str if alike is str else folded
    n = 0
    for k, (x, y) in enumerate(zip(a, b, strict=False)):
        if (fold if k else alike)(x) != (fold if k else alike)(y):
            break
        n += 1
    return n


def parts_of(path: str) -> Parts:
    """The parts of a path as any system writes it, the last first."""
    parts = [part for part in path.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    return tuple(parts[::-1]) or ("",)


def folded(name: str) -> str:
    """A name without the difference of upper and lower case, of ways to write accents, and of
    characters written as in a web address (`%20`)."""
    return unicodedata.normalize("NFC", unquote(name)).casefold()


def stem(name: str) -> str:
    """A folded name without its ending."""
    return folded(name).rpartition(".")[0] or folded(name)
