"""Every speed that the project states, measured: `results/speed.csv`.

    cdvae bench all --against b3b4961

One thread, and seconds of the processor. What is compared with another commit takes turns with it
in one run (a worktree of it, in processes of its own), and the best of each counts.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch

from cdvae.data.fields import SIZE, TASKS
from cdvae.methods import method, rows
from cdvae.model import Batch
from cdvae.report.results import write_csv
from cdvae.runs.settings import load_profile
from cdvae.studies import timing
from cdvae.studies.speed import matrix_product_rate, operations_per_image
from cdvae.tools.device import one_thread
from cdvae.tools.errors import Failed
from cdvae.tools.files import output_root
from cdvae.tools.provenance import git, processor

ROUNDS = 2
COMPARED = ("mdn4", "cdvae-spatial")  # trainings that are compared with another commit's
REFERENCE_INTRINSIC = 15.0  # seconds for a photo of 256², Bell et al.'s program
COLUMNS = ["what", "unit", "value", "against", "ratio", "threads", "processor", "commit"]

Row = tuple[str, str, float, float, float]  # what, unit, value, against, ratio


def run(commit: str) -> Path:
    """Measure everything against that commit; returns the file."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / "there"
        if git("worktree", "add", "--detach", str(there), commit) is None:
            raise Failed(f"no commit {commit} here: give --against one that `git log` shows")
        try:
            with one_thread():
                found = [*floors(), *draws(), *intrinsic(), *compared(there, commit), *embedding()]
        finally:
            git("worktree", "remove", "--force", str(there))
    return write(found)


def write(found: list[Row]) -> Path:
    """The rows with where they were measured, as results/speed.csv."""
    path = output_root() / "results" / "speed.csv"
    about = (1, processor(), git("rev-parse", "--short", "HEAD"))
    numbers = [(what, unit, *(float(f"{x:.4g}") for x in rest)) for what, unit, *rest in found]
    write_csv(pd.DataFrame([(*row, *about) for row in numbers], columns=COLUMNS), path)
    return path


def floors() -> Iterator[Row]:
    """Operations of a training step, and its speed as a share of what matrix products allow."""
    rate = matrix_product_rate(torch.device("cpu"))
    yield "matrix product, 2048²", "GFLOP/s", rate / 1e9, float("nan"), float("nan")
    profile, task = load_profile("quick").of("relighting"), TASKS["relighting"]
    batch = Batch(*timing.examples(timing.BATCH))
    for name, entry in rows().items():
        if not entry.is_learned or not entry.serves(task.name) or entry.kind == "variant":
            continue
        operations = operations_per_image(method(name).build(task, profile), batch)
        yield f"{name}: a training image", "MFLOP", operations / 1e6, float("nan"), float("nan")
        floor, reached = operations / rate, 1 / timing.training(name)
        yield f"{name}: a training image, floor", "s", reached, floor, floor / reached


def compared(there: Path, commit: str) -> Iterator[Row]:
    """Training and nearest neighbour here and in a worktree of that commit, by turns."""
    for name in COMPARED:
        here, other = by_turns(there, "training", name)
        here, other = (max(each["value"] for each in values) for values in (here, other))
        yield f"{name}: training, and at {commit}", "images/s", here, other, here / other
    here, other = by_turns(there, "neighbours")
    for part, unit in (("value", "s"), ("megabytes", "MB")):
        ours, theirs = (min(each[part] for each in values) for values in (here, other))
        yield f"nearest neighbour among 80,000, and at {commit}", unit, ours, theirs, theirs / ours


def by_turns(there: Path, *what: str) -> tuple[list[dict], list[dict]]:
    """A timing of this commit and of another, ROUNDS each: A B A B."""
    turns = [(timed(Path(__file__).parents[2], *what), timed(there, *what)) for _ in range(ROUNDS)]
    here, other = zip(*turns, strict=True)
    return list(here), list(other)


def timed(tree: Path, *what: str) -> dict[str, float]:
    """What `timing` prints for a tree."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-W", "ignore", timing.__file__, *what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tree)
    if done.returncode:
        raise Failed(f"timing of {' '.join(what)} at {tree} failed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


def embedding() -> Iterator[Row]:
    """The embedding of 80,000 fields of 3,072 values in a code of 64."""
    found = timed(Path(__file__).parents[2], "embedding")
    for part, unit, most in (("value", "s", 60.0), ("megabytes", "MB", 3072.0)):
        yield "LPP of 80,000 fields", unit, found[part], most, most / found[part]


def draws() -> Iterator[Row]:
    """A draw of CDVAE-spatial beside one of flow matching, of a hundred for one input."""
    profile, task = load_profile("quick").of("relighting"), TASKS["relighting"]
    x_c, least = torch.rand(1, task.channels_c, SIZE, SIZE), {}
    for name in ("cdvae-spatial", "fm"):
        model = method(name).build(task, profile).eval()
        least[name] = 10 * shortest(lambda: model.sample(x_c, 100))  # noqa: B023  # ms a draw
    ours, theirs = least.values()
    what = f"a draw of cdvae-spatial, of fm in {profile.fm.evaluations} evaluations"
    yield what, "ms", ours, theirs, theirs / ours


def intrinsic() -> Iterator[Row]:
    """An intrinsic image of 256², beside the reference implementation's stated time."""
    from cdvae.data.photos.intrinsic import decompose

    photo = timing.examples(1)[0].repeat_interleave(8, 2).repeat_interleave(8, 3).clamp(0, 1)
    seconds = shortest(lambda: decompose(photo))
    reference = REFERENCE_INTRINSIC
    yield "intrinsic image of 256²", "s", seconds, reference, reference / seconds


def shortest(action: Callable[[], object]) -> float:
    """The least seconds of the processor that an action takes, of ROUNDS after a first."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times[1:])
