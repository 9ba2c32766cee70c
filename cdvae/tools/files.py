"""Small helpers for files and settings: atomic writes, cache keys, the project's folders."""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from cdvae.tools.errors import InputError as InputError

CACHE, OUTPUT = "CDVAE_CACHE", "CDVAE_OUTPUT"
OLD = 86_400.0  # seconds after which another machine's temporary file is taken for left behind
TEMPORARY = re.compile(r"\..*-cdvae([0-9a-f]{6})\.([0-9]+)-[^-.]*(\..*)?", re.DOTALL)
UNWRITABLE = {
    getattr(errno, name)
    for name in "EACCES EPERM EROFS ENOSPC EDQUOT EFBIG ENOTDIR EEXIST EISDIR EIO".split()
    if hasattr(errno, name)
}


def checkout() -> Path | None:
    """The checkout that this package lies in; None where it was installed without one."""
    above = Path(__file__).resolve().parents[2]
    return above if (above / "notebooks").is_dir() and (above / "pyproject.toml").exists() else None


def project_root() -> Path:
    """What the project comes with, notebooks and committed results: the checkout, else the
    installed package, which brings notebooks and tables, no checkpoints and figures."""
    return checkout() or Path(__file__).resolve().parents[1]


def output_root() -> Path:
    """Where results/ and figures/ are written: $CDVAE_OUTPUT, else the checkout, else here."""
    return given(OUTPUT) or checkout() or Path.cwd()


def cache_root() -> Path:
    """Where fields, checkpoints and scores are kept: $CDVAE_CACHE, else `.cache` there, too."""
    return given(CACHE) or (checkout() or Path.cwd()) / ".cache"


def given(variable: str) -> Path | None:
    """The folder that an environment variable names; None where it is not set."""
    value = os.environ.get(variable)
    return path_of(value) if value else None


def path_of(text: str | Path) -> Path:
    """A path as a user gives it, where `~` is a home; raises InputError for none, or nobody's."""
    if not str(text).strip():
        raise InputError("the path given is empty: give a folder or a file")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"{text}: there is no such home, give another path") from None


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path`, on failure it is removed.

    A killed run therefore leaves the whole file or none, and a temporary file that a later run
    sweeps. Raises InputError where the folder cannot be written, or is full.
    """
    path = Path(path)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        names = {"prefix": marked(path.stem), "suffix": path.suffix}
        handle, name = tempfile.mkstemp(**names, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp makes private files
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether a file of the cache is there and whole; a broken one is removed, to be made again.

    Files are written whole or not at all (`atomic`); what breaks one is a disk that fails, or a
    copy that broke off. A safetensors file says itself how long it is; JSON is read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            with safe_open(path, framework="np"):
                pass
    except FileNotFoundError:
        return False
    except (SafetensorError, ValueError):
        print(f"{path} is broken, and is made again", file=sys.stderr)
        path.unlink(missing_ok=True)
        return False
    return True


def marked(stem: str) -> str:
    """How the name of a temporary file of this process begins, so that it can be swept."""
    return f".{stem[:40]}-cdvae{place_of_processes()}.{os.getpid()}-"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the file system refuses while files are written to a folder becomes one sentence."""
    try:
        yield
    except Exception as error:
        number = number_of(error)
        where = getattr(error, "filename", None)
        elsewhere = isinstance(where, (str, Path)) and not is_below(Path(where), folder)
        if number not in UNWRITABLE or elsewhere:
            raise
        raise InputError(unwritable(folder, number)) from error


def number_of(error: Exception) -> int | None:
    """The system's number for an error, which safetensors has in its text alone."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found and type(error).__name__ == "SafetensorError" else None


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path is a folder, lies in it or is one that the folder lies in."""
    path, folder = path.absolute(), folder.absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def unwritable(folder: Path, number: int) -> str:
    """One sentence: which folder cannot be written, why, and what to do."""
    roots = {CACHE: cache_root(), OUTPUT: output_root()}
    place = folder.absolute()
    inside = [name for name, root in roots.items() if place.is_relative_to(root.absolute())]
    room = "make room, or " if number in (errno.ENOSPC, getattr(errno, "EDQUOT", None)) else ""
    remedy = f"set {inside[0]} to" if inside else "choose"
    return (
        f"cannot write to {folder} ({os.strerror(number)}): "
        f"{room}{remedy} a folder that can be written"
    )


@cache
def place_of_processes() -> str:
    """Six hex digits of the machine, or the container, that numbers the processes here."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return key_of(platform.node(), space)[:6]


@cache
def sweep(folder: Path) -> None:
    """Remove what killed runs have left of temporary files in a folder, once in a process."""
    with suppress(OSError):  # another's folder, or gone by now
        names = os.listdir(folder)
        for found in filter(None, map(TEMPORARY.fullmatch, names)):
            path = folder / found[0]
            if is_left_behind(path, found[1], int(found[2])):
                is_folder = path.is_dir() and not path.is_symlink()
                shutil.rmtree(path) if is_folder else path.unlink(missing_ok=True)


def sweep_all() -> None:
    """The same for every folder that results and the cache have, and the system's own."""
    roots = (cache_root(), output_root() / "results", output_root() / "figures")
    folders = [folder for root in roots for folder, _, _ in os.walk(root)]
    for folder in [*folders, tempfile.gettempdir()]:
        sweep(Path(folder))
    for path in (cache_root() / "content").glob("*.json"):
        is_whole(path)  # what was found of annotation files is read without looking


def is_left_behind(path: Path, place: str, process: int) -> bool:
    """Whether nobody writes a temporary file any more: its process is gone, or cannot be known
    and the file is old."""
    if place == place_of_processes():
        return not is_alive(process)
    try:
        return time.time() - path.stat().st_mtime > OLD
    except OSError:
        return False


def is_alive(process: int) -> bool:
    """Whether a process of that number runs here; a zombie does not."""
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
        about = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's, or no /proc
        return True
    return about.rpartition(")")[2].split()[0] != "Z"


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Alone among all processes that are in here for that folder; without effect on Windows."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)  # which lets go of it


def write_json(path: Path, value: Any, indent: int = 1) -> None:
    """Write a JSON file atomically; not indented it is a fifth smaller, for hundreds of runs."""
    write_text(path, json.dumps(value, indent=indent, sort_keys=True) + "\n")


def key_of(*parts: Any) -> str:
    """A short, stable name for settings: the hash of their JSON."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
