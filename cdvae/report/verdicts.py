"""Does a claim hold? One rule for all of them, stated before the runs that it judges.

The scores of each test example are averaged over seeds, then their means are taken on 10,000
resamplings of the sources of the examples: photos, scenes, or videos with all their frame pairs. A
claim *holds* if it is true in at least 97.5 % of them, *does not hold* if in at most 2.5 %, and is
*undecided* otherwise. For "A is nearer than B" this says that the 95 % interval of the paired
difference lies on one side of zero.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from cdvae.data.fields import Task
from cdvae.data.splits import source_of
from cdvae.methods import ordered
from cdvae.metrics import COUNTS
from cdvae.report import data_facts, results
from cdvae.report.claims import BASELINES, CLAIMS, OURS, Claim
from cdvae.report.each_example import Scores, keep
from cdvae.report.paper import ROWS
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment
from cdvae.runs.measures import compared, metric
from cdvae.runs.parallel import Crew
from cdvae.runs.store import Run
from cdvae.tools.files import write_json
from cdvae.tools.meaning import meaning
from cdvae.tools.registry import entries

RESAMPLINGS = 10_000
LEVEL = 0.025  # on each side
AIM = 0.85  # of the lower error of NN and CVAE: what the extension is to reach

PAIR_COLUMNS = [
    *("task", "metric", "n_samples", "method", "other", "difference"),
    *("low", "high", "verdict", "n_seeds", "n_test"),
]
VERDICT_COLUMNS = ["task", "whose", "claim", "verdict", "true_in_share_of_resamplings", "n_test"]

Means = dict[str, dict[str, float]]  # {metric: {method: value}}


class Question(NamedTuple):
    """A claim of ours, the methods it speaks of, and its check."""

    text: str
    methods: tuple[str, ...]
    holds: Callable[[Means], bool]


def beats(v: Means, one: str, other: str) -> bool:
    """Whether one method is nearer to the truth with 100 samples than the other."""
    return v["best_error"][one] < v["best_error"][other]


def some_tie(v: Means) -> bool:
    """One deep tie that is nearer than Shallow and CVAE, varies more than CVAE, and uses x_c."""
    return any(
        beats(v, tie, "shallow")
        and beats(v, tie, "cvae")
        and v["variance"][tie] > v["variance"]["cvae"]
        and v["energy_score"][tie] < v["energy_score"]["marginal"]
        for tie in OURS
    )


SPATIAL = "cdvae-spatial"
CONTROLS = ("marginal", "mean_noise")  # that no one would call a model
QUESTIONS = (
    Question(
        "one deep tie is nearer than Shallow and CVAE, varies more than CVAE, and has a better "
        "energy score than the sampler that ignores the input",
        (*OURS, "shallow", "cvae", "marginal"),
        some_tie,
    ),
    Question(
        "some deep tie is nearer than NN",
        (*OURS, "nn"),
        lambda v: any(beats(v, tie, "nn") for tie in OURS),
    ),
    Question(
        "CDVAE-spatial is nearer than NN, CVAE and every tie of vectors",
        (SPATIAL, *BASELINES, *OURS),
        lambda v: all(beats(v, SPATIAL, other) for other in (*BASELINES, *OURS)),
    ),
    Question(
        f"… by so much that its error is at most {AIM} of the lower of NN's and CVAE's",
        (SPATIAL, *BASELINES),
        lambda v: v["best_error"][SPATIAL] <= AIM * min(v["best_error"][m] for m in BASELINES),
    ),
    Question(
        "CDVAE-spatial is nearer than flow matching",
        (SPATIAL, "fm"),
        lambda v: beats(v, SPATIAL, "fm"),
    ),
    Question(
        "… and has a better energy score",
        (SPATIAL, "fm"),
        lambda v: v["energy_score"][SPATIAL] < v["energy_score"]["fm"],
    ),
    Question(
        "no control has the best energy score",
        (*ROWS, SPATIAL, *CONTROLS),
        lambda v: min(v["energy_score"], key=v["energy_score"].get) not in CONTROLS,
    ),
)


def of_paper(claim: Claim) -> Question:
    """A claim of the paper's as a question."""
    return Question(claim.text, ROWS, lambda v: claim.holds(v[claim.metric]))


