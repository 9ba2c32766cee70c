"""What a run is scored by, and the rows that it adds to scores.csv: (metric, n, value, unit)."""

import math
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from cdvae.data.drawn.modes import Modes
from cdvae.data.drawn.scenes import SceneTruth
from cdvae.data.fields import Fields, Task
from cdvae.likelihood import Likelihood, bits_per_dimension, effective, log_mean, log_weights
from cdvae.metrics import COUNTS, rank_deviation
from cdvae.model import Model
from cdvae.runs.measures import metric
from cdvae.training import Examples, fit

Draw = Callable[[slice, int], Tensor]  # (test examples, n) -> samples (batch, n, C_g, 32, 32)
Row = tuple[str, int, float, str]
MODE_SCENES, MODE_BATCH = 200, 10  # scenes whose modes are looked for


def trained(
    method, task: Task, profile, train: Examples, valid: Examples, seed: int, on_check
) -> tuple[Model, list[dict]]:
    """A method's model, trained with a profile's settings, and its history (`training.fit`)."""
    torch.manual_seed(seed)
    model = method.build(task, profile).to(train.x_c.device)
    model.standardise(train.x_c, train.x_g)
    return model, fit(model, train, valid, method.training(profile), seed, on_check)


def drawing(model, x_c: Tensor, seed: int) -> Draw:
    """The samples of a model for the rows of x_c, from a stream of their own."""
    generator = torch.Generator(x_c.device).manual_seed(seed)
    return lambda part, n: model.sample(x_c[part], n, generator)


def drawing_truth(fields: Fields, device: torch.device, seed: int) -> Draw:
    """Samples of the exact conditional."""
    truth, rows = fields.truth.to(device), torch.arange(len(fields), device=device)
    generator = torch.Generator(device).manual_seed(seed)
    return lambda part, n: truth.sample(rows[part], n, generator)


def sample_rows(each: dict[str, Tensor], task: Task, own: Collection[str] = ()) -> list[Row]:
    """Means over test examples of the scores of `metrics.score_samples`."""
    most = max(COUNTS)
    rows: list[Row] = []
    for name in ("best_error", "best_error_l1"):
        unit = metric(name).unit_of(task)
        rows += [(name, n, float(each[name][:, k].mean()), unit) for k, n in enumerate(COUNTS)]
    for name in ("variance", "energy_score", "crps", "variogram_score"):
        rows.append((name, most, float(each[name].mean()), metric(name).unit_of(task)))
    rows.append(("rank_deviation", most, rank_deviation(each["ranks"], most), "1"))
    return rows + [(n, most, float(each[n].mean()), metric(n).unit_of(task)) for n in own]


@torch.no_grad()
def mode_rows(draw: Draw, test: Fields, seed: int) -> list[Row]:
    """Coverage and frequencies of the true modes, where they are known (`modes.Modes`)."""
    truth, found = test.truth, {}
    if not isinstance(truth, SceneTruth):
        return []
    generator = torch.Generator(test.x_g.device).manual_seed(seed)
    for rows in torch.arange(min(MODE_SCENES, len(test))).split(MODE_BATCH):
        modes = Modes(truth, rows.to(test.x_g.device), generator)
        samples = draw(slice(int(rows[0]), int(rows[-1]) + 1), max(COUNTS))
        for name, values in modes.score(samples).items():
            found.setdefault(name, []).append(values)
    return [
        (name, max(COUNTS), float(torch.cat(values).nanmean()), "1")
        for name, values in found.items()
    ]


def likelihood_rows(
    model: Model, x_c: Tensor, x_g: Tensor, settings: Likelihood, seed: int
) -> list[Row]:
    """Negative log-likelihoods of the first test examples: the bound (1 draw) and the estimate.

    For P(x_c, x_g) and P(x_g | x_c), where the model has them: nats per example with the standard
    error of the mean over examples, bits for each value, and the mean effective number of draws.
    """
    x_c, x_g, k = x_c[: settings.n_test], x_g[: settings.n_test], settings.n_samples
    generator = torch.Generator(x_g.device).manual_seed(seed)
    values = {"joint": x_c[0].numel() + x_g[0].numel(), "conditional": x_g[0].numel()}
    rows: list[Row] = []
    for name, log_w in log_weights(model, x_c, x_g, k, generator).items():
        metric = "nll_conditional" if name == "conditional" else "nll_joint_normalised"
        for n, nats in ((1, -log_w.mean(1)), (k, -log_mean(log_w))):
            mean = float(nats.mean())
            rows.append((metric, n, mean, "nats"))
            rows.append((f"{metric}_se", n, float(nats.std()) / math.sqrt(len(nats)), "nats"))
            rows.append((f"{metric}_bits", n, bits_per_dimension(mean, values[name]), "bits/value"))
        rows.append((f"{metric}_ess", k, float(effective(log_w).mean()), "draws"))
    return rows
