"""Profiles are data: complete, frozen, and strict about names and types."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from cdvae.release import readme
from cdvae.runs.settings import load_profile, profile_names
from cdvae.tools.files import InputError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads(name):
    profile = load_profile(name)
    assert profile.name == name
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.n_train = 1


def test_paper_profile_has_the_papers_sizes():
    profile = load_profile("paper")
    assert (profile.n_train, profile.n_test, len(profile.seeds)) == (80_000, 40_000, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_trian": 5}, "unknown setting 'n_trian'"),
        ({"training": {"epochs": 5}}, "unknown setting 'epochs'"),
        ({"training": {"steps": "many"}}, "steps: 'many' is not a int"),
        ({"training": {"steps": True}}, "steps: True is not a int"),
        ({"network": 3}, "network: 3 is not a Network"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        load_profile("quick", **changes)


def test_unknown_profile_is_named_with_those_there_are():
    known = "quick, smoke, tuned, paper"
    with pytest.raises(InputError, match=f"unknown profile 'quik': choose from {known}"):
        load_profile("quik")


def test_environment_and_pyproject_agree():
    """environment.yml installs the package itself, so that versions are declared once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = (ROOT / "environment.yml").read_text()
    assert '-e ".[test]"' in environment and f"name: {project['name']}" in environment
    assert f"python{project['requires-python']}" in environment


@pytest.mark.parametrize("page", readme.BLOCKS)
def test_what_pages_take_from_files_is_what_stands_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, block in readme.BLOCKS[page].items():
        assert readme.between(text, name, block()) == text, "run cdvae release readme"
    assert "CVAE" in readme.tables_block() and "/figure1." in readme.samples_block()


def test_contents_say_of_a_notebook_how_it_begins():
    short, long = "Why? Because it is so.", "It goes on " * 30 + "and on."
    assert readme.begun(f"{short} {long}") == short
    assert readme.begun(long) == long
