"""What futures of real clips are worth: no motion is known, difference images are compared."""

from typing import Any

import torch

from cdvae import gaussian
from cdvae.dynamics.futures import Known, still
from cdvae.dynamics.rows import FrameMethod
from cdvae.dynamics.scoring import error_rows, judged


def score_method(method: FrameMethod, known: Known, n: int) -> dict[str, Any]:
    """Scores of a method's rows, n samples a picture: {"rows", "each"}.

    rows: (row, metric, n_samples, value, unit). each: by row, the energy score of every test pair
    or, where the answer is given, the mean squared error; for intervals.
    """
    rows: list[tuple] = []
    each: dict[str, list[float]] = {}
    whole = judged(still(known), known.test, 1)[0]
    for row in method.rows:
        draw = row.draw(known._replace(noise=row.noise))
        errors, energies, _ = judged(draw, known.test, 1 if row.given else n)
        rows += [(row.name, *score) for score in error_rows(errors, energies)]
        if row.given:
            share = float(1 - errors.sum() / whole.sum())
            rows.append((row.name, "explained", 1, share, "1"))
        each[row.name] = (errors[:, 0] if row.given else energies).tolist()
    if method.sampled:
        rows.append((method.name, "code_kl", 1, code_kl(known), "nats"))
    return {"rows": rows, "each": each}


@torch.no_grad()
def code_kl(known: Known) -> float:
    """KL(q(z | v, I) ‖ P(z | I)), mean over test pairs, in nats."""
    model, sums = known.model, []
    for rows in torch.arange(len(known.frames)).split(100):
        x_c, x_g = known.frames.batch(rows)[:2]
        q = model.q_z_given_x(x_c, x_g)
        sums.append(model.kl(model.features(x_c)[2], q, gaussian.sample(*q, known.generator)))
    return float(torch.cat(sums).mean())
