"""Verdicts by size: the questions of `results/tuned/RULES.md` for each number of examples.

The rule is that of `verdicts`: a claim holds if it is true in 97.5 % of the resamplings. Resampled
are the sources of the test examples, alike for all methods and sizes, and the seeds of each method
and size on their own.
"""

import zlib

import numpy as np
import pandas as pd

from cdvae.methods import label, method
from cdvae.report.chapters import NAMES
from cdvae.report.claims import CLAIMS
from cdvae.report.results import write_csv
from cdvae.report.size_record import Each, Record
from cdvae.report.verdicts import LEVEL, RESAMPLINGS, Resampled, of_paper, verdict
from cdvae.runs.measures import compared, metric

COLUMNS = [
    *("half", "data", "task", "n_train", "question", "claim", "metric", "verdict"),
    *("true_in_share_of_resamplings", "difference_percent", "low", "high", "n_seeds", "n_test"),
]
NAME = "size_verdicts.csv"
SCORES = ("best_error", "energy_score")  # that methods are compared by
MIDDLE = 4_500  # the size that all data sets have
TIES, DEPTH = "1. ties against CVAE", "2. deep against shallow"
MIXTURE, JOINT = "3. mixture against Gaussian", "4. joint against conditional as n shrinks"
CONTROL, PAPER = "5. controls", "the paper's"
OWN = "6. codes in space against their rivals"  # CVAE is among those of the fourth question
PAIRS = (  # question, and of which method it is claimed that it is better than which
    *((TIES, tie, other) for other in ("cvae-paper", "cvae") for tie in ("gauss", "mdn12")),
    (DEPTH, "gauss", "shallow-wide"),
    (MIXTURE, "mdn12", "gauss"),
    (MIXTURE, "mdn12-normalised", "gauss-exact"),
    *((JOINT, joint, "cvae") for joint in ("mdn12", "jmvae", "cdvae-spatial")),
    *((OWN, "cdvae-spatial", other) for other in ("nn", "fm", "unet")),
)


class SeedsToo(Resampled):
    """Means of scores on resamplings of the test examples and of the seeds.

    each: {(metric, method): (N, seeds)}; size: the number of training examples, by which the seeds
    of one method are drawn anew.
    """

    def __init__(self, each: Each, ids: tuple[str, ...], size: int):
        super().__init__(each, ids)
        self.size = size

    def seeds(self, name: str) -> int:
        """How many seeds a method has."""
        return self.each["best_error", name].shape[1]

    def shares(self, name: str) -> np.ndarray:
        """How much each seed counts in each resampling: (resamplings, seeds)."""
        n = self.seeds(name)
        rng = np.random.default_rng(zlib.crc32(f"{name} {self.size}".encode()))
        return rng.multinomial(n, np.full(n, 1 / n), RESAMPLINGS) / n

    def means(self, metric: str, method: str, n: int) -> np.ndarray:
        """Means over the first n examples, one for each resampling."""
        by_seed = super().means(metric, method, n)
        return (by_seed * self.shares(method)).sum(1)

    def mean(self, metric: str, method: str, n: int) -> float:
        """The mean over the first n examples and the seeds."""
        return float(self.each[metric, method][:n].mean())


def write(record: Record) -> pd.DataFrame:
    """Draw every verdict that the recorded runs allow; rows of the other half stay in the file."""
    path = record.path.with_name(NAME)
    found = [row for task in record.tasks() for row in of_task(record, task)]
    rows = pd.DataFrame(found, columns=COLUMNS)
    if path.exists():
        before = pd.read_csv(path, keep_default_na=False, na_values=[""])
        rows = pd.concat([before[before.half != (record.half or "all")], rows])
    rows = rows.sort_values("half", kind="stable").reset_index(drop=True)
    write_csv(rows, path)
    return rows


def of_task(record: Record, task: str) -> list[dict]:
    """The verdicts of one task at each size, then those across sizes."""
    ids, by_size = record.ids(task), record.each(task)
    resampled = {n: SeedsToo(each, ids, n) for n, each in by_size.items()}
    place = {"half": record.half or "all", "data": record.place[1], "task": task}
    rows = []
    for n, each in resampled.items():
        rows += [place | {"n_train": n} | row for row in [*pairs(each), *controls(each)]]
        rows += [place | {"n_train": n} | row for row in papers(each)]
    return rows + [place | row for row in across(resampled)]


def pairs(each: SeedsToo) -> list[dict]:
    """Is one method better than another? With the difference in per cent of the other's score."""
    rows = []
    for question, one, other in PAIRS:
        for score in SCORES:
            if {(score, one), (score, other)} <= set(each.each):
                n = each.length((one, other))
                drawn = relative(each, score, one, other, n)
                gap = 100 * (each.mean(score, one, n) / each.mean(score, other, n) - 1)
                claim = said(one, other)
                about = {"question": question, "claim": claim, "metric": score}
                n_seeds = min(each.seeds(one), each.seeds(other))
                rows.append(about | judged(drawn, gap) | {"n_seeds": n_seeds, "n_test": n})
    return rows


def said(one: str, other: str) -> str:
    """The claim that one method is better than another."""
    return f"{label(one)} is better than {label(other)}"


def said_of_few(one: str, other: str) -> str:
    """The claim that its place beside another method is better at the least size."""
    return f"{label(one)} stands better against {label(other)} where data are few"


def relative(each: SeedsToo, score: str, one: str, other: str, n: int) -> np.ndarray:
    """By how many per cent the first one's score is above the other's, for each resampling."""
    return 100 * (each.means(score, one, n) / each.means(score, other, n) - 1)


