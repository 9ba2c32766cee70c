"""What a reproduction would make, how long it would take, and in how much memory: `--dry-run`."""

import time
from dataclasses import dataclass

import torch

from cdvae.data.fields import SIZE, task_named
from cdvae.methods import method
from cdvae.metrics import COUNTS
from cdvae.runs.experiment import Experiment
from cdvae.runs.store import Run
from cdvae.tools.device import one_thread
from cdvae.training import Descent, Examples

STEPS = 3  # of training that are timed, after one
DRAWN_FOR = 2  # examples whose samples are timed
PROCESS = 500  # MB that a process holds before it has data
AT_ONCE = 25  # examples whose samples are held at a time (`metrics.score_samples`)
COPIES = 6  # of the samples, while they are made and scored


@dataclass(frozen=True)
class Estimate:
    """What is left of a run: seconds of one core, and the largest memory of its process in MB."""

    run: Run
    trains: bool
    scores: bool
    seconds: float
    megabytes: float


def estimates(experiment: Experiment, runs: list[Run]) -> list[Estimate]:
    """What is left of these runs, by timing a few steps and draws of untrained models here.

    Seeds of one method cost the same. Nearest neighbour's search is estimated from its size.
    """
    known: dict[tuple[str, str], tuple[float, float]] = {}
    found = []
    for run in runs:
        trains = experiment.is_learned(run) and not experiment.checkpoint(run).exists()
        scores = not experiment.is_scored(run)
        pair = (run.task, run.method)
        if (trains or scores) and pair not in known:
            with one_thread():
                known[pair] = seconds_of(experiment, run)
        step, draw = known.get(pair, (0.0, 0.0))
        steps = method(run.method).training(experiment.settings(run.task)).steps
        seconds = trains * steps * step + scores * draw
        found.append(Estimate(run, trains, scores, seconds, megabytes(experiment, run)))
    return found


def seconds_of(experiment: Experiment, run: Run) -> tuple[float, float]:
    """Seconds of a step of training, and of scoring the test split."""
    entry, settings = method(run.method), experiment.settings(run.task)
    n_test = entry.n_scored(settings, experiment.profile.n_test)
    task, n = task_named(run.task), settings.training.batch_size
    if not entry.is_learned:
        products = n_test * experiment.profile.n_train * task.channels_c * SIZE**2
        return 0.0, products / 2e9 + n_test * 0.005
    code = max(entry.guided_code(settings), 1)
    shapes = (task.channels_c, SIZE, SIZE), (task.channels_g, SIZE, SIZE), (code,), (code,)
    rows = Examples(*(torch.rand(n, *shape, device=experiment.device) for shape in shapes))
    model = entry.build(task, settings).to(experiment.device).train()
    descent, index = Descent(model, entry.training(settings)), torch.arange(n)
    descent.update(rows, index)
    start = time.perf_counter()
    for _ in range(STEPS):
        descent.update(rows, index)
    middle = time.perf_counter()
    model.eval().sample(rows.x_c[:DRAWN_FOR], max(COUNTS))
    end = time.perf_counter()
    return (middle - start) / STEPS, n_test * (end - middle) / DRAWN_FOR


def megabytes(experiment: Experiment, run: Run) -> float:
    """The largest memory of a run's process: its examples and targets, or a batch of samples."""
    profile, task = experiment.settings(run.task), task_named(run.task)
    n_train = min(profile.n_train, profile.n_used or profile.n_train) * (1 + profile.flips)
    n = n_train + profile.n_valid + profile.n_test
    field = 4 * SIZE**2 / 1e6
    examples = n * (task.channels_c + task.channels_g) * field
    samples = COPIES * AT_ONCE * max(COUNTS) * task.channels_g * field
    return PROCESS + examples + samples


def report(found: list[Estimate], n_workers: int) -> str:
    """What would be made, a line a run, and the sum."""
    lines = []
    for each in found:
        what = " and ".join(["train"] * each.trains + ["score"] * each.scores) or "is done"
        cost = f"{each.seconds:8.0f} s {each.megabytes:6.0f} MB" if each.scores else ""
        lines.append(f"{each.run!s:32s} {what:16s} {cost}".rstrip())
    left = [each for each in found if each.trains or each.scores]
    seconds = sum(each.seconds for each in left) / max(1, min(n_workers, len(left)))
    most = max((each.megabytes for each in left), default=0)
    lines.append(
        f"{len(left)} of {len(found)} runs to make: about {seconds / 60:.1f} minutes on "
        f"{n_workers} cores, {most:.0f} MB for each process"
    )
    return "\n".join(lines)
