"""What drawn futures of moving shapes are worth: rows of scores.csv.

A sample is turned back into motions (`motions.py`) and these are held to the true ones; on clips,
where none are known, `clip_scoring` compares differences alone.
"""

from typing import Any

import torch
from torch import Tensor

from cdvae import gaussian
from cdvae.data.drawn.shapes import SIDE, Pairs, draw_motion, visible
from cdvae.dynamics import motions
from cdvae.dynamics.futures import Draw, Known
from cdvae.dynamics.pairs import FramePairs
from cdvae.dynamics.rows import FrameMethod
from cdvae.methods.crossconv import CrossConv, future
from cdvae.methods.crossconv_layers import resized
from cdvae.metrics import energy_score, squared_errors

Score = tuple[str, int, float, str]  # metric, n_samples, value, unit
TRUE_DRAWS = 100_000  # of the world's motions
PART = 25  # pictures whose samples are drawn at a time
ACTIVE = 0.01  # a dimension of z is active if its mean varies by more than this (Burda et al. 2016)


def score_method(method: FrameMethod, known: Known, n: int) -> dict[str, Any]:
    """Scores of a method's rows, n samples a picture: {"rows", "code", "bins"}.

    code: KL of each dimension, nats; bins: by row and column of the table, those that the samples
    of each picture fall in.
    """
    test, seen = known.test, visible(known.test.shapes) >= motions.SEEN
    scores: list[tuple[str, Score]] = []
    bins: dict[str, dict[str, list[list[int]]]] = {}
    for row in method.rows:
        errors, energies, found = judged(row.draw(known), test, 1 if row.given else n)
        scores += [(row.name, score) for score in error_rows(errors, energies)]
        scores += [(row.name, score) for score in motion_rows(found, seen, test.motion)]
        bins[row.name] = motions.binned(found, seen)
    if method.name == "truth":
        scores += [(method.name, score) for score in measuring_rows(test)]
    code: list[float] = []
    if known.model is not None:
        code, more = code_rows(known.model, known.frames)
        scores += [(method.name, score) for score in more]
    rows = [(name, *score) for name, score in scores]
    return {"rows": rows, "code": code, "bins": bins}


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


def error_rows(errors: Tensor, energies: Tensor) -> list[Score]:
    """Mean squared error of difference images (N, n), of one sample and of the best of n, and the
    energy score of the n samples (N,), which alone is least for draws of the truth."""
    n = errors.shape[1]
    best = ("best_difference_error", n, float(errors.amin(1).mean()), "1")
    rows = [("difference_error", n, float(errors.mean()), "1"), best]
    return rows + [("energy_score", n, float(energies.mean()), "1")] * (n > 1)


def motion_rows(found: Tensor, seen: Tensor, motion: Tensor) -> list[Score]:
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


def measuring_rows(test: Pairs) -> list[Score]:
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
def code_rows(model: CrossConv, frames: FramePairs) -> tuple[list[float], list[Score]]:
    """KL(q(z | v, I) ‖ N(0, 1)) of each dimension, mean over pairs in nats, and its sums."""
    parts = [frames.batch(rows)[:2] for rows in torch.arange(len(frames)).split(100)]
    mu, log_var = (torch.cat(x) for x in zip(*(model.q_z_given_x(*p) for p in parts), strict=True))
    active = ("active_dimensions", 1, float((mu.var(0) > ACTIVE).sum()), "1")
    if not model.sampled:
        return [], [active]
    kl = gaussian.kl(mu, log_var, torch.zeros_like(mu), torch.zeros_like(mu)).mean(0)
    sums = ("code_kl", 1, float(kl.sum()), "nats"), active, ("dimensions", 1, float(len(kl)), "1")
    return kl.tolist(), list(sums)
