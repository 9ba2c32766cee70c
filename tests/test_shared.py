"""A search that two calls share: each trial is made once, and both know all."""

import json
import threading
import time

import optuna
import pytest

from cdvae.runs.store import Run
from cdvae.studies import shared
from cdvae.tools.errors import InputError

N = 12


class Puppet:
    """A trial that costs nothing, in a cache of its own call."""

    def __init__(self, number: int, folder, made: list):
        self.number, self.folder, self.made = number, folder, made

    def score_key(self, run: Run) -> str:
        return f"trial {self.number}"

    def score_file(self, run: Run):
        return self.folder / f"{self.number}.json"

    def is_scored(self, run: Run) -> bool:
        return self.score_file(run).exists()

    def steps(self, run: Run) -> int:
        return 1 - self.is_scored(run)

    def scores(self, run: Run) -> dict:
        if not self.is_scored(run):
            time.sleep(0.05)
            self.made.append(self.number)
            found = {"best_error_100": 1.0 + self.number, "energy_score": 2.0}
            self.score_file(run).write_text(json.dumps(found))
        return json.loads(self.score_file(run).read_text())


def call(storage: str, folder, made: list) -> list:
    """One call's trials, made and fetched."""
    folder.mkdir()
    run = Run("motion", "gauss", 0)
    pairs = [(Puppet(k, folder, made), run) for k in range(N)]
    shared.make(pairs, storage, "coco/motion", 2, lambda some: [s.scores(r) for s, r in some])
    return [store.scores(run) for store, run in pairs]


def test_two_calls_share_the_trials(tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    assert optuna.create_study(storage=storage)  # the tables, before two calls make them at once
    made: list[list[int]] = [[], []]
    found: list = [None, None]

    def work(k: int) -> None:
        found[k] = call(storage, tmp_path / str(k), made[k])

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(120)
    assert (
        found[0] == found[1] == [{"best_error_100": 1.0 + k, "energy_score": 2.0} for k in range(N)]
    )
    assert made[0] and made[1]
    assert len(made[0] + made[1]) < 1.5 * N  # two that ask at one moment may be given the same
    third: list[int] = []
    assert call(storage, tmp_path / "late", third) == found[0] and not third


def test_what_a_dead_call_had_taken_is_given_out_again(tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    run = Run("motion", "gauss", 0)
    pairs = [(Puppet(k, tmp_path, []), run) for k in range(N)]
    study = shared.opened(pairs, storage, "coco/motion")
    for _ in range(3):
        study.ask().suggest_categorical("trial", list(range(N)))
    made: list[int] = []
    call(storage, tmp_path / "next", made)
    assert sorted(made) == list(range(N))


def test_a_storage_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(InputError, match="--storage mongodb://a cannot be used"):
        shared.opened([], "mongodb://a", "coco/motion")
