"""Folders that cannot be written, disks that are full, and what killed runs leave behind."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import forks
import pytest

from cdvae import cli
from cdvae.tools import files
from cdvae.tools.files import InputError, atomic, cache_root, output_root, write_text

TRAIN = "train --profile smoke --task resaturation --method gauss".split()


def test_a_folder_in_the_environment_may_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CDVAE_CACHE", "~/cache")
    monkeypatch.setenv("CDVAE_OUTPUT", "~/out")
    assert (cache_root(), output_root()) == (tmp_path / "cache", tmp_path / "out")


NOBODY = "~no-such-user/place"
GIVEN = {
    "check": ["data", "check", NOBODY],
    "fetch": ["data", "fetch", "coco", "--root", NOBODY],
    "root": ["reproduce", "--data", "folder", "--root", NOBODY],
    "use": ["reproduce", "--use", NOBODY],
}


@pytest.mark.parametrize("variable", ["CDVAE_CACHE", "CDVAE_OUTPUT"])
def test_a_home_of_nobody_in_the_environment_is_one_sentence(monkeypatch, capsys, variable):
    monkeypatch.setenv(variable, NOBODY)
    assert cli.main(["data", "check", "."]) == 2
    assert capsys.readouterr().err == f"cdvae: {NOBODY}: there is no such home, give another path\n"


@pytest.mark.parametrize("asked", GIVEN.values(), ids=GIVEN)
def test_a_home_of_nobody_is_one_sentence(capsys, asked):
    assert cli.main(asked) == 2
    assert capsys.readouterr().err == f"cdvae: {NOBODY}: there is no such home, give another path\n"


def test_a_folder_without_a_name_is_not_the_current_one(capsys):
    assert cli.main(["data", "check", ""]) == 2
    assert "the path given is empty" in capsys.readouterr().err


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def left(folder: Path, place: str, process: int, age: float = 0.0) -> Path:
    path = folder / f".figure8-cdvae{place}.{process}-abcd1234.png"
    path.touch()
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_temporary_files_of_killed_runs_are_swept_and_no_others(tmp_path, dead):
    here, day = files.place_of_processes(), 86_400
    gone = [left(tmp_path, here, dead), left(tmp_path, "0" * 6, 1, age=2 * day)]
    kept = [left(tmp_path, here, os.getpid(), age=9 * day), left(tmp_path, "0" * 6, dead)]
    kept += [tmp_path / ".figure8-abcd1234.png", tmp_path / "figure8-cdvae.png"]
    for path in kept[2:]:
        path.touch()
    write_text(tmp_path / "new.txt", "")
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)


def test_a_process_that_ended_and_is_not_waited_for_is_not_alive():
    process = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{process.pid}/stat").exists() and files.is_alive(process.pid):
        time.sleep(0.01)
    process.wait()
    assert not files.is_alive(process.pid) and files.is_alive(os.getpid())


def test_every_folder_of_results_and_cache_is_swept(monkeypatch, tmp_path, dead):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    folders = [tmp_path / name for name in ("cache/models", "figures/a/b", "results/a/b/notebooks")]
    for folder in folders:
        folder.mkdir(parents=True)
    found = [left(folder, files.place_of_processes(), dead) for folder in folders]
    files.sweep_all()
    assert not any(path.exists() for path in found)


def test_what_was_found_of_annotations_is_found_again_if_its_file_is_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path))
    broken, whole = (tmp_path / "content" / name for name in ("a.json", "b.json"))
    whole.parent.mkdir()
    broken.write_text('{"of": {"a.jpg": 1')
    whole.write_text('{"of": {}}')
    files.sweep_all()
    assert not broken.exists() and whole.exists()


def test_what_is_written_is_swept_by_nobody_while_it_is_written(tmp_path):
    with atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("mine")
        code = "import sys; from cdvae.tools.files import write_text; write_text(sys.argv[1], '')"
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "b.txt")], check=True)
        assert temporary.exists()
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_the_file_system_refuses_is_one_sentence(tmp_path, monkeypatch, number):
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    with pytest.raises(InputError) as caught, atomic(tmp_path / "results/a.csv"):
        raise OSError(number, os.strerror(number))
    said = str(caught.value)
    assert said.startswith(f"cannot write to {tmp_path}/results ({os.strerror(number)}): ")
    assert "set CDVAE_OUTPUT to a folder that can be written" in said and "\n" not in said
    assert not os.listdir(tmp_path / "results")


def test_a_full_disk_that_safetensors_meets(tmp_path):
    from safetensors import SafetensorError

    with pytest.raises(InputError, match="No space left"), atomic(tmp_path / "a.safetensors"):
        raise SafetensorError("I/O error: No space left on device (os error 28)")


def test_errors_of_other_files_pass(tmp_path):
    with pytest.raises(PermissionError), atomic(tmp_path / "a.csv"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/b.csv")


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write to .*file"):
        write_text(tmp_path / "file" / "a.txt", "")


@pytest.fixture
def disk(tmp_path):
    """A file system of 1 MB, where this machine allows one to be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "cdvae-test", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def refused(environment: dict[str, Path], *command: str) -> str:
    """What the command says when it cannot be served."""
    places = {name: str(place) for name, place in environment.items()}
    done = forks.run("-m", "cdvae.cli", *command, **places)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_full_disk(disk, tmp_path):
    said = refused({"CDVAE_CACHE": disk / "cache"}, *TRAIN)
    assert "No space left on device" in said and "set CDVAE_CACHE to a folder" in said
    assert not [path for path in disk.rglob("*") if "-cdvae" in path.name]
    (disk / "filler").write_bytes(bytes(disk_left(disk)))
    evaluate = ["evaluate", *TRAIN[1:-1], "nn"]
    said = refused({"CDVAE_OUTPUT": disk}, *evaluate)
    assert "No space left on device" in said and "set CDVAE_OUTPUT to a folder" in said


def disk_left(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_bsize


def test_a_folder_that_cannot_be_written(disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = refused({"CDVAE_CACHE": disk / "cache"}, *TRAIN)
    assert "Read-only file system" in said and "set CDVAE_CACHE to a folder" in said