def judged(drawn: np.ndarray, value: float) -> dict:
    """The verdict on "this difference is below zero", and the difference with its interval."""
    share = float((drawn < 0).mean())
    low, high = map(float, np.quantile(drawn, (LEVEL, 1 - LEVEL)))
    found = {"verdict": verdict(share), "true_in_share_of_resamplings": share}
    return found | {"difference_percent": value, "low": low, "high": high}


def controls(each: SeedsToo) -> list[dict]:
    """Has no control the best energy score of all that were run?"""
    names = sorted({name for _, name in each.each if method(name).kind != "truth"})
    idle = [name for name in names if method(name).kind == "control"]
    if not idle or len(idle) == len(names):
        return []
    n = each.length(tuple(names))
    means = {name: each.means("energy_score", name, n) for name in names}
    best = np.min([means[name] for name in idle], 0)
    models = np.min([means[name] for name in names if name not in idle], 0)
    share = float((models < best).mean())
    row = {"question": CONTROL, "claim": "no control has the best energy score"}
    row |= {"metric": "energy_score", "verdict": verdict(share)}
    row |= {"true_in_share_of_resamplings": share, "n_test": n}
    return [row | {"n_seeds": min(each.seeds(name) for name in names)}]


def papers(each: SeedsToo) -> list[dict]:
    """The paper's claims, of those whose methods were all run."""
    rows = []
    for claim in [claim for claim in CLAIMS if claim.metric in compared()]:
        question = of_paper(claim)
        if any((claim.metric, name) not in each.each for name in question.methods):
            continue
        share = each.share(question)
        row = {"question": PAPER, "claim": claim.text, "metric": claim.metric}
        row |= {"verdict": verdict(share), "true_in_share_of_resamplings": share}
        row |= {"n_seeds": min(each.seeds(name) for name in question.methods)}
        rows.append(row | {"n_test": each.length(question.methods)})
    return rows


def across(by_size: dict[int, SeedsToo]) -> list[dict]:
    """Do joint models lose to the conditional one as data become many?

    The difference from it at the least size less that at the largest, percentage points: below
    zero the joint model's place is better where data are few.
    """
    rows = []
    for question, one, other in [pair for pair in PAIRS if pair[0] == JOINT]:
        for score in SCORES:
            pair = {(score, one), (score, other)}
            sizes = [n for n, each in by_size.items() if pair <= set(each.each)]
            if len(sizes) < 2:
                continue
            few, many = by_size[sizes[0]], by_size[sizes[-1]]
            n = min(few.length((one, other)), many.length((one, other)))
            drawn = relative(few, score, one, other, n) - relative(many, score, one, other, n)
            gaps = [
                100 * (each.mean(score, one, n) / each.mean(score, other, n) - 1)
                for each in (few, many)
            ]
            claim = said_of_few(one, other)
            row = {"n_train": f"{sizes[0]} / {sizes[-1]}", "question": question}
            row |= {"claim": claim, "metric": score} | judged(drawn, gaps[0] - gaps[1])
            seeds = min(each.seeds(name) for each in (few, many) for name in (one, other))
            rows.append(row | {"n_seeds": seeds, "n_test": n})
    return rows


def table(rows: pd.DataFrame, question: str | None = None) -> pd.DataFrame:
    """For reading: a row for each claim and score, a column for each data set, task, half and size.

    A cell has the verdict, and the difference with its interval where there is one. What is the
    same in all heads is left out of them.
    """
    mine = rows if question is None else rows[rows.question == question]
    varied = [name for name in ("data", "task", "half") if mine[name].nunique() > 1]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    places = {}
    for row in mine.itertuples():
        text = row.verdict
        if not pd.isna(row.difference_percent):
            low, high = signed(row.low), signed(row.high)
            text += f" ({signed(row.difference_percent)} % [{low}, {high}])"
        numbers = [int(n) for n in str(row.n_train).split("/")]
        place = [NAMES.get(getattr(row, name), getattr(row, name)) for name in varied]
        head = ", ".join([*place, " / ".join(f"{n:,}" for n in numbers)])
        places[head] = (place, len(numbers), numbers)
        cells.setdefault((row.claim, metric(row.metric).label), {})[head] = text
    found = [{"claim": claim, "by": by} | found for (claim, by), found in cells.items()]
    heads = sorted(places, key=lambda head: places[head])
    return pd.DataFrame(found, columns=["claim", "by", *heads]).fillna("–")


def signed(per_cent: float) -> str:
    """A difference in per cent, as it is printed."""
    text = f"{per_cent:+.1f}".replace("-", "−")
    return "0.0" if text in ("−0.0", "+0.0") else text


def shown(every: list[pd.DataFrame]) -> pd.DataFrame:
    """Of the verdicts of all data sets those on pairs at the least, the middle and the largest
    size, each claim once; of a task that has them, those of half B alone."""
    rows = pd.concat(every, ignore_index=True)
    rows = rows.assign(n_train=pd.to_numeric(rows.n_train, errors="coerce"))
    rows = rows[rows.n_train.notna() & rows.difference_percent.notna()].astype({"n_train": int})
    rows = rows.drop_duplicates(["half", "data", "task", "n_train", "claim", "metric"])
    found = []
    for _, mine in rows.groupby(["data", "task"], sort=False):
        last = mine[mine.half == mine.half.max()]
        sizes = {last.n_train.min(), MIDDLE, last.n_train.max()}
        found.append(last[last.n_train.isin(sizes)])
    order = {said(one, other): number for number, (_, one, other) in enumerate(PAIRS[::-1])}
    return pd.concat(found).sort_values("claim", key=lambda c: -c.map(order), kind="stable")
