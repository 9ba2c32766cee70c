"""What a reproduction would make, how long it would take, and in how much memory: `--dry-run`."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from cdvae.data.fields import SIZE, Task, task_named
from cdvae.methods import method
from cdvae.metrics import COUNTS, score_samples
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import Profile
from cdvae.runs.store import Run
from cdvae.tools.device import one_thread
from cdvae.tools.files import is_whole
from cdvae.tools.progress import spoken
from cdvae.training import Descent, Examples

CALLS = 3  # of what is timed, of which the quickest counts; one, if it takes LONG
LONG = 0.5  # seconds
SCORED = 5  # examples whose scores are timed
FEW, MORE = (
    1000,
    8000,
)  # training examples of which the cost of all is extrapolated, without weights
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

    Seeds of one method cost the same. Searches are extrapolated from those of few examples. Not
    counted are the making of data, the truth's draws, figures and notebooks.
    """
    known: dict[tuple[str, str], tuple[float, float]] = {}
    found = []
    for run in runs:
        trains = experiment.is_learned(run) and not is_whole(experiment.checkpoint(run))
        scores = not experiment.is_scored(run)
        pair = (run.task, run.method)
        if (trains or scores) and pair not in known:
            with one_thread():
                known[pair] = seconds_of(experiment, run)
        step, draw = known.get(pair, (0.0, 0.0))
        steps = method(run.method).training(experiment.settings(run.task, run.method)).steps
        seconds = trains * steps * step + scores * draw
        found.append(Estimate(run, trains, scores, seconds, megabytes(experiment, run)))
    return found


def seconds_of(experiment: Experiment, run: Run) -> tuple[float, float]:
    """Seconds of a step of training, and of scoring the test split."""
    entry, settings = method(run.method), experiment.settings(run.task, run.method)
    n_test = entry.n_scored(settings, experiment.profile.n_test)
    task, device = task_named(run.task), experiment.device
    if not (entry.build or entry.fit):  # the truth
        return 0.0, 0.0
    if not entry.is_learned:
        few, more = (n_test * seconds_of_search(experiment, run, n) for n in (FEW, MORE))
        slope = max(0.0, (more - few) / (MORE - FEW))
        return 0.0, more + slope * max(0, n_used(settings) - MORE)
    code = max(entry.guided_code(settings), 1)
    rows = examples(task, settings.training.batch_size, code, device)
    model = entry.build(task, settings).to(device).train()
    descent = Descent(model, entry.training(settings))
    index = torch.arange(len(rows), device=device)
    step = timed(lambda: descent.update(rows, index), device)
    return step, n_test * seconds_of_scores(model.eval(), rows, device)


def seconds_of_search(experiment: Experiment, run: Run, n_train: int) -> float:
    """Seconds of scoring one test example by a method without weights, given so many examples."""
    entry, task = method(run.method), task_named(run.task)
    train, few = (examples(task, n, 1, experiment.device) for n in (n_train, SCORED))
    sampler, _ = entry.fit(train, few, experiment.settings(run.task, run.method), max(COUNTS))
    return seconds_of_scores(sampler, few, experiment.device)


def seconds_of_scores(sampler: Any, test: Examples, device: torch.device) -> float:
    """Seconds of drawing and scoring the samples of one test example."""
    x_c, x_g = test.x_c[:SCORED], test.x_g[:SCORED]
    each = timed(lambda: score_samples(lambda part, n: sampler.sample(x_c[part], n), x_g), device)
    return each / len(x_g)


def examples(task: Task, n: int, code: int, device: torch.device) -> Examples:
    """Noise of the shapes of n examples."""
    shapes = (task.channels_c, SIZE, SIZE), (task.channels_g, SIZE, SIZE), (code,), (code,)
    return Examples(*(torch.rand(n, *shape, device=device) for shape in shapes))


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that a call takes when nothing else runs: of a processor its own time alone."""
    cuda = device.type == "cuda"
    least = math.inf
    for _ in range(CALLS):
        start = time.perf_counter() if cuda else time.process_time()
        work()
        if cuda:
            torch.cuda.synchronize(device)
        least = min(least, (time.perf_counter() if cuda else time.process_time()) - start)
        if least > LONG:
            break
    return least


def n_used(profile: Profile) -> int:
    """How many training examples are used, without mirror images."""
    return min(profile.n_train, profile.n_used or profile.n_train)


def megabytes(experiment: Experiment, run: Run) -> float:
    """The largest memory of a run's process: its examples and targets, or a batch of samples."""
    profile, task = experiment.settings(run.task, run.method), task_named(run.task)
    n = n_used(profile) * (1 + profile.flips) + profile.n_valid + profile.n_test
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
        f"{len(left)} of {len(found)} runs to make: about {spoken(seconds)} on {n_workers} cores, "
        f"{most:.0f} MB for each process"
    )
    return "\n".join(lines)
