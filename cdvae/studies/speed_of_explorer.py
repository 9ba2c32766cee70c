"""How fast the explorer opens and draws again, measured through its own controls."""

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from cdvae.explore.panel import OWN, SCENES, TASKS, Panel
from cdvae.tools.provenance import processor


def seconds_of(panel: Panel, name: str, value) -> float:
    """From a control's new value to the page."""
    start = time.perf_counter()
    panel.controls[name].value = value  # outside a kernel it is drawn at once
    return time.perf_counter() - start


def redraws(panel: Panel, n: int) -> list[float]:
    """Seconds of each redraw as seed, spread and view of n samples change."""
    panel.controls["n"].value = n
    found = [seconds_of(panel, "seed", seed) for seed in (1, 2, 3, 0)]
    if not panel.controls["spread"].disabled:
        found += [seconds_of(panel, "spread", spread) for spread in (0.5, 1.5, 1.0)]
    views = [view for _, view in panel.controls["view"].options]
    return found + [seconds_of(panel, "view", view) for view in (*views[1:], views[0])]


def at_32(panel: Panel) -> list[float]:
    """Redraws of scenes, every task, fields as they are."""
    panel.controls["source"].value = SCENES
    found = []
    for task in TASKS:
        panel.controls["task"].value = task
        found += redraws(panel, 4) + redraws(panel, 16)
    return found


def at_512(panel: Panel, photo: Path) -> list[float]:
    """Redraws of a photo, both photo tasks, with details."""
    panel.controls["task"].value = TASKS[0]
    panel.controls["path"].value = str(photo)
    panel.controls["source"].value = OWN
    found = []
    for task in TASKS[:2]:
        panel.controls["task"].value = task
        panel.controls["finish"].value = "details"  # the photo is prepared, once
        found += redraws(panel, 4) + redraws(panel, 16)
    return found


def save_photo(path: Path) -> None:
    """A photo of random patches, as busy as photos are."""
    from PIL import Image

    patches = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    Image.fromarray(patches).resize((640, 480), Image.Resampling.BICUBIC).save(path)


def report() -> str:
    """What opening and redrawing take, in seconds."""
    start = time.perf_counter()
    panel = Panel()
    opened = time.perf_counter() - start
    small = at_32(panel)
    with tempfile.TemporaryDirectory() as folder:
        save_photo(Path(folder) / "photo.png")
        large = at_512(panel, Path(folder) / "photo.png")
    if panel.errors:
        raise panel.errors[0]
    lines = [f"explorer on {processor()}", f"  first page          {opened:.2f} s"]
    for name, times in (("32 × 32", small), ("512 × 512, details", large)):
        lines.append(
            f"  {name:18s}  median {median(times):.2f} s, longest {max(times):.2f} s "
            f"of {len(times)} redraws"
        )
    return "\n".join(lines)
