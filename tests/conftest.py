"""Tests write their cache, results and figures to a folder of their own, never into the project."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from asked import ASKED

os.environ["MPLBACKEND"] = "Agg"  # no window; the notebooks' kernels start without it
os.environ["OMP_NUM_THREADS"] = "1"  # workers share the cores
ROOT = Path(__file__).parents[1]
OUTPUT = tempfile.TemporaryDirectory(prefix="cdvae-tests-")
os.environ["CDVAE_OUTPUT"] = OUTPUT.name
os.environ["CDVAE_CACHE"] = str(Path(OUTPUT.name) / "cache")


LONG = ("reproduced", "trial")  # fixtures that take longest: they come first, one on each worker


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests, and all that need one of LONG, go to one worker: fixtures are made once."""

    def group(item: pytest.Item) -> str:
        return next((name for name in LONG if name in item.fixturenames), item.path.name)

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: group(item) not in LONG)


@pytest.fixture(scope="session")
def output() -> Path:
    return Path(OUTPUT.name)


@pytest.fixture(scope="session")
def reproduced(output) -> Path:
    """The output of `cdvae reproduce` in the smoke profile, run once for all tests."""
    command = [sys.executable, "-m", "cdvae.cli", "reproduce", "--profile", "smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


LEFT = shutil.ignore_patterns("__pycache__", "checkpoints", "*.safetensors", "smoke", "own")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path | None:
    """The project's wheel, built of a copy; None where pip cannot build."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in ("cdvae", "notebooks", "results"):
        shutil.copytree(ROOT / name, source / name, ignore=LEFT)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(place), str(source)]
    subprocess.run(build, capture_output=True, check=False)
    return next(place.glob("*.whl"), None)


class Place:
    """Runs Python in an empty folder, with the wheel's package if there is one, else with this."""

    def __init__(self, folder: Path, wheel: Path | None):
        self.folder = folder / "folder"
        self.folder.mkdir()
        self.environment = dict(os.environ)
        del self.environment["CDVAE_CACHE"], self.environment["CDVAE_OUTPUT"]
        if wheel is None:
            cache = {"CDVAE_CACHE": str(self.folder / ".cache")}
            self.environment |= cache | {"CDVAE_OUTPUT": str(self.folder)}
            return
        site = str(folder / "site-packages")
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
        subprocess.run([*install, "--target", site, str(wheel)], check=True)
        paths = [site, sysconfig.get_paths()["purelib"]]
        self.environment["PYTHONPATH"] = os.pathsep.join(paths)
        where = self.run("-c", "import cdvae; print(cdvae.__file__)").stdout
        assert where.startswith(site), where

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        options = {"capture_output": True, "text": True, "check": False}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environment, **options)


@pytest.fixture(scope="session")
def place(wheel, tmp_path_factory) -> Place:
    return Place(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture(scope="session")
def trial(place) -> tuple[Path, subprocess.CompletedProcess]:
    """A small reproduction with a user's file, by the installed wheel: its folder, what it said."""
    return place.folder, place.run("-m", "cdvae.cli", *ASKED)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that lies beside some checkouts; tests that need it are skipped."""
    folder = Path(os.environ.get("CDVAE_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data beside the project ({folder.name}/data)")
    return folder
