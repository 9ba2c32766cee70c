"""Timings of this package or, run as a script with another commit's on the path, of that one.

    PYTHONPATH=<a worktree> python -P timing.py training mdn4

prints a value and the memory that it took. Times are the processor's, on one thread, so that they
do not count what else a machine does meanwhile.
"""

import importlib
import json
import resource
import sys
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.functional import interpolate

STEPS, BATCH = 8, 64
NEIGHBOURS = {"n": 80_000, "n_valid": 2000, "n_test": 10_000}  # a quarter of the paper's
EMBEDDING = {"n": 80_000, "n_code": 64}
SMOOTHINGS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


def examples(n: int, channels: tuple[int, int] = (3, 1), n_code: int = 1) -> tuple[Tensor, ...]:
    """x_c, x_g and empty embedding targets: fields as smooth as photos, with a little noise."""
    generator, made = torch.Generator().manual_seed(n), []
    for count in channels:
        field = torch.empty(n, count, 32, 32)
        for rows in field.split(1000):
            coarse = torch.rand(len(rows), count, 8, 8, generator=generator)
            rows.copy_(interpolate(coarse, size=32, mode="bilinear"))
            rows.add_(torch.randn(rows.shape, generator=generator), alpha=0.02)
        made.append(field)
    return *made, torch.zeros(n, n_code), torch.zeros(n, n_code)


def built(name: str) -> tuple:
    """A method's untrained model at quick sizes, and the settings of its training."""
    methods = importlib.import_module("cdvae.methods")
    task = importlib.import_module("cdvae.data.fields").TASKS["relighting"]
    torch.manual_seed(0)
    if hasattr(methods, "method"):
        profile = importlib.import_module("cdvae.runs.settings").load_profile("quick")
        entry = methods.method(name)
        return entry.build(task, profile), entry.training(profile)
    profile = importlib.import_module("cdvae.config").load_profile("quick")  # until b3b4961
    return methods.untrained(name, task, profile), methods.training_of(name, profile)


def training(name: str, precision: str = "float32", steps: int = STEPS) -> float:
    """Images per second of `steps` steps of a method's training; in bfloat16 by autocast."""
    loop = importlib.import_module("cdvae.training")
    model, settings = built(name)
    rows = loop.Examples(*examples(10 * BATCH))
    descent, index = loop.Descent(model.train(), settings), torch.arange(BATCH)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        descent.update(rows, index)
        start = time.process_time()
        for _ in range(steps):
            descent.update(rows, index)
        return steps * BATCH / (time.process_time() - start)


def neighbours(n: int, n_valid: int, n_test: int) -> float:
    """Seconds to choose the smoothing by n_valid examples among n, and to answer n_test."""
    try:
        room = importlib.import_module("cdvae.methods.neighbours")
    except ImportError:
        room = importlib.import_module("cdvae.neighbours")
    kind = importlib.import_module("cdvae.training").Examples
    train, valid, test = (kind(*examples(count)) for count in (n, n_valid, n_test))
    start = time.process_time()
    model, _ = room.fit_neighbours(train, valid, SMOOTHINGS, ("pixels",), 100)
    for x_c in test.x_c.split(25):
        model.sample(x_c, 100)
    return time.process_time() - start


def embedding(n: int, n_code: int) -> float:
    """Seconds to embed n fields of three channels, as many examples are."""
    many = importlib.import_module("cdvae.runs.embedding_many")
    x = examples(n)[0].numpy()
    start = time.process_time()
    many.embedded(many.Rows(x, None, 0, 1.0, flips=False), n_code)
    return time.process_time() - start


def one_thread() -> AbstractContextManager:
    """As runs compute, where the package says so."""
    torch.set_num_threads(1)
    try:
        return importlib.import_module("cdvae.tools.device").one_thread()
    except (ImportError, AttributeError):  # until b3b4961
        return nullcontext()


def main(what: str, *rest: str) -> dict[str, float]:
    """A timing, and the largest memory of this process in MB."""
    if what == "training":
        value = training(*rest)
    elif what == "peer":
        value = importlib.import_module("cdvae.studies.peer").training(*rest)
    else:
        value = neighbours(**NEIGHBOURS) if what == "neighbours" else embedding(**EMBEDDING)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"value": value, "megabytes": megabytes}


if __name__ == "__main__":
    with one_thread():
        print(json.dumps(main(*sys.argv[1:])))
