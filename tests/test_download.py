"""Fetching, unpacking and checking data sets: a local server that misbehaves, hostile archives."""

import hashlib
import io
import os
import shutil
import stat
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from cdvae.data.fetch import download, unpack
from cdvae.data.fetch.download import Archive, fetch
from cdvae.tools.files import InputError

BODY = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8).tobytes()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Server:
    """Serves one file; cuts connections after so many bytes, ignores ranges, or changes it."""

    def __init__(self, body: bytes) -> None:
        self.body, self.tag = body, '"one"'
        self.cut, self.ranges, self.asked, self.status = None, True, [], None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/data.zip"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request) -> None:
        if self.status:
            request.send_error(self.status)
            return
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        same = request.headers.get("If-Range", self.tag) == self.tag
        start = int(wanted[6:-1]) if wanted and self.ranges and same else 0
        if start >= len(self.body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        rest = self.body[start:]
        request.send_response(206 if start else 200)
        if start:
            total = len(self.body)
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        request.send_header("ETag", self.tag)
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        request.wfile.write(rest if self.cut is None else rest[: self.cut])
        request.close_connection = True

    def archive(self, **known) -> Archive:
        digest = hashlib.sha256(self.body).hexdigest()
        return Archive(
            **{
                "url": self.url,
                "size": len(self.body),
                "sha256": digest,
                "unpacked": len(self.body),
                **known,
            }
        )


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    server = Server(BODY)
    yield server
    server.http.shutdown()
    server.http.server_close()


def offer(monkeypatch, *archives: Archive) -> None:
    monkeypatch.setattr(download, "ARCHIVES", {"coco": archives})


def test_a_download_goes_on_after_every_cut(server, tmp_path):
    server.cut = 1_000_000
    path = tmp_path / "archives" / "data.zip"
    download.download(server.archive(), path)
    assert path.read_bytes() == BODY
    assert server.asked == [None, "bytes=1000000-", "bytes=2000000-"]
    assert [entry.name for entry in path.parent.iterdir()] == ["data.zip"]


def test_a_part_that_is_whole_or_too_long(server, tmp_path):
    partial = tmp_path / "data.zip.part"
    for content in (BODY, BODY + b"more"):
        partial.write_bytes(content)
        download.download(server.archive(), tmp_path / "data.zip")
        assert (tmp_path / "data.zip").read_bytes() == BODY


def test_parts_of_two_versions_are_never_joined(server, tmp_path):
    server.cut = 1_000_000
    download._continue(server.archive(), tmp_path / "data.zip.part")
    server.cut, server.body, server.tag = None, BODY[::-1], '"two"'
    download.download(server.archive(), tmp_path / "data.zip")
    assert (tmp_path / "data.zip").read_bytes() == BODY[::-1]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges = False
    (tmp_path / "data.zip.part").write_bytes(b"old" * 1000)
    download.download(server.archive(), tmp_path / "data.zip")
    assert (tmp_path / "data.zip").read_bytes() == BODY


def test_failures_end_in_one_sentence(server, tmp_path):
    server.cut = 0
    with pytest.raises(InputError, match="the connection ended early.*it goes on where it was"):
        download.download(server.archive(), tmp_path / "data.zip")
    server.status = 404
    with pytest.raises(InputError, match="answers 404 .* put it at"):
        download.download(server.archive(), tmp_path / "data.zip")
    server.status = 503
    with pytest.raises(InputError, match="503"):
        download.download(server.archive(), tmp_path / "data.zip")
    closed = server.archive(url="http://127.0.0.1:1/data.zip")
    with pytest.raises(InputError, match="cannot fetch http://127.0.0.1:1/data.zip"):
        download.download(closed, tmp_path / "other.zip")


def test_fetch_unpacks_checks_and_is_done_once(server, tmp_path, monkeypatch):
    server.body = zipped({"train2014/a.jpg": b"photo", "annotations/x.json": b"{}"})
    offer(monkeypatch, server.archive())
    said = []
    fetch("coco", tmp_path / "new", said.append)
    assert (tmp_path / "new" / "train2014" / "a.jpg").read_bytes() == b"photo"
    kept = list((tmp_path / "new" / "archives").iterdir())
    assert [path.name for path in kept] == ["data.zip.sha256"]
    assert hashlib.sha256(server.body).hexdigest() in kept[0].read_text()
    asked = len(server.asked)
    fetch("coco", tmp_path / "new", said.append)
    assert len(server.asked) == asked
    with pytest.raises(InputError, match="no data set 'imagenet' to fetch"):
        fetch("imagenet", tmp_path)


def test_a_wrong_hash_is_refused_and_an_unknown_one_is_said(server, tmp_path, monkeypatch):
    server.body = zipped({"a.jpg": b"photo"})
    offer(monkeypatch, server.archive(sha256="0" * 64))
    with pytest.raises(InputError, match="is not the published file .* fetch it again"):
        fetch("coco", tmp_path, print)
    assert not (tmp_path / "a.jpg").exists() and not list((tmp_path / "archives").iterdir())
    offer(monkeypatch, server.archive(sha256=None))
    said = []
    fetch("coco", tmp_path, said.append)
    digest = hashlib.sha256(server.body).hexdigest()
    assert any("no hash of data.zip is published" in line and digest in line for line in said)
    assert digest in (tmp_path / "archives" / "data.zip.sha256").read_text()


def test_an_archive_put_there_by_hand_is_used(server, tmp_path, monkeypatch):
    server.body = zipped({"a.jpg": b"photo"})
    offer(monkeypatch, server.archive())
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "data.zip").write_bytes(server.body)
    fetch("coco", tmp_path, print)
    assert not server.asked and (tmp_path / "a.jpg").exists()


