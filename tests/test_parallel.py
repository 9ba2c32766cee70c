"""What stands around runs of several stores: their data are made once, and not held for long."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
import torch

from cdvae.runs import parallel
from cdvae.runs.store import Run
from cdvae.tools.progress import Progress

RUN = Run("relighting", "gauss", 0)


class Puppet:
    """A store whose data are a file that all of a folder share."""

    profile = SimpleNamespace(tables={})

    def __init__(self, folder, device: str):
        self.data, self.device, self.held = folder / "data", torch.device(device), False

    def data_files(self, run: Run) -> list:
        return [self.data]

    def prepare(self, runs: list[Run]) -> None:
        self.data.write_text(self.data.read_text() + "x" if self.data.exists() else "x")
        self.held = True

    def forget(self) -> None:
        self.held = False

    def scores(self, run: Run, progress: Progress) -> None:
        self.held = True

    def is_learned(self, run: Run) -> bool:
        return run.method != "nn"


class Crew:
    """Workers who have done at once what they are given; notes what they find."""

    found: list = []

    def __init__(self, n_workers: int = 2):
        self.found.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, pairs):
        self.found.extend((store.data.read_text(), store.held) for store, _ in pairs)
        jobs = {Future(): pair for pair in pairs}
        for job in jobs:
            job.set_result(None)
        return jobs

    def steps(self):
        return ()

    def take(self, pair, job):
        return True

    def report(self):
        pass


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    monkeypatch.setattr(parallel, "Pool", Crew)


@pytest.mark.parametrize("cluster", [False, True])
def test_data_are_made_once_before_workers_start_and_do_not_travel(tmp_path, cluster):
    pairs = [(Puppet(tmp_path, "cpu"), RUN) for _ in range(3)]
    pairs[2][0].held = True  # looked at before
    parallel.score_pairs(pairs, Progress(0, quiet=True), Crew() if cluster else None)
    assert Crew.found == [("x", False)] * 3


def test_runs_that_train_come_first_or_one_worker_has_a_long_one_at_the_end(tmp_path, monkeypatch):
    names, store, given = ["nn", "gauss", "nn", "mdn4"], Puppet(tmp_path, "cpu"), []
    monkeypatch.setattr(parallel, "spread", lambda pairs, *_: given.extend(pairs))
    pairs = [(store, Run("relighting", name, 0)) for name in names]
    parallel.score_pairs(pairs, Progress(0, quiet=True), Crew())
    assert [run.method for _, run in given] == ["gauss", "mdn4", "nn", "nn"]


def test_of_stores_that_are_done_in_turn_the_last_alone_holds_data(tmp_path):
    pairs = [(Puppet(tmp_path, "cuda"), RUN) for _ in range(3)]
    parallel.score_pairs(pairs, Progress(0, quiet=True))
    assert [store.held for store, _ in pairs] == [False, False, True]
