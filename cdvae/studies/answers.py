"""How much four answers differ, drawn one by one and chosen to cover, and what of them clips.

    cdvae study answers --data coco --root DIR

writes `answers.csv`, and what made it as `answers.json`, to `results/<profile>/<data>/`: of the
first PHOTOS test photos, with the CDVAE-spatial of such photos that comes with the project, as
pictures (`postprocess.details`), 512 × 512.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cdvae import checkpoints
from cdvae.covering import DRAWN, SPREADS, covering
from cdvae.data.fields import task_named
from cdvae.data.sources import data_set, original
from cdvae.metrics import squared_errors
from cdvae.model import Model
from cdvae.postprocess.own import Subject
from cdvae.report.results import results_folder, write_measured
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.tools.device import one_thread
from cdvae.tools.files import InputError
from cdvae.tools.progress import Progress

METHOD = "cdvae-spatial"
ANSWERS = 4
PHOTOS = 60
SEEN = 8  # of 255
COLUMNS = ["task", "spread", "photos", "difference", "clipped", "clipped_most", "best_error"]


def difference(pictures: np.ndarray) -> float:
    """Mean distance in CIELAB of the pixels of two pictures, over all pairs of (n, H, W, 3)."""
    import cv2

    lab = [cv2.cvtColor(each.astype(np.float32), cv2.COLOR_RGB2LAB) for each in pictures]
    return float(np.mean([np.linalg.norm(a - b, axis=2).mean() for a, b in combinations(lab, 2)]))


def newly_clipped(pictures: np.ndarray, original: np.ndarray) -> float:
    """The largest share, among pictures (n, H, W, 3), of pixels with a channel at 255 that was
    below in the original (H, W, 3), or at 0 that could be seen there, SEEN or above."""
    levels, before = np.rint(255 * pictures), np.rint(255 * original)
    ends = ((levels <= 0) & (before >= SEEN)) | ((levels >= 255) & (before < 255))
    return float(ends.any(3).mean((1, 2)).max())


def of_photo(
    subject: Subject, model: Model, draw: torch.Generator
) -> dict[str, tuple[float, float, float]]:
    """For each way of choosing answers: their difference, newly clipped, and the best error."""
    mine = model.reproduce(subject.x_c, subject.x_g, draw)[0, 0].numpy()
    one_by_one = model.sample(subject.x_c, ANSWERS, draw)
    chosen = covering(model.sample(subject.x_c, DRAWN * ANSWERS, draw), ANSWERS)
    found = {}
    for spread, fields in zip(SPREADS, (one_by_one, chosen), strict=True):
        pictures = np.stack(subject.with_layers(fields[0, :, 0].numpy(), mine))
        error = float(squared_errors(fields, subject.x_g).min())
        clipped = newly_clipped(pictures, subject.original)
        found[spread] = (difference(pictures), clipped, error)
    return found


def confirm(data: str, task: str) -> None:
    """Raise InputError where the answers of a task are no photos."""
    if data_set(data).original is None or task_named(task).is_flow:
        raise InputError(f"answers of {data}, {task}, are no photos: name other --data")


def photos(experiment: Experiment, task: str) -> Iterator[Subject]:
    """The first test photos."""
    test, source = experiment.fields(task)["test"], experiment.source
    for k, name in enumerate(test.ids[:PHOTOS]):
        yield Subject(name, test, k, original(source.name, source.root, task, name))


def table(profile: str, data: str, root: str | None) -> pd.DataFrame:
    """A row for each task and way of choosing answers, means over photos."""
    experiment, rows = Experiment(load_profile(profile), data, root, "cpu"), []
    for task in experiment.source.tasks():
        confirm(data, task)
        model = checkpoints.load(checkpoints.name_of(task, METHOD, data)).model
        progress, found, draw = Progress(PHOTOS), [], torch.Generator().manual_seed(0)
        for subject in photos(experiment, task):
            found.append(of_photo(subject, model, draw))
            progress.step(f"{task}, {subject.name}")
        progress.close()
        for spread in SPREADS:
            each = np.array([photo[spread] for photo in found])
            means = each.mean(0)
            rows.append((task, spread, len(found), *means[:2], each[:, 1].max(), means[2]))
    return pd.DataFrame(rows, columns=COLUMNS)


def run(profile: str, data: str, root: str | None) -> Path:
    """Measure, and write the table; returns the file."""
    path = results_folder(profile, data) / "answers.csv"
    with one_thread():
        write_measured(table(profile, data, root), path)
    return path
