"""Code of the user's own that registers entries: files given by --use, and installed packages.

A package names its module under the entry-point group `cdvae.methods`. Files stand in $CDVAE_USE,
so that the kernels of notebooks and the workers of a run load them too.
"""

import importlib.util
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

from cdvae.tools.files import InputError, key_of, path_of, write_text

GROUP = "cdvae.methods"
VARIABLE = "CDVAE_USE"

_loaded: set[str] = set()


def use(path: str | Path) -> None:
    """Load a file of one's own, here and in every process that is started from here on.

    Raises InputError for a file that is not there or fails as it is loaded.
    """
    place = str(path_of(path).resolve())
    load_file(place)
    before = os.environ.get(VARIABLE, "")
    if place not in before.split(os.pathsep):
        os.environ[VARIABLE] = os.pathsep.join(filter(None, [before, place]))


def load() -> None:
    """Load what has not been loaded yet: the files in $CDVAE_USE, then installed packages."""
    for place in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        load_file(place)
    if GROUP not in _loaded:
        _loaded.add(GROUP)  # before they are loaded: they may ask for entries
        for each in entry_points(group=GROUP):
            each.load()


def texts() -> dict[str, str]:
    """The files in $CDVAE_USE as they travel to other machines: their texts by name."""
    places = filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))
    return {Path(place).name: Path(place).read_text(encoding="utf-8") for place in places}


def take(files: dict[str, str], folder: Path) -> None:
    """Load files that have travelled here, from a folder of their own.

    Raises InputError where a file of that name with another text is loaded already.
    """
    for name, text in files.items():
        loaded = getattr(sys.modules.get(Path(name).stem), "__file__", None)
        if loaded and Path(loaded).read_text(encoding="utf-8") == text:
            continue
        path = folder / key_of(text) / name
        write_text(path, text)
        load_file(str(path))
    load()


def load_file(place: str) -> None:
    """Import a Python file under its own name, once."""
    if place in _loaded:
        return
    path = Path(place)
    if not path.is_file():
        raise InputError(f"no file {path}: give --use a Python file that registers your entries")
    if is_taken(path):
        raise InputError(f"{path.name} has the name of the module {path.stem}: rename the file")
    _loaded.add(place)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        _loaded.discard(place)
        del sys.modules[path.stem]
        raise InputError(f"{path} cannot be used: {type(error).__name__}: {error}") from error


def is_taken(path: Path) -> bool:
    """Whether a module of the file's name is there, loaded or installed, that is another file."""
    if path.stem in sys.modules:
        other = getattr(sys.modules[path.stem], "__file__", None)
    elif spec := importlib.util.find_spec(path.stem):
        other = spec.origin
    else:
        return False
    return other is None or Path(other).resolve() != path
