"""Splits by source: no clip, and no group of clips cut from one video, is on two sides."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cdvae.tools.files import InputError

SPLITS = ("train", "valid", "test")
TEST_SHARE = 0.2  # of the sources of a folder that comes without lists
VALID_SHARE = 0.1  # of the sources to train on
GROUPED = re.compile(r"(.*_g\d+)_c\d+", re.IGNORECASE)  # UCF101: clips of one group are one source


def source_of(name: str) -> str:
    """What a file was cut from: itself, or the group where it is named `…_gXX_cYY` as in UCF101."""
    path = Path(name)
    grouped = GROUPED.fullmatch(path.stem)
    return str(path.with_name(grouped[1]) if grouped else path)


def part(names: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """A share of the sources, and the rest, as (names, names) in sorted order.

    The sources whose names have the smallest hashes are taken, at least one where there are two:
    nothing but the names matters, and the same names give the same parts everywhere.
    """
    sources = {source_of(name) for name in names}
    ranked = sorted(sources, key=lambda source: hashlib.sha256(source.encode()).digest())
    taken = set(ranked[: math.ceil(share * len(ranked))] if len(ranked) > 1 else ())
    sides: tuple[list[str], list[str]] = ([], [])
    for name in sorted(names):
        sides[source_of(name) not in taken].append(name)
    return sides


def split_names(names: Sequence[str], split: str) -> list[str]:
    """The names of "train", "valid" or "test" in a folder that comes without lists."""
    test, training = part(names, TEST_SHARE)
    return test if split == "test" else split_training(training, split)


def split_training(names: Sequence[str], split: str) -> list[str]:
    """The names of "train" or "valid" among those meant for training."""
    valid, train = part(names, VALID_SHARE)
    return valid if split == "valid" else train


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """The names in an order that the seed and each name alone decide, so that one file more does
    not reorder the others."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())


def confirm_sides(sides: Mapping[str, Sequence[str]], place: str, unit: str) -> None:
    """Raise InputError if any of the splits that share a place's examples has none of them."""
    empty = [split for split, names in sides.items() if not names]
    if empty:
        found = sum(map(len, sides.values()))
        held = f"{found} {unit[:-1] if found == 1 else unit}"
        raise InputError(
            f"{place} holds {held}, none for {' and '.join(empty)}: {' and '.join(sides)} need "
            f"at least {len(sides)}, from different sources"
        )
