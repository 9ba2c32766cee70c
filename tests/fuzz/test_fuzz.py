"""Whatever an input holds, it is used, or refused in a sentence; nothing else happens."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from child import FAILED, REFUSED, SURVIVED, Child
from conftest import SHORT
from hypothesis import HealthCheck, Phase, given, seed, settings
from targets import TARGETS

from cdvae.report.results import write_csv

FIGURES = Path(__file__).parents[2] / "results" / "reliability.csv"
SEED = 20260


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs(name, in_all):
    target, child, counts, wrong = TARGETS[name], Child(name), Counter(), []
    n = SHORT if in_all is None else max(1, round(in_all * target.share))

    @seed(SEED)
    @settings(
        max_examples=n,
        deadline=None,  # the child has a limit for each input
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.examples)
    def tried(example):
        how, said = child.feed(example)
        counts[how] += 1
        if how == FAILED:
            wrong.append((example, said))

    try:
        tried()
    finally:
        child.end()
    if in_all is not None:
        note(f"mutated {name}", counts)
    assert not wrong, "\n\n".join(f"{said}\nof {example!r:.600}" for example, said in wrong[:5])


def note(what: str, counts: Counter) -> None:
    """Put a row into results/reliability.csv, in place of an earlier one."""
    row = {"what": what, "tried": counts.total()}
    row |= {how: counts[how] for how in (SURVIVED, REFUSED, FAILED)}
    before = pd.read_csv(FIGURES) if FIGURES.exists() else pd.DataFrame(columns=list(row))
    rows = [*before[before.what != what].to_dict("records"), row]
    write_csv(pd.DataFrame(rows, columns=list(row)), FIGURES)