def over_seeds(kept: dict[Run, Scores]) -> dict[tuple[str, str], np.ndarray]:
    """Scores of each test example of one task, seeds averaged: {(metric, method): (N,)}."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for run, scores in kept.items():
        for score, values in scores.items():
            found.setdefault((score, run.method), []).append(values)
    return {key: np.mean(values, 0) for key, values in found.items()}


def weights(ids: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """How often each example counts in each resampling of the sources: (resamplings, N)."""
    sources = np.unique([source_of(name.split("#")[0]) for name in ids], return_inverse=True)[1]
    n = sources.max() + 1
    drawn = rng.multinomial(n, np.full(n, 1 / n), RESAMPLINGS).astype(np.float32)
    return drawn[:, sources]


class Resampled:
    """Means of scores on resamplings of the test examples of one task."""

    def __init__(self, each: dict[tuple[str, str], np.ndarray], ids: tuple[str, ...]):
        self.each, self.ids = each, ids
        self._weights: dict[int, np.ndarray] = {}

    def length(self, methods: tuple[str, ...]) -> int:
        """How many test examples all of these methods are scored on."""
        return min(len(self.each["best_error", method]) for method in methods)

    def means(self, metric: str, method: str, n: int) -> np.ndarray:
        """Means over the first n examples, one for each resampling."""
        if n not in self._weights:
            drawn = weights(self.ids[:n], np.random.default_rng(0))
            self._weights[n] = drawn / drawn.sum(1, keepdims=True)
        return self._weights[n] @ self.each[metric, method][:n]

    def share(self, question: Question) -> float:
        """The share of the resamplings in which a claim is true."""
        n = self.length(question.methods)
        means = {
            metric: {method: self.means(metric, method, n) for method in question.methods}
            for metric in compared()
        }
        true = sum(
            question.holds(
                {metric: {m: values[b] for m, values in by.items()} for metric, by in means.items()}
            )
            for b in range(RESAMPLINGS)
        )
        return true / RESAMPLINGS

    def compare(self, metric: str, one: str, other: str) -> tuple[float, float, float, int]:
        """Mean of the paired difference one − other, its 95 % interval, and how many examples."""
        n = self.length((one, other))
        drawn = self.means(metric, one, n) - self.means(metric, other, n)
        mean = float((self.each[metric, one][:n] - self.each[metric, other][:n]).mean())
        return mean, *map(float, np.quantile(drawn, (LEVEL, 1 - LEVEL))), n


def verdict(share: float) -> str:
    if share >= 1 - LEVEL:
        return "holds"
    return "does not hold" if share <= LEVEL else "undecided"


def of_interval(score: str, low: float, high: float) -> str:
    """Whether the first of two methods is better than the other, by the interval of its score."""
    if low <= 0 <= high:
        return "undecided"
    return "better" if (high < 0) == metric(score).smaller_is_better else "worse"


def finish(
    experiment: Experiment, runs: list[Run], quiet: bool = False, cluster: Crew | None = None
) -> pd.DataFrame:
    """Train, score and compare what is missing, and write the files; returns these runs' scores."""
    scores = results.finish(experiment, runs, quiet, cluster)
    data_facts.update(experiment, list(dict.fromkeys(run.task for run in runs)))
    update(experiment, runs)
    return scores


def update(experiment: Experiment, runs: list[Run]) -> None:
    """Write comparisons.csv and verdicts.csv beside the scores, of these and of earlier runs.

    verdicts.json says of which scores they are; while these are the same nothing is done.
    """
    pairs, judged, kept = [], [], keep(experiment, runs)
    folder = results_folder(experiment.profile.name, experiment.source.name)
    keys = {str(run): experiment.score_key(run) for run in kept}
    about = {"scores": keys, "code": meaning(comparisons, verdicts)}
    about |= {"resamplings": RESAMPLINGS, "level": LEVEL}
    path = folder / "verdicts.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) == about:
        return
    for task in [name for name in entries(Task) if name in {run.task for run in kept}]:
        mine = {run: scores for run, scores in kept.items() if run.task == task}
        resampled = Resampled(over_seeds(mine), experiment.fields(task)["test"].ids)
        pairs += comparisons(task, list(mine), resampled)
        judged += verdicts(task, list(mine), resampled)
    write_csv(pd.DataFrame(pairs, columns=PAIR_COLUMNS), folder / "comparisons.csv")
    write_csv(pd.DataFrame(judged, columns=VERDICT_COLUMNS), folder / "verdicts.csv")
    write_json(path, about)


def comparisons(task: str, runs: list[Run], resampled: Resampled) -> list[dict]:
    """One row for each metric and pair of methods, in the order of the tables."""
    methods = ordered(run.method for run in runs)
    n_seeds = {m: len({run.seed for run in runs if run.method == m}) for m in methods}
    rows = []
    for score in compared():
        for k, other in enumerate(methods):
            for one in methods[k + 1 :]:
                mean, low, high, n_test = resampled.compare(score, one, other)
                row = {"task": task, "metric": score, "n_samples": max(COUNTS)}
                row |= {"method": one, "other": other, "difference": mean}
                row |= {"low": low, "high": high, "verdict": of_interval(score, low, high)}
                row |= {"n_seeds": min(n_seeds[one], n_seeds[other]), "n_test": n_test}
                rows.append(row)
    return rows


def verdicts(task: str, runs: list[Run], resampled: Resampled) -> list[dict]:
    """One row for each claim, the paper's and ours, whose methods were all run."""
    asked = [("paper", of_paper(claim)) for claim in CLAIMS if claim.metric in compared()]
    asked += [("ours", question) for question in QUESTIONS]
    have, rows = {run.method for run in runs}, []
    for who, question in asked:
        if not set(question.methods) <= have:
            continue
        share = resampled.share(question)
        row = {"task": task, "whose": who, "claim": question.text, "verdict": verdict(share)}
        row |= {"true_in_share_of_resamplings": share, "n_test": resampled.length(question.methods)}
        rows.append(row)
    return rows
