"""Small helpers for files and settings: atomic writes, cache keys, the project's folders."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cdvae.tools.errors import InputError as InputError


def project_root() -> Path:
    """The checkout that this package was installed from (`pip install -e .`), else the cwd."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "notebooks").is_dir() else Path.cwd()


def output_root() -> Path:
    """Where results/ and figures/ are written: $CDVAE_OUTPUT, else the project."""
    return Path(os.environ.get("CDVAE_OUTPUT") or project_root())


def cache_root() -> Path:
    """Where fields, checkpoints and scores are kept: $CDVAE_CACHE, else `.cache` in the project."""
    return Path(os.environ.get("CDVAE_CACHE") or project_root() / ".cache")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it replaces `path`, on failure it is removed.

    A killed run therefore leaves the whole file or none.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
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


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def key_of(*parts: Any) -> str:
    """A short, stable name for settings: the hash of their JSON."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
