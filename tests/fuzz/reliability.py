"""The figures of long runs, results/reliability.csv: a row for what was tried."""

from collections import Counter
from pathlib import Path

import pandas as pd

from cdvae.report.results import write_csv

FIGURES = Path(__file__).parents[2] / "results" / "reliability.csv"
OUTCOMES = ("survived", "refused", "failed")


def note(what: str, counts: Counter) -> None:
    """Put a row into the file, in place of an earlier one."""
    tried = sum(counts[how] for how in OUTCOMES)
    row = {"what": what, "tried": tried} | {how: counts[how] for how in OUTCOMES}
    before = pd.read_csv(FIGURES) if FIGURES.exists() else pd.DataFrame(columns=list(row))
    rows = [*before[before.what != what].to_dict("records"), row]
    write_csv(pd.DataFrame(rows, columns=list(row)), FIGURES)
