# ruff: noqa: I001  the order of the imports is the order of the tables
"""The methods by name: the built-in ones, a file each, and those that a user has registered."""

from collections.abc import Iterable

from cdvae.methods import neighbours, cvae, tied, crossconv, crossconv_local  # noqa: F401
from cdvae.methods import cvae_readings, tied_readings, seeing  # noqa: F401
from cdvae.methods import spatial, jmvae, flow_matching, flow_whole, energy_unet  # noqa: F401
from cdvae.methods import controls  # noqa: F401
from cdvae.methods.registry import KINDS, LOOKS, Method
from cdvae.tools.files import InputError
from cdvae.tools.registry import entries


def methods() -> dict[str, Method]:
    """Every method by name, in the order of the tables: by kind, then as they were registered."""
    every = sorted(entries(Method).values(), key=lambda method: KINDS.index(method.kind))
    return {method.name: method for method in every}


def method(name: str) -> Method:
    """The method of that name; raises InputError for an unknown one."""
    if name not in (known := methods()):
        rows = [each for each in known if known[each].kind != "variant"]
        raise InputError(f"unknown method '{name}': choose from {', '.join(rows)}")
    return known[name]


def rows() -> dict[str, Method]:
    """The methods that tables show: all but the variants of ablations."""
    return {name: each for name, each in methods().items() if each.kind != "variant"}


def of_kind(*kinds: str) -> list[str]:
    """The names of the methods of these kinds (`registry.KINDS`), in the order of the tables."""
    return [name for name, each in methods().items() if each.kind in kinds]


def learned() -> list[str]:
    """The names of the rows that have weights."""
    return [name for name, each in rows().items() if each.is_learned]


def ordered(names: Iterable[str]) -> list[str]:
    """Some methods' names, each once, in the order of the tables; unknown ones come last."""
    known, given = list(methods()), list(dict.fromkeys(names))
    return sorted(given, key=lambda name: known.index(name) if name in known else len(known))


def label(name: str) -> str:
    """What tables and figures call a method."""
    return methods()[name].label if name in methods() else name


def look(name: str) -> tuple[str, str]:
    """A method's colour and marker in every figure; those of one's own take turns."""
    if found := method(name).look:
        return found
    own = [each.name for each in methods().values() if each.look is None]
    return LOOKS[own.index(name) % len(LOOKS)]
