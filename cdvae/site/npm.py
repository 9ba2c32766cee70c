"""Files of npm packages, pinned and checked: put into the site, so that it asks nobody else."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cdvae.tools.errors import InputError
from cdvae.tools.files import atomic, cache_root, marked, writing

PATIENCE = 600  # seconds for a download


class Package(NamedTuple):
    """One version of a package; integrity: the SHA-512 of its archive, as npm writes it."""

    name: str
    version: str
    integrity: str


ONNXRUNTIME = Package(
    "onnxruntime-web",
    "1.30.0",
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
)
MATHJAX = Package(
    "mathjax",
    "3.2.2",
    "sha512-Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
)
VALIDATOR = Package(  # for tests: the W3C's checker of HTML, which needs Java
    "vnu-jar",
    "26.9.27",
    "sha512-TkQd5DFfOaWC9ebtvozTsrH2Vaod3jYg+vrOeREzIXxBexLz9+rS2DNtjn7+RPUiZhgli0SghgBX6RJRNea0KA==",
)


def archive(package: Package) -> Path:
    """The package's archive in the cache, fetched by npm where it is not there yet.

    Raises InputError where npm is missing or cannot fetch it, and for one that is not as pinned.
    """
    name = f"{package.name}@{package.version}"
    path = cache_root() / "npm" / f"{package.name}-{package.version}.tgz"
    if not path.exists():
        if shutil.which("npm") is None:
            raise InputError(f"npm is not installed, and {name} is needed: install Node.js")
        mark = marked(package.name)
        with atomic(path) as temporary, TemporaryDirectory(prefix=mark, dir=path.parent) as folder:
            packed(name, Path(folder)).replace(temporary)
            check(temporary, package)
    check(path, package)
    return path


def packed(name: str, folder: Path) -> Path:
    """The archive that `npm pack` fetches into a folder."""
    command = ["npm", "pack", name, "--silent", "--ignore-scripts", "--pack-destination", "."]
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        why = said[0] if said else "no answer"
        raise InputError(
            f"npm cannot fetch {name} ({why}): see whether its registry can be reached"
        ) from error
    return next(folder.glob("*.tgz"))


def check(path: Path, package: Package) -> None:
    """Raise InputError unless the file is the one that is pinned."""
    algorithm, _, wanted = package.integrity.partition("-")
    digest = hashlib.new(algorithm, path.read_bytes()).digest()
    if base64.b64encode(digest).decode() != wanted:
        raise InputError(
            f"{path} is not {package.name} {package.version} as it is pinned: remove the file"
        )


def take(package: Package, wanted: dict[str, str], to: Path) -> None:
    """Copy files of a package into a folder.

    wanted: for a file of the archive, or a folder that ends with "/", where in `to` it goes.
    Raises InputError where the archive lacks one.
    """
    found = set()
    with writing(to), tarfile.open(archive(package)) as files:
        for member in filter(tarfile.TarInfo.isfile, files):
            inside = member.name.partition("/")[2]
            for place, target in wanted.items():
                if inside == place or (place.endswith("/") and inside.startswith(place)):
                    path = to / (target + inside[len(place) :] if place.endswith("/") else target)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(files.extractfile(member).read())
                    found.add(place)
    if missing := sorted(set(wanted) - found):
        raise InputError(f"{package.name} {package.version} has no {', '.join(missing)}")
