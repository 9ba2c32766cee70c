"""Photos decoded one by one and held against their annotations, for `cdvae data check`."""

from functools import partial
from pathlib import Path

import numpy as np

from cdvae.data.photos import decode as photos
from cdvae.data.photos.annotations import annotation_file, read_annotations
from cdvae.data.photos.records import recorded
from cdvae.data.reading import read_all
from cdvae.data.report import Report
from cdvae.tools.files import InputError


def decode_all(folder: Path, workers: int | None = None) -> tuple[list[str], dict[str, str]]:
    """All photos below a folder, and those of them that cannot be read, with the reason."""
    names, wrong, _ = measured(folder, workers)
    return names, wrong


def checked_part(folder: Path, workers: int | None = None) -> Report:
    """A folder of COCO's layout: every photo decoded, and held against its annotations."""
    names, wrong, sizes = measured(folder, workers)
    source, annotations = f"{folder.parent.name} {folder.name}", annotation_file(folder)
    if annotations is None:
        note = "no annotations: guidance would use pixel features alone"
        used = len(names) - len(wrong)
        return Report(source, "photos", len(names), used, wrong, notes=(note,))
    try:
        found = recorded(folder, names, annotations)
        records = read_annotations(annotations).records
    except InputError as error:
        used = len(names) - len(wrong)
        return Report(source, "photos", len(names), used, wrong, faults=(str(error),))
    gone = {name: f"listed, but {why}" for name, why in found.unmatched.items()}
    unlisted = [name for name in names if name not in found.of]
    used = len(names) - len({*wrong, *unlisted})
    for name, numbers in found.of.items():
        if name in sizes and sizes[name] not in [records[k].size for k in numbers]:
            wrong[name] = "annotated at another size"  # used: boxes are read as parts of the whole
    counts = {
        "without_annotations": len(unlisted),
        "boxes_around_crowds": found.crowds,
        "boxes_of_no_area": found.flat,
    }
    n_found = len(names) + len(gone)
    return Report(source, "photos", n_found, used, {**wrong, **gone, **found.odd}, counts)


def measured(
    folder: Path, workers: int | None
) -> tuple[list[str], dict[str, str], dict[str, tuple[float, float]]]:
    """All photos below a folder, why some cannot be read, and the size of the others."""
    names, left_out = photos.under(folder) if folder.is_dir() else ([], {})
    sizes, failed = read_all(partial(measure_photo, folder), names, "photos", workers)
    return sorted([*names, *left_out]), {**left_out, **failed}, sizes


def measure_photo(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Decode a photo; its (width, height) as {"found": (1, 2)}. Raises as `photos.decode` does."""
    photos.decode(name, folder)
    with photos.opened(folder / name) as image:
        return {"found": np.array([image.size])}
