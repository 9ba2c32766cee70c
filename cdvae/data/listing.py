"""The files of a kind below a folder."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple


class Listing(NamedTuple):
    """Names relative to the folder, sorted, and those that are left out with the reason."""

    names: list[str]
    left_out: dict[str, str]


def files_under(folder: Path, endings: Collection[str]) -> Listing:
    """The files with these endings (lower case, with the dot) in a folder, at any depth.

    Hidden files and folders do not count. Linked folders are followed, none of them twice. A name
    that is not UTF-8 is left out: not all decoders can be given it.
    """
    names: list[str] = []
    left_out: dict[str, str] = {}
    for name in walk(Path(folder)):
        if os.path.splitext(name)[1].lower() not in endings:
            continue
        if is_utf8(name):
            names.append(name)
        else:
            left_out[name] = "a name that is not UTF-8"
    return Listing(sorted(names), left_out)


def walk(folder: Path) -> list[str]:
    """The files below a folder, as relative names with `/`; linked folders after all others."""
    found, seen, links = [], set(), [""]
    while links:
        waiting = [links.pop(0)]
        while waiting:
            inside = waiting.pop()
            real = os.path.realpath(folder / inside)
            if real in seen:
                continue
            seen.add(real)
            with os.scandir(folder / inside) as entries:
                visible = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
            for entry in visible:
                name = f"{inside}/{entry.name}" if inside else entry.name
                if not entry.is_dir():
                    found += [name] if entry.is_file() else []
                elif entry.is_symlink():
                    links.append(name)
                else:
                    waiting.append(name)
    return found


def is_utf8(name: str) -> bool:
    """Whether the bytes of a file's name are text."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
