"""Every speed that the project states, measured: `results/speed.csv`.

    cdvae bench all --against b3b4961
    cdvae bench all --parts draws intrinsic     # these rows anew; each row names its commit

One thread, and seconds of the processor. What is compared with another commit takes turns with it
in one run (a worktree of it, in processes of its own), and the best of each counts.

What was tried and is not in the code, since it does not pay: bfloat16 by autocast (the part
`precision` measures it), channels-last convolutions (0.98 times the images/s of mdn4 and of
cdvae-spatial, the best of three turns), and `torch.compile`, whose preparations had not ended
after 25 seconds of the processor. Fewer steps cost quality: with half of them, at the same rate of
learning or at twice that, gauss and mdn4 have 7 to 10 % more best error and 2 % more energy score
in resaturation (three seeds, validation examples of the built-in world); with three quarters at one
and a half times the rate, 4 to 6 % and 1 %.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from cdvae.data.fields import SIZE, TASKS
from cdvae.methods import method, rows
from cdvae.model import Batch
from cdvae.report.results import write_csv
from cdvae.runs.settings import load_profile
from cdvae.studies import memory, timing
from cdvae.studies.speed import operations_per_image
from cdvae.studies.speed_of_commands import printed, reproduction
from cdvae.tools.device import one_thread
from cdvae.tools.errors import Failed
from cdvae.tools.files import output_root
from cdvae.tools.provenance import git, processor

HERE = Path(__file__).parents[2]
ROUNDS = 2
TURNS = {"quick": 1, "smoke": 2}  # of whole reproductions
COMPARED = ("mdn4", "cdvae-spatial")  # trainings that are compared with another commit's
MOST_MEMORY = 4096.0  # MB
SECONDS = {  # what they took before, and what is aimed at: a minute for each of two layers
    "making 122,000 scenes": 242.0,
    "embedding 80,000 labelled photos and their mirror images": 120.0,
}
REFERENCE_INTRINSIC = 15.0  # seconds for a photo of 256², Bell et al.'s program
COLUMNS = ["what", "unit", "value", "against", "ratio", "threads", "processor", "commit"]

Row = tuple[str, str, float, float, float]  # what, unit, value, against, ratio


def run(commit: str, parts: list[str] | None = None) -> Path:
    """Measure these of PARTS, by default all, against that commit; returns the file."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        there = Path(folder) / "there"
        if not {"training", "neighbours", "quick", "smoke"}.isdisjoint(parts or PARTS):
            if git("worktree", "add", "--detach", str(there), commit) is None:
                raise Failed(f"no commit {commit} here: give --against one that `git log` shows")
            stack.callback(git, "worktree", "remove", "--force", str(there))
        stack.enter_context(one_thread())
        for name in parts or PARTS:
            for row in PARTS[name](there, commit):
                print(f"{row[0]}: {row[2]:.4g} {row[1]}", flush=True)
                write([row])  # what is measured is kept, should a later one fail
    return table_file()


def table_file() -> Path:
    return output_root() / "results" / "speed.csv"


def write(found: list[Row]) -> Path:
    """The rows with where they were measured, in results/speed.csv, where others stay."""
    path, same = table_file(), ["what", "unit"]
    about = (1, processor(), git("rev-parse", "--short", "HEAD"))
    numbers = [(what, unit, *(float(f"{x:.4g}") for x in rest)) for what, unit, *rest in found]
    table = pd.DataFrame([(*row, *about) for row in numbers], columns=COLUMNS)
    if path.exists():
        before = pd.read_csv(path)
        anew = before.set_index(same).index.isin(table.set_index(same).index)
        table = pd.concat([before[~anew], table])
    write_csv(table, path)
    return path


def floors(*_) -> Iterator[Row]:
    """Operations of a training step, and its speed as a share of what matrix products allow."""
    a, b = torch.randn(2, 2048, 2048)
    rate = 2 * 2048**3 / shortest(lambda: a @ b)
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


def trainings(there: Path, commit: str) -> Iterator[Row]:
    """Training here and in a worktree of that commit, by turns."""
    for name in COMPARED:
        here, other = map(fastest, by_turns(HERE, ["training", name], there, ["training", name]))
        yield f"{name}: training, and at {commit}", "images/s", here, other, here / other


def precision(*_) -> Iterator[Row]:
    """Training in bfloat16 and in float32, by turns."""
    for name in COMPARED:
        ways = (["training", name, kind] for kind in ("bfloat16", "float32"))
        ours, plain = map(fastest, by_turns(HERE, next(ways), HERE, next(ways)))
        yield f"{name}: training in bfloat16, and in float32", "images/s", ours, plain, ours / plain


