"""Tables of Visual Dynamics on moving shapes: KL divergences, their comparisons, the code.

A divergence is that of one network's samples from the truth, and tables give its mean over seeds.
Intervals come of resampling test pictures and seeds, the same ones for a row and its rival.
"""

import numpy as np
import pandas as pd

from cdvae.dynamics import motions
from cdvae.dynamics.clip_results import LEVELS, RESAMPLES
from cdvae.dynamics.motions import COLUMNS, N_BINS, PSEUDO
from cdvae.dynamics.rows import FrameMethod, frame_methods, rows
from cdvae.dynamics.scoring import true_motions
from cdvae.report.paper import MOTION_KL
from cdvae.runs.store import Run

COMPARED = ("method", "rival", "motion", "difference", "low", "high", "n_seeds", "n_test")


def kl_table(scores: pd.DataFrame) -> pd.DataFrame:
    """KL(true ‖ predicted) of motions in nats: a row for each method and source of codes, a column
    for each of COLUMNS; means over seeds, deviations, the paper's own (recalled, not verified)."""
    found = scores[scores.metric.str.startswith("kl_")]
    found = found.groupby(["method", "metric"]).value.agg(["mean", "std", "count"])
    lines = []
    for method in in_papers_order():
        for row in method.rows:
            if row.given:
                continue
            mine = found.loc[row.name]
            is_papers = method.paper and row.name == method.name
            paper = MOTION_KL[method.paper] if is_papers else [None] * len(COLUMNS)
            line = {"method": row.label} | {c: mine["mean"][f"kl_{c}"] for c in COLUMNS}
            line |= {f"{c}_std": mine["std"][f"kl_{c}"] for c in COLUMNS}
            line |= {
                f"{c}_paper_unverified": theirs for c, theirs in zip(COLUMNS, paper, strict=True)
            }
            lines.append(line | {"n_seeds": int(mine["count"].max())})
    return pd.DataFrame(lines)


def in_papers_order() -> list[FrameMethod]:
    """The methods on shapes as the paper lists them, those that it has not last."""
    order = [*MOTION_KL, ""]
    return sorted(frame_methods("shapes").values(), key=lambda method: order.index(method.paper))


def counts(found: dict[Run, dict]) -> dict[tuple[str, str], np.ndarray]:
    """How many samples of each test picture fall in each bin, by row and column of the table:
    (seeds, N, N_BINS), zeros where the picture does not count."""
    every: dict[tuple[str, str], list] = {}
    for each in found.values():
        for row, columns in each["bins"].items():
            for column, pictures in columns.items():
                one = [np.bincount(np.array(b, int), minlength=N_BINS) for b in pictures]
                every.setdefault((row, column), []).append(one)
    return {place: np.array(one, float) for place, one in every.items()}


def divergences(samples: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`motions.divergence` from shares `true` (N_BINS,) of each seed's samples (seeds, N, N_BINS)
    with each row of weights (R, N) of the pictures: (R, seeds)."""
    q = np.einsum("rn,snb->rsb", weights, samples, optimize=True) + PSEUDO
    q /= q.sum(2, keepdims=True)
    there = true > 0
    return (true[there] * np.log(true[there] / q[..., there])).sum(2)


def kl_comparisons(found: dict[Run, dict]) -> pd.DataFrame:
    """KL divergences, row − rival, in the mean of the seeds, with 95 % intervals."""
    samples, rng = counts(found), np.random.default_rng(0)
    true = {name: motions.histogram(x) for name, x in motions.columns(true_motions()).items()}
    n = next(iter(samples.values())).shape[1]
    weights = np.concatenate([np.ones((1, n)), rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)])
    known = {
        place: divergences(one, true[place[1]].double().numpy(), weights)
        for place, one in samples.items()
    }
    lines = []
    for row in rows("shapes"):
        for rival in row.rivals:
            for column in COLUMNS:
                apart = known[row.name, column] - known[rival, column]  # of one seed meets them all
                k = apart.shape[1]
                of_seeds = rng.multinomial(k, np.full(k, 1 / k), RESAMPLES) / k
                low, high = np.percentile((apart[1:] * of_seeds).sum(1), LEVELS)
                lines.append((row.name, rival, column, apart[0].mean(), low, high, k, n))
    return pd.DataFrame(lines, columns=COMPARED)


def code_table(found: dict[Run, dict]) -> pd.DataFrame:
    """The KL of each dimension of the code, by method and seed."""
    code = [
        (run.method, run.seed, k, kl)
        for run, each in found.items()
        for k, kl in enumerate(each["code"])
    ]
    return pd.DataFrame(code, columns=["method", "seed", "dimension", "kl_nats"])


def histogram_table(found: dict[Run, dict]) -> pd.DataFrame:
    """The shares of motions in each bin, of all seeds, by row and column of the table."""
    lines = [
        (row, column, k, share)
        for (row, column), one in counts(found).items()
        for k, share in enumerate(one.sum((0, 1)) / one.sum())
    ]
    return pd.DataFrame(lines, columns=["method", "column", "bin", "share"])
