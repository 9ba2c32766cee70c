"""Embedding guidance against dense linear algebra."""

import numpy as np
import pytest
import torch
from scipy import linalg

from cdvae.data.fields import TASKS, Fields
from cdvae.guidance import LPP, features, heat_graph, projections, rotation_onto, spread, targets

rng = np.random.default_rng(0)
ROWS = (rng.normal(size=(300, 8)) @ rng.normal(size=(8, 40))).astype(np.float32)


def dense_weights(x: np.ndarray, k: int) -> np.ndarray:
    """He & Niyogi's heat-kernel graph by brute force, t the mean squared length of the edges."""
    squared = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    nearest = np.zeros(squared.shape, bool)
    np.put_along_axis(nearest, np.argsort(squared, axis=1)[:, :k], True, axis=1)
    t = squared[nearest].mean()
    weights = np.where(nearest, np.exp(-squared / t), 0.0)
    return np.maximum(weights, weights.T)


def test_graph_is_the_dense_one():
    x = ROWS.astype(np.float64)
    np.testing.assert_allclose(heat_graph(x, 7).toarray(), dense_weights(x, 7), atol=1e-9)


def test_projections_solve_the_generalised_eigenproblem():
    x = rng.normal(size=(200, 6))
    w = dense_weights(x, 5)
    d = np.diag(w.sum(1))
    values, vectors = linalg.eigh(x.T @ (d - w) @ x, x.T @ d @ x)
    found = projections(x, heat_graph(x, 5), 3)
    for k in range(3):
        a, b = found[:, k], vectors[:, k]
        assert abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) > 1 - 1e-8
        quotient = (a @ x.T @ (d - w) @ x @ a) / (a @ x.T @ d @ x @ a)
        assert np.isclose(quotient, values[k])


def test_embedding_has_the_scale_of_a_code():
    p = LPP(4).fit(ROWS).transform(ROWS)
    np.testing.assert_allclose(p.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(p.T), np.eye(4), atol=1e-2)


def test_embedding_keeps_the_least_quotients_directions():
    """Whitening mixes directions but not their span, computed densely here."""
    y = ROWS.astype(np.float64) - ROWS.mean(0)
    y = y @ linalg.svd(y, full_matrices=False)[2][:8].T
    w = dense_weights(y, 10)
    d = np.diag(w.sum(1))
    _, vectors = linalg.eigh(y.T @ (d - w) @ y, y.T @ d @ y)
    expected = y @ vectors[:, :4]
    p = LPP(4).fit(ROWS).transform(ROWS)
    angles = linalg.subspace_angles(expected - expected.mean(0), p - p.mean(0))
    assert np.degrees(angles.max()) < 0.5


def test_unseen_points_go_where_their_neighbours_are():
    lpp = LPP(4).fit(ROWS)
    moved = ROWS + 1e-4 * rng.normal(size=ROWS.shape).astype(np.float32)
    np.testing.assert_allclose(lpp.transform(moved), lpp.transform(ROWS), atol=1e-2)
    middle = lpp.transform((ROWS[:1] + ROWS[1:2]) / 2)
    np.testing.assert_allclose(middle, lpp.transform(ROWS[:2]).mean(0, keepdims=True), atol=1e-3)


def test_a_code_larger_than_the_features_rank_is_refused():
    with pytest.raises(ValueError, match="a code of 20 asked of features of rank 8"):
        LPP(20).fit(ROWS)


def fixed_camera(n: int = 43, spread: float = 0.005) -> np.ndarray:
    """Rows that differ little, far from zero, and fewer of them than they have columns."""
    scene = rng.uniform(0.5, 1, size=1500)
    return (scene + spread * rng.normal(size=(n, 1500))).astype(np.float32)


@pytest.mark.parametrize("spread", [0.02, 0.005, 1e-4])
def test_rows_far_from_zero_are_embedded_as_centred_ones(spread):
    x = fixed_camera(spread=spread)
    p = LPP(8).fit(x).transform(x)
    np.testing.assert_allclose(np.cov(p.T), np.eye(8), atol=1e-3)
    y = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    angles = linalg.subspace_angles(LPP(8).fit(y).transform(y), p)
    assert np.degrees(angles.max()) < 0.1


@pytest.mark.parametrize("odd", [1, 2, 5])
def test_a_few_rows_unlike_all_others_do_not_hide_these(odd):
    """A flash of light on a fixed camera: most variance is theirs, and they have no neighbours."""
    x = fixed_camera()
    x[:odd] *= rng.uniform(size=(odd, 1500)).astype(np.float32)
    p = LPP(8).fit(x).transform(x)
    np.testing.assert_allclose(np.cov(p.T), np.eye(8), atol=1e-3)


def test_fewer_or_equal_rows_are_refused():
    x = fixed_camera()
    for few in (x[:1], x[:8], np.repeat(x[:1], 40, 0), np.repeat(x[:8], 5, 0)):
        with pytest.raises(ValueError, match="a code of 8 asked of features of rank"):
            LPP(8).fit(few)


def test_directions_without_neighbours_have_no_quotient():
    x = rng.normal(size=(60, 4))
    x[:3, 3], x[3:, 3] = (1e3, -2e3, 3e3), 0
    assert projections(x, heat_graph(x[:, :3], 5), 4).shape == (4, 4)
    alone = heat_graph(x[:, :3], 5).tolil()
    alone[:3], alone[:, :3] = 0, 0
    assert projections(x, alone.tocsr(), 4).shape == (4, 3)


def test_rotation_is_found():
    rotation = linalg.qr(rng.normal(size=(4, 4)))[0]
    p = rng.normal(size=(50, 4))
    np.testing.assert_allclose(rotation_onto(p, p @ rotation), rotation, atol=1e-8)


def some_fields(n: int, semantic: bool) -> Fields:
    generator = torch.Generator().manual_seed(0)
    named = torch.rand(n, 26 * 3 if semantic else 0, generator=generator)
    x_c, x_g = torch.rand(n, 1, 32, 32, generator=generator), torch.rand(n, 1, 32, 32)
    n_labels = 3 if semantic else 0
    return Fields(TASKS["resaturation"], x_c, x_g, named, n_labels, tuple(map(str, range(n))))


def test_labels_and_layout_are_weighed_above_pixels():
    fields = some_fields(100, semantic=True)
    semantics = fields.semantics
    of_c = fields.x_c, semantics, fields.n_labels
    f_c, f_g = features(*of_c, 2.0), features(fields.x_g, semantics[:, :0], 0, 2.0)
    assert f_c.shape == (100, 26 * 3 + 1024)
    np.testing.assert_array_equal(f_c[:, 78:], fields.x_c.flatten(1))
    np.testing.assert_array_equal(f_g, fields.x_g.flatten(1))
    for part in (f_c[:, :3], f_c[:, 3:78]):
        assert np.isclose(spread(part), 2 * spread(f_c[:, 78:]), rtol=1e-4)


def test_targets_of_both_layers_without_annotations():
    fields = some_fields(150, semantic=False)
    p_c, p_g = targets(fields.x_c, fields.x_g, fields.semantics, fields.n_labels, 8, 2.0)
    assert p_c.shape == p_g.shape == (150, 8)
    np.testing.assert_allclose(np.cov(p_g.T), np.eye(8), atol=0.05)
