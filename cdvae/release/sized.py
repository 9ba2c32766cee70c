"""What RESULTS.md says of the runs by size: their scores, and what they and the search cost."""

import json

import pandas as pd

from cdvae.methods import label, method
from cdvae.report import chapters
from cdvae.report.paper import LAYERS
from cdvae.report.results import cell
from cdvae.report.size_verdicts import SCORES
from cdvae.runs.measures import metric

PROFILE = "tuned"


def sizes_block() -> str:
    """A table for each data set, task and score: a row a method, a column a size."""
    parts = []
    for chapter in chapters.sized(PROFILE, chapters.committed):
        scores = chapter.read("sizes")
        scores = scores[scores.n_samples == 100]
        for task in [task for task in LAYERS if task in set(scores.task)]:
            parts.append(f"### {headed(chapter.title)}: {task}\n")
            for name in SCORES:
                mine = scores[(scores.task == task) & (scores.metric == name)]
                parts.append(by_size(mine, name))
            parts.append(f"Source: `results/{PROFILE}/{chapter.data}/sizes.csv`.\n")
    return "\n".join(parts)


def headed(text: str) -> str:
    """With a capital at its head."""
    return text[:1].upper() + text[1:]


def by_size(scores: pd.DataFrame, name: str) -> str:
    """One score: the best at the largest size first, what was not run there last."""
    each = metric(name).scale * scores.groupby(["method", "n_train"]).value.agg(["mean", "std"])
    wide = each["mean"].unstack()
    order = wide.sort_values(list(wide.columns[::-1])).index
    lines = [f"| {metric(name).head} | " + " | ".join(f"{n:,}" for n in wide.columns) + " |"]
    lines.append("|---" + "|---:" * len(wide.columns) + "|")
    for row in order:
        there = set(each.loc[row].index)
        cells = [cell(*each.loc[row, n], None, 2) if n in there else "" for n in wide.columns]
        fewer = int(scores[scores.method == row].n_test.max() < scores.n_test.max())
        lines.append(f"| {label(row)}{'*' * fewer} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cost_block() -> str:
    """Trials and runs, and the core-hours that they took, a row for each data set and task."""
    lines = ["| | trials | core-hours | runs | core-hours | of these scoring |"]
    lines.append("|---" + "|---:" * 5 + "|")
    for chapter in chapters.having(PROFILE, "sizes", "trials", chapter=chapters.committed):
        path, trials = chapter.folder / "sizes.json", chapter.read("trials")
        made = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else {}
        tasks = {run.partition("/")[0] for run in made} | set(trials.task if len(trials) else [])
        for task in [task for task in LAYERS if task in tasks]:
            mine = [about for run, about in made.items() if run.startswith(f"{task}/")]
            scoring = sum(about["score_seconds"] for about in mine)
            whole = scoring + sum(about.get("seconds", 0.0) for about in mine)
            tried = learned(trials, task)
            cells = [f"{len(tried)}", hours(tried.seconds.sum()), f"{len(mine)}"]
            cells += [hours(whole), hours(scoring)]
            lines.append(f"| {headed(chapter.title)}, {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def learned(trials: pd.DataFrame, task: str) -> pd.DataFrame:
    """The trials of a task whose methods are trained."""
    if not len(trials):
        return pd.DataFrame({"seconds": []})
    return trials[(trials.task == task) & trials.method.map(lambda name: method(name).is_learned)]


def hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f}"
