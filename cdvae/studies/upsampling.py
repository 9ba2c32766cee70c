"""How well fields are upsampled: ours against three others, on photos whose answer is known.

`cdvae study upsampling --root DIR [DIR …]` (each holds train2014/ and val2014/, or 2017) writes
`results/quick/coco/upsampling.csv`. A photo's saturation is brought to 32 × 32 and back, guided by
its grey version. Each method's settings are those with the least error near edges on training
photos of the first folder; the table is of the folders' val photos.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cdvae.data.fields import SIZE
from cdvae.data.photos.coco import coco_folder, whole_part
from cdvae.data.photos.originals import grey_of, photo, saturation_of
from cdvae.data.splits import shuffled
from cdvae.postprocess.upsample import DEFAULT, Upsampler, downsample
from cdvae.report.results import results_folder, write_csv
from cdvae.tools.files import write_json
from cdvae.tools.meaning import meaning
from cdvae.tools.provenance import circumstances

N_TUNE, N_TEST = 40, 200
EDGES = 0.1  # share of a photo's pixels, those where the true field is steepest
COLOURLESS = (
    0.02  # photos with a lower mean saturation are left out: there is nothing to bring back
)
INPUTS = ("mean of S", "S of mean")  # ↓S itself; S of the shrunk photo, which is what models see


def bicubic(y: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """OpenCV's bicubic interpolation; the photo plays no part."""
    import cv2

    return cv2.resize(y, grey.shape[::-1], interpolation=cv2.INTER_CUBIC)


def joint_bilateral(
    y: np.ndarray, grey: np.ndarray, near: float, alike: float, reach: int = 2
) -> np.ndarray:
    """Joint bilateral upsampling (Kopf et al. 2007), over 5 × 5 cells.

    near: deviation of the spatial weight, in cells; alike: of the weight of grey values.
    """
    side = grey.shape[0] // SIZE
    low = np.pad(downsample(grey[None])[0], reach, mode="edge")
    y = np.pad(y, reach, mode="edge")
    within = (np.arange(grey.shape[0]) + 0.5) / side % 1 - 0.5
    total = np.zeros_like(grey)
    weights = np.zeros_like(grey) + 1e-12
    for dy, dx in product(range(2 * reach + 1), repeat=2):
        block = (slice(dy, dy + SIZE), slice(dx, dx + SIZE))
        there, value = (np.kron(each[block], np.ones((side, side))) for each in (low, y))
        far = (within[:, None] - dy + reach) ** 2 + (within - dx + reach) ** 2
        weight = np.exp(-0.5 * (far / near**2 + ((grey - there) / alike) ** 2))
        total += weight * value
        weights += weight
    return total / weights


