"""What a marked number of a page may be read from: the project's own result files and settings.

Places are "profile/data", "profile/data/task" or "profile/data/task/method"; scores are those that
the tables show, of a hundred samples if no number is given.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pandas as pd

from cdvae.methods import label, method
from cdvae.metrics import COUNTS
from cdvae.report import paper
from cdvae.report.chapters import oriented, over_variants
from cdvae.report.size_verdicts import said, said_of_few
from cdvae.runs.measures import metric
from cdvae.runs.settings import load_profile
from cdvae.tools.files import project_root


@lru_cache
def table(file: str) -> pd.DataFrame:
    """A CSV file under results/."""
    return pd.read_csv(project_root() / "results" / file)


def value(file: str, column: str = "value", **where: Any) -> Any:
    """The one entry of a CSV file under results/ in that column, in the row that `where` names.

    Raises LookupError unless there is one such row.
    """
    found = table(file)
    for name, wanted in where.items():
        found = found[found[name] == wanted]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows of results/{file} with {where}")
    return found[column].iloc[0]


def entry(file: str, *keys: str | int) -> Any:
    """What stands in a JSON file of the project, under these keys one within the other."""
    found = json.loads((project_root() / file).read_text(encoding="utf-8"))
    for key in keys:
        found = found[key]
    return found


def score(place: str, name: str, n: int = 100) -> float:
    """A score by "profile/data/task/method", mean over seeds, as tables show it (× 10⁻²)."""
    folder, task, whose = place.rsplit("/", 2)
    found = table(f"{folder}/scores.csv")
    mine = (found.task == task) & (found.method == whose) & (found.metric == name)
    values = found[mine & (found.n_samples == n)].value
    if not len(values):
        raise LookupError(f"no {name} with {n} samples of {place}")
    return metric(name).scale * float(values.mean())


def error(place: str, n: int = 100) -> float:
    """The best error of n samples, × 10⁻²."""
    return score(place, "best_error", n)


def variance(place: str) -> float:
    """The variance of a hundred samples, × 10⁻²."""
    return score(place, "variance")


def energy(place: str) -> float:
    """The energy score."""
    return score(place, "energy_score")


def more(one: float, other: float) -> float:
    """By how many per cent one is larger than the other."""
    return 100 * (one / other - 1)


def less(one: float, other: float) -> float:
    """By how many per cent one is smaller than the other."""
    return 100 * (1 - one / other)


def below(place: str, other: str, name: str = "best_error", n: int = 100) -> float:
    """By how many per cent a score of "profile/data/task/method" is below another method's."""
    return less(score(place, name, n), score(f"{place.rsplit('/', 1)[0]}/{other}", name, n))


def above(place: str, other: str, name: str = "best_error", n: int = 100) -> float:
    """By how many per cent it is larger."""
    return -below(place, other, name, n)


def better(place: str, *others: str, by: str = "best_error") -> bool:
    """Whether it is better than each of these methods, with an interval clear of zero."""
    return all(pair(place, other, by)[3] == "better" for other in others)


def first(place: str, by: str = "best_error") -> str:
    """The label of the method with the smallest score of "profile/data/task", (truth) left out."""
    folder, task = place.rsplit("/", 1)
    found = table(f"{folder}/scores.csv")
    mine = found[(found.task == task) & (found.metric == by) & (found.n_samples == 100)]
    return label(mine[mine.method != "truth"].groupby("method").value.mean().idxmin())


def change(place: str, group: str, setting: str, name: str, by: str = "best_error") -> float:
    """What an ablation of "profile/data" changes in a method's score, per cent."""
    wide = over_variants(table(f"{place}/ablations.csv"))[by]
    plain = method(name).variant_of or name
    return more(wide[group, setting, name], wide["base", "as tuned", plain])


def examples(place: str, split: str) -> int:
    """How many examples of a split ("train", "test") the scores of "profile/data" are of."""
    return int(table(f"{place}/scores.csv")[f"n_{split}"].max())


def seeds(place: str) -> int:
    """How many seeds the scores of "profile/data" or of "profile/data/task/method" are of."""
    folder, *one = re.fullmatch(r"(\w+/[\w-]+)(?:/(\w+)/([\w-]+))?", place).groups()
    found = table(f"{folder}/scores.csv")
    if any(one):
        found = found[(found.task == one[0]) & (found.method == one[1])]
    return int(found.seed.nunique())


