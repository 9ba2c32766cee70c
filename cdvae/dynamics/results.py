"""Result files of Visual Dynamics: scores, the table of KL divergences, the code, the network."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from cdvae.dynamics.experiment import DATA, Dynamics
from cdvae.dynamics.motions import COLUMNS as SHAPES
from cdvae.report.paper import MOTION_KL
from cdvae.report.results import COLUMNS, cell, results_folder, write_csv
from cdvae.runs.experiment import Run
from cdvae.runs.parallel import score_all
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError, atomic, write_json
from cdvae.tools.progress import Progress

NAMES = {  # rows of the table, in order; what the codes are drawn from
    "flow": "Flow",
    "ae": "AE, Gaussian of training codes",
    "ae_empirical": "AE, training codes",
    "crossconv": "Cross convolution, N(0, I)",
    "crossconv_empirical": "Cross convolution, training codes",
    "truth": "(truth)",
}
PAPERS = {"flow": "flow", "ae": "ae", "crossconv": "ours"}  # rows that the paper has
FILES = {  # scores and provenance; beside those of Tables 1–4 where a data set has both
    "shapes": ("scores.csv", "provenance.json"),
    "ucf101": ("dynamics.csv", "dynamics.json"),
}
LARGEST = 5_000_000  # bytes of a checkpoint that is put beside the results
TITLE = "KL(true ‖ predicted) of motions, nats [paper: recalled, not verified; its bins unknown]"


def open_dynamics(
    profile: str = "quick", data: str = "shapes", root: str | None = None, device: str = "auto"
) -> Dynamics:
    """The experiment that a command or a notebook asks for by name."""
    if data not in DATA:
        raise InputError(f"Visual Dynamics runs on {' or '.join(DATA)}, not on '{data}'")
    if data != "shapes" and root is None:
        raise InputError(f"--data {data} needs --root, the folder that holds it")
    return Dynamics(load_profile(profile), data, root, device)


def finish(dynamics: Dynamics, quiet: bool = False) -> pd.DataFrame:
    """Train and score what is missing, write the result files; returns the scores.

    Files that the present code and settings would write again are read: a fresh clone, which has
    no cache, shows the project's own results at once.
    """
    runs = dynamics.runs()
    if is_current(dynamics, runs):
        return pd.read_csv(dynamics.folder() / FILES[dynamics.data][0])
    progress = Progress(sum(dynamics.steps(run) for run in runs), quiet)
    try:
        score_all(dynamics, runs, progress)
    finally:
        progress.close()
    return collect(dynamics, runs)


def is_current(dynamics: Dynamics, runs: list[Run]) -> bool:
    """Whether the result files are those of these runs."""
    scores, about = (dynamics.folder() / name for name in FILES[dynamics.data])
    if not scores.exists() or not about.exists():
        return False
    made = json.loads(about.read_text(encoding="utf-8"))["runs"]
    return {name: one["key"] for name, one in made.items()} == {
        str(run): dynamics.score_key(run) for run in runs
    }


def collect(dynamics: Dynamics, runs: list[Run]) -> pd.DataFrame:
    """Write the result files from finished runs."""
    folder = dynamics.folder()
    rows, code, shares, made = [], [], [], {}
    for run in runs:
        found = dynamics.scores(run)
        made[str(run)] = found["provenance"]
        sizes = found["sizes"]
        for method, metric, n, value, unit in found["rows"]:
            place = (dynamics.profile.name, dynamics.data, run.task, method, run.seed, metric, n)
            rows.append((*place, value, unit, sizes["train"], sizes["test"]))
        code += [(run.method, k, value) for k, value in enumerate(found["code"])]
        for method, columns in found["histograms"].items():
            for column, values in columns.items():
                shares += [(method, column, k, value) for k, value in enumerate(values)]
        if run.method == "crossconv" and dynamics.data == "shapes":  # ours to pass on
            publish(dynamics.checkpoint(run), dynamics.committed(run))
    scores = pd.DataFrame(rows, columns=COLUMNS)
    scores_name, about_name = FILES[dynamics.data]
    write_csv(scores, folder / scores_name)
    write_csv(pd.DataFrame(code, columns=["method", "dimension", "kl_nats"]), folder / "code.csv")
    if dynamics.data == "shapes":
        write_csv(kl_table(scores), folder / "table_kl.csv")
        heads = ["method", "column", "bin", "share"]
        write_csv(pd.DataFrame(shares, columns=heads), folder / "histograms.csv")
    settings = {"dynamics": asdict(dynamics.settings), "data_seed": dynamics.profile.data_seed}
    about = {"profile": dynamics.profile.name, "data": dynamics.data, **settings, "runs": made}
    write_json(folder / about_name, about)
    return scores


def publish(checkpoint: Path, path: Path) -> None:
    """Put a small checkpoint beside the results, for whoever has not trained."""
    if checkpoint != path and checkpoint.stat().st_size <= LARGEST:
        with atomic(path) as temporary:
            shutil.copyfile(checkpoint, temporary)


def kl_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The paper's table of KL divergences, ours beside its own (recalled, not verified)."""
    values = scores.set_index(["method", "metric"]).value
    rows = []
    for method, name in NAMES.items():
        row = {"method": name}
        for column, shape in enumerate(SHAPES):
            row[f"{shape}_ours"] = values[method, f"kl_{shape}"]
            row[f"{shape}_paper_unverified"] = (
                MOTION_KL[PAPERS[method]][column] if method in PAPERS else None
            )
        rows.append(row)
    return pd.DataFrame(rows)


def printed(profile: str, data: str = "shapes") -> str:
    """The table of a results folder as text, the paper's numbers in brackets."""
    path = results_folder(profile, data) / "table_kl.csv"
    if not path.exists():
        return ""
    return TITLE + "\n" + readable(pd.read_csv(path)).to_string(index=False)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for reading: ours [paper's, unverified] in one cell."""
    shown = pd.DataFrame({"method": table.method})
    for shape in SHAPES:
        pairs = zip(table[f"{shape}_ours"], table[f"{shape}_paper_unverified"], strict=True)
        shown[shape.replace("_", "–")] = [cell(ours, None, paper, 2) for ours, paper in pairs]
    return shown
