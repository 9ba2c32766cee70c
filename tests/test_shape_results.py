"""Tables of Visual Dynamics on moving shapes: means over seeds, comparisons, fitted mixtures."""

import numpy as np
import pandas as pd
import pytest
import torch

from cdvae.data.drawn import shapes
from cdvae.dynamics import futures, motions, shape_results
from cdvae.dynamics.futures import Known
from cdvae.dynamics.motions import COLUMNS
from cdvae.dynamics.pairs import FramePairs
from cdvae.dynamics.rows import rows
from cdvae.runs.store import Run

N, SAMPLES = 60, 20


def runs(spread: dict[str, float]) -> dict[Run, dict]:
    """Two seeds of runs whose rows draw the world's motions, blurred by so many pixels."""
    found = {}
    for seed in (0, 1):
        generator, bins = torch.Generator().manual_seed(seed), {}
        seen = torch.ones(N, 3, dtype=torch.bool)
        seen[:5] = False
        for row in rows("shapes"):
            drawn = shapes.draw_motion(N * SAMPLES, generator).unflatten(0, (N, SAMPLES))
            noise = torch.randn(drawn.shape, generator=generator)
            bins[row.name] = motions.binned(drawn + spread.get(row.name, 1.0) * noise, seen)
        found[Run("motion", "any", seed)] = {"bins": bins}
    return found


def test_the_divergence_of_bins_is_that_of_motions():
    true = shape_results.true_motions()
    drawn = shapes.draw_motion(N * SAMPLES, torch.Generator().manual_seed(3))
    drawn = (drawn + 1.5).unflatten(0, (N, SAMPLES))
    seen = shapes.visible(shapes.load("test", N, 0).shapes) >= motions.SEEN
    expected = motions.divergences(true, drawn, seen)
    found = shape_results.counts(
        {Run("motion", "a", 0): {"bins": {"a": motions.binned(drawn, seen)}}}
    )
    for name, points in motions.columns(true).items():
        share = motions.histogram(points).double().numpy()
        one = shape_results.divergences(found["a", name], share, np.ones((1, N)))
        assert one[0, 0] == pytest.approx(expected[name], rel=1e-4)


def test_a_row_that_is_nearer_to_the_truth_is_below_its_rivals_with_certainty():
    ours = {row.name: 0.1 for row in rows("shapes") if row.rivals}
    table = shape_results.kl_comparisons(runs(ours))
    assert (table.high < 0).all() and (table.low < table.difference).all()
    assert set(table.motion) == set(COLUMNS) and (table.n_seeds == 2).all()
    same = shape_results.kl_comparisons(runs({}))
    assert ((same.low < 0) & (same.high > 0)).mean() > 0.7  # of intervals that should all hold 0


def test_the_table_has_means_and_deviations_of_seeds():
    lines = [
        (row.name, seed, f"kl_{column}", k + seed)
        for row in rows("shapes")
        for seed in (0, 2)
        for k, column in enumerate(COLUMNS)
    ]
    scores = pd.DataFrame(lines, columns=["method", "seed", "metric", "value"])
    table = shape_results.kl_table(scores)
    assert list(table.columns[:5]) == ["method", *COLUMNS]
    assert (table.square == 2).all() and (table.square_std == np.sqrt(2)).all()
    assert not table.method.str.contains("given").any()


def test_a_mixture_has_the_clusters_of_training_codes_and_not_their_middle():
    generator = torch.Generator().manual_seed(0)
    bank = 0.2 * torch.randn(1000, 4, generator=generator)
    bank[:, 0] += 3 * (2 * torch.randint(0, 2, (1000,), generator=generator) - 1)
    bank[:, 1] += bank[:, 0]

    class Copies:
        """A network that shows the code itself."""

        def sample_given_z(self, x_c, z):
            return z

    frames = FramePairs(*(torch.zeros(50, 3, 8, 8, dtype=torch.uint8),) * 2)
    known = Known(None, None, frames, generator, Copies(), bank)
    z = futures.mixture_codes(known)(slice(0, 50), 40).flatten(0, 1)
    assert z.shape == (2000, 4) and (z[:, 0].abs() > 2).all()
    assert torch.allclose(z.T.cov(), bank.T.cov(), atol=0.6)
    assert torch.corrcoef(z.T)[0, 1] > 0.98