def test_disk_space_is_checked_before_anything_is_fetched(server, tmp_path, monkeypatch):
    offer(monkeypatch, server.archive(size=20 * 10**9, unpacked=21 * 10**9))
    usage = type("Usage", (), {"free": 5 * 10**9})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match="needs 41.0 GB and has 5.0 GB free"):
        fetch("coco", tmp_path / "not" / "yet")
    assert not server.asked and not (tmp_path / "not").exists()


def test_published_hashes_are_whole():
    for archive in (a for archives in download.ARCHIVES.values() for a in archives):
        assert len(bytes.fromhex(archive.sha256)) == 32 and archive.size > 100_000


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/tmp/out.txt", "..\\out.txt"])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    archive = tmp_path / "bad.zip"
    archive.write_bytes(zipped({"good.txt": b"1", name: b"2"}))
    with pytest.raises(InputError, match="which leads outside"):
        unpack.unpack_zip(archive, tmp_path / "deep" / "root")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["bad.zip"]


def test_links_are_refused_in_a_zip_and_below_the_folder(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as file:
        file.writestr(link, "/etc")
    with pytest.raises(InputError, match="holds links"):
        unpack.unpack_zip(tmp_path / "link.zip", tmp_path / "root")
    (tmp_path / "root").mkdir(exist_ok=True)
    (tmp_path / "root" / "door").symlink_to(tmp_path)
    (tmp_path / "door.zip").write_bytes(zipped({"door/out.txt": b"2"}))
    with pytest.raises(InputError, match="which leads outside"):
        unpack.unpack_zip(tmp_path / "door.zip", tmp_path / "root")
    assert not (tmp_path / "out.txt").exists()


def test_damaged_zips_and_unpacking_that_goes_on(tmp_path):
    content = zipped({"a.txt": b"a" * 1000, "b.txt": b"b" * 1000})
    (tmp_path / "cut.zip").write_bytes(content[:-50])
    with pytest.raises(InputError, match="is damaged .* fetch it again"):
        unpack.unpack_zip(tmp_path / "cut.zip", tmp_path)
    spoiled = content.replace(b"b" * 1000, b"b" * 999 + b"x")
    (tmp_path / "spoiled.zip").write_bytes(spoiled)
    with pytest.raises(InputError, match="is damaged"):
        unpack.unpack_zip(tmp_path / "spoiled.zip", tmp_path)
    assert (tmp_path / "a.txt").exists() and not (tmp_path / "b.txt").exists()
    before = (tmp_path / "a.txt").stat().st_mtime_ns
    (tmp_path / "good.zip").write_bytes(content)
    unpack.unpack_zip(tmp_path / "good.zip", tmp_path)
    assert (tmp_path / "b.txt").read_bytes() == b"b" * 1000
    assert (tmp_path / "a.txt").stat().st_mtime_ns == before


def fake_unar(folder: Path, monkeypatch, body: str) -> None:
    """Put a program named unar first: `body` is Python that knows `folder` and `archive`."""
    folder.mkdir()
    program = folder / "unar"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys\nfolder, archive = sys.argv[-2:]\n{body}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_rar_archives_go_through_an_unpacker(tmp_path, monkeypatch):
    (tmp_path / "UCF101.rar").write_bytes(b"Rar!")
    root = tmp_path / "root"
    (root / "UCF-101" / "Run").mkdir(parents=True)
    (root / "UCF-101" / "Run" / "old.avi").touch()
    write = "os.makedirs(f'{folder}/UCF-101/Run'); open(f'{folder}/UCF-101/Run/a.avi', 'w')"
    fake_unar(tmp_path / "bin", monkeypatch, write)
    unpack.unpack_rar(tmp_path / "UCF101.rar", root)
    assert sorted(path.name for path in (root / "UCF-101" / "Run").iterdir()) == [
        "a.avi",
        "old.avi",
    ]
    fake_unar(tmp_path / "bin2", monkeypatch, "os.symlink('/etc', f'{folder}/link')")
    with pytest.raises(InputError, match="holds links"):
        unpack.unpack_rar(tmp_path / "UCF101.rar", root)
    fake_unar(tmp_path / "bin3", monkeypatch, "sys.exit('no such thing')")
    with pytest.raises(InputError, match=r"unar cannot unpack .*no such thing"):
        unpack.unpack_rar(tmp_path / "UCF101.rar", root)
    assert sorted(path.name for path in root.iterdir()) == ["UCF-101"]


def test_ucf101_without_an_unpacker_is_refused_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="install unar .* and run again"):
        fetch("ucf101", tmp_path / "ucf")
    assert not (tmp_path / "ucf").exists()
