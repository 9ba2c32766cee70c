"""What notebooks 10 and 12 show: the tuned results of every data set, read from their files."""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pandas as pd

from cdvae.data.sources import data_set, data_sets
from cdvae.methods import label, method
from cdvae.report.paper import LAYERS
from cdvae.report.results import results_folder
from cdvae.tools.files import project_root

NAMES = {  # in heads of columns
    "coco": "COCO",
    "tiny-imagenet": "Tiny ImageNet",
    "ucf101": "UCF101",
    "scenes": "built-in world",
}


class Chapter:
    """The files of one data set in a profile's results; a table that is not there is empty."""

    def __init__(self, profile: str, data: str, folder: Path | None = None):
        self.data, self.folder = data, folder or results_folder(profile, data)

    @property
    def title(self) -> str:
        """What the data are."""
        return data_set(self.data).title

    def read(self, name: str) -> pd.DataFrame:
        path = self.folder / f"{name}.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame()

    @cached_property
    def scores(self) -> pd.DataFrame:
        return self.read("scores")

    @property
    def tasks(self) -> list[str]:
        return [task for task in LAYERS if task in set(self.scores.task)]


def committed(profile: str, data: str) -> Chapter:
    """The results that the project comes with, wherever those of a run here are written."""
    return Chapter(profile, data, project_root() / "results" / profile / data)


def chapters(profile: str) -> list[Chapter]:
    """The data sets whose scores were compared in this profile's results, real ones first."""
    compared = having(profile, "comparisons")
    return sorted(compared, key=lambda each: data_set(each.data).truth is not None)


def having(
    profile: str, *tables: str, chapter: Callable[[str, str], Chapter] = Chapter
) -> list[Chapter]:
    """The data sets that have one of these tables; with `committed` of what the project brings."""
    every = [chapter(profile, data) for data in data_sets()]
    return [each for each in every if any((each.folder / f"{t}.csv").exists() for t in tables)]


def sized(profile: str, chapter: Callable[[str, str], Chapter] = Chapter) -> list[Chapter]:
    """The data sets that have runs by size."""
    return having(profile, "sizes", chapter=chapter)


def searched(
    profile: str, chapter: Callable[[str, str], Chapter] = Chapter
) -> dict[str, pd.DataFrame]:
    """The trials of each search, by task and data."""
    found = {}
    for each in having(profile, "trials", chapter=chapter):
        for task, trials in each.read("trials").groupby("task", sort=False):
            found[f"{task}, {NAMES.get(each.data, each.data)}"] = trials
    return found


def files(profile: str) -> list[Path]:
    """Every table that the notebook reads."""
    folders = {each.folder for each in having(profile, "comparisons", "sizes", "trials")}
    return sorted(path for folder in folders for path in folder.glob("*.csv"))


def oriented(found: pd.DataFrame, one: str, other: str) -> tuple | None:
    """Difference one − other, its interval and verdict, whichever way round the file has it."""
    for first, second, sign in ((one, other, 1), (other, one, -1)):
        row = found[(found.method == first) & (found.other == second)]
        if len(row):
            r = row.iloc[0]
            if sign == 1:
                return r.difference, r.low, r.high, r.verdict
            flipped = {"better": "worse", "worse": "better"}.get(r.verdict, r.verdict)
            return -r.difference, -r.high, -r.low, flipped
    return None


def verdict_table(every: list[Chapter], whose: str) -> pd.DataFrame:
    """A row for each claim of "paper" or "ours", a column for each data set and task."""
    rows: dict[str, dict[str, str]] = {}
    for chapter in every:
        for row in chapter.read("verdicts").itertuples():
            if row.whose == whose:
                share = f" ({row.true_in_share_of_resamplings:.0%})" * (row.verdict == "undecided")
                place = rows.setdefault(row.claim, {})
                place[f"{NAMES.get(chapter.data, chapter.data)}: {row.task}"] = row.verdict + share
    return pd.DataFrame([{"claim": text} | cells for text, cells in rows.items()]).fillna("–")


def best_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The best trial of each learned method of a search, and among how many it is."""
    mine = trials[[method(name).is_learned for name in trials.method]]
    best = mine.loc[mine.groupby("method", sort=False).criterion.idxmin()]
    counts = mine.groupby("method").size()
    return pd.DataFrame(
        {
            "method": best.method.map(label),
            "trials": [counts[name] for name in best.method],
            "what it changes of the quick profile": best.changes.map(in_words),
            "criterion": best.criterion.map("{:.3f}".format),
        }
    )


def in_words(changes: str) -> str:
    """Settings as JSON, {"tie": {"sigma": 1.0}}, as "tie.sigma 1.0"."""

    def flat(found: dict, before: str = "") -> list[str]:
        parts = [
            flat(value, f"{before}{name}.")
            if isinstance(value, dict)
            else [f"{before}{name} {value}"]
            for name, value in found.items()
        ]
        return [each for part in parts for each in part]

    return ", ".join(flat(json.loads(changes))) or "nothing"


def over_variants(ablations: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Scores at 100 samples: a row for each variant, seeds averaged unless `by` has "seed"."""
    index = ["group", "setting", "method", *by]
    return ablations[ablations.n_samples == 100].pivot_table(
        index=index, columns="metric", values="value", sort=False
    )


MIXED = "energy score, draws for similar inputs: "  # begins these rows of limits.csv


def fixed_table(limits: pd.DataFrame, task: str) -> pd.DataFrame:
    """Errors × 10⁻² of what no method does: of ignoring the input, and of knowing components."""
    mine = limits[(limits.task == task) & (limits.method == "any")]
    mine = mine[~mine.measure.str.startswith(MIXED)]
    return pd.DataFrame({"measure": mine.measure, "error, × 10⁻²": 100 * mine.value})


def mixture_table(every: list[Chapter]) -> pd.DataFrame:
    """Energy score by the share of draws that answer similar inputs, a row for each task."""
    rows = []
    for chapter in every:
        limits = chapter.read("limits")
        for task in chapter.tasks if len(limits) else []:
            mine = limits[(limits.task == task) & limits.measure.str.startswith(MIXED)]
            shares = mine.measure.str.removeprefix(MIXED)
            rows.append(
                {"data": NAMES.get(chapter.data, chapter.data), "task": task}
                | dict(zip(shares, mine.value, strict=True))
            )
    return pd.DataFrame(rows)


def limit_table(limits: pd.DataFrame, scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """A row for each model: errors × 10⁻² as tied and with codes of the answer, KL in nats."""
    mine = limits[(limits.task == task) & (limits.method != "any")]
    tied = scores[(scores.task == task) & (scores.metric == "best_error")]
    tied = tied[(tied.n_samples == 100) & (tied.seed == tied.seed.min())].set_index("method").value
    rows = []
    for name, found in mine.groupby("method", sort=False):
        value = found.set_index("measure").value
        layers = sorted((m for m in value.index if m[-1].isdigit() and "kl_g" in m), reverse=True)
        row = {"method": label(name), "best of 100, as tied": 100 * tied[name]}
        row |= {what: 100 * v for what, v in value.items() if not what.startswith("kl")}
        row["KL of z_c"] = f"{value['kl_c']:.1f}" if "kl_c" in value.index else "–"
        alone = ["kl_top" if "kl_top" in value.index else "kl"]  # CVAE's only code
        row["KL of z_g, from the top"] = ", ".join(f"{value[what]:.1f}" for what in layers or alone)
        rows.append(row)
    return pd.DataFrame(rows)
