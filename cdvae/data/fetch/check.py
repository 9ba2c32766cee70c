"""Check a folder of data: what is there, what is missing, damaged or does not match."""

from pathlib import Path

from cdvae.data.folder import FOLDER
from cdvae.data.report import Report
from cdvae.data.sources import data_sets
from cdvae.tools.files import InputError


def check(root: Path, workers: int | None = None) -> list[Report]:
    """Read every photo or clip below `root` and account for it: a Report for each part.

    The layouts of the data sets are known by their folders and held against their annotations and
    lists; anything else is a folder of photos, clips or both. In a Report, `skipped` names what
    is wrong and why, `faults` says which annotation file or list is broken, and n_used counts what
    can be used; `is_good` tells whether all is well. Raises InputError where there is nothing to
    check.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"no folder {root}: give one that exists")
    for entry in data_sets().values():
        has_layout = entry.check is not None and entry is not FOLDER
        if has_layout and (reports := entry.check(root, workers)):
            return reports
    return FOLDER.check(root, workers)
