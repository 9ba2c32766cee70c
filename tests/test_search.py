"""The search in rounds: where its points lie, how it goes on, and what it does not make again."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from cdvae.commands import study
from cdvae.methods import learned, method
from cdvae.report import chapters
from cdvae.runs.settings import load_profile
from cdvae.studies import search, spaces
from cdvae.tools.files import InputError, project_root


def test_every_learned_method_is_searched_or_follows_one_that_is():
    found, follow = set(spaces.searched()), spaces.follows()
    rows = {name for name in learned() if method(name).serves("resaturation")}
    rows -= {"cvae-paper"}  # as printed
    rows -= {name for name in rows if method(name).tasks}  # of one task, which is not of the photos
    assert found | set(follow) == rows and set(follow.values()) <= found
    assert sum(spaces.ROUNDS) == 16


@pytest.mark.parametrize("name", spaces.searched())
def test_every_trial_is_another_and_can_be_built(name):
    points = spaces.points(name, 0)
    said = {json.dumps(point.changes) for point in points}
    assert len(said) == len(points) == spaces.ROUNDS[0]
    for point in points:
        whole = search.base(name)
        for table, values in point.changes.items():
            whole[table] = whole.get(table, {}) | values
        profile = load_profile("quick", **whole).of("resaturation", name)
        assert method(name).training(profile).steps == search.STEPS
        assert profile.n_used == search.SUBSET and profile.flips
        assert profile.training.learning_rate == point.changes["training"]["learning_rate"]
        if method(name).guided:
            assert method(name).guided_code(profile) > 0 or name == "cdvae-spatial"


def test_the_first_round_fills_the_space_evenly():
    places = np.array([point.places for point in spaces.points("cvae", 0)])
    for axis in places.T:  # one in each eighth, as a Sobol sequence has it
        assert sorted((axis * 8).astype(int)) == list(range(8))


def test_later_rounds_are_about_the_best_and_may_leave_the_space():
    best = np.array([1.0, 0.5, 0.5, 0.0])  # sigma, code, width, learning rate
    points = spaces.points("cvae", 1, best)
    for point in points:
        assert 0.75 <= point.places[0] <= 1.25 and -0.25 <= point.places[3] <= 0.25
    every = np.concatenate([[p.places for p in spaces.points("cvae", k, best)] for k in (1, 2, 3)])
    assert every[:, 0].max() > 1 and every[:, 3].min() < 0
    sigma = max(point.changes["cvae"]["sigma"] for point in points)
    assert sigma > 8.0 or all(point.places[0] <= 1 for point in points)
    assert {point.changes["cvae"]["code"] for point in points} <= {8, 16, 32, 64}


def test_limits_of_a_setting_hold_wherever_the_box_lies():
    best = np.array([0.5, 0.5, 0.0, 0.5])
    for point in spaces.points("cdvae-spatial", 1, best):
        assert 0 <= point.changes["spatial"]["dropout"] < 0.9


def test_an_optimum_at_an_edge_is_named():
    def point(*places: float) -> spaces.Point:
        space = spaces.axes("cvae")
        return spaces.Point(0, np.array(places), spaces.changes_at(space, np.array(places)))

    tried = [point(0.5, 0.1, 0.1, 0.5), point(0.95, 0.99, 0.1, 0.5), point(0.05, 0.0, 0.9, 0.2)]
    assert spaces.at_edge("cvae", tried, tried[0]) == []
    assert spaces.at_edge("cvae", tried, tried[1]) == ["cvae.sigma"]  # choices have no beyond
    tried.append(point(1.2, 0.5, 0.5, 0.5))
    assert spaces.at_edge("cvae", tried, tried[1]) == []  # there was something beyond
    least = spaces.Point(0, np.array([0.5, 0.5, -0.2, 0.5]), {})
    assert spaces.at_edge("cdvae-spatial", [least], least) == []  # no dropout is below none


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A search of a few steps of one method on the built-in world, here on one core."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("CDVAE_OUTPUT", "out"), ("CDVAE_CACHE", "cache")):
            patch.setenv(name, str(tmp_path_factory.mktemp(value)))
        patch.setattr(search, "POOL", {"n_train": 260, "n_valid": 30, "n_test": 20, "flips": True})
        patch.setattr(search, "STEPS", 16)
        patch.setattr(search, "SUBSET", 110)
        patch.setattr(search, "cores", lambda: 1)
        patch.setattr("cdvae.runs.parallel.cores", lambda: 1)
        patch.setattr(spaces, "ROUNDS", (2, 1))
        patch.setattr(spaces, "MOST_ROUNDS", 2)
        yield search.run("scenes", None, ["resaturation"], ["jmvae"])


def test_trials_are_recorded_with_their_rounds_and_what_they_are_judged_by(small):
    found = pd.read_csv(small)
    assert list(found.method) == ["nn", "marginal", "jmvae", "jmvae", "jmvae"]
    mine = found[found.method == "jmvae"]
    assert sorted(mine["round"]) == [1, 1, 2] and mine.criterion.is_monotonic_increasing
    assert (mine.steps == 16).all() and (found.n_valid == 30).all()
    nn, marginal = found.iloc[0], found.iloc[1]
    expected = mine.best_error_100 / nn.best_error_100 + mine.energy_score / marginal.energy_score
    assert np.allclose(mine.criterion, expected)
    assert not {"test", "half"} & set(found.columns)


def test_what_stands_in_the_file_is_not_made_again(small, monkeypatch):
    before = small.read_bytes()
    shutil.rmtree(os.environ["CDVAE_CACHE"] + "/trials")
    monkeypatch.setattr(search, "make", lambda *_: pytest.fail("a trial is made again"))
    search.run("scenes", None, ["resaturation"], ["jmvae"])
    assert small.read_bytes() == before


def test_a_trial_of_other_code_is_made_again(small):
    found = pd.read_csv(small)
    found.loc[found.method == "jmvae", "key"] = "0" * 16
    found.to_csv(small, index=False)
    place = search.Place("scenes", None, "resaturation", small)
    changes = json.loads(found[found.method == "jmvae"].changes.iloc[0])
    shutil.rmtree(os.environ["CDVAE_CACHE"] + "/trials")
    pairs = [search.pair(place, "jmvae", changes)]
    search.restore(pairs, small)
    assert not pairs[0][0].is_scored(pairs[0][1])


def test_an_optimum_that_stays_at_an_edge_is_told(small, monkeypatch, capsys):
    monkeypatch.setattr(search, "search", lambda *_: ["jmvae.alpha"])
    search.run("scenes", None, ["resaturation"], ["jmvae"])
    assert "jmvae: the best trial is at an edge of jmvae.alpha still" in capsys.readouterr().err
    study.print_best(small)
    said = capsys.readouterr().out
    assert said.startswith("resaturation") and "JMVAE" in said and said.endswith(f"{small}\n")


def test_a_method_that_is_not_searched_is_named():
    with pytest.raises(InputError, match="'nn' is not searched: choose from cvae, shallow"):
        search.run("scenes", None, ["resaturation"], ["nn"])


def test_short_trials_order_settings_as_the_rules_say():
    folder = project_root() / "results/tuned"
    made = pd.read_csv(folder / "tiny-imagenet/trials_by_length.csv")
    short, long = made.pivot(index="changes", columns="steps", values="criterion").to_numpy().T
    said = f"rank correlation {spearmanr(short, long).statistic:.2f}"
    assert len(short) == 8 and said in (folder / "RULES.md").read_text(encoding="utf-8")
    first = long[short.argmin()]
    assert sorted(long).index(first) == 1 and first / long.min() - 1 == pytest.approx(
        0.01, abs=5e-3
    )


SEARCHED = chapters.searched("tuned", chapters.committed)


@pytest.mark.parametrize("heading", SEARCHED)
def test_tuned_has_the_settings_of_the_best_trials(heading):
    trials, profile = SEARCHED[heading], load_profile("tuned")
    task = trials.task.iloc[0]
    for name, mine in trials.groupby("method"):
        followers = [one for one, other in spaces.follows().items() if other == name]
        best = json.loads(mine.loc[mine.criterion.idxmin(), "changes"])
        for each in (name, *followers) if method(name).is_learned else ():
            settings = profile.of(task, each)
            for table, values in best.items():
                owner = "fm_full" if each == "fm-full" and table == "fm" else table
                for key, value in values.items():
                    found = getattr(getattr(settings, owner), key)
                    assert json.loads(json.dumps(found)) == value, (each, table, key)
