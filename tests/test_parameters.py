"""The parameters of commands and notebooks: defaults, types, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from cdvae.runs.parameters import LARGEST_SEED, PARAMETERS, checked
from cdvae.tools.files import InputError


def test_nothing_asked_gives_the_defaults():
    assert checked({}) == PARAMETERS and list(checked({})) == list(PARAMETERS)


def test_what_is_checked_stays_as_it_is():
    asked = {"profile": "smoke", "seeds": [0, 2], "methods": ["nn"], "root": "photos"}
    once = checked(asked)
    assert once == PARAMETERS | asked and checked(once) == once


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("seeds", 3, [3]),
        ("seeds", 0, [0]),  # a seed, not the lack of one
        ("seeds", [0], [0]),
        ("seeds", (2, 1, 2), [2, 1]),
        ("seeds", LARGEST_SEED, [LARGEST_SEED]),
        ("seeds", None, None),
        ("seeds", [], None),
        ("seeds", range(3), [0, 1, 2]),
        ("seeds", np.arange(2), [0, 1]),
        ("seeds", np.int64(4), [4]),
        ("seeds", [np.int64(4), 4], [4]),
        ("tasks", "motion", ["motion"]),
        ("tasks", np.array(["motion"]), ["motion"]),
        ("methods", ["gauss", "nn", "gauss"], ["gauss", "nn"]),
        ("methods", (), None),
        ("root", Path("some") / "where", str(Path("some") / "where")),
        ("root", None, None),
    ],
)
def test_values_become_what_the_parameter_is(name, given, expected):
    assert checked({name: given})[name] == expected


def test_lists_that_are_given_stay_with_their_owner():
    mine = [1, 1]
    assert checked({"seeds": mine})["seeds"] == [1] and mine == [1, 1]


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("seeds", "3", "seeds is '3': give a whole number"),
        ("seeds", [0, 1.0], "seeds is 1.0: give a whole number"),
        ("seeds", True, "seeds is True: give a whole number"),
        ("seeds", np.array([0.5]), "seeds is 0.5: give a whole number"),
        ("seeds", "", "seeds is '': give a whole number"),
        ("seeds", [0, None], "seeds is None: give a whole number"),
        ("seeds", -1, f"seeds has -1: give seeds from 0 to {LARGEST_SEED}"),
        ("seeds", 10**19 + 1, f"seeds has {10**19 + 1}: give seeds from 0"),  # twenty digits
        ("seeds", LARGEST_SEED + 1, "give seeds from 0"),
        ("tasks", 1, "tasks is 1: give a word"),
        ("methods", ["gauss", ["nn"]], r"methods is \['nn'\]: give a word"),
        ("methods", {"gauss": 1}, "methods is {'gauss': 1}: give a word"),
        ("profile", None, "profile is None: give a word"),
        ("profile", ["smoke"], r"profile is \['smoke'\]: give a word"),
        ("device", 0, "device is 0: give a word"),
        ("root", 5, "root is 5: give a word"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(name, given, sentence):
    with pytest.raises(InputError, match=sentence):
        checked({name: given})


def test_unknown_names_are_refused_with_those_there_are():
    with pytest.raises(InputError, match="unknown parameter 'sedes': the notebooks take profile,"):
        checked({"profile": "smoke", "sedes": 3, "zeta": 1})
