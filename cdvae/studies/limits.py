"""What keeps the best of 100 samples from the truth: measured beside each method.

    python -m cdvae.limits --data coco --root DIR

writes `limits.csv` to `results/<profile>/<data>/`: mean squared errors on the test split, from
codebooks that ignore the input, over codes taken from the answer itself, to the methods' own.
"""

import argparse
import sys

import pandas as pd
import torch
from torch import Tensor

from cdvae import gaussian
from cdvae.methods.baselines import CVAE
from cdvae.methods.spatial import SpatialCDVAE
from cdvae.metrics import COUNTS, energy_score, squared_errors
from cdvae.model import CDVAE
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment, Run, best_row, one_thread
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError

N = max(COUNTS)
COMPONENTS = (4, 8, 16)  # of principal components that are kept
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the draws that answer similar inputs, not any
MIXED = "energy score, draws for similar inputs: "
METHODS = ("cvae", "shallow", "gauss", "mdn4", "mdn12", "cdvae-spatial")


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


@torch.no_grad()
def with_own_code(
    model, x_c: Tensor, x_g: Tensor, generator: torch.Generator, n: int = N
) -> Tensor:
    """n fields whose top code was taken from the answer, what is below drawn as in sampling."""
    if isinstance(model, SpatialCDVAE):
        return model.sample_with_own_code(x_c, x_g, n, generator)
    if isinstance(model, CVAE):
        return of_cvae(model, x_c, x_g, n, generator)
    mu, log_var = model.dvae_g.q_top_given_x(x_g)
    z = gaussian.sample(mu.repeat_interleave(n, 0), log_var.repeat_interleave(n, 0), generator)
    x = model.dvae_g.mean_x(model.dvae_g.descend(z, generator))
    return x.unflatten(0, (len(x_c), n))


def of_cvae(model: CVAE, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n fields by way of q(z | x_c, x_g): (batch, n, C_g, 32, 32)."""
    x_c, x_g = model.standard_c.apply_to(x_c), model.standard_g.apply_to(x_g)
    mu, log_var = (q.repeat_interleave(n, 0) for q in model.q_z_given_x(x_c, x_g))
    features = model.image_tower(x_c).repeat_interleave(n, 0)
    x = model.standard_g.undo(model.decode(features, gaussian.sample(mu, log_var, generator)))
    return x.unflatten(0, (len(x_c), n))


@torch.no_grad()
def reconstructed(model, x_c: Tensor, x_g: Tensor, generator: torch.Generator) -> Tensor:
    """One field for each answer, every code of it (CDVAE-spatial: its vector) from the answer."""
    if isinstance(model, CDVAE):
        return model.dvae_g.mean_x(model.dvae_g.q_z_given_x(x_g, generator).z[0])
    return with_own_code(model, x_c, x_g, generator, 1)[:, 0]


def of_model(model: CDVAE | SpatialCDVAE | CVAE, x_c: Tensor, x_g: Tensor) -> dict[str, float]:
    """Errors with codes of the answer: best of N with the top alone, and reconstruction."""
    generator, best, whole = torch.Generator().manual_seed(0), [], []
    for c, g in zip(x_c.split(25), x_g.split(25), strict=True):
        best.append(squared_errors(with_own_code(model, c, g, generator), g).min(1).values)
        whole.append(squared_errors(reconstructed(model, c, g, generator)[:, None], g)[:, 0])
    return {
        f"best of {N}, top code of the answer": float(torch.cat(best).mean()),
        "reconstruction": float(torch.cat(whole).mean()),
    }


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
        for method in METHODS:
            run = Run(task, method, seed)
            for name, value in of_model(experiment.model(run), test.x_c, test.x_g).items():
                rows.append((task, method, name, value))
            best = best_row(experiment.history(run))
            kl = {name: value for name, value in best.items() if name.startswith("valid_kl")}
            rows += [(task, method, name.removeprefix("valid_"), v) for name, v in kl.items()]
    return pd.DataFrame(rows, columns=["task", "method", "measure", "value"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cdvae.limits", description=__doc__)
    parser.add_argument("--data", default="scenes", help="scenes, coco or ucf101")
    parser.add_argument("--root", help="the folder that holds the photos or clips")
    parser.add_argument("--profile", default="tuned")
    options = parser.parse_args()
    try:
        with one_thread():
            found = table(options.profile, options.data, options.root)
    except InputError as error:
        sys.exit(f"cdvae: {error}")
    write_csv(found, results_folder(options.profile, options.data) / "limits.csv")


if __name__ == "__main__":
    main()
