"""One registry for all kinds of entries: methods, data sets, ties, metrics.

An entry is a frozen dataclass with a `name`. A file that defines one registers it; nothing else in
the package, and nothing outside it, has to be told.
"""

import sys
from typing import Any, TypeVar

from cdvae.tools import plugins
from cdvae.tools.files import InputError

Entry = TypeVar("Entry")

_ENTRIES: dict[type, dict[str, tuple[Any, str]]] = {}  # kind: name: entry, who registered it


def register(entry: Entry) -> Entry:
    """File an entry under its type and its name, and give it back.

    The module that registered a name may do it again, as a notebook's cell does that is run twice:
    the new entry takes the old one's place. Raises InputError where the name is another module's.
    """
    module = sys._getframe(1).f_globals.get("__name__", "")
    filed = _ENTRIES.setdefault(type(entry), {})
    owner = filed.get(entry.name, (None, module))[1]
    if owner != module:
        kind = type(entry).__name__
        raise InputError(f"{kind} '{entry.name}' is defined in {owner}: give yours another name")
    filed[entry.name] = (entry, module)
    return entry


def entries(kind: type[Entry]) -> dict[str, Entry]:
    """The entries of a kind by name, in the order in which they were registered."""
    plugins.load()
    return {name: entry for name, (entry, _) in _ENTRIES.get(kind, {}).items()}


def owner(kind: type, name: str) -> str:
    """The name of the module that registered an entry."""
    return _ENTRIES[kind][name][1]
