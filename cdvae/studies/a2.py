"""A.2's network at its own size, trained for as long as there is time, with its learning curve.

    cdvae study a2 --minutes 30

trains the network of the profile `paper` on moving shapes (128 × 128, 3,200 numbers of code) with
its own settings, from where the last call stopped, and writes `learning.csv` and `learning.json` to
`results/<profile>/shapes/`. The schedules are those of the whole training, of which half an hour on
one core is the very beginning: the weight of the KL term rises over four fifths of its steps. A
training that was stopped goes on to the same bits as one that was not.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics.experiment import FrameExperiment
from cdvae.dynamics.futures import Known, own_codes, still
from cdvae.dynamics.pairs import SCALE, FramePairs
from cdvae.dynamics.rows import OURS
from cdvae.dynamics.scoring import judged
from cdvae.methods.crossconv import CrossConv
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.device import one_thread
from cdvae.tools.errors import InputError
from cdvae.tools.files import atomic, cache_root, is_whole, key_of, write_json
from cdvae.tools.progress import Progress
from cdvae.tools.provenance import circumstances, peak_memory_mb
from cdvae.training import Descent, check_finite, mean_loss

RUN = Run("motion", OURS, 0)
EVERY = 4  # steps between two looks at the validation pairs
N_VALID = 32  # of these: a look costs a tenth of what the steps cost
DAY = 86_400  # seconds


class Course(NamedTuple):
    """A training under way."""

    model: CrossConv
    descent: Descent
    rows: list[dict[str, float]]  # of the learning curve


def begun(experiment: FrameExperiment, train: FramePairs, path: Path) -> Course:
    """The training as the last call left it; without one, as it begins."""
    torch.manual_seed(RUN.seed)
    model = experiment.untrained(RUN)
    model.standardise(*train.batch(slice(0, SCALE))[:2])
    settings = experiment.settings.training
    if not is_whole(path):
        return Course(model, Descent(model, settings), [])
    with safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name).to(experiment.device) for name in file.keys()}
        rows = json.loads(file.metadata()["rows"])
    optimiser = {name: found.pop(f"optimiser.{name}") for name in ("exp_avg", "exp_avg_sq", "step")}
    rate = float(found.pop("learning_rate"))
    model.load_state_dict(found)
    descent = Descent(model, settings)
    descent.optimiser.state[descent.weights] = optimiser
    descent.optimiser.param_groups[0]["lr"] = rate
    descent.step = descent.schedule.last_epoch = rows[-1]["step"]
    return Course(model, descent, rows)


def keep(course: Course, path: Path) -> None:
    """Write the weights, the optimiser's state and the curve, from which the next call goes on."""
    tensors = {name: part.contiguous() for name, part in course.model.state_dict().items()}
    state = course.descent.optimiser.state[course.descent.weights]
    tensors |= {f"optimiser.{name}": part for name, part in state.items()}
    rate = course.descent.optimiser.param_groups[0]["lr"]
    tensors["learning_rate"] = torch.tensor(rate, dtype=torch.float64)
    with atomic(path) as temporary:
        tensors = {name: part.clone() for name, part in tensors.items()}  # weights share a vector
        save_file(tensors, temporary, metadata={"rows": json.dumps(course.rows)})


