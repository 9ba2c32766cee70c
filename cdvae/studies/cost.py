"""What samples cost: parameters, and the time that a hundred samples of one input take.

    python -m cdvae.cost --data coco

writes `cost.csv` to `results/<profile>/<data>/`. Weights do not matter here, so none are trained.
Methods take turns, so that a busy machine slows them alike, and the least time of each counts.
"""

import argparse
import time

import pandas as pd
import torch

from cdvae.data.fields import SIZE, task_named
from cdvae.data.sources import TASKS_OF
from cdvae.methods.registry import untrained
from cdvae.metrics import COUNTS
from cdvae.report.results import NAMES, results_folder, write_csv
from cdvae.runs.experiment import one_thread
from cdvae.runs.settings import load_profile

METHODS = ("cvae", "shallow", "gauss", "mdn4", "mdn12", "cdvae-spatial", "jmvae", "unet", "fm")
SLOWEST = "fm"  # what the others are compared with
ROUNDS = 5


def seconds(model: torch.nn.Module, x_c: torch.Tensor, n: int) -> float:
    """Seconds that n samples of each x_c take."""
    start = time.perf_counter()
    model.sample(x_c, n, torch.Generator().manual_seed(0))
    return time.perf_counter() - start


def table(profile_name: str, task_name: str, n: int = max(COUNTS)) -> pd.DataFrame:
    """A row for each method: parameters, milliseconds, and how many times faster than `fm`."""
    task, profile = task_named(task_name), load_profile(profile_name).of(task_name)
    models = {method: untrained(method, task, profile).eval() for method in METHODS}
    x_c = torch.rand(1, task.channels_c, SIZE, SIZE)
    with one_thread():
        turns = [{m: seconds(model, x_c, n) for m, model in models.items()} for _ in range(ROUNDS)]
    least = {method: min(turn[method] for turn in turns) for method in METHODS}
    rows = []
    for method, model in models.items():
        row = {"task": task_name, "method": NAMES[method]}
        row |= {"parameters": sum(p.numel() for p in model.parameters())}
        row |= {"ms for 100 samples": round(1000 * least[method], 1)}
        rows.append(row | {"times faster": round(least[SLOWEST] / least[method], 1)})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cdvae.cost", description=__doc__)
    parser.add_argument("--data", default="coco", choices=("coco", "ucf101", "scenes"))
    parser.add_argument("--profile", default="tuned")
    options = parser.parse_args()
    found = table(options.profile, TASKS_OF[options.data][0])
    write_csv(found, results_folder(options.profile, options.data) / "cost.csv")
    print(found.to_string(index=False))


if __name__ == "__main__":
    main()
