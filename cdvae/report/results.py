"""Result files: tidy scores, the paper's tables, provenance (DESIGN: results/<profile>/<data>/)."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from cdvae.data.fields import Task
from cdvae.methods import label, methods, rows
from cdvae.metrics import COUNTS
from cdvae.report.paper import LAYERS, TABLE_1, TABLE_NUMBERS, TABLES
from cdvae.runs.experiment import Experiment
from cdvae.runs.parallel import Crew, score_all
from cdvae.runs.store import Run
from cdvae.tools.files import atomic, output_root, write_json
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances
from cdvae.tools.registry import entries

COLUMNS = [
    *("profile", "data", "task", "method", "seed", "metric"),
    *("n_samples", "value", "unit", "n_train", "n_test"),
]
TITLES = {
    1: "Table 1. Bound on −log p(x_c, x_g) as the models report it, nats [paper]",
    2: "Table 2. Relighting: best error to ground truth by samples, variance; × 10⁻² [paper]",
    3: "Table 3. Resaturation: best error to ground truth by samples, variance; × 10⁻² [paper]",
    4: "Table 4. Motion: best error to ground truth by samples, variance; × 10⁻² px² [paper]",
}


def results_folder(profile: str, data: str) -> Path:
    return output_root() / "results" / profile / data


def figures_folder(profile: str, data: str) -> Path:
    return output_root() / "figures" / profile / data


def write_csv(table: pd.DataFrame, path: Path) -> None:
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def write_measured(table: pd.DataFrame, path: Path) -> None:
    """Write what a study measured on the processor, and as JSON beside it in what circumstances."""
    write_csv(table, path)
    write_json(path.with_suffix(".json"), circumstances(torch.device("cpu")))


def read_scores(profile: str, data: str) -> pd.DataFrame:
    """The scores of a results folder; empty where there are none."""
    path = results_folder(profile, data) / "scores.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=COLUMNS)


def finish(
    experiment: Experiment, runs: list[Run], quiet: bool = False, cluster: Crew | None = None
) -> pd.DataFrame:
    """Train and score what is missing, and write the result files; returns these runs' scores."""
    progress = Progress(sum(experiment.steps(run) for run in runs), quiet)
    try:
        score_all(experiment, runs, progress, cluster)
    finally:
        progress.close()
    scores = collect(experiment, runs)
    asked = {str(run) for run in runs}
    name = scores.task + "/" + scores.method + "/" + scores.seed.astype(str)
    return scores[name.isin(asked)].reset_index(drop=True)


def collect(experiment: Experiment, runs: list[Run]) -> pd.DataFrame:
    """Write scores.csv, the tables and provenance.json from the scores of these runs.

    Rows of other runs that stand in the files stay if the present code and settings would make
    them again, and go if not.
    """
    profile, data = experiment.profile, experiment.source.name
    folder = results_folder(profile.name, data)
    lines, made = [], {}
    for run in runs:
        scored = experiment.scores(run)
        made[str(run)] = scored["provenance"]
        sizes = scored["sizes"]
        for metric, n, value, unit in scored["rows"]:
            place = (profile.name, data, *asdict(run).values(), metric, n)
            lines.append((*place, value, unit, sizes["train"], sizes["test"]))
    before, kept = still_valid(experiment, folder, set(made))
    scores = in_order(pd.DataFrame([*before, *lines], columns=COLUMNS))
    write_csv(scores, folder / "scores.csv")
    tables = all_tables(scores)
    for number in TITLES:
        path = folder / f"table{number}.csv"
        if number in tables:
            write_csv(tables[number], path)
        else:
            path.unlink(missing_ok=True)  # of methods that are no longer among the scores
    about = {"profile": profile.values(), "data": data, "runs": kept | made}
    write_json(folder / "provenance.json", about, indent=0)
    return scores


def still_valid(experiment: Experiment, folder: Path, made: set[str]) -> tuple[list[tuple], dict]:
    """Rows and provenance of earlier runs, not in `made`, whose keys are what they were."""
    if not (folder / "provenance.json").exists() or not (folder / "scores.csv").exists():
        return [], {}
    before = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["runs"]
    kept = {
        name: about
        for name, about in before.items()
        if name not in made and about["key"] == key_of_run(experiment, name)
    }
    lines = pd.read_csv(folder / "scores.csv").itertuples(index=False, name=None)
    return [row for row in lines if "/".join(map(str, row[2:5])) in kept], kept


def key_of_run(experiment: Experiment, name: str) -> str | None:
    """The present key of an earlier run; None where its method or its task is not known here."""
    run = Run.named(name)
    if run.method not in methods() or run.task not in experiment.entry.tasks:
        return None
    return experiment.score_key(run)


