"""One trial of the search: a change to the quick profile, scored on validation examples.

A trial is better if best error of 100 over nearest neighbour's, plus energy score over that of the
sampler that ignores the input, is smaller: one number for accuracy and spread.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from cdvae.methods import method as entry_of
from cdvae.metrics import COUNTS, score_samples
from cdvae.runs.experiment import Experiment
from cdvae.runs.parallel import score_pairs
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.files import cache_root
from cdvae.tools.progress import Progress
from cdvae.training import best_row

if TYPE_CHECKING:
    from cdvae.runs.cluster import Cluster

VALID = 250  # validation examples that are scored, the first

Pair = tuple["Trial", Run]
BARE = ("nn", "marginal")  # what the others are measured by


class Trial(Experiment):
    """A change to the quick profile, whose runs are scored on validation examples."""

    def __init__(self, data: str, root: str | None, changes: dict):
        super().__init__(load_profile("quick", **changes), data, root)

    def score_file(self, run: Run) -> Path:
        return cache_root() / "trials" / f"{self.model_key(run)}.json"

    def score_files(self, run: Run) -> list[Path]:
        return [self.score_file(run)]

    def score(self, run: Run, progress: Progress) -> dict:
        """Validation scores: best errors, variance, energy score; of what is learned, its cost."""
        draw, about = self.sampler(run, "valid", progress)
        each = score_samples(draw, self.fields(run.task)["valid"].x_g[:VALID])
        found = {
            f"best_error_{k}": float(each["best_error"][:, COUNTS.index(k)].mean())
            for k in (3, 100)
        }
        found |= {name: float(each[name].mean()) for name in ("variance", "energy_score")}
        found |= {"n_valid": len(each["variance"])}
        if self.is_learned(run):
            settings = entry_of(run.method).training(self.settings(run.task, run.method))
            found |= {"steps": settings.steps, "seconds": round(about["seconds"], 1)}
            best = best_row(self.history(run))
            found |= {name: value for name, value in best.items() if name.startswith("valid_kl_")}
            found |= {"parameters": sum(p.numel() for p in self.model(run).parameters())}
        return found


def make(pairs: list[tuple[Trial, Run]], cluster: "Cluster | None") -> None:
    """Train and score what is missing of these trials, side by side."""
    missing = [(store, run) for store, run in pairs if store.steps(run)]
    progress = Progress(sum(store.steps(run) for store, run in missing))
    try:
        score_pairs(missing, progress, cluster)
    finally:
        progress.close()


def judged(rows: list[dict]) -> list[dict]:
    """The rows of one task with what they are chosen by, ordered by method and by that."""
    nn, marginal = rows[0], rows[1]
    for row in rows:
        row["criterion"] = (
            row["best_error_100"] / nn["best_error_100"]
            + row["energy_score"] / marginal["energy_score"]
        )
    order = list(dict.fromkeys(row["method"] for row in rows))
    return sorted(rows, key=lambda row: (order.index(row["method"]), row["criterion"]))
