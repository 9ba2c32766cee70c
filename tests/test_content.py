"""What files hold: hashed once, remembered, never confused."""

import hashlib
import os
import threading
import time

import pytest

from cdvae.tools import content
from cdvae.tools.content import UNREADABLE, digest, digests


@pytest.fixture
def hashed(tmp_path, monkeypatch) -> list[str]:
    """The names of the files that are read, as they are; files count as old at once."""
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "FRESH", -1.0)
    names, sha256 = [], content.sha256

    def hash_and_note(path):
        names.append(path.name)
        return sha256(path)

    monkeypatch.setattr(content, "sha256", hash_and_note)
    return names


def test_files_are_hashed_once(tmp_path, hashed):
    folder = tmp_path / "data"
    folder.mkdir()
    names = [f"{k}.bin" for k in range(50)]
    for k, name in enumerate(names):
        (folder / name).write_bytes(bytes([k]) * 100)
    expected = [hashlib.sha256(bytes([k]) * 100).hexdigest() for k in range(50)]
    assert digests(folder, names) == expected and len(hashed) == 50
    assert digests(folder, names[::-1]) == expected[::-1] and len(hashed) == 50
    assert digest(folder / "7.bin") == expected[7] and len(hashed) == 50


def test_a_file_that_changed_is_hashed_again_whatever_its_times_say(tmp_path, hashed):
    path = tmp_path / "a.bin"
    path.write_bytes(b"first")
    before, times = digest(path), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    time.sleep(0.02)
    path.write_bytes(b"other")
    os.utime(path, ns=times)
    assert digest(path) != before and hashed == ["a.bin", "a.bin"]


def test_a_file_that_changed_just_now_is_not_remembered(tmp_path, hashed, monkeypatch):
    monkeypatch.setattr(content, "FRESH", 60.0)
    (tmp_path / "a.bin").write_bytes(b"first")
    digest(tmp_path / "a.bin"), digest(tmp_path / "a.bin")
    assert hashed == ["a.bin", "a.bin"]


def test_what_cannot_be_read_and_odd_names(tmp_path, hashed):
    odd = os.fsdecode(b"caf\xe9\n\t.bin")
    (tmp_path / odd).write_bytes(b"x")
    found = digests(tmp_path, ["gone.bin", odd])
    assert found == [UNREADABLE, hashlib.sha256(b"x").hexdigest()]
    assert digests(tmp_path, ["gone.bin", odd]) == found and hashed.count(odd) == 1


def test_a_damaged_note_and_writers_at_once_lose_nothing_but_time(tmp_path, hashed):
    folder = tmp_path / "data"
    folder.mkdir()
    names = [f"{k}.bin" for k in range(40)]
    for name in names:
        (folder / name).write_text(name)
    expected = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    found = {}

    def run(part):
        found[part] = digests(folder, names[part::4])

    threads = [threading.Thread(target=run, args=(part,)) for part in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(found[part] == expected[part::4] for part in range(4))
    note = content.note_of(folder)
    note.write_bytes(note.read_bytes()[:-30] + b"\xff\xff no line")
    assert digests(folder, names) == expected
