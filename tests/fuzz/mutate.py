"""Structured mutations: of bytes with their fields, of JSON trees, of lines. All are drawn by
Hypothesis, so that a run can be repeated."""

import copy
import struct
import zlib
from typing import Any

from hypothesis import strategies as st

PLACES = st.floats(0, 1, exclude_max=True)  # where, as a share of the length
INTEGERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from("flip set word long big cut drop twice insert head headword".split()),
        PLACES,
        PLACES,
        st.sampled_from(INTEGERS),
    ),
    min_size=1,
    max_size=4,
)
ODD = st.sampled_from(
    [None, True, False, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10**30, "", " ", "0", "a",
     "../x", "/etc/passwd", "C:\\x.jpg", "\0", "caf\udce9", "é" * 300, [], [None], {}, {"id": 1},
     [1, 2, 3, 4], [[]], "1e5", -(2**63), 2**64]
)  # fmt: skip
PATHS = st.lists(PLACES, min_size=1, max_size=5)
JSON_CHANGES = st.lists(
    st.tuples(st.sampled_from("replace remove twice rename wrap".split()), PATHS, ODD),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, changes: list[tuple]) -> bytes:
    """Bytes after the changes; a PNG's checks are made right again, so that more of it is read."""
    for change in changes:
        data = changed(data, *change)
    return with_checks(data) if data.startswith(b"\x89PNG") else data


def changed(data: bytes, what: str, where: float, length: float, value: int) -> bytes:
    """One change of bytes."""
    at = int(where * (min(len(data), 512) if what.startswith("head") else len(data)))
    size = 1 + int(length * min(64, len(data)))
    if what == "flip" and data:
        return data[:at] + bytes([data[at] ^ (1 << value % 8)]) + data[at + 1 :]
    if what in ("set", "head"):
        return data[:at] + bytes([value & 255]) + data[at + 1 :]
    if what in ("word", "headword"):
        return data[:at] + struct.pack("<H", value & 65535) + data[at + 2 :]
    if what in ("long", "big"):
        return data[:at] + struct.pack("<I" if what == "long" else ">I", value) + data[at + 4 :]
    if what == "cut":
        return data[:at]
    if what == "drop":
        return data[:at] + data[at + size :]
    if what == "twice":
        return data[:at] + data[at : at + size] + data[at:]
    return data[:at] + bytes([value & 255]) * size + data[at:]


def with_checks(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold."""
    made, at = data[:8], 8
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        if at + 12 + size > len(data):
            break
        body = data[at + 4 : at + 8 + size]
        made += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + size
    return made + data[at:]


def mutated_json(tree: Any, changes: list[tuple]) -> Any:
    """A JSON tree after the changes."""
    tree = [copy.deepcopy(tree)]  # so that the root can be replaced, too
    for what, path, value in changes:
        change_at(tree, what, path, copy.deepcopy(value))
    return tree[0] if tree else None


def change_at(tree: list, what: str, path: list[float], value: Any) -> None:
    """One change of a tree, at the node that `path` leads to."""
    node, key = tree, 0
    if not tree:
        return
    for share in path:
        below = node[key]
        if not isinstance(below, (dict, list)) or not below:
            break
        keys = list(below) if isinstance(below, dict) else range(len(below))
        node, key = below, list(keys)[int(share * len(keys))]
    if what == "remove":
        del node[key]
    elif what == "twice" and isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    elif what == "rename" and isinstance(node, dict):
        node[str(value)] = node.pop(key)
    elif what == "wrap":
        node[key] = [node[key]]
    else:
        node[key] = value
