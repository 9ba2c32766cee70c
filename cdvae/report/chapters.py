"""What notebook 10 shows: the tuned results of every data set, read from their committed files."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from cdvae.data.sources import data_set, data_sets
from cdvae.methods import label, method, ordered
from cdvae.report.paper import LAYERS
from cdvae.report.results import cell, results_folder, summary
from cdvae.runs.measures import metric

SHOWN = ("best_error", "variance", "energy_score", "crps")  # scores of the tables


class Chapter:
    """The files of one data set in a profile's results; a table that is not there is empty."""

    def __init__(self, profile: str, data: str):
        self.data, self.folder = data, results_folder(profile, data)

    @property
    def title(self) -> str:
        """What the data are."""
        return data_set(self.data).title

    def read(self, name: str) -> pd.DataFrame:
        path = self.folder / f"{name}.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame()

    @cached_property
    def scores(self) -> pd.DataFrame:
        return self.read("scores")

    @property
    def tasks(self) -> list[str]:
        return [task for task in LAYERS if task in set(self.scores.task)]


def chapters(profile: str) -> list[Chapter]:
    """The data sets whose scores were compared in this profile's results."""
    real_first = sorted(data_sets(), key=lambda data: data_set(data).truth is not None)
    every = [Chapter(profile, data) for data in real_first]
    return [chapter for chapter in every if (chapter.folder / "comparisons.csv").exists()]


def files(profile: str) -> list[Path]:
    """Every table that the notebook reads."""
    return sorted(path for c in chapters(profile) for path in c.folder.glob("*.csv"))


