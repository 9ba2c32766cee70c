"""Intervals and paired comparisons of Visual Dynamics on clips.

Pairs of one video group resemble each other, and trainings differ by seed: both are resampled.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cdvae.dynamics.rows import rows
from cdvae.runs.store import Run
from cdvae.tools.errors import InputError
from cdvae.tools.files import output_root, project_root

COMPARISONS = "dynamics_comparisons.csv"
RESAMPLES = 2000
LEVELS = (2.5, 97.5)  # per cent: an interval of 95 %
COLUMNS = (
    "method",
    "rival",
    "metric",
    "difference",
    "low",
    "high",
    "n_seeds",
    "n_test",
    "n_groups",
)


def by_row(found: dict[Run, dict]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores of each test pair by row, (seeds, N) each, and the group number of each pair (N,)."""
    values: dict[str, list] = {}
    for each in found.values():
        for name, one in each["each"].items():
            values.setdefault(name, []).append(one)
    groups = next(iter(found.values()))["groups"]
    numbers = np.unique(groups, return_inverse=True)[1]
    return {name: np.array(one) for name, one in values.items()}, numbers


def resampled(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Means of (seeds, N) scores over RESAMPLES draws of whole groups and of seeds, with return."""
    rng = np.random.default_rng(seed)
    n_groups, n_seeds = groups.max() + 1, len(values)
    size = np.bincount(groups, minlength=n_groups)
    sums = np.stack([np.bincount(groups, one, n_groups) for one in values])  # (seeds, groups)
    taken = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), RESAMPLES)
    weights = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), RESAMPLES) / n_seeds
    return np.einsum("rs,sg,rg->r", weights, sums, taken) / (taken @ size)


def interval(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of (seeds, N) scores."""
    low, high = np.percentile(resampled(values, groups), LEVELS)
    return float(low), float(high)


def with_intervals(scores: pd.DataFrame, found: dict[Run, dict]) -> pd.DataFrame:
    """The scores with columns low and high: the interval of each mean that has one."""
    groups = by_row(found)[1]
    known = {}
    for run, each in found.items():
        for row, one in each["each"].items():
            metric = "difference_error" if row.endswith("_encoded") else "energy_score"
            known[row, run.seed, metric] = interval(np.array([one]), groups)
    places = zip(scores.method, scores.seed, scores.metric, strict=True)
    low, high = zip(*(known.get(place, (np.nan, np.nan)) for place in places), strict=True)
    return scores.assign(low=low, high=high)


def comparisons(found: dict[Run, dict], n_values: int) -> pd.DataFrame:
    """Energy scores, row − rival, pair by pair and seed by seed; and the share of the squared
    difference that is explained where the answer is given. With intervals. n_values: numbers of a
    difference image."""
    values, groups = by_row(found)
    lines = []
    for row in rows("ucf101"):
        for rival in row.rivals:
            apart = values[row.name] - values[rival]  # a rival of one seed meets them all
            place = (row.name, rival, "energy_score")
            lines.append((*place, apart.mean(), *interval(apart, groups), *sizes(apart, groups)))
        if row.given:
            share = explained(values, row.name, groups, n_values)
            lines.append((row.name, "", "explained", *share))
    return pd.DataFrame(lines, columns=COLUMNS)


def explained(values: dict[str, np.ndarray], name: str, groups: np.ndarray, n_values: int) -> tuple:
    """1 − Σ‖v − v̂‖² / Σ‖v‖² over test pairs and seeds, its interval, and the sizes.

    The energy score of what stands still is ‖v‖; a mean squared error is that of n_values numbers.
    """
    left = values[name] * n_values
    whole = values["still"] ** 2
    ratio = resampled(left, groups) / resampled(np.repeat(whole, len(left), 0), groups)
    low, high = 1 - np.percentile(ratio, LEVELS[::-1])
    return 1 - left.mean() / whole.mean(), low, high, *sizes(left, groups)


def sizes(values: np.ndarray, groups: np.ndarray) -> tuple[int, int, int]:
    """Numbers of seeds, test pairs and groups."""
    return *values.shape, int(groups.max() + 1)


def places(profile: str) -> tuple[Path, Path]:
    """The folders of a profile's results and figures on clips: those made here, else those that
    the project comes with. Raises InputError where there are neither."""
    for root in (output_root(), project_root()):
        results, figures = (root / kind / profile / "ucf101" for kind in ("results", "figures"))
        if (results / COMPARISONS).exists():
            return results, figures
    raise InputError(
        f"no results of profile {profile} on clips: run cdvae reproduce --profile {profile} "
        "--data ucf101 --root DIR"
    )
