"""The scores of Visual Dynamics for reading: grouped by claim, with names, in few columns."""

import pandas as pd

from cdvae.dynamics.motions import COLUMNS as SHAPES
from cdvae.dynamics.results import MEASURES, claims, compared, means
from cdvae.dynamics.rows import DATA, rows

MARK = {True: "✓", False: "✗"}


def names(data: str) -> dict[str, str]:
    """What tables call each row."""
    return {row.name: row.label for row in rows(data)}


def ways(scores: pd.DataFrame) -> pd.DataFrame:
    """Do shapes go both ways, and along their axis? A row for each way to draw the code."""
    held = claims(scores)
    held = held[~held.claim.str.startswith("KL of")]
    cells = [f"{v:.2f} {MARK[h]}" for v, h in zip(held.value, held.holds, strict=True)]
    long = held.assign(method=held.method.map(names("shapes")), cell=cells)
    table = long.pivot(index="method", columns="claim", values="cell")
    table = table.loc[list(dict.fromkeys(long.method)), list(dict.fromkeys(long.claim))]
    return table.rename_axis(None, axis=1).reset_index()


def against(apart: pd.DataFrame) -> pd.DataFrame:
    """Energy scores on clips, method − rival with its 95 % interval, and the verdict in a word."""
    label, lines = names("ucf101"), []
    for row in apart[apart.metric == "energy_score"].itertuples():
        verdict = "nearer" if row.high < 0 else "farther" if row.low > 0 else "undecided"
        interval = f"{row.difference:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
        lines.append((label[row.method], label[row.rival], interval, verdict))
    heads = ["method", "rival", "difference in energy score, 95 % interval", "the method is"]
    return pd.DataFrame(lines, columns=heads)


def kl_against(apart: pd.DataFrame) -> pd.DataFrame:
    """KL divergences of moving shapes, method − rival with its 95 % interval, a column for each
    shape; ✓ where the whole interval is below zero, ✗ where it is above."""
    label = names("shapes")
    cells = [
        f"{row.difference:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
        + (f" {MARK[row.high < 0]}" if row.high < 0 or row.low > 0 else "")
        for row in apart.itertuples()
    ]
    found = apart.assign(method=apart.method.map(label), against=apart.rival.map(label), cell=cells)
    order = list(dict.fromkeys(zip(found.method, found.against, strict=True)))
    table = found.pivot(index=["method", "against"], columns="motion", values="cell")
    table = table.loc[order, list(SHAPES)].rename(columns=lambda c: c.replace("_", ", "))
    return table.rename_axis(None, axis=1).reset_index()


def kl_given(scores: pd.DataFrame) -> pd.DataFrame:
    """KL divergences of moving shapes, ours − the autoencoder's in the mean of seeds: both given
    the answer, so that no prior has a part in it, and both drawing training codes."""
    value, lines = means(scores), []
    for what, row in (
        ("both are given the answer", "encoded"),
        ("both draw training codes", "empirical"),
    ):
        line = {"ours − the autoencoder's, where": what}
        for kind in SHAPES:
            apart = value[f"crossconv_{row}", f"kl_{kind}"] - value[f"ae_{row}", f"kl_{kind}"]
            line[kind.replace("_", ", ")] = f"{apart:+.2f}"
        lines.append(line)
    return pd.DataFrame(lines)


def shares_explained(apart: pd.DataFrame, limits: pd.DataFrame) -> pd.DataFrame:
    """How much of the squared difference networks and oracles explain that are given the answer."""
    label = names("ucf101")
    found = [
        (label[row.method], f"{row.difference:.1%} ({row.low:.1%} to {row.high:.1%})")
        for row in apart[apart.metric == "explained"].itertuples()
    ]
    found += [(f"oracle: {row.oracle}", f"{row.explained:.1%}") for row in limits.itertuples()]
    return pd.DataFrame(found, columns=["given the answer", "of the squared difference"])


def parts(table: pd.DataFrame) -> pd.DataFrame:
    """What each part of the network on clips earns: a row for each change, the unchanged first.

    Shares, nats and scores are means over trainings, with the least and the largest where there
    are several; differences in energy score, changed − unchanged, are those of each training.
    """
    lines = []
    for label, mine in table.groupby("label", sort=False):
        intervals = [
            f"{each.energy_difference:+.2f} ({each.low:+.2f} to {each.high:+.2f})"
            for each in mine.itertuples()
        ]
        changes = bool((mine.energy_difference != 0).any())
        lines.append(
            {
                "network": label,
                "explained, given the answer": spread(mine.explained, ".1%"),
                "code, nats": spread(mine.code_nats, ".0f"),
                "energy score": spread(mine.energy_score, ".2f"),
                "its difference, 95 % interval": "; ".join(intervals) if changes else "–",
            }
        )
    return pd.DataFrame(lines)


def spread(values: pd.Series, form: str) -> str:
    """The mean of some numbers, and in brackets the least and the largest if they are several."""
    ends = f" ({values.min():{form}} to {values.max():{form}})" if len(values) > 1 else ""
    return f"{values.mean():{form}}{ends}"


def motion_shares(scores: pd.DataFrame) -> pd.DataFrame:
    """What the samples do: shares for circle / square / triangle in one cell, and how circle and
    triangle go together."""
    label, value = names("shapes"), means(scores)
    heads = {"moves": "moves", "axis": "along its axis", "up": "up (square: left)"}
    lines = []
    for name in [name for name in label if (name, "correlation") in value.index]:
        line = {"method": label[name]}
        for what, head in heads.items():
            line[head] = " / ".join(f"{value[name, f'{what}_{kind}']:.2f}" for kind in SHAPES[:3])
        lines.append(line | {"circle with triangle": f"{value[name, 'correlation']:.2f}"})
    return pd.DataFrame(lines)


def differences(scores: pd.DataFrame, data: str) -> pd.DataFrame:
    """Difference images: a row for each method, a column for each measure, the nearest marked.

    Rows that are given the answer stand last and do not compete.
    """
    found, label = compared(scores), names(data)
    given = {row.name for each in DATA for row in rows(each) if row.given}
    order = [name for name in label if name in found.columns and name != "truth"]
    lines = []
    for name in sorted(order, key=lambda name: name in given):
        line = {"method": label[name]}
        for measure in MEASURES.values():
            mean, best = found.loc[measure, name], found.loc[measure, "nearest"] == name
            line[measure] = "–" if pd.isna(mean) else f"{mean:.4f}" + " ←" * bool(best)
        lines.append(line)
    return pd.DataFrame(lines)
