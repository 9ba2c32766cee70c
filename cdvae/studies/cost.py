"""What samples cost: parameters, and the time that a hundred samples of one input take.

    cdvae study cost --data coco

writes `cost.csv`, and what made it as `cost.json`, to `results/<profile>/<data>/`. Weights do not
matter here, so none are trained. Methods take turns, so that a busy machine slows them alike, and
the least time of each counts.
"""

import time
from pathlib import Path

import pandas as pd
import torch

from cdvae.data.fields import SIZE, task_named
from cdvae.data.sources import data_set
from cdvae.methods import label, method, ordered
from cdvae.metrics import COUNTS
from cdvae.report.results import results_folder, write_measured
from cdvae.runs.settings import load_profile
from cdvae.tools.device import one_thread

SLOWEST = "fm"  # what the others are compared with
ROUNDS = 5


def seconds(model: torch.nn.Module, x_c: torch.Tensor, n: int) -> float:
    """Seconds that n samples of each x_c take."""
    start = time.perf_counter()
    model.sample(x_c, n, torch.Generator().manual_seed(0))
    return time.perf_counter() - start


def table(profile_name: str, task_name: str, n: int = max(COUNTS)) -> pd.DataFrame:
    """A row for each method: parameters, milliseconds, and how many times faster than `fm`."""
    task, profile = task_named(task_name), load_profile(profile_name)
    entries = [method(name) for name in ordered(profile.methods)]
    entries = [each for each in entries if each.is_learned and each.serves(task_name)]
    models = {
        each.name: each.build(task, profile.of(task_name, each.name)).eval() for each in entries
    }
    x_c = torch.rand(1, task.channels_c, SIZE, SIZE)
    turns = [{m: seconds(model, x_c, n) for m, model in models.items()} for _ in range(ROUNDS)]
    least = {name: min(turn[name] for turn in turns) for name in models}
    slowest = least.get(SLOWEST, max(least.values()))
    rows = []
    for name, model in models.items():
        row = {"task": task_name, "method": label(name)}
        row |= {"parameters": sum(p.numel() for p in model.parameters())}
        row |= {"ms for 100 samples": round(1000 * least[name], 1)}
        rows.append(row | {"times faster": round(slowest / least[name], 1)})
    return pd.DataFrame(rows)


def run(profile: str, data: str) -> Path:
    """Measure on the data's first task, and write the table; returns the file."""
    path = results_folder(profile, data) / "cost.csv"
    with one_thread():
        write_measured(table(profile, data_set(data).tasks[0]), path)
    return path
