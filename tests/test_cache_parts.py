"""Whatever part of a cache is gone, a run ends well and with the same results."""

import os
import random
import subprocess
import sys

import pytest

ASKED = "reproduce --profile smoke --tasks resaturation --methods nn gauss".split()
PARTS = ("models/*", "scores/*.safetensors", "scores/*.json", "targets/*", "fields/*/*")


def finish(place) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cdvae.cli", *ASKED],
        env=os.environ | {"CDVAE_CACHE": str(place / "cache"), "CDVAE_OUTPUT": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def tables(place) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(place.rglob("results/**/*.csv"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run, and its tables."""
    place = tmp_path_factory.mktemp("cache-parts")
    finish(place)
    found = tables(place)
    assert len(found) >= 3
    return place, found


@pytest.mark.parametrize("seed", range(2))
def test_a_cache_whose_parts_are_gone(whole, seed):
    place, before = whole
    chance = random.Random(seed)
    for part in PARTS:
        files = sorted((place / "cache").glob(part))
        assert files, part
        for path in files if seed == 0 else chance.sample(files, (len(files) + 1) // 2):
            path.unlink()
    for path in chance.sample(sorted((place / "results").rglob("*.ipynb")), 3):
        path.unlink()  # so that notebooks ask for what is gone
    finish(place)
    assert tables(place) == before