def in_order(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows by task, method, seed in the paper's order."""
    tasks, names = list(entries(Task)), list(methods())
    rank = pd.DataFrame(
        {
            "task": scores.task.map(tasks.index),
            "method": scores.method.map(names.index),
            "seed": scores.seed,
        }
    )
    order = rank.sort_values(["task", "method", "seed"], kind="stable").index
    return scores.loc[order].reset_index(drop=True)


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation (over seeds; empty for one) and count of each score."""
    by = ["task", "method", "metric", "n_samples", "unit"]
    return scores.groupby(by, sort=False).value.agg(["mean", "std", "count"]).reset_index()


def all_tables(scores: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Tables 1–4 as far as there are scores for them."""
    each, tasks = summary(scores), list(dict.fromkeys(scores.task))
    tables = {
        TABLE_NUMBERS[task]: error_table(each[each.task == task], task)
        for task in tasks
        if task in TABLE_NUMBERS
    }
    likelihood = each[each.metric == "nll_joint"]
    return ({1: likelihood_table(likelihood)} if len(likelihood) else {}) | tables


def likelihood_table(each: pd.DataFrame) -> pd.DataFrame:
    """Table 1: the bound on −log p(x_c, x_g) that each model reports, nats per example."""
    lines = []
    for row in each.itertuples():
        paper = TABLE_1.get(row.task, {}).get(row.method)
        layer = LAYERS.get(row.task, row.task)
        lines.append((layer, label(row.method), paper, row.mean, row.std, row.count))
    return pd.DataFrame(lines, columns=["layer", "method", "paper", "ours", "ours_std", "n_seeds"])


def error_table(each: pd.DataFrame, task: str) -> pd.DataFrame:
    """One of Tables 2–4: best error for each number of samples, then variance, × 10⁻²."""
    lines = []
    for method in dict.fromkeys(each.method):
        mine = each[each.method == method]
        paper = TABLES.get(task, {}).get(method, (None,) * (len(COUNTS) + 1))
        row = {"method": label(method)}
        for column, printed in zip([*COUNTS, "variance"], paper, strict=True):
            metric, n = (
                ("variance", max(COUNTS)) if column == "variance" else ("best_error", column)
            )
            found = mine[(mine.metric == metric) & (mine.n_samples == n)].iloc[0]
            row |= {f"{column}_paper": printed, f"{column}_ours": 100 * found["mean"]}
            row |= {f"{column}_std": 100 * found["std"]}
        lines.append(row | {"n_seeds": found["count"], "unit": f"1e-2 {found['unit']}"})
    return pd.DataFrame(lines)


def printed(profile: str, data: str) -> str:
    """The tables of a results folder as text, paper's numbers in brackets."""
    texts = []
    for number in (1, 2, 3, 4):
        path = results_folder(profile, data) / f"table{number}.csv"
        if path.exists():
            table = pd.read_csv(path)
            texts.append(TITLES[number] + "\n" + readable(table, number).to_string(index=False))
    return "\n\n".join(texts)


def readable(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """A table for reading: ours ± deviation over seeds [paper] in one cell."""
    if number == 1:
        cells = [cell(r.ours, r.ours_std, r.paper, 0) for r in table.itertuples()]
        wide = table.assign(cell=cells).pivot(index="layer", columns="method", values="cell")
        names = [each.label for each in rows().values() if each.label in wide]
        layers = [layer for layer in LAYERS.values() if layer in wide.index]
        return wide.loc[layers, names].rename_axis(None, axis=1).reset_index()
    shown = pd.DataFrame({"method": table.method})
    for column in [*COUNTS, "variance"]:
        triples = zip(
            table[f"{column}_ours"], table[f"{column}_std"], table[f"{column}_paper"], strict=True
        )
        shown[str(column)] = [cell(*triple, 2) for triple in triples]
    return shown


def cell(ours: float, std: float, paper: float, digits: int) -> str:
    """One number as "ours ± std [paper]"; what is not there is left out."""
    text = f"{ours:.{digits}f}"
    text += "" if pd.isna(std) else f" ± {std:.{digits}f}"
    return text + ("" if paper is None or pd.isna(paper) else f" [{paper:.{digits}f}]")


def training_seconds(folder: Path, runs: list[Run]) -> pd.DataFrame:
    """Seconds of training by what provenance.json says: a row a method, a column a task."""
    made = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["runs"]
    times = [(run.task, label(run.method), made[str(run)]["seconds"]) for run in runs]
    table = pd.DataFrame(times, columns=["task", "method", "seconds"])
    rows, columns = (list(dict.fromkeys(table[name])) for name in ("method", "task"))
    return table.pivot(index="method", columns="task", values="seconds").loc[rows, columns]
