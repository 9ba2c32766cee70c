"""The claims' checks on made-up numbers, and on the paper's own."""

import pandas as pd

from cdvae.report import claims


def scores(**values: float) -> pd.DataFrame:
    rows = [("relighting", m, "best_error", 100, v) for m, v in values.items()]
    return pd.DataFrame(rows, columns=["task", "method", "metric", "n_samples", "value"])


def row(table: pd.DataFrame, text: str) -> pd.Series:
    return table[table.claim.str.contains(text)].iloc[0]


def test_verdicts_follow_the_numbers():
    numbers = {"nn": 5, "cvae": 4, "shallow": 3, "gauss": 2, "mdn4": 1, "mdn12": 1}
    good = claims.table(scores(**numbers))
    assert row(good, "nearer than NN").relighting == "yes / yes"
    bad = claims.table(scores(**numbers | {"mdn4": 4.5}))
    assert row(bad, "nearer than NN").relighting == "yes / no"
    assert row(bad, "MDN4 before Gauss").relighting == "yes / no"
    few = claims.table(scores(nn=5, gauss=2))
    assert row(few, "nearer than NN").relighting == "yes / –"


def test_seeds_are_averaged():
    both = pd.concat([scores(shallow=3, gauss=1), scores(shallow=3, gauss=7)])
    assert row(claims.table(both), "before Shallow").relighting == "yes / no"


def test_the_papers_own_saturation_does_not_have_the_largest_variance():
    """Table 3: NN 4.58, MDN12 3.55."""
    claim = claims.CLAIMS[-1]
    assert claims.verdict(claim, claims.of_paper(), "resaturation") == "no"
    assert claims.verdict(claim, claims.of_paper(), "motion") == "yes"