def score_table(scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """A row for each method: mean ± standard deviation over seeds of each score, and the counts."""
    each = summary(scores[(scores.task == task) & (scores.n_samples == 100)])
    sizes = scores[scores.task == task].groupby("method").n_test.first()
    rows = []
    for name in ordered(each.method):
        mine = each[each.method == name].set_index("metric")
        row = {"method": label(name)}
        for score in SHOWN:
            m, found = metric(score), mine.loc[score]
            row[m.head] = cell(m.scale * found["mean"], m.scale * found["std"], None, m.digits)
        rows.append(row | {"seeds": int(mine["count"].max()), "test examples": sizes[name]})
    return pd.DataFrame(rows)


def extension_table(every: list[Chapter]) -> pd.DataFrame:
    """How far CDVAE-spatial gets: against the better of NN and CVAE, and against flow matching."""
    rows = []
    for chapter in every:
        scores, pairs = chapter.scores, chapter.read("comparisons")
        for task in chapter.tasks:
            mine = scores[(scores.task == task) & (scores.n_samples == 100)]
            mean = mine.groupby(["metric", "method"]).value.mean()
            if not {("best_error", m) for m in ("cdvae-spatial", "nn", "cvae")} <= set(mean.index):
                continue
            ours = mean["best_error", "cdvae-spatial"]
            rival = min(("nn", "cvae"), key=lambda method: mean["best_error", method])
            row = {"data": chapter.data, "task": task, "best error, × 10⁻²": 100 * ours}
            lower = mean["best_error", rival]
            row |= {"lower of NN and CVAE": f"{100 * lower:.2f} ({label(rival)})"}
            row |= {"ratio": f"{ours / lower:.3f}"}
            for score, head in (("best_error", "error"), ("energy_score", "energy score")):
                row[f"{head} − flow matching's"] = paired(pairs, task, score, "cdvae-spatial", "fm")
            rows.append(row)
    return pd.DataFrame(rows)


def paired(pairs: pd.DataFrame, task: str, score: str, one: str, other: str) -> str:
    """The paired difference one − other with its 95 % interval, as text; "–" if not compared."""
    found = oriented(pairs[(pairs.task == task) & (pairs.metric == score)], one, other)
    if found is None:
        return "–"
    scale = metric(score).scale
    return "{:.2f} [{:.2f}, {:.2f}]".format(*(scale * value for value in found[:3]))


def oriented(found: pd.DataFrame, one: str, other: str) -> tuple | None:
    """Difference one − other, its interval and verdict, whichever way round the file has it."""
    for first, second, sign in ((one, other, 1), (other, one, -1)):
        row = found[(found.method == first) & (found.other == second)]
        if len(row):
            r = row.iloc[0]
            if sign == 1:
                return r.difference, r.low, r.high, r.verdict
            flipped = {"better": "worse", "worse": "better"}.get(r.verdict, r.verdict)
            return -r.difference, -r.high, -r.low, flipped
    return None


def verdict_table(every: list[Chapter]) -> pd.DataFrame:
    """A row for each claim, a column for each data set and task."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for chapter in every:
        for row in chapter.read("verdicts").itertuples():
            place = rows.setdefault((row.whose, row.claim), {})
            share = f" ({row.true_in_share_of_resamplings:.1%})" * (row.verdict == "undecided")
            place[f"{chapter.data}: {row.task}"] = row.verdict + share
    found = [{"whose": who, "claim": text} | cells for (who, text), cells in rows.items()]
    return pd.DataFrame(found).fillna("–")


def best_trials(trials: pd.DataFrame, task: str, n: int = 3) -> pd.DataFrame:
    """The best n trials of each method of a task, and how many there were."""
    mine = trials[trials.task == task]
    shown = mine.groupby("method", sort=False).head(n)
    counts = mine.groupby("method").size()
    return pd.DataFrame(
        {
            "method": shown.method.map(label),
            "trials": [counts[name] for name in shown.method],
            "changes to the quick profile": shown.changes.replace("{}", "–"),
            "best error of 100, × 10⁻²": 100 * shown.best_error_100,
            "energy score": shown.energy_score,
            "criterion": shown.criterion.map("{:.3f}".format),
        }
    )


def ablation_table(ablations: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant beside the unchanged method, at 100 samples, seeds averaged."""
    wide = over_variants(ablations)
    base = wide.loc["base"].droplevel("setting")
    rows = []
    for (group, setting, name), found in wide.iterrows():
        if group == "base":
            continue
        plain = base.loc[method(name).variant_of or name]
        row = {"what": group, "setting": setting, "method": label(name)}
        for score in ("best_error", "variance", "energy_score"):
            m = metric(score)
            value, was = m.scale * found[score], m.scale * plain[score]
            row[m.head] = f"{value:.{m.digits}f} (was {was:.{m.digits}f})"
        rows.append(row)
    return pd.DataFrame(rows)


def over_variants(ablations: pd.DataFrame, *by: str) -> pd.DataFrame:
    """Scores at 100 samples: a row for each variant, seeds averaged unless `by` has "seed"."""
    index = ["group", "setting", "method", *by]
    return ablations[ablations.n_samples == 100].pivot_table(
        index=index, columns="metric", values="value", sort=False
    )


MIXED = "energy score, draws for similar inputs: "  # begins these rows of limits.csv


def fixed_table(limits: pd.DataFrame, task: str) -> pd.DataFrame:
    """Errors × 10⁻² of what no method does: of ignoring the input, and of knowing components."""
    mine = limits[(limits.task == task) & (limits.method == "any")]
    mine = mine[~mine.measure.str.startswith(MIXED)]
    return pd.DataFrame({"measure": mine.measure, "error, × 10⁻²": 100 * mine.value})


def mixture_table(every: list[Chapter]) -> pd.DataFrame:
    """Energy score by the share of draws that answer similar inputs, a row for each task."""
    rows = []
    for chapter in every:
        limits = chapter.read("limits")
        for task in chapter.tasks if len(limits) else []:
            mine = limits[(limits.task == task) & limits.measure.str.startswith(MIXED)]
            shares = mine.measure.str.removeprefix(MIXED)
            rows.append(
                {"data": chapter.data, "task": task} | dict(zip(shares, mine.value, strict=True))
            )
    return pd.DataFrame(rows)


def limit_table(limits: pd.DataFrame, scores: pd.DataFrame, task: str) -> pd.DataFrame:
    """A row for each model: errors × 10⁻² as tied and with codes of the answer, KL in nats."""
    mine = limits[(limits.task == task) & (limits.method != "any")]
    tied = scores[(scores.task == task) & (scores.metric == "best_error")]
    tied = tied[(tied.n_samples == 100) & (tied.seed == tied.seed.min())].set_index("method").value
    rows = []
    for name, found in mine.groupby("method", sort=False):
        value = found.set_index("measure").value
        layers = sorted((m for m in value.index if m[-1].isdigit() and "kl_g" in m), reverse=True)
        row = {"method": label(name), "best of 100, as tied": 100 * tied[name]}
        row |= {what: 100 * v for what, v in value.items() if not what.startswith("kl")}
        row["KL of z_c"] = f"{value['kl_c']:.1f}" if "kl_c" in value.index else "–"
        alone = ["kl_top" if "kl_top" in value.index else "kl"]  # CVAE's only code
        row["KL of z_g, from the top"] = ", ".join(f"{value[what]:.1f}" for what in layers or alone)
        rows.append(row)
    return pd.DataFrame(rows)
