"""What RESULTS.md says of the runs by size, against made-up scores and the committed files."""

import json

import pandas as pd

from cdvae.release import sized
from cdvae.report.chapters import committed


def rows(method: str, n_train: int, *values: float, n_test: int = 900) -> list[dict]:
    return [{"method": method, "n_train": n_train, "value": v, "n_test": n_test} for v in values]


def test_the_best_at_the_largest_size_comes_first():
    scores = [*rows("cvae", 1000, 0.031, 0.033), *rows("nn", 1000, 0.01), *rows("nn", 9000, 0.04)]
    scores += [*rows("cvae", 9000, 0.02), *rows("fm", 1000, 0.05, n_test=300)]
    lines = sized.by_size(pd.DataFrame(scores), "best_error").splitlines()
    assert lines[0] == "| best error of 100, × 10⁻² | 1,000 | 9,000 |"
    assert lines[2:] == [
        "| CVAE | 3.20 ± 0.14 | 2.00 |",
        "| NN | 1.00 | 4.00 |",
        "| Flow matching* | 5.00 |  |",
    ]


def test_costs_are_those_of_the_files():
    folder = committed("tuned", "tiny-imagenet").folder
    runs = json.loads((folder / "sizes.json").read_text())["runs"]
    mine = [about for name, about in runs.items() if name.startswith("resaturation/")]
    scoring = sum(about["score_seconds"] for about in mine) / 3600
    training = sum(about["seconds"] for about in mine if "seconds" in about) / 3600
    trials = (
        pd.read_csv(folder / "trials.csv")
        .query("task == 'resaturation'")
        .dropna(
            subset=["parameters"]  # which only what is trained has
        )
    )
    cells = [f"{len(trials)}", f"{trials.seconds.sum() / 3600:.1f}", f"{len(mine)}"]
    cells += [f"{training + scoring:.1f}", f"{scoring:.1f}"]
    assert f"resaturation | {' | '.join(cells)} |" in sized.cost_block()
