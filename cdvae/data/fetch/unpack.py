"""Unpack archives below a folder and nowhere else; an interrupted run goes on."""

import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from cdvae.tools.files import InputError, atomic, writing

# How each program unpacks an archive into a folder; the archive and the folder are appended.
UNPACKERS = {
    "unar": ("unar", "-quiet", "-force-overwrite", "-no-directory", "-output-directory"),
    "unrar": ("unrar", "x", "-idq", "-o+"),
    "7zz": ("7zz", "x", "-y", "-bd"),
    "7z": ("7z", "x", "-y", "-bd"),
    "bsdtar": ("bsdtar", "-x", "-f"),
}


def unpack_zip(archive: Path, root: Path) -> None:
    """Unpack a zip file below `root`, each file atomically; files already there whole are kept.

    Raises InputError, before anything is written, where the archive is not a zip file, holds a
    name that leads outside `root` or a link, or needs more room than there is; and where a file
    in it is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            refuse(archive, [member.filename for member in members], root)
            if any(stat.S_ISLNK(member.external_attr >> 16) for member in members):
                raise InputError(f"{archive} holds links: get it from its official address")
            missing = [m for m in members if not _whole(root / m.filename, m.file_size)]
            _room(archive, sum(member.file_size for member in missing), root)
            for member in missing:
                with atomic(root / member.filename) as temporary, file.open(member) as source:
                    with open(temporary, "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
    except InputError:
        raise
    except Exception as error:  # a damaged archive shows in more ways than any list of them holds
        if getattr(error, "filename", None) == str(archive):  # not there, no permission
            raise
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{archive} is damaged ({why}): remove it and fetch it again") from error


def unpack_rar(archive: Path, root: Path) -> None:
    """Unpack a rar file below `root` with whichever unpacker this machine has.

    It unpacks into a folder of its own, where links are refused, and whole entries move from
    there. Raises InputError where there is no unpacker or it fails.
    """
    staging = Path(root) / f".unpacking-{archive.stem}"
    shutil.rmtree(staging, ignore_errors=True)
    with writing(Path(root)):
        staging.mkdir(parents=True)
    try:
        name = rar_unpacker()
        done = subprocess.run(_command(name, archive, staging), capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            why = said[-1] if said else f"exit {done.returncode}"
            raise InputError(f"{name} cannot unpack {archive} ({why}): try another unpacker")
        for folder, folders, files in os.walk(staging):
            if any((Path(folder) / entry).is_symlink() for entry in folders + files):
                raise InputError(f"{archive} holds links: get it from its official address")
        for entry in sorted(staging.iterdir()):
            _move(entry, Path(root) / entry.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def rar_unpacker() -> str:
    """The program that unpacks rar files here; raises InputError where there is none."""
    for name in UNPACKERS:
        if shutil.which(name):
            return name
    raise InputError(
        "UCF101 comes as a rar file and this machine cannot unpack one: install unar "
        f"(or one of {', '.join(list(UNPACKERS)[1:])}) and run again"
    )


def refuse(archive: Path, names: Sequence[str], root: Path) -> None:
    """Raise InputError if any name in an archive leads outside `root`."""
    inside = root.resolve()
    for name in names:
        windows = PureWindowsPath(name)
        outside = ".." in windows.parts or PurePosixPath(name).is_absolute() or windows.anchor
        if outside or not (root / name).resolve().is_relative_to(inside):
            raise InputError(
                f"{archive} holds '{name}', which leads outside {root}: "
                "get it from its official address"
            )


def _command(name: str, archive: Path, folder: Path) -> list[str]:
    first = list(UNPACKERS[name])
    if name == "unar":
        return [*first, str(folder), str(archive)]
    if name == "bsdtar":
        return [*first, str(archive), "-C", str(folder)]
    return [*first, str(archive), f"{folder}/" if name == "unrar" else f"-o{folder}"]


def _move(source: Path, target: Path) -> None:
    """Move a file or a folder; into a folder that exists, entry by entry."""
    if source.is_dir() and target.is_dir():
        for entry in sorted(source.iterdir()):
            _move(entry, target / entry.name)
    else:
        source.replace(target)


def _whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _room(archive: Path, needed: int, root: Path) -> None:
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise InputError(
            f"unpacking {archive} needs {needed / 1e9:.1f} GB and {root} has "
            f"{free / 1e9:.1f} GB free: make room"
        )
