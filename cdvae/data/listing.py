"""The files of a kind below a folder."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

NOT_UTF8 = "a name that is not UTF-8"
NOWHERE = "a link to no file"


class Listing(NamedTuple):
    """Names relative to the folder, sorted, and those that are left out with the reason."""

    names: list[str]
    left_out: dict[str, str]


def files_under(folder: Path, endings: Collection[str], unread: Collection[str] = ()) -> Listing:
    """The files with these endings (lower case, with the dot) in a folder, at any depth.

    Hidden files and folders do not count. Linked folders are followed, none of them twice. Left
    out are names that are not UTF-8, which not all decoders can be given, links to no file, folders
    that cannot be opened, and files with `unread` endings, of kinds that the user could take to be
    read.
    """
    left_out: dict[str, str] = {}
    names: list[str] = []
    for name in walk(Path(folder), left_out):
        ending = os.path.splitext(name)[1].lower()
        if ending in unread:
            left_out[name] = "of a kind that is not read: convert it"
        elif ending in endings and not is_utf8(name):
            left_out[name] = NOT_UTF8
        elif ending in endings:
            names.append(name)
    for name in [name for name, why in left_out.items() if why == NOWHERE]:
        if os.path.splitext(name)[1].lower() not in endings:
            del left_out[name]
    return Listing(sorted(names), left_out)


def walk(folder: Path, closed: dict[str, str]) -> Iterator[str]:
    """The files below a folder, as relative names with `/`; those of linked folders after all
    others. `closed` takes the folders that cannot be opened and the links that lead nowhere, with
    the reason."""
    seen, links = set(), [""]
    while links:
        waiting = [links.pop(0)]
        while waiting:
            inside = waiting.pop()
            real = os.path.realpath(folder / inside)
            if real in seen:
                continue
            seen.add(real)
            try:
                entries = sorted(os.scandir(folder / inside), key=lambda entry: entry.name)
            except OSError as error:
                closed[inside or "."] = f"a folder that cannot be opened ({error.strerror})"
                continue
            for entry in entries:
                name = f"{inside}/{entry.name}" if inside else entry.name
                if entry.name.startswith("."):
                    continue
                if os.path.isdir(entry.path):
                    (links if entry.is_symlink() else waiting).append(name)
                elif os.path.isfile(entry.path):
                    yield name
                elif entry.is_symlink() and not os.path.exists(entry.path):
                    closed[name] = NOWHERE


def is_utf8(name: str) -> bool:
    """Whether the bytes of a file's name are text."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
