"""What keeps the best of 100 samples from the truth: measured beside each method.

    cdvae study limits --data coco --root DIR

writes `limits.csv`, and what made it as `limits.json`, to `results/<profile>/<data>/`: mean squared
errors on the test split, from codebooks that ignore the input, over codes taken from the answer
itself, to the methods' own.
"""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from cdvae.methods import method, ordered
from cdvae.metrics import COUNTS, energy_score, squared_errors
from cdvae.model import Model
from cdvae.report.chapters import MIXED
from cdvae.report.results import results_folder, write_measured
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import Profile, load_profile
from cdvae.runs.store import Run
from cdvae.tools.device import one_thread
from cdvae.training import best_row

N = max(COUNTS)
COMPONENTS = (4, 8, 16)  # of principal components that are kept
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the draws that answer similar inputs, not any


def error(x_hat: Tensor, x: Tensor) -> float:
    return float((x_hat - x).square().mean())


def codebook(train: Tensor, test: Tensor) -> float:
    """Error of the nearest of N centres of the training fields (k-means), whatever the input."""
    from sklearn.cluster import KMeans

    centres = KMeans(N, n_init=1, random_state=0).fit(train.flatten(1).numpy()).cluster_centers_
    nearest = torch.cdist(test.flatten(1), torch.from_numpy(centres)).argmin(1)
    return error(torch.from_numpy(centres)[nearest], test.flatten(1))


def principal(train: Tensor, test: Tensor, k: int) -> float:
    """Error that is left when the first k principal components of each field are known."""
    x, mean = train.flatten(1), train.flatten(1).mean(0)
    basis = torch.linalg.svd(x - mean, full_matrices=False)[2][:k].T
    rest = test.flatten(1) - mean
    return error(rest @ basis @ basis.T, rest)


def mixed(similar: Tensor, anyones: Tensor, x_g: Tensor, share: float) -> float:
    """Mean energy score of samples of which `share` are from `similar`, the rest from `anyones`.

    Both are (batch, n, C, 32, 32), in random order. Where no share beats 0, similar inputs say
    nothing of the answer that a training example at random does not.
    """
    n = similar.shape[1]
    k = round(share * n)
    return float(energy_score(torch.cat([similar[:, :k], anyones[:, k:]], 1), x_g).mean())


def mixtures(experiment: Experiment, task: str, seed: int) -> dict[str, float]:
    """`mixed` on the test split for each of SHARES, of nearest neighbour's draws and marginal."""
    draws = [experiment.sampler(Run(task, name, seed), "test")[0] for name in ("nn", "marginal")]
    x_g, generator = experiment.fields(task)["test"].x_g, torch.Generator().manual_seed(seed)
    totals = dict.fromkeys(SHARES, 0.0)
    for start in range(0, len(x_g), 25):
        part = slice(start, min(start + 25, len(x_g)))
        similar, anyones = (draw(part, N) for draw in draws)
        similar = similar[:, torch.randperm(N, generator=generator)]  # it has the nearest first
        for share in SHARES:
            totals[share] += len(x_g[part]) * mixed(similar, anyones, x_g[part], share)
    return {f"{MIXED}{share:.0%}": total / len(x_g) for share, total in totals.items()}


def of_model(model: Model, x_c: Tensor, x_g: Tensor) -> dict[str, float]:
    """Errors with codes of the answer: best of N with the top alone, and reconstruction."""
    generator, best, whole = torch.Generator().manual_seed(0), [], []
    for c, g in zip(x_c.split(25), x_g.split(25), strict=True):
        best.append(squared_errors(model.with_own_code(c, g, N, generator), g).min(1).values)
        whole.append(squared_errors(model.with_all_codes(c, g, generator)[:, None], g)[:, 0])
    return {
        f"best of {N}, top code of the answer": float(torch.cat(best).mean()),
        "reconstruction": float(torch.cat(whole).mean()),
    }


def coded(profile: Profile, task: str) -> list[str]:
    """The rows of a profile whose top code can be taken from the answer, readings left out."""
    entries = [method(name) for name in ordered(profile.methods)]
    entries = [each for each in entries if each.kind != "reading" and each.serves(task)]
    return [each.name for each in entries if each.offers("with_own_code")]


def table(profile: str, data: str, root: str | None) -> pd.DataFrame:
    """A row for each task, method ("any" for what no method does) and measure."""
    experiment, rows = Experiment(load_profile(profile), data, root, "cpu"), []
    seed = experiment.profile.seeds[0]
    for task in experiment.source.tasks():
        train, test = (experiment.fields(task)[split] for split in ("train", "test"))
        found = {"variance about the mean": error(test.x_g, train.x_g.mean(0))}
        found[f"nearest of {N} fixed fields (k-means)"] = codebook(train.x_g, test.x_g)
        for k in COMPONENTS:
            found[f"{k} principal components known"] = principal(train.x_g, test.x_g, k)
        found |= mixtures(experiment, task, seed)
        rows += [(task, "any", name, value) for name, value in found.items()]
        for name in coded(experiment.profile, task):
            run = Run(task, name, seed)
            for what, value in of_model(experiment.model(run), test.x_c, test.x_g).items():
                rows.append((task, name, what, value))
            best = best_row(experiment.history(run))
            kl = {what: value for what, value in best.items() if what.startswith("valid_kl")}
            rows += [(task, name, what.removeprefix("valid_"), v) for what, v in kl.items()]
    return pd.DataFrame(rows, columns=["task", "method", "measure", "value"])


def run(profile: str, data: str, root: str | None) -> Path:
    """Measure, and write the table; returns the file."""
    with one_thread():
        path = results_folder(profile, data) / "limits.csv"
        write_measured(table(profile, data, root), path)
    return path
