"""Kill `cdvae reproduce` again and again, and compare its end with that of a run left in peace.

    python tests/kill_suite.py --kills 100

Each run is killed (SIGKILL, the whole process group) at a random moment, half of them while
notebooks and figures are written; between runs random files of the cache are deleted. After
every twenty kills the run is let end: every result file must be equal to the bit but for times, and
nothing may be left behind. The count so far goes to results/reliability.csv.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parent / "fuzz"))

ASKED = "reproduce --profile smoke --tasks resaturation --methods nn gauss mdn4".split()
TIMES = re.compile(r"seconds|memory|per_second|circumstances|peak")  # names of what may differ
ROUND = 20  # kills before a run is let end
LATEST = 30.0  # seconds from the start, or from the first notebook, in which a run is killed
LEFT_BEHIND = re.compile(r"\..*-cdvae|.*\.failed\.ipynb|\.unpacking-.*")


def environment(folder: Path) -> dict[str, str]:
    """Where a run keeps its things: nothing outside the folder."""
    places = {"CDVAE_CACHE": folder / "cache", "CDVAE_OUTPUT": folder / "out"}
    places |= {"TMPDIR": folder / "tmp"}
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    return os.environ | {name: str(place) for name, place in places.items()}


def started(folder: Path, log) -> subprocess.Popen:
    command = [sys.executable, "-m", "cdvae.cli", *ASKED]
    return subprocess.Popen(
        command,
        env=environment(folder),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def finish(run: subprocess.Popen, folder: Path) -> None:
    """Wait for the end of a run, which must be a good one."""
    code = run.wait(3600)
    assert code == 0, (folder / "log").read_text()


def killed(folder: Path, seconds: float, is_late: bool) -> list[psutil.Process]:
    """Run, and kill after so many seconds; if late, counted from the first notebook on.

    Returns the processes that were there and are not of the killed group.
    """
    with open(folder / "log", "w+") as log:
        run = started(folder, log)
        while is_late and run.poll() is None and not notebooks_begun(folder):
            time.sleep(0.05)
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        others = psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []
        try:
            os.killpg(run.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        run.wait()
    return others


def notebooks_begun(folder: Path) -> bool:
    """Whether a notebook is being written, or has been."""
    return any((folder / "out").rglob("*.ipynb"))


def delete_some(folder: Path, chance: random.Random) -> int:
    """Delete a few random files of the cache."""
    files = [path for path in sorted((folder / "cache").rglob("*")) if path.is_file()]
    gone = chance.sample(files, min(len(files), chance.randrange(4)))
    for path in gone:
        path.unlink()
    return len(gone)


def results_of(folder: Path) -> dict[str, object]:
    """What every result file holds, but for times and what a machine was like."""
    found = {}
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = content_of(path)
    return found


def content_of(path: Path) -> object:
    if path.suffix == ".json":
        return timeless(json.loads(path.read_text()))
    if path.suffix == ".ipynb":
        return [
            (cell["source"], pictures_of(cell)) for cell in json.loads(path.read_text())["cells"]
        ]
    return path.read_bytes()


def pictures_of(cell: dict) -> list[str]:
    """The pictures that a cell shows; its texts tell times and folders."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [each[kind] for each in data for kind in sorted(each) if kind.startswith("image/")]


def timeless(tree: object) -> object:
    if isinstance(tree, dict):
        return {name: timeless(each) for name, each in tree.items() if not TIMES.search(name)}
    return [timeless(each) for each in tree] if isinstance(tree, list) else tree


def left_behind(folder: Path) -> list[str]:
    """Temporary files that nobody swept."""
    found = [str(path) for path in folder.rglob("*") if LEFT_BEHIND.match(path.name)]
    others = [path for path in (folder / "tmp").iterdir() if "torchinductor" not in path.name]
    return found + [str(path) for path in others]  # torch leaves a folder of its own


def differences(folder: Path, same: dict[str, object]) -> list[str]:
    """What a run left that the run in peace did not, or the other way round."""
    ours = results_of(folder)
    return [name for name in same.keys() | ours.keys() if same.get(name) != ours.get(name)]


def a_round(war: Path, kills: int, chance: random.Random, until: float) -> Counter:
    """Kill a reproduction so many times, from an empty folder on, and let it end; the counts."""
    counts = Counter()
    while counts["tried"] < kills and time.time() < until:
        is_late = counts["tried"] % 2 == 1
        seconds = chance.uniform(0, LATEST)
        others = killed(war, seconds, is_late)
        _, alive = psutil.wait_procs(others, timeout=20)
        counts["failed"] += bool(alive)
        counts["tried"] += 1
        deleted = delete_some(war, chance)
        print(
            f"kill {counts['tried']} after {seconds:.1f} s{' of notebooks' * is_late}, "
            f"{deleted} files deleted, {len(alive)} processes left",
            flush=True,
        )
    finish(started(war, open(war / "log", "w")), war)
    return counts


def suite(kills: int, seed: int, until: float, note: Callable[[Counter], None]) -> Counter:
    """So many kills, or as many as there is time for, in rounds that each begin with nothing and
    end with a whole reproduction; the counts, noted after every round."""
    chance, counts = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory(prefix="cdvae-kills-") as place:
        peace = Path(place, "peace")
        peace.mkdir()
        begin = time.time()
        finish(started(peace, open(peace / "log", "w")), peace)
        print(f"left in peace it takes {time.time() - begin:.0f} s", flush=True)
        same = results_of(peace)
        while counts["tried"] < kills and time.time() < until:
            war = Path(place, f"war{counts['tried']}")
            war.mkdir()
            found = a_round(war, min(ROUND, kills - counts["tried"]), chance, until)
            wrong = differences(war, same) + left_behind(war)
            print("\n".join(["different or left behind:", *wrong] if wrong else ["all equal"]))
            counts["tried"] += found["tried"]
            counts["failed"] += found["tried"] if wrong else found["failed"]
            counts["survived"] = counts["tried"] - counts["failed"]
            note(counts)
            shutil.rmtree(war)
    return counts


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--minutes", type=float, default=1000, help="stop killing after so many")
    options.add_argument("--dry", action="store_true", help="write no figures")
    asked = options.parse_args()
    from reliability import note

    what = f"kills of cdvae {' '.join(ASKED)}"
    write = (lambda counts: None) if asked.dry else partial(note, what)
    counts = suite(asked.kills, asked.seed, time.time() + 60 * asked.minutes, write)
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
