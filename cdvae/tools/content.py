"""What files hold: the SHA-256 of each, hashed once and remembered with its size and times.

Sizes and names do not tell one photo from another, so keys are made of these. What is remembered of
a folder lies in one text file of the cache, a line a file, which is written anew as a whole: two
runs at once can at worst forget each other's additions and hash those files again.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cdvae.tools.files import atomic, cache_root, key_of, sha256

BATCH = 2000  # files hashed before they are written down: what an interruption loses
FRESH = 2.0  # seconds: a file that changed so recently may change again unseen, within a clock tick
UNREADABLE = "unreadable"  # in place of a hash


def digests(folder: Path, names: Sequence[str]) -> list[str]:
    """The SHA-256 (hex) of each named file of a folder; UNREADABLE for one that cannot be read."""
    stamps = [stamp_of(os.path.join(folder, name)) for name in names]
    known = remembered(folder)
    labels = [label_of(name) for name in names]
    new = [k for k, stamp in enumerate(stamps) if known.get(labels[k], ("",))[0] != stamp]
    for part in progress([new[i : i + BATCH] for i in range(0, len(new), BATCH)]):
        with ThreadPoolExecutor() as pool:  # hashing lets other threads run
            hashes = list(pool.map(hash_of, (Path(folder, names[k]) for k in part)))
        for k, found in zip(part, hashes, strict=True):
            known[labels[k]] = (stamps[k], found)
        remember(folder, {labels[k]: known[labels[k]] for k in part})
    return [known[label][1] for label in labels]


def digest(path: Path) -> str:
    """The SHA-256 of one file, as `digests` has it."""
    return digests(path.parent, [path.name])[0]


def stamp_of(path: str) -> str:
    """Size and times of a file: with the time of its last change of any kind, which no copying
    program sets back."""
    try:
        found = os.stat(path)
    except OSError:
        return "gone"
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def hash_of(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return UNREADABLE


def label_of(name: str) -> str:
    """A file's name as plain ASCII in one line, whatever bytes it is made of."""
    return name.encode("unicode_escape").decode("ascii")


def note_of(folder: Path) -> Path:
    return cache_root() / "content" / f"{key_of(label_of(os.path.realpath(folder)))}.txt"


def remembered(folder: Path) -> dict[str, tuple[str, str]]:
    """What is known of a folder's files: (stamp, hash) by label."""
    try:
        with open(note_of(folder), encoding="ascii") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
    except (OSError, UnicodeDecodeError):
        return {}
    return {parts[2]: (parts[0], parts[1]) for parts in lines if len(parts) == 3}


def remember(folder: Path, new: dict[str, tuple[str, str]]) -> None:
    """Write down what is new, beside what is known by now, but for files that changed just now."""
    limit = (time.time() - FRESH) * 1e9
    new = {
        label: (stamp, found)
        for label, (stamp, found) in new.items()
        if found != UNREADABLE and max(map(int, stamp.split()[1:])) < limit
    }
    if not new:
        return
    with atomic(note_of(folder)) as temporary, open(temporary, "w", encoding="ascii") as file:
        for label, (stamp, found) in (remembered(folder) | new).items():
            file.write(f"{stamp}\t{found}\t{label}\n")


def progress(parts: list[list[int]]) -> Iterator[list[int]]:
    """The parts one by one, with a bar where they take long."""
    from tqdm import tqdm

    delay = 2 if sys.stderr.isatty() else 30
    with tqdm(total=sum(map(len, parts)), desc="hashing files", unit="", delay=delay) as bar:
        for part in parts:
            yield part
            bar.update(len(part))
