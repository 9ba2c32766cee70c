"""Tests write their cache, results and figures to a folder of their own, never into the project."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

os.environ["MPLBACKEND"] = "Agg"  # no window; the notebooks' kernels start without it
os.environ["OMP_NUM_THREADS"] = "1"  # workers share the cores
OUTPUT = tempfile.TemporaryDirectory(prefix="cdvae-tests-")
os.environ["CDVAE_OUTPUT"] = OUTPUT.name
os.environ["CDVAE_CACHE"] = str(Path(OUTPUT.name) / "cache")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests, and all that need `reproduced`, go to one worker: fixtures are made once."""
    for item in items:
        shares = "reproduced" in item.fixturenames
        item.add_marker(pytest.mark.xdist_group("reproduced" if shares else item.path.name))


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


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data that lies beside some checkouts; tests that need it are skipped."""
    folder = Path(os.environ.get("CDVAE_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data beside the project ({folder.name}/data)")
    return folder