def batch_of(step: int, n: int, size: int) -> Tensor:
    """The rows of a step's batch: full batches in an order of their own each time all n are seen.

    It hangs on the step alone, so that a training can be stopped.
    """
    turn, place = divmod(step, max(1, n // size))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(RUN.seed + turn))
    return order[place * size : (place + 1) * size]


def advance(course: Course, train: FramePairs, valid: FramePairs, until: int) -> None:
    """Train to the step `until`, look at the validation pairs, and add a row to the curve.

    Terms are in nats per pair: those of training the means of these steps, those of validation at
    full weight of the KL term. explained: the share of the squared difference, given the answer.
    """
    model, descent, found = course.model.train(), course.descent, []
    size, first, beta = descent.settings.batch_size, descent.step, descent.weighing()[0]
    torch.manual_seed(RUN.seed + first)
    start = time.perf_counter()
    while descent.step < until:
        terms = descent.update(train, batch_of(descent.step, len(train), size))
        found.append(torch.stack(list(terms.values())))
    seconds = time.perf_counter() - start + (course.rows[-1]["seconds"] if course.rows else 0.0)
    row = {"step": until, "pairs": until * min(size, len(train)), "seconds": seconds}
    row |= {"kl_weight": beta}
    if found:
        check_finite(list(terms), torch.stack(found), first)
        means = zip(terms, torch.stack(found).mean(0).tolist(), strict=True)
        row |= {f"train_{name}": value for name, value in means}
    row |= looked_at(model.eval(), valid, size)
    course.rows.append(row)


@contextmanager
def normalised_by_batch(model: nn.Module) -> Iterator[None]:
    """Batches are normalised by their own statistics, as in training; nothing is taken from them.

    The running statistics follow ten steps behind, and in the first steps of a training that is
    far: a layer's error is the next one's input, and log-variances are exponents.
    """
    layers = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    before = [each.momentum for each in layers]
    for each in layers:
        each.train().momentum = 0.0
    try:
        yield
    finally:
        for each, momentum in zip(layers, before, strict=True):
            each.eval().momentum = momentum


def looked_at(model: CrossConv, valid: FramePairs, size: int) -> dict[str, float]:
    """The terms of the bound on validation pairs, and the share that is explained."""
    pairs = Pairs(valid.first.cpu(), valid.second.cpu())
    generator = torch.Generator(valid.first.device).manual_seed(RUN.seed)
    known = Known(pairs, lambda: pairs, valid, generator, model)
    with normalised_by_batch(model):
        terms = mean_loss(model, valid, size, RUN.seed)
        left, whole = (judged(draw(known), pairs, 1)[0].sum() for draw in (own_codes, still))
    shares = {"explained": float(1 - left / whole)}
    return {f"valid_{name}": value for name, value in terms.items()} | shares


def account(experiment: FrameExperiment, course: Course, n_valid: int) -> dict[str, Any]:
    """What made the curve, and what the rest would take."""
    last, settings = course.rows[-1], experiment.settings.training
    whole = settings.steps * settings.batch_size
    about = {
        "profile": experiment.profile.name,
        "dynamics": asdict(experiment.settings),
        "data_seed": experiment.profile.data_seed,
        "seed": RUN.seed,
        "n_valid": n_valid,
        "parameters": sum(part.numel() for part in course.model.parameters()),
        "n_code": course.model.sizes.n_code(),
        "circumstances": circumstances(experiment.device),
        "peak_memory_mb": peak_memory_mb(experiment.device),
        "last": last,
    }
    if last["pairs"]:
        each = last["seconds"] / last["pairs"]
        days = {"days_whole": each * whole / DAY, "days_left": each * (whole - last["pairs"]) / DAY}
        about["estimate"] = days | {"seconds_per_pair": each, "share_done": last["pairs"] / whole}
    return about


def run(minutes: float, profile: str = "paper", device: str = "auto") -> Path:
    """Train for that long, or to the end; returns the learning curve's file."""
    if not minutes > 0:
        raise InputError(f"--minutes {minutes}: give more than 0")
    start, experiment = time.perf_counter(), FrameExperiment(load_profile(profile), device)
    key = key_of("under way", EVERY, experiment.model_key(RUN))
    state = cache_root() / "models" / f"{key}.safetensors"
    path = results_folder(profile, "shapes") / "learning.csv"
    progress = Progress(round(60 * minutes))
    with one_thread():
        train, valid = experiment.examples("train"), experiment.examples("valid")
        valid = FramePairs(valid.first[:N_VALID], valid.second[:N_VALID])
        course, took, before = begun(experiment, train, state), 0.0, start
        steps = experiment.settings.training.steps
        while course.descent.step < steps and before - start + took < 60 * minutes:
            until = min(steps, course.descent.step + EVERY) if course.rows else 0
            advance(course, train, valid, until)
            if until:
                keep(course, state)
            write_csv(pd.DataFrame(course.rows), path)
            write_json(path.with_suffix(".json"), account(experiment, course, len(valid)))
            now = time.perf_counter()
            took, before = now - before, now
            row = course.rows[-1]
            said = f"step {row['step']:,} of {steps:,}: loss {row['valid_loss']:,.0f} nats"
            progress.step(f"{said}, explained {row['explained']:.1%}", max(1, round(took)))
    progress.close()
    return path
