"""The table of speeds: measured in parts, each row with where it was measured."""

import pandas as pd

from cdvae import cli
from cdvae.studies import speed_all


def test_rows_that_are_measured_anew_take_the_place_of_theirs_and_others_stay(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    speed_all.write([("a", "s", 1.0, 2.0, 2.0), ("b", "s", 3.0, 6.0, 2.0)])
    path = speed_all.write([("b", "s", 1.5, 6.0, 4.0), ("c", "MB", 0.123456, 1.0, 8.1)])
    found = pd.read_csv(path)
    assert found.columns.tolist() == speed_all.COLUMNS
    assert found.what.tolist() == ["a", "b", "c"]
    assert found.value.tolist() == [1.0, 1.5, 0.1235]
    path = speed_all.write([("b", "MB", 7.0, 7.0, 1.0)])  # of the same thing, something else
    assert pd.read_csv(path).value.tolist() == [1.0, 1.5, 0.1235, 7.0]


def test_a_part_that_is_not_there_is_named(capsys):
    assert cli.main(["bench", "all", "--parts", "draws", "dreams"]) == 2
    assert "--parts dreams: choose from floors, draws" in capsys.readouterr().err


def test_a_draws_operations_are_counted(monkeypatch):
    monkeypatch.setattr(speed_all, "shortest", lambda action: 1.0)
    (_, unit, *_), (what, mflop, ours, theirs, ratio) = speed_all.draws()
    assert (unit, mflop) == ("ms", "MFLOP") and "cdvae-spatial" in what
    assert 1 < ours < theirs and ratio == theirs / ours
