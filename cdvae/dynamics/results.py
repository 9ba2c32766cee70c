"""Result files of Visual Dynamics (scores, the table of KL divergences, the code, the network), and
what its experiment must show, held to its scores."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from cdvae.dynamics import clip_results, shape_results
from cdvae.dynamics.clips import ClipExperiment
from cdvae.dynamics.experiment import FrameExperiment
from cdvae.dynamics.limits import limits
from cdvae.dynamics.motions import COLUMNS as SHAPES
from cdvae.dynamics.rows import DATA, OURS, rows
from cdvae.report.results import COLUMNS, cell, results_folder, write_csv
from cdvae.runs.parallel import Crew, score_all
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.files import InputError, atomic, path_of, write_json
from cdvae.tools.progress import Progress

FILES = {  # scores and provenance; beside those of Tables 1–4 where a data set has both
    "shapes": ("scores.csv", "provenance.json"),
    "ucf101": ("dynamics.csv", "dynamics.json"),
}
LARGEST = 5_000_000  # bytes of a checkpoint that is put beside the results
TITLE = "KL(true ‖ predicted) of motions, nats [paper: recalled, not verified; its bins unknown]"
CLOSE = 0.05  # frequencies of shapes that go one way and the other, from the truth's ½
MOST = 0.9  # of the moving samples go along their shape's axis
MEASURES = {  # of difference images
    "difference_error": "mean squared error of one sample",
    "best_difference_error": "mean squared error of the best",
    "energy_score": "energy score",
}


def open_dynamics(
    profile: str = "quick",
    data: str = "shapes",
    root: str | None = None,
    device: str = "auto",
    seeds: list[int] | None = None,
) -> FrameExperiment:
    """The experiment that a command or a notebook asks for by name.

    seeds: of the runs; by default the profile's.
    """
    if data not in DATA:
        raise InputError(f"Visual Dynamics runs on {' or '.join(DATA)}, not on '{data}'")
    if data != "shapes" and root is None:
        raise InputError(f"--data {data} needs --root, the folder that holds it")
    if root and not path_of(root).is_dir():
        raise InputError(f"no folder {root}: give --root a folder that exists")
    table = "dynamics" if data == "shapes" else "clip_dynamics"
    settings = load_profile(profile, **({table: {"seeds": seeds}} if seeds else {}))
    if data == "shapes":
        return FrameExperiment(settings, device)
    return ClipExperiment(settings, root, device)


def finish(
    experiment: FrameExperiment, quiet: bool = False, cluster: Crew | None = None
) -> pd.DataFrame:
    """Train and score what is missing, write the result files; returns the scores.

    Files that the present code and settings would write again are read: a fresh clone, which has
    no cache, shows the project's own results at once.
    """
    runs = experiment.runs()
    if is_current(experiment, runs):
        return pd.read_csv(experiment.folder() / FILES[experiment.data][0])
    progress = Progress(sum(experiment.steps(run) for run in runs), quiet)
    try:
        score_all(experiment, runs, progress, cluster)
    finally:
        progress.close()
    return collect(experiment, runs)


def is_current(experiment: FrameExperiment, runs: list[Run]) -> bool:
    """Whether the result files hold these runs, of which there may be more in them: other seeds."""
    scores, about = (experiment.folder() / name for name in FILES[experiment.data])
    if not scores.exists() or not about.exists():
        return False
    made = json.loads(about.read_text(encoding="utf-8"))["runs"]
    keys = {name: one["key"] for name, one in made.items()}
    return all(keys.get(str(run)) == experiment.score_key(run) for run in runs)


def collect(experiment: FrameExperiment, runs: list[Run]) -> pd.DataFrame:
    """Write the result files from finished runs."""
    folder, found = experiment.folder(), {run: experiment.scores(run) for run in runs}
    scores = score_table(experiment, found)
    scores_name, about_name = FILES[experiment.data]
    about = {
        "profile": experiment.profile.name,
        "data": experiment.data,
        "dynamics": asdict(experiment.settings),
        "data_seed": experiment.profile.data_seed,
        "runs": {str(run): each["provenance"] for run, each in found.items()},
    }
    if experiment.data == "shapes":
        write_csv(shape_results.code_table(found), folder / "code.csv")
        write_csv(shape_results.kl_table(scores), folder / "table_kl.csv")
        write_csv(shape_results.kl_comparisons(found), folder / "kl_comparisons.csv")
        write_csv(shape_results.histogram_table(found), folder / "histograms.csv")
        first = next(run for run in runs if run.method == OURS)
        publish(experiment.checkpoint(first), experiment.committed(first))
    else:
        scores = clip_results.with_intervals(scores, found)
        apart = clip_results.comparisons(found, 3 * experiment.settings.size**2)
        write_csv(apart, folder / clip_results.COMPARISONS)
        write_csv(limits(experiment.pairs("test")), folder / "dynamics_limits.csv")
        about["still_pairs_left_out"] = next(iter(found.values()))["still"]
    write_csv(scores, folder / scores_name)
    write_json(folder / about_name, about)
    return scores


def score_table(experiment: FrameExperiment, found: dict[Run, dict]) -> pd.DataFrame:
    """The scores of runs, a line for each row, metric and number of samples."""
    lines = []
    for run, each in found.items():
        for row, metric, n, value, unit in each["rows"]:
            place = (experiment.profile.name, experiment.data, run.task, row, run.seed, metric, n)
            lines.append((*place, value, unit, each["sizes"]["train"], each["sizes"]["test"]))
    return pd.DataFrame(lines, columns=COLUMNS)


def publish(checkpoint: Path, path: Path) -> None:
    """Put a small checkpoint beside the results, for whoever has not trained."""
    if checkpoint != path and checkpoint.stat().st_size <= LARGEST:
        with atomic(path) as temporary:
            shutil.copyfile(checkpoint, temporary)


def printed(profile: str, data: str = "shapes") -> str:
    """The table of a results folder as text, the paper's numbers in brackets."""
    path = results_folder(profile, data) / "table_kl.csv"
    if not path.exists():
        return ""
    return TITLE + "\n" + readable(pd.read_csv(path)).to_string(index=False)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for reading: ours [paper's, unverified] in one cell."""
    shown = pd.DataFrame({"method": table.method})
    for shape in SHAPES:
        columns = (table[f"{shape}{kind}"] for kind in ("", "_std", "_paper_unverified"))
        cells = [cell(*each, 2) for each in zip(*columns, strict=True)]
        shown[shape.replace("_", "–")] = cells
    return shown


def claims(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns method, claim, value, bound and holds, from the scores on moving shapes."""
    value = means(scores)
    found = []
    for row in rows("shapes"):
        if row.rivals:
            each = way_claims(value[row.name]) + rival_claims(value, row.name, row.rivals)
            found += [(row.name, *claim) for claim in each]
    return pd.DataFrame(found, columns=["method", "claim", "value", "bound", "holds"])


def means(scores: pd.DataFrame) -> pd.Series:
    """The mean over seeds of each score, by method and metric."""
    return scores.groupby(["method", "metric"]).value.mean()


def way_claims(value: pd.Series) -> list[tuple]:
    """Circles go up and down, squares left and right, each as often as in truth, where those that
    stay are counted too; and every shape moves along its axis."""
    shares = {"of the moving circles, up": value["up_circle"]}
    for kind, (one, other) in {"circle": ("up", "down"), "square": ("left", "right")}.items():
        moves, share = value[f"moves_{kind}"], value[f"up_{kind}"]
        shares |= {f"{kind}s {one}": moves * share, f"{kind}s {other}": moves * (1 - share)}
    bound = f"within {CLOSE} of 0.5"
    found = [(claim, x, bound, bool(abs(x - 0.5) <= CLOSE)) for claim, x in shares.items()]
    for kind in SHAPES[:3]:
        share = value[f"axis_{kind}"]
        found.append((f"{kind}s along their axis", share, f"at least {MOST}", bool(share >= MOST)))
    return found


def rival_claims(value: pd.Series, name: str, rivals: tuple[str, ...]) -> list[tuple]:
    """The motions' distribution is nearer to the truth than that of each rival."""
    found = []
    for rival in rivals:
        for column in SHAPES:
            ours, theirs = (value[each, f"kl_{column}"] for each in (name, rival))
            claim = f"KL of {column.replace('_', ', ')}, against {rival}"
            found.append((claim, ours, f"below {theirs:.3f}", bool(ours < theirs)))
    return found


def compared(scores: pd.DataFrame) -> pd.DataFrame:
    """Difference images, a row for each measure (all are better small), a column for each method,
    and in the last the method that is nearest to the truth; rows given the answer do not compete.
    """
    chosen = scores[scores.metric.isin(MEASURES)]
    wide = chosen.pivot_table(index="metric", columns="method", values="value")
    wide = wide.loc[list(MEASURES)]  # of several seeds the mean
    apart = {"truth"} | {row.name for data in DATA for row in rows(data) if row.given}
    nearest = wide[[name for name in wide.columns if name not in apart]].idxmin(axis=1)
    return wide.assign(nearest=nearest).rename(index=MEASURES).rename_axis(None, axis=1)
