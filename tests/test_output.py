"""What the command prints, wherever to, and what it ends with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import forks
import numpy as np
import pytest
from PIL import Image

from cdvae import cli
from cdvae.commands import data
from cdvae.commands.options import CODES
from cdvae.tools.errors import Failed, InputError

ROOT = Path(__file__).parents[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "cdvae.cli", *arguments]
    return subprocess.run(command, capture_output=True, env=os.environ | environment, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_has_few_letters(encoding):
    asked = "evaluate --profile smoke --task resaturation --method nn".split()
    done = run(*asked, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    done = run("reproduce", "--profile", "qu×k", PYTHONIOENCODING="ascii")
    assert done.returncode == 2 and b"qu\\xd7k" in done.stderr and b"Traceback" not in done.stderr


def test_a_pipe_that_is_closed_ends_the_command_quietly():
    code = "import sys; from cdvae import cli; import cdvae.commands.bench as b\n"
    code += "b.data = lambda options: [print('a line of many' * 20) for _ in range(9999)] and 0\n"
    code += "sys.exit(cli.main(['bench', 'data']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert said == b"" and process.returncode == cli.CLOSED


def test_every_help_says_what_the_exit_codes_mean():
    commands = list(cli.every(cli.parser()))
    assert len(commands) > 20
    for each in commands:
        assert CODES in " ".join(each.format_help().split()), each.prog


@pytest.mark.parametrize(("error", "code"), [(Failed("part of it"), 1), (InputError("no"), 2)])
def test_failures_and_refusals_have_codes_of_their_own(monkeypatch, capsys, tmp_path, error, code):
    def fails(options):
        raise error

    monkeypatch.setattr(data, "check_folder", fails)
    assert cli.main(["data", "check", str(tmp_path)]) == code
    assert capsys.readouterr().err == f"cdvae: {error}\n"


def test_what_was_skipped_is_named_and_counts_each_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path / "out"))
    photos, random = tmp_path / "photos", np.random.default_rng(0)
    photos.mkdir()
    for k in range(60):
        pixels = random.integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).resize((40, 40), Image.Resampling.BILINEAR).save(
            photos / f"{k}.png"
        )
    asked = "train --profile smoke --data folder --task resaturation --method gauss".split()
    asked += ["--root", str(photos)]
    assert cli.main(asked) == 0
    (photos / "broken.jpg").write_bytes(b"none")
    for _ in range(2):
        capsys.readouterr()
        assert cli.main(asked) == 1
        said = capsys.readouterr().err
        assert "photos used, 1 file or record left out: named in " in said, said


def commit_in(folder: Path, place: Path) -> str:
    """What the package at `place` takes for its commit when it runs in a repository."""
    code = "import cdvae.tools.provenance as p; print(p.__file__, p.git('rev-parse', 'HEAD'))"
    done = forks.run("-c", code, cwd=folder, PYTHONPATH=str(place))
    where, commit = done.stdout.split()
    assert where.startswith(str(place))
    return commit


def test_another_repositorys_commit_is_not_the_packages(tmp_path):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    installed, unpacked = tmp_path / "site-packages", tmp_path / "cdvae-main"
    for place in (installed, unpacked):
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "cdvae", place / "cdvae", ignore=without)
    shutil.copy(ROOT / "pyproject.toml", unpacked)
    (unpacked / "notebooks").mkdir()
    assert commit_in(tmp_path, installed) == commit_in(tmp_path, unpacked) == "None"
    subprocess.run([*git, "add", "cdvae-main"], check=True)  # theirs by now
    assert len(commit_in(tmp_path, unpacked)) == 40


@pytest.mark.parametrize(
    "name", ["a$$b.jpg", "sale $5 or $10.jpg", "$\\frac{1}$.jpg", "a^b_c\\.png"]
)
def test_dollars_in_a_name_are_dollars(name):
    from cdvae.explore.sheet import Area, Sheet, Tile, png

    page = Sheet()
    page.grid([Tile(np.zeros((32, 32, 3)), name)], Area(0, 0, 300, 300))
    assert png(page.figure).startswith(b"\x89PNG")
    text = next(text for text in page.axis.texts if text.get_text() == name)
    assert not text.get_parse_math()