def peers(*_) -> Iterator[Row]:
    """JMVAE in this loop and the same network in another library's, by turns."""
    if find_spec("multivae") is None:
        print("the part peers is left out: pip install multivae")
        return
    ours, theirs = map(fastest, by_turns(HERE, ["training", "jmvae"], HERE, ["peer", "jmvae"]))
    yield "jmvae: training, and in the trainer of multivae", "images/s", ours, theirs, ours / theirs


def neighbours(there: Path, commit: str) -> Iterator[Row]:
    """Nearest neighbour here and in a worktree of that commit, once: one takes minutes."""
    here, other = (timed(tree, "neighbours") for tree in (HERE, there))
    for part, unit in (("value", "s"), ("megabytes", "MB")):
        ours, theirs = here[part], other[part]
        yield f"nearest neighbour among 80,000, and at {commit}", unit, ours, theirs, theirs / ours


def reproductions(profile: str, there: Path, commit: str) -> Iterator[Row]:
    """`cdvae reproduce` from nothing, there and here by turns: by the clock, on all cores."""
    turns = [[reproduction(tree, profile) for tree in (there, HERE)] for _ in range(TURNS[profile])]
    other, here = map(min, zip(*turns, strict=True))
    yield f"{profile} from nothing, and at {commit}", "s", here, other, here / other


def by_turns(
    a: Path, what_a: list[str], b: Path, what_b: list[str]
) -> tuple[list[dict], list[dict]]:
    """Timings of two trees, ROUNDS each: A B A B."""
    turns = [(timed(a, *what_a), timed(b, *what_b)) for _ in range(ROUNDS)]
    here, other = zip(*turns, strict=True)
    return list(here), list(other)


def fastest(timings: list[dict]) -> float:
    return max(each["value"] for each in timings)


def timed(tree: Path, *what: str) -> dict[str, float]:
    """What `timing` prints for a tree."""
    return printed([timing.__file__, *what], tree)


def embedding(*_) -> Iterator[Row]:
    """The embedding of 80,000 fields of 3,072 values in a code of 64."""
    found = timed(HERE, "embedding")
    for part, unit, most in (("value", "s", 60.0), ("megabytes", "MB", 3072.0)):
        yield "LPP of 80,000 fields", unit, found[part], most, most / found[part]


def memories(steps: Callable[[], dict[str, tuple]], *_) -> Iterator[Row]:
    """The largest memory of these steps at the paper's sizes."""
    with tempfile.TemporaryDirectory() as folder:

        def taken(*step: object) -> dict[str, float]:
            what = ["-m", "cdvae.studies.memory", *map(str, step)]
            return printed(what, HERE, CDVAE_CACHE=folder)

        for step in memory.laid():
            taken(*step)
        for what, step in steps().items():
            found = taken(*step)
            most = MOST_MEMORY / found["megabytes"]
            yield f"memory: {what}", "MB", found["megabytes"], MOST_MEMORY, most
            if what in SECONDS:
                yield what, "s", found["value"], SECONDS[what], SECONDS[what] / found["value"]


def draws(*_) -> Iterator[Row]:
    """A draw of CDVAE-spatial beside one of flow matching, of a hundred for one input."""
    profile, task = load_profile("quick").of("relighting"), TASKS["relighting"]
    x_c, least, operations = torch.rand(1, task.channels_c, SIZE, SIZE), {}, {}
    for name in ("cdvae-spatial", "fm"):
        model = method(name).build(task, profile).eval()
        least[name] = 10 * shortest(lambda: model.sample(x_c, 100))  # noqa: B023  # ms a draw
        with FlopCounterMode(display=False) as counter:
            model.sample(x_c, 100)
        operations[name] = counter.get_total_flops() / 100 / 1e6
    what = f"a draw of cdvae-spatial, of fm in {profile.fm.evaluations} evaluations"
    ours, theirs = least.values()
    yield what, "ms", ours, theirs, theirs / ours
    ours, theirs = operations.values()
    yield f"operations of {what}", "MFLOP", ours, theirs, theirs / ours


def intrinsic(*_) -> Iterator[Row]:
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


PARTS = {
    "floors": floors,
    "draws": draws,
    "intrinsic": intrinsic,
    "training": trainings,
    "precision": precision,
    "peers": peers,
    "neighbours": neighbours,
    "embedding": embedding,
    "quick": partial(reproductions, "quick"),
    "smoke": partial(reproductions, "smoke"),
    "memory": partial(memories, memory.steps),
    "memory-learned": partial(memories, memory.learned),
}
