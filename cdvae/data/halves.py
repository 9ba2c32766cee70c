"""Two halves of the test examples: A, which may be seen while one works, and B, scored at the end.

The hash of the name of an example's source decides (`splits.source_of`), and nothing else: all
pairs of a video, and of all clips cut from it, are in one half, whatever else is in the folder.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import torch

from cdvae.data.fields import Fields
from cdvae.data.splits import source_of
from cdvae.tools.files import InputError

HALVES = ("A", "B")


def half_of(name: str) -> str:
    """The half of the example of that id."""
    source = source_of(name.split("#")[0])
    return HALVES[hashlib.sha256(f"half {source}".encode()).digest()[0] % 2]


def in_half(fields: Fields, half: str) -> Fields:
    """The examples of one half, with their exact conditional where it is known."""
    chosen = torch.tensor([half_of(name) == half for name in fields.ids])
    if not chosen.any():
        raise InputError(f"no test example is in half {half}: give more of them")
    part = fields.rows(chosen)
    if fields.truth is None:
        return part
    return replace(part, truth=fields.truth.of_examples(chosen.nonzero()[:, 0]))


def scored_half(splits: Mapping[str, Fields], half: str) -> dict[str, Fields]:
    """The splits, of the test examples only those of that half; "" leaves them as they are."""
    if not half:
        return dict(splits)
    if half not in HALVES:
        raise InputError(f"half is '{half}': choose from {', '.join(HALVES)}")
    return {**splits, "test": in_half(splits["test"], half)}
