"""Keys made of meaning: the hash of the definitions that a result hangs on, wherever they stand.

`meaning(build, fit)` starts from these functions or classes, follows every name in their code to
its definition in this package (or in the user's own file or notebook), and hashes what it reaches
as a set. Imports, comments, docstrings, annotations and the texts of errors do not count, nor does
the file that a definition stands in: moving one, or adding another beside it, changes no key. Of a
class those methods count whose names the code that is reached speaks of.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from cdvae.tools.definitions import PACKAGE, Definition, Piece, named_in, pieces
from cdvae.tools.files import InputError

CARRIERS = f"{PACKAGE}.tools."  # modules that carry results about and shape none


def meaning(*roots: Any) -> str:
    """The key of functions, classes and values, and of all that they reach: 16 hex digits.

    Raises InputError for code whose source is not at hand.
    """
    values: list[str] = []
    found = reached([each for root in roots for each in starts(root, values)])
    shell = {definition: parts[0].digest for definition, parts in found.items()}
    lines = set()
    for parts in found.values():
        for part in parts:
            named = sorted(f"{name}={shell[to]}" for name, to in part.named if to in shell)
            lines.add(" ".join([part.digest, *named]))
    return hashlib.sha256("\n".join([*sorted(lines), *values]).encode()).hexdigest()[:16]


def meaning_of_text(text: str) -> str:
    """The key of what a notebook's code, given as text, names in this package and all it reaches.

    What makes data and runs is left out: their files are known by what they hold.
    """
    found = reached(list(named_in(text)), (CARRIERS, f"{PACKAGE}.runs.", f"{PACKAGE}.data."))
    digests = sorted(part.digest for parts in found.values() for part in parts)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


def reached(
    first: list[Definition], but: tuple[str, ...] = (CARRIERS,)
) -> dict[Definition, list[Piece]]:
    """The definitions that these reach, each with those of its pieces that count.

    but: beginnings of the names of modules that are not followed.
    """
    own = frozenset({each.module.partition(".")[0] for each in first} | {PACKAGE})
    known: dict[Definition, tuple[Piece, ...]] = {}
    found: dict[Definition, list[Piece]] = {}
    said, waiting, before = set(), list(first), -1
    while waiting or before < sum(map(len, found.values())):
        before = sum(map(len, found.values()))
        for definition in waiting:
            if definition in known or definition.module.startswith(but):
                continue
            if (parts := pieces(definition, own)) is None:
                raise InputError(f"no source of '{definition.name}': define it in a file or a cell")
            known[definition], found[definition] = parts, []
        waiting = []
        for definition, parts in known.items():
            for part in parts:
                counts = part.method is None or part.method in said
                if counts and part not in found[definition]:
                    found[definition].append(part)
                    said |= part.said
                    waiting += [to for _, to in part.named]
    return found


def starts(root: Any, values: list[str]) -> Iterator[Definition]:
    """The definitions of a root; plain values in it are added to `values`."""
    if isinstance(root, partial):
        yield from starts((root.func, root.args, root.keywords), values)
    elif isinstance(root, (list, tuple)):
        for each in root:
            yield from starts(each, values)
    elif isinstance(root, dict):
        for name in sorted(root):
            values.append(str(name))
            yield from starts(root[name], values)
    elif hasattr(root, "__qualname__"):
        yield Definition(root.__module__, root.__qualname__.partition(".")[0])
    elif is_dataclass(root):
        yield from starts(type(root), values)
        yield from starts([getattr(root, field.name) for field in fields(root)], values)
    else:
        values.append(repr(root))
