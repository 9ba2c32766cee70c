"""Futures that each method draws for a picture, and what they are worth: rows of scores.csv."""

from collections.abc import Callable

import torch
from torch import Tensor

from cdvae import gaussian
from cdvae.data.drawn.shapes import SIDE, Pairs, draw_motion, render, visible
from cdvae.dynamics import motions
from cdvae.dynamics.experiment import LEARNED, Dynamics
from cdvae.dynamics.flow_copy import FlowCopy
from cdvae.methods.crossconv import future, resized
from cdvae.metrics import energy_score, squared_errors
from cdvae.runs.experiment import Run

Draw = Callable[[slice, int], Tensor]  # (test pictures, n) -> differences (batch, n, 3, H, W)
Row = tuple[str, str, int, float, str]  # method, metric, n_samples, value, unit
TRUE_DRAWS = 100_000  # of the world's motions
PART = 25  # pictures whose samples are drawn at a time
ACTIVE = 0.01  # a dimension of z is active if its mean varies by more than this (Burda et al. 2016)


def score_run(dynamics: Dynamics, run: Run) -> dict:
    """Scores of a run on the test split: {"rows", "code", "histograms", "sizes"}.

    code: KL of each dimension, nats; histograms: shares of motions by row and column of the table.
    """
    test, n = dynamics.pairs("test"), dynamics.settings.n_samples
    rows: list[Row] = []
    histograms: dict[str, dict[str, list[float]]] = {}
    for method, draw in draws(dynamics, run).items():
        count = 1 if method.endswith("_encoded") else n
        errors, energies, found = judged(draw, test, count)
        rows += [(method, *row) for row in error_rows(errors, energies)]
        if test.shapes is not None:
            seen = visible(test.shapes) >= motions.SEEN
            rows += [(method, *row) for row in motion_rows(found, seen, test.motion)]
            histograms[method] = {k: h.tolist() for k, h in motions.histograms(found, seen).items()}
    if run.method == "truth":
        rows += [("truth", *row) for row in measuring_rows(test)]
    kl: list[float] = []
    if run.method in LEARNED:
        kl, more = code_rows(dynamics, run)
        rows += [(run.method, *row) for row in more]
    sizes = {"train": dynamics.settings.n_train, "test": len(test.first)}
    if dynamics.data != "shapes":
        sizes["train"] = len(dynamics.pairs("train").first)
    return {"rows": rows, "code": kl, "histograms": histograms, "sizes": sizes}


def draws(dynamics: Dynamics, run: Run) -> dict[str, Draw]:
    """The samplers of a run by the name of their row; `_encoded` is given the answer itself."""
    test, device = dynamics.pairs("test"), dynamics.device
    generator = torch.Generator(device).manual_seed(run.seed)
    if run.method == "truth":
        return {"truth": true_draw(test, generator)}
    if run.method == "flow":
        return {"flow": FlowCopy(dynamics.pairs("train"), test)}
    if run.method == "still":
        return {"still": still(test)}
    model, bank = dynamics.model(run), dynamics.bank(run)
    frames = dynamics.examples("test")

    def prior(part: slice, n: int) -> Tensor:
        x_c = frames.batch(part).x_c
        if model.sampled:
            return model.sample(x_c, n, generator)
        z = torch.randn(len(x_c), n, bank.shape[1], generator=generator, device=device)
        return model.sample_given_z(x_c, bank.mean(0) + bank.std(0) * z)

    def empirical(part: slice, n: int) -> Tensor:
        x_c = frames.batch(part).x_c
        chosen = torch.randint(len(bank), (len(x_c), n), generator=generator, device=device)
        return model.sample_given_z(x_c, bank[chosen])

    def encoded(part: slice, n: int) -> Tensor:
        batch = frames.batch(part)
        z = torch.stack([model.encode(batch.x_c, batch.x_g, generator) for _ in range(n)], 1)
        return model.sample_given_z(batch.x_c, z)

    name = run.method
    return {name: prior, f"{name}_empirical": empirical, f"{name}_encoded": encoded}


def true_draw(test: Pairs, generator: torch.Generator) -> Draw:
    """Draws of the world itself."""
    size = test.first.shape[-1]

    def draw(part: slice, n: int) -> Tensor:
        rows = torch.arange(len(test.first))[part].repeat_interleave(n)
        before = test.shapes.rows(rows)
        after = render(before.moved(draw_motion(len(rows), generator)), size)
        return (after - test.first[rows].float() / 255).unflatten(0, (-1, n))

    return draw


