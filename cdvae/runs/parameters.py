"""The parameters that commands and notebooks share: their defaults, types and checks, once."""

from collections.abc import Sequence
from typing import Any

from cdvae.tools.files import InputError

PARAMETERS: dict[str, Any] = {
    "profile": "quick",
    "data": "scenes",
    "root": None,
    "tasks": None,
    "methods": None,
    "seeds": None,
    "device": "auto",
}
LISTS = {"tasks": str, "methods": str, "seeds": int}  # one value is a list of one
LARGEST_SEED = 2**63 - 1


def checked(asked: dict[str, Any]) -> dict[str, Any]:
    """The parameters with defaults filled in and each value of its type.

    A list may be a range, an array or one value alone; values said twice count once. Raises
    InputError for an unknown name and for a value that does not fit.
    """
    if unknown := sorted(set(asked) - set(PARAMETERS)):
        known = ", ".join(PARAMETERS)
        raise InputError(f"unknown parameter '{unknown[0]}': the notebooks take {known}")
    return {name: fitting(name, asked.get(name, usual)) for name, usual in PARAMETERS.items()}


def fitting(name: str, value: Any) -> Any:
    """A parameter's value as its type; InputError where it is none."""
    if value is None and PARAMETERS[name] is None:
        return None
    if name in LISTS:
        value = value.tolist() if hasattr(value, "tolist") else value  # of NumPy, pandas, torch
        is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        values = list(value) if is_list else [value]
        found = list(dict.fromkeys(single(name, each, LISTS[name]) for each in values))
        return found or None
    return single(name, value, str)


def single(name: str, value: Any, kind: type) -> Any:
    """One value of a parameter."""
    value = value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
    if kind is str and hasattr(value, "__fspath__"):
        value = str(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        word = {str: "a word", int: "a whole number"}[kind]
        raise InputError(f"{name} is {value!r}: give {word}")
    if kind is int and not 0 <= value <= LARGEST_SEED:
        raise InputError(f"{name} has {value}: give seeds from 0 to {LARGEST_SEED}")
    return value
