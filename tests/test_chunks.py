"""Mapping over files: resumes after a kill, survives the death of a worker, stays small."""

import os
import signal
import subprocess
import sys
import time
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cdvae.tools.chunks import gather

SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from functools import partial
from cdvae.tools.chunks import gather

def work(log, item):
    with open(log, "a") as file:
        file.write(item + "\\n")
    time.sleep(0.02)
    return {"x": np.full((2, 3), int(item))}

if __name__ == "__main__":
    folder, log = map(Path, sys.argv[1:])
    done = gather(partial(work, log), [str(i) for i in range(120)], folder, chunk=10, workers=2)
    print(int(done.load("x").sum()), len(done.rows))
"""


def squares(item: str) -> dict[str, np.ndarray]:
    """`item` rows of its square; some items have a fault."""
    number = int(item)
    if number % 10 == 7:
        raise ValueError("unlucky")
    if number == 4:
        raise FileNotFoundError(2, "No such file", "somewhere")
    if number == 25:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": np.full((number % 3, 2), number**2, np.int64)}


def heavy(megabytes: int, item: str) -> dict[str, np.ndarray]:
    return {"x": np.zeros((1, megabytes << 20), np.uint8)}


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_in_order_and_failures_have_names(tmp_path, workers):
    items = [str(i) for i in range(40) if workers == 2 or i != 25]
    done = gather(squares, items, tmp_path, chunk=16, workers=workers)
    good = [i for i in map(int, items) if i % 10 != 7 and i not in (4, 25)]
    assert done.rows == tuple(str(i) for i in good for _ in range(i % 3))
    assert done.load("square")[:, 0].tolist() == [i**2 for i in good for _ in range(i % 3)]
    expected = {"4": "No such file", **{str(i): "unlucky" for i in (7, 17, 27, 37)}}
    if workers == 2:
        expected["25"] = "the process that read it died"
    assert done.failed == expected
    assert gather(squares, items, tmp_path, chunk=16, workers=1) == done  # nothing is done twice


def test_bugs_pass_through(tmp_path):
    with pytest.raises(AssertionError, match="differ in length"):
        gather(ragged, ["a"], tmp_path, workers=1)


def ragged(item: str) -> dict[str, np.ndarray]:
    return {"x": np.zeros(1), "y": np.zeros(2)}


def test_enough_stops_early(tmp_path):
    done = gather(partial(heavy, 0), [str(i) for i in range(50)], tmp_path, chunk=4, enough=9)
    assert len(done.rows) == 12 and len(list(tmp_path.iterdir())) == 3


def test_a_damaged_chunk_is_redone(tmp_path):
    items = [str(i) for i in range(20)]
    before = gather(squares, items, tmp_path, chunk=8, workers=1)
    before.files[1].write_bytes(before.files[1].read_bytes()[:50])
    after = gather(squares, items, tmp_path, chunk=8, workers=1)
    assert after == before and after.load("square")[-1, 0] == 19**2


def test_memory_does_not_grow_with_the_number_of_items(tmp_path):
    def peak(count: int) -> int:
        tracemalloc.start()
        items = [str(i) for i in range(count)]
        gather(partial(heavy, 1), items, tmp_path / str(count), chunk=8, workers=1)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(80) < 1.2 * peak(16)


def test_a_kill_in_the_middle_loses_only_the_current_chunk(tmp_path):
    script, folder, log = tmp_path / "script.py", tmp_path / "chunks", tmp_path / "log"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder), str(log)]
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    until(lambda: len(list(folder.glob("chunk-*"))) >= 3)
    running.kill()  # SIGKILL: nothing can be tidied up
    running.communicate()
    until(lambda: still_for(log, 0.3))  # the workers have ended too
    kept = 10 * len(list(folder.glob("chunk-*")))
    assert 30 <= kept < 120
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout.split() == [str(6 * sum(range(120))), "240"]
    lines = log.read_text().split()
    twice = {item for item in lines if lines.count(item) > 1}
    assert len(set(lines)) == 120 and len(twice) <= 10
    assert all(int(item) >= kept for item in twice)


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def still_for(path: Path, seconds: float) -> bool:
    before = path.stat().st_size
    time.sleep(seconds)
    return path.stat().st_size == before