def still(test: Pairs) -> Draw:
    """Futures in which nothing changes."""
    return lambda part, n: torch.zeros(len(test.first[part]), n, *test.first.shape[1:])


def true_motions() -> Tensor:
    """Draws of P(motion | picture), the same for all pictures: (TRUE_DRAWS, 3, 2) pixels."""
    return draw_motion(TRUE_DRAWS, torch.Generator().manual_seed(0))


def judged(draw: Draw, test: Pairs, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """n futures of each test picture: squared errors of the difference images (N, n), their energy
    scores (N,), and the motions measured in them (N, n, 3, 2) in pixels, where there are shapes."""
    errors, energies, found = [], [], []
    for rows in torch.arange(len(test.first)).split(PART):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        x_c, after = (x[part].float() / 255 for x in (test.first, test.second))
        v = draw(part, n).cpu()
        errors.append(squared_errors(v, after - x_c))
        energies.append(energy_score(v, after - x_c) if n > 1 else torch.empty(0))
        if test.shapes is not None:
            frames = resized(future(x_c[:, None], v).flatten(0, 1), SIDE)
            repeated = test.shapes.rows(rows.repeat_interleave(n))
            found.append(motions.measure(repeated, frames).unflatten(0, (-1, n)))
    motion = torch.cat(found) if found else torch.empty(0)
    return torch.cat(errors), torch.cat(energies), motion


def error_rows(errors: Tensor, energies: Tensor) -> list[tuple]:
    """Mean squared error of difference images (N, n), of one sample and of the best of n, and the
    energy score of the n samples (N,), which alone is least for draws of the truth."""
    n = errors.shape[1]
    best = ("best_difference_error", n, float(errors.amin(1).mean()), "1")
    rows = [("difference_error", n, float(errors.mean()), "1"), best]
    return rows + [("energy_score", n, float(energies.mean()), "1")] * (n > 1)


def motion_rows(found: Tensor, seen: Tensor, motion: Tensor) -> list[tuple]:
    """KL in nats from the true motions to those found (N, n, 3, 2), and what the samples do.

    For one sample of each picture, which is given the answer: also how far it is from the motion
    of this very pair (N, 3, 2), the median, in pixels.
    """
    n = found.shape[1]
    apart = motions.divergences(true_motions(), found, seen)
    rows = [(f"kl_{name}", n, value, "nats") for name, value in apart.items()]
    rows += [(name, n, value, "1") for name, value in motions.summary(found, seen).items()]
    if n == 1:
        wrong = (found[:, 0] - motion).norm(dim=2)
        each = zip(motions.COLUMNS, wrong.unbind(1), seen.unbind(1), strict=False)
        rows += [(f"motion_error_{kind}", 1, float(e[s].median()), "px") for kind, e, s in each]
    return rows


def measuring_rows(test: Pairs) -> list[tuple]:
    """What measuring itself gets wrong, on the true next frames and on these as the network could
    show them at best: with a difference image of half the resolution."""
    x_c, after = (resized(x.float() / 255, SIDE) for x in (test.first, test.second))
    half = future(x_c, resized(resized(after - x_c, SIDE // 2), SIDE))
    rows = []
    for name, frames in (("measuring", after), ("measuring_half", half)):
        found = motions.errors(test.shapes, frames, test.motion)
        rows += [(f"{name}_error_{kind}", 1, value, "px") for kind, value in found.items()]
    return rows


@torch.no_grad()
def code_rows(dynamics: Dynamics, run: Run) -> tuple[list[float], list[tuple]]:
    """KL(q(z | v, I) ‖ N(0, 1)) of each dimension, mean over test pairs in nats, and its sums."""
    model, frames = dynamics.model(run), dynamics.examples("test")
    parts = [frames.batch(rows)[:2] for rows in torch.arange(len(frames)).split(100)]
    mu, log_var = (torch.cat(x) for x in zip(*(model.q_z_given_x(*p) for p in parts), strict=True))
    if not model.sampled:
        return [], [("active_dimensions", 1, float((mu.var(0) > ACTIVE).sum()), "1")]
    kl = gaussian.kl(mu, log_var, torch.zeros_like(mu), torch.zeros_like(mu)).mean(0)
    rows = [
        ("code_kl", 1, float(kl.sum()), "nats"),
        ("active_dimensions", 1, float((mu.var(0) > ACTIVE).sum()), "1"),
        ("dimensions", 1, float(len(kl)), "1"),
    ]
    return kl.tolist(), rows
