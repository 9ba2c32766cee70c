"""How many evaluations of its network flow matching needs: its scores by their number.

    cdvae study evaluations --data tiny-imagenet --root DIR

writes `evaluations.csv`, and what made it as `evaluations.json`, to `results/<profile>/<data>/`,
from the profile's own model of the first seed (trained, if it is not there), on the first
validation examples.
"""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cdvae.metrics import score_samples
from cdvae.report.results import results_folder, write_csv
from cdvae.runs import scoring
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.device import one_thread
from cdvae.tools.files import write_json
from cdvae.tools.provenance import circumstances

NUMBERS = (2, 4, 8, 16, 32)
EXAMPLES = 150  # a draw is dear
COLUMNS = ["task", "evaluations", "n_valid", "best_error", "energy_score"]


def of_task(experiment: Experiment, task: str, seed: int) -> list[tuple]:
    """A row for each number of evaluations: scores of a hundred draws."""
    model, valid = experiment.model(Run(task, "fm", seed)), experiment.fields(task)["valid"]
    x_c, x_g = (x[:EXAMPLES].to(experiment.device) for x in (valid.x_c, valid.x_g))
    rows = []
    for number in NUMBERS:
        model.settings = replace(model.settings, evaluations=number)
        each = score_samples(scoring.drawing(model, x_c, seed), x_g)
        scores = float(each["best_error"][:, -1].mean()), float(each["energy_score"].mean())
        rows.append((task, number, len(x_g), *scores))
    return rows


def run(profile: str, data: str, root: str | None, tasks: list[str] | None = None) -> Path:
    """Measure, and write the table; returns the file. Rows of other tasks stay in it."""
    experiment = Experiment(load_profile(profile), data, root, "cpu")
    path = results_folder(profile, data) / "evaluations.csv"
    about_path = path.with_suffix(".json")
    about = json.loads(about_path.read_text(encoding="utf-8")) if about_path.exists() else {}
    with one_thread():
        for task in tasks or experiment.source.tasks():
            rows = of_task(experiment, task, experiment.profile.seeds[0])
            found = pd.DataFrame(rows, columns=COLUMNS)
            if path.exists():
                before = pd.read_csv(path)
                found = pd.concat([before[before.task != task], found])
            write_csv(found, path)
            key = experiment.model_key(Run(task, "fm", experiment.profile.seeds[0]))
            about[task] = {"model_key": key} | circumstances(experiment.device)
            write_json(about_path, about)
            experiment.forget()
    return path
