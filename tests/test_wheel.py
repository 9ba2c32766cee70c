"""Installed from a wheel, in a folder of its own, without the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEFT = shutil.ignore_patterns("__pycache__", "checkpoints", "*.safetensors", "smoke", "own")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The project's wheel, built of a copy."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in ("cdvae", "notebooks", "results"):
        shutil.copytree(ROOT / name, source / name, ignore=LEFT)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(place), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot build here: {done.stderr.strip().splitlines()[-1]}")
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs Python with the wheel's package, in an empty folder; other packages are those here."""
    place = tmp_path_factory.mktemp("installed")
    site, folder = place / "site-packages", place / "folder"
    folder.mkdir()
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", str(site), str(wheel)], check=True)
    paths = [str(site), sysconfig.get_paths()["purelib"]]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    for name in ("CDVAE_CACHE", "CDVAE_OUTPUT"):
        environment.pop(name, None)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, *arguments]
        options = {"capture_output": True, "text": True, "check": False}
        return subprocess.run(command, cwd=folder, env=environment, **options)

    where = run("-c", "import cdvae; print(cdvae.__file__)").stdout
    assert where.startswith(str(site)), where
    return folder, run


def test_the_wheel_brings_notebooks_and_tables_and_no_checkpoints(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    ours = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {Path(name).name for name in names if name.endswith(".ipynb")} == ours
    assert "cdvae/results/quick/coco/scores.csv" in names and "cdvae/profiles.toml" in names
    assert wheel.stat().st_size < 10e6


def test_it_reproduces_below_the_current_folder(installed):
    folder, run = installed
    asked = "reproduce --profile smoke --methods nn --tasks resaturation".split()
    done = run("-m", "cdvae.cli", *asked)
    (said,) = done.stderr.splitlines()  # one notebook needs what no wheel brings
    assert said.startswith("cdvae: 09_explore.ipynb is left out") and "clone the project" in said
    assert done.returncode == 1 and "Table 3." in done.stdout
    results = folder / "results/smoke/scenes"
    ours = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    ran = {path.name for path in (results / "notebooks").iterdir()}
    assert ours - ran == {"08_visual_dynamics.ipynb", "09_explore.ipynb"}
    assert (results / "scores.csv").exists() and list(folder.glob("figures/smoke/scenes/*.jpg"))
    assert sorted(os.listdir(folder)) == [".cache", "figures", "results"]
    about = (results / "provenance.json").read_text()
    assert '"git_commit": null' in about and '"cdvae": "' in about


@pytest.mark.parametrize("command", [["release", "readme"], ["release", "notebooks"]])
def test_what_needs_a_checkout_says_so(installed, command):
    done = installed[1]("-m", "cdvae.cli", *command)
    assert done.returncode == 2 and "clone the project" in done.stderr


def test_checkpoints_say_how_to_get_them(installed):
    code = "import cdvae; cdvae.load('resaturation-mdn12-scenes')"
    assert "install from a clone: pip install -e" in installed[1]("-c", code).stderr
