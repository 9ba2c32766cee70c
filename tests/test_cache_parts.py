"""Whatever part of a cache is gone or broken, a run ends well and with the same results."""

import os
import random
import shutil

import forks
import pytest
from asked import ASKED

from cdvae.release import notebooks

PARTS = ("models/*", "scores/*.safetensors", "scores/*.json", "targets/*", "fields/*/*")


def finish(place) -> str:
    """Run it to its end in this checkout; what it said."""
    places = {"CDVAE_CACHE": str(place / ".cache"), "CDVAE_OUTPUT": str(place)}
    done = forks.run("-m", "cdvae.cli", *ASKED, **places)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables(place) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(place.rglob("results/**/*.csv"))}


@pytest.fixture(scope="module")
def whole(trial, tmp_path_factory):
    """A finished run, of which a checkout takes over what an installed package has made."""
    place = tmp_path_factory.mktemp("cache-parts") / "run"
    shutil.copytree(trial[0], place)
    said = finish(place)
    assert " step " not in said and " scored" not in said  # keys do not hang on the place
    found = tables(place)
    assert len(found) >= 3
    return place, found


def test_all_notebooks_ran_to_their_end(whole):
    executed = sorted((whole[0] / "results/smoke/scenes/notebooks").glob("*.ipynb"))
    assert [path.name for path in executed] == [p.name for p in notebooks.numbered("scenes")]
    for path in executed:
        assert notebooks.unfinished(notebooks.read(path)) == []


@pytest.mark.parametrize("seed", range(2))
def test_a_cache_whose_parts_are_gone_or_cut_short(whole, seed):
    place, before = whole
    chance = random.Random(seed)
    for part in PARTS:
        files = sorted((place / ".cache").glob(part))
        assert files, part
        for path in files if seed == 0 else chance.sample(files, (len(files) + 1) // 2):
            path.unlink() if seed == 0 else os.truncate(path, chance.choice((0, 7, 1000)))
    for path in chance.sample(sorted((place / "results").rglob("*.ipynb")), 3):
        path.unlink()  # so that notebooks ask for what is gone
    finish(place)
    assert tables(place) == before