def pair(place: str, other: str, name: str = "best_error") -> tuple[float, float, float, str]:
    """Difference of "profile/data/task/method" − other, its 95 % interval, and which is better.

    The numbers are as tables show them; the last is "better", "worse" or "undecided".
    """
    folder, task, one = place.rsplit("/", 2)
    found = table(f"{folder}/comparisons.csv")
    row = oriented(found[(found.task == task) & (found.metric == name)], one, other)
    if row is None:
        raise LookupError(f"{place} was not compared with {other} by {name}")
    return *(metric(name).scale * each for each in row[:3]), row[3]


def verdict(place: str, claim: str) -> str:
    """The verdict of "profile/data/task" on the one claim that has these words in it."""
    folder, task = place.rsplit("/", 1)
    found = table(f"{folder}/verdicts.csv")
    mine = found[(found.task == task) & found.claim.str.contains(claim, regex=False)]
    if len(mine) != 1:
        raise LookupError(f"{len(mine)} claims of {place} have '{claim}' in them")
    return mine.verdict.iloc[0]


def at_size(place: str, other: str, n: int | str, by: str) -> Any:
    """The row of the verdicts by size on "profile/data/task/method" against another method.

    n: how many training examples, or "few": whether it stands better where these are few. Of half
    B where that is scored.
    """
    folder, task, one = place.rsplit("/", 2)
    found = table(f"{folder}/size_verdicts.csv")
    claim = said_of_few(one, other) if n == "few" else said(one, other)
    mine = (found.task == task) & (found.claim == claim)
    mine &= (found.metric == by) & ((n == "few") | (found.n_train.astype(str) == str(n)))
    mine = found[mine].sort_values("half", ascending=False)
    if not len(mine):
        raise LookupError(f"{place} was not compared with {other} by {by} at size {n}")
    return mine.iloc[0]


def gap(place: str, other: str, n: int | str, by: str = "best_error") -> float:
    """By how many per cent a score is above another method's at a size; if "few", by how many
    points less than at the largest."""
    return float(at_size(place, other, n, by).difference_percent)


def settled(place: str, other: str, n: int | str, by: str = "best_error") -> str:
    """The verdict on "is better" at a size."""
    return str(at_size(place, other, n, by).verdict)


def at(place: str, n: int, name: str = "best_error", seed: int | None = None) -> float:
    """A score of "profile/data/task/method" at 100 samples and a size on half A, as in tables."""
    folder, task, whose = place.rsplit("/", 2)
    found = table(f"{folder}/sizes.csv")
    mine = (found.task == task) & (found.method == whose) & (found.metric == name)
    mine &= (found.n_samples == 100) & (found.n_train == n)
    mine = found[mine if seed is None else mine & (found.seed == seed)]
    if not len(mine):
        raise LookupError(f"no {name} of {place} at size {n}")
    return metric(name).scale * float(mine.value.mean())


def printed(task: str, whose: str, column: int | str = 100) -> float:
    """What the paper's Tables 2–4 print: the error of so many samples, or "variance"; × 10⁻²."""
    return paper.TABLES[task][whose][[*COUNTS, "variance"].index(column)]


def count(file: str, **where: Any) -> int:
    """How many rows of a CSV file under results/ are as `where` says."""
    found = table(file)
    for name, wanted in where.items():
        found = found[found[name] == wanted]
    return len(found)


def spread(place: str) -> float:
    """By how many per cent the worst trial of "profile/data/task/method" is behind the best, by
    the criterion of the search."""
    mine = trials(place).criterion
    return more(mine.max(), mine.min())


def trial(place: str, column: str) -> float:
    """A column of the best trial of "profile/data/task/method", by the criterion of the search."""
    mine = trials(place)
    return float(mine.loc[mine.criterion.idxmin(), column])


def trials(place: str) -> pd.DataFrame:
    """The trials of "profile/data/task/method"."""
    folder, task, whose = place.rsplit("/", 2)
    found = table(f"{folder}/trials.csv")
    mine = found[(found.task == task) & (found.method == whose)]
    if not len(mine):
        raise LookupError(f"no trials of {place}")
    return mine


def setting(profile: str, name: str) -> Any:
    """A setting of a profile, such as "n_train" or "training.steps"."""
    found: Any = load_profile(profile)
    for part in name.split("."):
        found = getattr(found, part)
    return found


NAMES: dict[str, Callable] = {
    each.__name__: each
    for each in (
        *(value, entry, score, error, variance, energy, more, less, examples, seeds, pair),
        *(below, above, better, first, change),
        *(gap, settled, at),
        *(verdict, printed, count, spread, trial, setting),
        *(abs, min, max, len, sum, all, any, round),
    )
}
