"""The real data sets from their official addresses: resumable, hash-checked, safely unpacked.

`pooch` keeps hashes well but starts every download from the beginning (1.9), which is no way to
fetch 13 GB; HTTP ranges are a few lines on top of urllib.
"""

import http.client
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdvae.data.fetch import tiny
from cdvae.data.fetch.unpack import rar_unpacker, unpack_rar, unpack_zip
from cdvae.tools.files import InputError, sha256, write_text, writing

TRIES = 5  # connections in a row that bring nothing new
BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """One file to fetch, and what is known of it; None where nobody has published it."""

    url: str
    size: int | None  # bytes
    sha256: str | None
    unpacked: int  # bytes it takes on disk, roughly

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


# Tiny ImageNet's: its size and hash as several projects that fetched it state them independently.
# Sizes and hashes of COCO's files and UCF101's lists: tensorflow/datasets, url_checksums/coco.txt
# and ucf101.txt. Hash of UCF101.rar: pytorch/vision, prototype/datasets/_builtin/ucf101.py (its
# hash of the lists agrees); its size: the server's Content-Length, as others report it.
COCO = "http://images.cocodataset.org"  # has no https of its own: the hashes are the protection
UCF = "https://www.crcv.ucf.edu/data/UCF101"
ARCHIVES = {
    "coco": (
        Archive(
            f"{COCO}/annotations/annotations_trainval2014.zip",
            252_872_794,
            "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
            800_000_000,
        ),
        Archive(
            f"{COCO}/zips/val2014.zip",
            6_645_013_297,
            "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0",
            6_700_000_000,
        ),
        Archive(
            f"{COCO}/zips/train2014.zip",
            13_510_573_713,
            "ede4087e640bddba550e090eae701092534b554b42b05ac33f0300b984b31775",
            13_600_000_000,
        ),
    ),
    "tiny-imagenet": (
        Archive(
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            248_100_043,
            "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
            500_000_000,
        ),
    ),
    "ucf101": (
        Archive(
            f"{UCF}/UCF101TrainTestSplits-RecognitionTask.zip",
            113_943,
            "5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
            1_000_000,
        ),
        Archive(
            f"{UCF}/UCF101.rar",
            6_932_971_618,
            "ca8dfadb4c891cb11316f94d52b6b0ac2a11994e67a0cae227180cd160bd8e55",
            7_000_000_000,
        ),
    ),
}


def fetch(name: str, root: Path, say: Callable[[str], None] = print, kept: bool = False) -> None:
    """Bring "coco", "tiny-imagenet" or "ucf101" into the folder `root`, as its readers expect it.

    What is there already is left alone; an interrupted download or unpacking goes on where it
    was. Each archive is checked against its published hash, unpacked, and removed; a note of its
    hash stays in `root/archives/`. An archive put there by hand is used. kept: of Tiny
    ImageNet only the photos that the project's own results are of. Raises InputError, with one
    sentence that names the remedy, where the network, the disk, a hash or an unpacker fails.
    """
    if name not in ARCHIVES:
        raise InputError(f"no data set '{name}' to fetch: choose from {', '.join(ARCHIVES)}")
    todo = [archive for archive in ARCHIVES[name] if not note_of(archive, root).exists()]
    if any(archive.name.endswith(".rar") for archive in todo):
        rar_unpacker()  # before hours of download
    check_space(todo, root)
    for archive in todo:
        path = Path(root) / "archives" / archive.name
        if not path.exists():
            say(f"fetching {archive.url}")
            download(archive, path)
        digest = verify(archive, path, say)
        say(f"unpacking {path.name}")
        (unpack_rar if path.suffix == ".rar" else unpack_zip)(path, Path(root))
        if name == "tiny-imagenet":
            tiny.arrange(Path(root), kept)
        write_text(note_of(archive, root), f"{digest}  {archive.name}\n")
        path.unlink()
    say(f"{name} is in {root}")


def note_of(archive: Archive, root: Path) -> Path:
    """Where the hash of an archive is noted once it is unpacked."""
    return Path(root) / "archives" / f"{archive.name}.sha256"


