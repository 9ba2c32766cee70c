"""The registry of entries."""

from dataclasses import dataclass

import pytest

from cdvae.tools.files import InputError
from cdvae.tools.registry import entries, register


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: int


def registered_by(module: str, entry: Fruit) -> None:
    exec("register(entry)", {"__name__": module, "register": register, "entry": entry})


def test_entries_keep_their_order_and_their_owner():
    assert entries(Fruit) == {}
    apple, pear = register(Fruit("apple", 1)), register(Fruit("pear", 2))
    assert list(entries(Fruit)) == ["apple", "pear"]
    heavier = register(Fruit("apple", 3))  # a cell that is run again
    assert list(entries(Fruit).values()) == [heavier, pear] and apple not in entries(Fruit).values()
    with pytest.raises(InputError, match="Fruit 'apple' is defined in .*test_registry: give yours"):
        registered_by("elsewhere", Fruit("apple", 4))
    registered_by("elsewhere", Fruit("plum", 5))
    assert list(entries(Fruit)) == ["apple", "pear", "plum"]