def guided(y: np.ndarray, grey: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Guided upsampling (He and Sun 2015): local lines y ≈ a grey + b, fitted on the grid."""
    import cv2

    def mean(field):
        return cv2.blur(field, (2 * radius + 1,) * 2, borderType=cv2.BORDER_REFLECT)

    low = downsample(grey[None])[0]
    centre_g, centre_y = mean(low), mean(y)
    a = (mean(low * y) - centre_g * centre_y) / (mean(low * low) - centre_g**2 + epsilon)
    b = centre_y - a * centre_g
    a, b = (cv2.resize(mean(each), grey.shape[::-1]) for each in (a, b))
    return a * grey + b


def ours(fields: np.ndarray, grey: np.ndarray, **settings: float) -> np.ndarray:
    """The method of Sec. 4.2 (`upsample.py`)."""
    return Upsampler(grey, settings=replace(DEFAULT, **settings))(fields)


def one_segment(fields: np.ndarray, grey: np.ndarray, **settings: float) -> np.ndarray:
    """Ours with the whole photo as one segment, so that grey values alone make borders."""
    return Upsampler(grey, np.zeros(grey.shape, int), replace(DEFAULT, **settings))(fields)


def segments_alone(fields: np.ndarray, grey: np.ndarray, **settings: float) -> np.ndarray:
    """Ours with basis functions that are blind to grey values, so that segments make borders."""
    return ours(fields, grey, **settings | {"alike": np.inf})


def one_by_one(method: Callable) -> Callable:
    """A method for one field (32, 32), for several (n, 32, 32)."""
    return lambda fields, grey, **settings: np.stack([method(y, grey, **settings) for y in fields])


METHODS: dict[str, Callable] = {
    "bicubic": one_by_one(bicubic),
    "joint bilateral": one_by_one(joint_bilateral),
    "guided": one_by_one(guided),
    "ours": ours,
    "ours, one segment": one_segment,
    "ours, segments alone": segments_alone,
}
CHOICES: dict[str, list[dict]] = {  # the variants of ours take what is chosen for it
    "bicubic": [{}],
    "joint bilateral": [
        {"near": near, "alike": alike}
        for near, alike in product((0.5, 0.7, 1.0), (0.05, 0.1, 0.2, 0.4))
    ],
    "guided": [
        {"radius": radius, "epsilon": epsilon}
        for radius, epsilon in product((1, 2), (1e-4, 1e-3, 1e-2, 1e-1))
    ],
    "ours": [
        {"scale": scale, "along": along, "across": across, "alike": alike}
        for scale, (along, across), alike in product(
            (1000.0, 2000.0), ((0.6, 0.4), (0.7, 0.5), (0.8, 0.5)), (0.1, 0.2)
        )
    ],
}


def examples(folder: Path, names: Iterable[str]) -> Iterator[tuple]:
    """Grey photo, its saturation and the two inputs of each photo that has colours.

    Photos are squares of the multiple of 32, at most 512, that their shorter side holds.
    """
    for name in names:
        rgb = photo(folder / name, side=None)
        saturation = saturation_of(rgb)
        if saturation.mean() >= COLOURLESS:
            small = downsample(rgb.transpose(2, 0, 1)).transpose(1, 2, 0)
            inputs = downsample(saturation[None])[0], saturation_of(small)
            yield grey_of(rgb), saturation, np.stack(inputs)


def measured(found: np.ndarray, truth: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """PSNR in dB, root mean square error near edges, and that of ↓result against the input."""
    error = found.clip(0, 1) - truth
    steep = np.hypot(*np.gradient(truth))
    edges = steep >= np.quantile(steep, 1 - EDGES)
    return {
        "psnr_db": float(-10 * np.log10((error**2).mean())),
        "edge_rmse": float(np.sqrt((error[edges] ** 2).mean())),
        "consistency_rmse": float(np.sqrt(((downsample(found[None])[0] - y) ** 2).mean())),
    }


def choose(folder: Path, names: list[str]) -> dict[str, dict]:
    """The settings of each method with the least mean error near edges, input ↓S."""
    errors: dict[str, np.ndarray] = {
        name: np.zeros(len(choices)) for name, choices in CHOICES.items()
    }
    for grey, truth, inputs in examples(folder, names):
        for name, choices in CHOICES.items():
            for k, settings in enumerate(choices):
                found = METHODS[name](inputs[:1], grey, **settings)[0]
                errors[name][k] += measured(found, truth, inputs[0])["edge_rmse"]
    chosen = {name: CHOICES[name][int(each.argmin())] for name, each in errors.items()}
    return chosen | {name: chosen["ours"] for name in METHODS if name not in chosen}


def scored(folder: Path, names: list[str], chosen: dict[str, dict]) -> pd.DataFrame:
    """One row for each method, input and photo."""
    rows = []
    for grey, truth, inputs in examples(folder, names):
        for method, make in METHODS.items():
            start = time.process_time()
            made = make(inputs, grey, **chosen[method])
            about = {"method": method, "side": len(grey), "seconds": time.process_time() - start}
            for kind, found, y in zip(INPUTS, made, inputs, strict=True):
                place = {"photos": folder.name, "input": kind}
                rows.append(place | about | measured(found, truth, y))
    return pd.DataFrame(rows)


def table_of(each: pd.DataFrame) -> pd.DataFrame:
    """Means over the photos, methods in order."""
    by = each.groupby(["photos", "input", "method"], sort=False)
    table = by[["psnr_db", "edge_rmse", "consistency_rmse", "seconds"]].mean().round(4)
    return table.assign(n_photos=by.size(), median_side=by.side.median()).reset_index()


def first_of(root: Path, split: str, n: int) -> tuple[Path, list[str]]:
    """The folder of a split and n of its photos, in the order of the data path."""
    folder = coco_folder(root, split)
    return folder, shuffled(whole_part(folder).names, 0)[:n]


def run(roots: list[str]) -> Path:
    """Choose settings, score, and write the table and what made it; returns the table's file."""
    folders = [Path(root) for root in roots]
    train, names = first_of(folders[0], "train", N_TUNE)
    tests = [first_of(folder, "test", N_TEST) for folder in folders]
    chosen = choose(train, names)
    table = table_of(pd.concat([scored(*test, chosen) for test in tests]))
    path = results_folder("quick", "coco") / "upsampling.csv"
    write_csv(table, path)
    about = {
        "command": "cdvae study upsampling --root DIR [DIR …]",
        "chosen_on": f"{len(names)} photos of {train.name}, least edge_rmse",
        "chosen": chosen,
        "scored_on": {test.name: len(photos) for test, photos in tests},
        "left_out": f"photos of mean saturation below {COLOURLESS}",
        "settings": asdict(replace(DEFAULT, **chosen["ours"])),
        "code": meaning(choose, scored, table_of),
        "circumstances": circumstances(torch.device("cpu")),
    }
    write_json(path.with_suffix(".json"), about)
    return path


SCORES = {"psnr_db": ("PSNR (dB)", True), "edge_rmse": ("edge error", False)}  # larger is better?


def side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each method, a column for each set of photos and input: PSNR, then edge error."""
    parts = {}
    for score, (head, _) in SCORES.items():
        for (photos, what), group in table.groupby(["photos", "input"], sort=False):
            parts[head, f"{photos} {what}"] = group.set_index("method")[score]
    return pd.DataFrame(parts).reindex(list(dict.fromkeys(table.method))).rename_axis(None)


def finding(table: pd.DataFrame) -> str:
    """What segments are worth: ours against ours with one segment, in a sentence."""
    found = side_by_side(table)
    with_segments, without = found.loc["ours"], found.loc["ours, one segment"]
    parts = []
    for head, larger_is_better in SCORES.values():
        gain = (without[head] - with_segments[head]) * (1 if larger_is_better else -1)
        size = f"{gain.min():+.3f} to {gain.max():+.3f}"
        parts.append(f"in {(gain > 0).sum()} of {len(gain)} columns of {head} ({size})")
    return f"One segment is better than ours {' and '.join(parts)}."
