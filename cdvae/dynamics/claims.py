"""What Visual Dynamics' experiment must show, held to its scores."""

import pandas as pd

from cdvae.dynamics.motions import COLUMNS

CLOSE = 0.1  # frequencies of circles that go up and that go down, from the truth's ½
MOST = 0.9  # of the moving samples go along their shape's axis
RIVALS = {  # of each row of ours; the last draws its codes in the like way
    "crossconv": ("flow", "ae"),  # a standard Gaussian; the autoencoder's, fitted to its codes
    "crossconv_empirical": ("flow", "ae", "ae_empirical"),  # codes of training pairs
}
MEASURES = {  # of difference images
    "difference_error": "mean squared error of one sample",
    "best_difference_error": "mean squared error of the best",
    "energy_score": "energy score",
}
GIVEN = "_encoded"  # ends the names of rows that were given the answer


def claims(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns method, claim, value, bound and holds, from the scores on moving shapes."""
    value = scores.set_index(["method", "metric"]).value
    rows = []

    def hold(method: str, claim: str, found: float, bound: str, holds: bool) -> None:
        rows.append((method, claim, found, bound, bool(holds)))

    for method, rivals in RIVALS.items():
        moves, up = value[method, "moves_circle"], value[method, "up_circle"]
        shares = {"of the moving circles, up": up, "circles up": moves * up}
        shares["circles down"] = moves * (1 - up)
        for claim, share in shares.items():
            bound = f"within {CLOSE} of 0.5"
            hold(method, claim, share, bound, abs(share - 0.5) <= CLOSE)
        for kind in COLUMNS[:3]:
            share = value[method, f"axis_{kind}"]
            hold(method, f"{kind}s along their axis", share, f"at least {MOST}", share >= MOST)
        for rival in rivals:
            for column in COLUMNS:
                ours, theirs = (value[name, f"kl_{column}"] for name in (method, rival))
                claim = f"KL of {column.replace('_', ', ')}, against {rival}"
                hold(method, claim, ours, f"below {theirs:.3f}", ours < theirs)
    return pd.DataFrame(rows, columns=["method", "claim", "value", "bound", "holds"])


def compared(scores: pd.DataFrame) -> pd.DataFrame:
    """Difference images, a row for each measure (all are better small), a column for each method,
    and in the last the method that is nearest to the truth; rows given the answer do not compete.
    """
    chosen = scores[scores.metric.isin(MEASURES)]
    wide = chosen.pivot(index="metric", columns="method", values="value").loc[list(MEASURES)]
    rivals = [name for name in wide.columns if not name.endswith(GIVEN) and name != "truth"]
    nearest = wide[rivals].idxmin(axis=1)
    return wide.assign(nearest=nearest).rename(index=MEASURES).rename_axis(None, axis=1)
