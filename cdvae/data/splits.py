"""A train and test side for a folder that comes without lists."""

import hashlib
import math
import re
from collections.abc import Iterable
from pathlib import Path

TEST_SHARE = 0.25
GROUPED = re.compile(r"(.*_g\d+)_c\d+", re.IGNORECASE)  # UCF101: clips of one group are one source


def source_of(name: str) -> str:
    """What a file was cut from: itself, or the group where it is named `…_gXX_cYY` as in UCF101."""
    path = Path(name)
    grouped = GROUPED.fullmatch(path.stem)
    return str(path.with_name(grouped[1]) if grouped else path)


def split_names(names: Iterable[str], split: str) -> list[str]:
    """The names (paths relative to the folder) on one side, "train" or "test", in sorted order.

    Whole sources go to one side: the quarter of them (at least one, where there are two) whose
    names have the smallest hashes is the test side. Nothing but the names matters.
    """
    names = sorted(names)
    sources = {source_of(name) for name in names}
    ranked = sorted(sources, key=lambda source: hashlib.sha256(source.encode()).digest())
    test = set(ranked[: math.ceil(TEST_SHARE * len(ranked))] if len(ranked) > 1 else ())
    return [name for name in names if (source_of(name) in test) == (split == "test")]
