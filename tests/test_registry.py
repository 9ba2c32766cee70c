"""The registry of entries, the order of the methods, and files of one's own that add to them."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdvae import cli, methods
from cdvae.methods.registry import KINDS, LOOKS, Method
from cdvae.tools import plugins, registry
from cdvae.tools.files import InputError
from cdvae.tools.registry import entries, owner, register


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: int


def registered_by(module: str, entry) -> None:
    exec("register(entry)", {"__name__": module, "register": register, "entry": entry})


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """What a test registers or uses is gone after it."""
    filed = {kind: dict(found) for kind, found in registry._ENTRIES.items()}
    monkeypatch.setattr(registry, "_ENTRIES", filed)
    monkeypatch.setattr(plugins, "_loaded", set(plugins._loaded))
    before = set(sys.modules)
    monkeypatch.setenv(plugins.VARIABLE, "")
    yield
    for name in set(sys.modules) - before:
        if name.startswith("own_"):
            del sys.modules[name]


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
    assert owner(Fruit, "plum") == "elsewhere" and owner(Fruit, "apple") == __name__


def test_a_refused_entry_leaves_the_first_in_its_place():
    first = register(Fruit("fig", 1))
    with pytest.raises(InputError):
        registered_by("elsewhere", Fruit("fig", 2))
    assert entries(Fruit)["fig"] is first


def test_kinds_of_entries_do_not_meet():
    @dataclass(frozen=True)
    class Tree:
        name: str

    register(Fruit("apple", 1))
    register(Tree("apple"))
    assert list(entries(Fruit)) == list(entries(Tree)) == ["apple"]


def test_methods_stand_by_kind_then_as_they_were_registered():
    for name, kind in (("late", "control"), ("mine", "own"), ("more", "own"), ("again", "paper")):
        register(Method(name, name.title(), kind))
    found = methods.methods()
    kinds = [KINDS.index(each.kind) for each in found.values()]
    assert kinds == sorted(kinds)
    names = list(found)
    assert names[:2] == ["nn", "cvae"] and methods.of_kind("paper")[-1] == "again"
    assert methods.of_kind("own") == ["mine", "more"]
    assert methods.of_kind("control")[-1] == "late"
    assert methods.ordered(["more", "unknown", "again", "nn", "nn"]) == [
        *("nn", "again", "more", "unknown"),
    ]


def test_rows_leave_out_variants_and_looks_of_ones_own_differ():
    for k in range(3):
        register(Method(f"mine{k}", f"Mine {k}"))
    assert "mdn1" in methods.methods() and "mdn1" not in methods.rows()
    assert [methods.look(f"mine{k}") for k in range(3)] == list(LOOKS[:3])
    with pytest.raises(InputError, match="unknown method 'mdn5': choose from nn, cvae, shallow"):
        methods.method("mdn5")


MINE = """
import cdvae
cdvae.register(cdvae.Method("mine", "Mine", fit=lambda train, valid, profile, n: (None, {})))
"""


def test_a_file_that_is_used_is_loaded_once_and_named_to_later_processes(tmp_path):
    path = tmp_path / "own_mine.py"
    path.write_text(MINE)
    for _ in range(2):
        plugins.use(path)
    assert methods.method("mine").label == "Mine" and owner(Method, "mine") == "own_mine"
    assert os.environ[plugins.VARIABLE] == str(path)


def test_files_in_the_environment_are_loaded_with_the_first_question(tmp_path, monkeypatch):
    path = tmp_path / "own_other.py"
    path.write_text(MINE.replace('"mine"', '"other"'))
    monkeypatch.setenv(plugins.VARIABLE, str(path))
    assert "other" in methods.methods()


BAD = {
    "no_such.py": (None, "no file .*no_such.py: give --use a Python file that registers"),
    "own_wrong.py": ("1 / 0\n", "own_wrong.py cannot be used: ZeroDivisionError: division by zero"),
    "own_broken.py": ("def (\n", "own_broken.py cannot be used: SyntaxError: invalid syntax"),
    "own_missing.py": ("import no_such_thing\n", "ModuleNotFoundError: No module named"),
    "json.py": ("", "json.py has the name of the module json: rename the file"),
    "sys.py": ("", "sys.py has the name of the module sys: rename the file"),
    "own_taken.py": (
        MINE.replace('"mine"', '"gauss"'),
        "Method 'gauss' is defined in cdvae.methods.tied: give yours another name",
    ),
}


@pytest.mark.parametrize(("name", "text", "sentence"), [(n, *b) for n, b in BAD.items()], ids=BAD)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    name, text, sentence, tmp_path, capsys
):
    path: Path = tmp_path / name
    if text is not None:
        path.write_text(text)
    before = sys.modules.get(path.stem)
    with pytest.raises(InputError, match=sentence):
        plugins.use(path)
    assert sys.modules.get(path.stem) is before and os.environ[plugins.VARIABLE] == ""
    assert cli.main(["reproduce", "--use", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cdvae: ") and "Traceback" not in said


def test_a_file_named_like_an_installed_module_that_is_not_loaded_yet_is_refused(tmp_path):
    """Or else what imports that module later would get the file."""
    assert "this" not in sys.modules  # of the standard library, and nothing imports it
    path = tmp_path / "this.py"
    path.write_text("")
    with pytest.raises(InputError, match="this.py has the name of the module this"):
        plugins.use(path)
