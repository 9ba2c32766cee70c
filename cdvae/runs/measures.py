"""The scores by name: what each one is, in which unit, and how tables show it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cdvae.data.fields import Task
from cdvae.tools.files import InputError
from cdvae.tools.registry import entries, register


@dataclass(frozen=True)
class Metric:
    """A score of samples.

    label: what tables call it. unit: "unit" and "unit²" stand for that of the task's field,
    anything else for itself. scale: 100 where tables show it × 10⁻²; digits: how many then stand
    behind the point.
    smaller_is_better: None where neither is better. compared: whether pairs of methods are
    (comparisons.csv). of: of a score of one's own, the function of samples (batch, n, C, 32, 32)
    and truth (batch, C, 32, 32) that gives a value for each example (batch,); those of
    `metrics.score_samples` have none.
    """

    name: str
    label: str
    unit: str = "1"
    scale: float = 1.0
    digits: int = 2
    smaller_is_better: bool | None = True
    compared: bool = False
    of: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def head(self) -> str:
        """The head of its column where it is scaled."""
        return self.label + ", × 10⁻²" * (self.scale == 100)

    @property
    def unscaled_digits(self) -> int:
        """Digits behind the point where it is not scaled."""
        return self.digits + 2 * (self.scale == 100)

    def unit_of(self, task: Task) -> str:
        """Its unit for a task's field."""
        return self.unit.replace("unit", task.unit)


for each in (
    Metric("best_error", "best error of 100", "unit²", 100, compared=True),
    Metric("best_error_l1", "mean absolute error of the best of 100", "unit", 100),
    Metric("variance", "variance", "unit²", 100, 2, False, compared=True),
    Metric("energy_score", "energy score", "unit", compared=True),
    Metric("crps", "CRPS", "unit", 100),
    Metric("variogram_score", "variogram score", "unit", 100),
    Metric("rank_deviation", "rank deviation", "1", digits=3),
    Metric("mode_coverage", "modes found", "1", 1, 3, smaller_is_better=False),
    Metric("mode_frequency_error", "mode frequency error", "1", 1, 3),
):
    register(each)


def metrics() -> dict[str, Metric]:
    """Every score by name, the built-in ones first."""
    return entries(Metric)


def metric(name: str) -> Metric:
    """The score of that name; raises InputError for an unknown one."""
    if name not in metrics():
        raise InputError(f"unknown metric '{name}': choose from {', '.join(metrics())}")
    return metrics()[name]


def compared() -> list[str]:
    """The scores that pairs of methods are compared by."""
    return [name for name, each in metrics().items() if each.compared]


def own_metrics() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The functions of the scores that a user has registered."""
    return {name: each.of for name, each in metrics().items() if each.of}