def check_space(archives: list[Archive], root: Path) -> None:
    """Raise InputError unless the disk has room for what is still to come.

    Archives are removed one by one, so that only the largest needs room beside what is unpacked.
    """

    def room(archive: Archive) -> int:
        path = Path(root) / "archives" / archive.name
        here = (path, path.with_name(f"{path.name}.part"))
        return (archive.size or 0) - sum(file.stat().st_size for file in here if file.exists())

    needed = max(map(room, archives), default=0) + sum(archive.unpacked for archive in archives)
    folder = Path(root).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{root} needs {needed / 1e9:.1f} GB and has {free / 1e9:.1f} GB free: "
            "make room or choose another disk"
        )


def download(archive: Archive, path: Path) -> None:
    """Fetch one archive to `path`, atomically, going on from `path`.part where that exists."""
    partial = path.with_name(f"{path.name}.part")
    with writing(partial.parent):
        partial.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            if _continue(archive, partial):
                break
            reason = "the connection ended early"
        except InputError:  # the disk: trying again does not help
            raise
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error, archive, path)
        failures = 0 if partial.exists() and partial.stat().st_size > before else failures + 1
        if failures >= TRIES:
            raise InputError(
                f"cannot fetch {archive.url} ({reason}): try again later, it goes on where it was, "
                f"or put the file at {path}"
            )
        time.sleep(min(30, 2**failures - 1))
    partial.replace(path)
    partial.with_suffix(".tag").unlink(missing_ok=True)


def _reason(error: Exception, archive: Archive, path: Path) -> str:
    """What went wrong; InputError at once where trying again cannot help."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        raise InputError(
            f"the certificate of {archive.url} is not valid: fetch it in a browser and put it "
            f"at {path}, its hash is checked there"
        ) from error
    if isinstance(error, urllib.error.HTTPError):
        if error.code in (401, 403, 404, 410):
            raise InputError(
                f"{archive.url} answers {error.code} {error.reason}: find the file elsewhere and "
                f"put it at {path}"
            ) from error
        return f"{error.code} {error.reason}"
    return str(cause) or type(error).__name__


def _continue(archive: Archive, partial: Path) -> bool:
    """Append to a part of the archive what one connection brings; True once it is whole.

    The server's tag for the file goes back with the request (If-Range), so that parts of two
    versions are never joined: a changed file, or a server without ranges, starts over.
    """
    tag = partial.with_suffix(".tag")
    start = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(archive.url, headers={"Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag.exists():
            request.add_header("If-Range", tag.read_text(encoding="utf-8"))
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # nothing after `start`: whole, or longer than it should be
            raise
        whole = (error.headers.get("Content-Range") or "").rpartition("/")[2] == str(start)
        if not whole:
            partial.unlink()
        return whole
    with response:
        resumed = response.status == 206 and _begins_at(response, start)
        if response.status == 206 and not resumed:
            partial.unlink()
            return False
        start = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if mark and not mark.startswith("W/"):  # weak tags do not promise equal bytes
            write_text(tag, mark)
        else:
            tag.unlink(missing_ok=True)
        _pour(response, partial, start, total, archive.name)
    return total is None or partial.stat().st_size == total


def _begins_at(response, start: int) -> bool:
    """Whether a partial answer begins where it was asked to."""
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {start}-")


def _pour(response, partial: Path, start: int, total: int | None, name: str) -> None:
    """Write the body of a response into a file, from `start` on."""
    from tqdm import tqdm

    quiet = not sys.stderr.isatty()
    bar = tqdm(total=total, initial=start, desc=name, unit="B", unit_scale=True, disable=quiet)
    with writing(partial.parent), bar, open(partial, "ab" if start else "wb") as file:
        while block := response.read(BLOCK):
            file.write(block)
            bar.update(len(block))


def verify(archive: Archive, path: Path, say: Callable[[str], None]) -> str:
    """The SHA-256 of a fetched archive; raises InputError, and removes it, if it is not as known.

    Where no hash is published, the first download is trusted, and said to be.
    """
    digest = sha256(path)
    if archive.sha256 is None:
        say(f"no hash of {archive.name} is published; trusting this one, with sha256 {digest}")
    elif digest != archive.sha256:
        path.unlink()
        raise InputError(
            f"{archive.name} is not the published file (sha256 {digest[:12]}…, expected "
            f"{archive.sha256[:12]}…) and was removed: fetch it again"
        )
    return digest
