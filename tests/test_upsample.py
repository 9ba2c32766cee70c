"""The upsampling of Sec. 4.2 against a dense solution, and what must hold for any photo."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from cdvae.postprocess.upsample import DEFAULT, SIZE, Upsampler, downsample, orientations, segments

SIDE = 128  # a photo of 4 × 4 pixels a cell


def photo(seed: int = 0, side: int = SIDE) -> np.ndarray:
    """A grey photo of a bright disc on a graded ground, with some noise."""
    y, x = np.mgrid[:side, :side] / side
    disc = (x - 0.47) ** 2 + (y - 0.56) ** 2 < 0.09
    noise = np.random.default_rng(seed).normal(0, 0.01, (side, side))
    return (0.2 + 0.2 * x + 0.45 * disc + noise).clip(0, 1)


def disc_label(side: int = SIDE) -> np.ndarray:
    y, x = np.mgrid[:side, :side] / side
    return ((x - 0.47) ** 2 + (y - 0.56) ** 2 < 0.09).astype(int)


def test_the_solver_against_dense_least_squares():
    """The stacked system of the docstring, built from the dense basis and solved by lstsq."""
    grey, label = photo(), disc_label()
    made = Upsampler(grey, label)
    y = np.random.default_rng(1).random((1, SIZE, SIZE))
    dense = made.basis.toarray().astype(float)
    level_of = np.eye(2)[label.ravel()]

    def cell_means(columns):
        return downsample(columns.T.reshape(-1, SIDE, SIDE)).reshape(columns.shape[1], -1).T

    a, c = cell_means(dense), cell_means(level_of)
    mean = c.T @ y.ravel() / c.sum(0)
    root_w, root_m = np.sqrt(DEFAULT.weight), np.sqrt(DEFAULT.level)
    n_w = a.shape[1]
    stacked = np.block(
        [
            [a, c],
            [root_w * np.eye(n_w), np.zeros((n_w, 2))],
            [np.zeros((2, n_w)), root_m * np.eye(2)],
        ]
    )
    right = np.concatenate([y.ravel(), np.zeros(n_w), root_m * mean])
    u = np.linalg.lstsq(stacked, right, rcond=None)[0]
    expected = (dense @ u[:n_w] + level_of @ u[n_w:]).reshape(SIDE, SIDE)
    assert np.abs(made(y)[0] - expected).max() < 1e-4


def test_basis_functions_are_gaussians_along_theta_and_in_grey_in_their_own_segment():
    grey, label = photo(), disc_label()
    made = Upsampler(grey, label)
    theta, coherence = orientations(grey)
    rows = made.basis.toarray().reshape(SIDE, SIDE, -1)
    assert np.allclose(rows.sum(2), 1, atol=1e-5)
    # by brute force at one pixel near the border: all cells within reach, all samples there
    py, px = 40, 60
    at = (np.array([py, px]) + 0.5) / 4
    values = []
    for cy in range(py // 4 - 2, py // 4 + 3):
        for cx in range(px // 4 - 2, px // 4 + 3):
            ys, xs = np.nonzero(label[4 * cy : 4 * cy + 4, 4 * cx : 4 * cx + 4] == label[py, px])
            corner = abs(cy - py // 4) + abs(cx - px // 4) == 4  # out of reach
            if len(ys) and not corner:
                centre = np.array([cy + (ys.mean() + 0.5) / 4, cx + (xs.mean() + 0.5) / 4])
                down, right = at - centre
                t, k = theta[cy, cx], coherence[cy, cx]
                u = right * np.cos(t) + down * np.sin(t)
                v = down * np.cos(t) - right * np.sin(t)
                width = DEFAULT.along + (DEFAULT.across - DEFAULT.along) * k
                darker = grey[4 * cy + ys, 4 * cx + xs].mean() - grey[py, px]
                far = (u / DEFAULT.along) ** 2 + (v / width) ** 2 + (darker / DEFAULT.alike) ** 2
                values.append(np.exp(-0.5 * far))
    mine = rows[py, px][rows[py, px] > 0]
    assert np.allclose(np.sort(mine), np.sort(values) / np.sum(values), atol=1e-5)


def test_a_field_constant_within_segments_is_recovered():
    label = disc_label()
    truth = np.array([0.2, 0.9])[label]
    found = Upsampler(photo(), label)(downsample(truth[None]))[0]
    assert np.abs(found - truth).max() < 2e-3
    free = replace(DEFAULT, level=1e-9)  # as the penalty on the levels goes, exactly
    found = Upsampler(photo(), label, free)(downsample(truth[None]))[0]
    assert np.abs(found - truth).max() < 1e-5


def test_nothing_leaks_across_a_border():
    """With the border between cells, the left side's field does not know the right side's."""
    label = np.zeros((SIDE, SIDE), int)
    label[:, SIDE // 2 :] = 1
    made = Upsampler(photo(), label)
    y = np.random.default_rng(2).random((2, SIZE, SIZE))
    y[1, :, : SIZE // 2] = y[0, :, : SIZE // 2]
    a, b = made(y)
    assert np.array_equal(a[:, : SIDE // 2], b[:, : SIDE // 2])
    assert np.abs(a - b)[:, SIDE // 2 :].max() > 0.1
    weights = made.basis.toarray()
    of_left = weights[label.ravel() == 0].max(0) > 0
    of_right = weights[label.ravel() == 1].max(0) > 0
    assert not (of_left & of_right).any()  # no basis function is in two segments


def test_downsampled_the_result_is_the_field():
    """Nearly, for a field as smooth as those of photos; for any, as the penalty goes."""
    noise = np.random.default_rng(3).random((1, SIZE, SIZE))
    y = gaussian_filter(noise, (0, 1, 1)) + disc_label()[2::4, 2::4] * 0.5
    for field, settings, tolerance in (
        (y, DEFAULT, 0.02),
        (noise, replace(DEFAULT, weight=1e-9), 1e-4),
    ):
        found = downsample(Upsampler(photo(), settings=settings)(field))
        assert np.abs(found - field).max() < tolerance


def test_linear_in_the_field():
    made = Upsampler(photo())
    y = np.random.default_rng(4).random((2, SIZE, SIZE))
    both = made(np.stack([y[0] - y[1]]))[0]
    assert np.allclose(made(y)[0] - made(y)[1], both, atol=1e-4)
    assert np.abs(made(np.zeros((1, SIZE, SIZE)))).max() == 0


def test_theta_runs_along_the_edges():
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    for angle in (0.0, 0.5, 1.2, 2.5):
        grey = 0.5 + 0.4 * np.sin(40 * (y * np.cos(angle) - x * np.sin(angle)))
        theta, coherence = orientations(grey)
        inner = (slice(4, -4), slice(4, -4))
        assert np.abs(np.sin(theta[inner] - angle)).max() < 0.1 and coherence[inner].min() > 0.9


def test_segments_are_numbered_and_large_enough():
    label = segments(photo())
    assert set(np.unique(label)) == set(range(label.max() + 1)) and label.max() > 0
    assert np.bincount(label.ravel()).min() >= DEFAULT.smallest * 16


def test_the_settings_are_those_chosen_on_training_photos():
    path = Path(__file__).parents[1] / "results" / "quick" / "coco" / "upsampling.json"
    assert json.loads(path.read_text())["settings"] == asdict(DEFAULT)


def test_the_committed_table_has_us_above_bicubic_and_consistent():
    table = pd.read_csv(Path(__file__).parents[1] / "results" / "quick" / "coco" / "upsampling.csv")
    for _, photos in table.groupby(["photos", "input"]):
        row = photos.set_index("method")
        assert row.psnr_db["ours"] > row.psnr_db["bicubic"] + 0.1
        assert row.edge_rmse["ours"] < row.edge_rmse["bicubic"]
        assert row.consistency_rmse["ours"] < 0.2 * row.consistency_rmse["bicubic"]


def test_a_border_without_a_segment_is_kept_as_grey_values_tell_it():
    """A step of saturation at a step of grey, all one segment: sharper than bicubic by far."""
    import cv2

    grey, label = photo(), disc_label()
    truth = np.array([0.2, 0.9])[label]
    coarse = downsample(truth[None])
    found = Upsampler(grey, np.zeros_like(label))(coarse)[0]
    smooth = cv2.resize(coarse[0], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    assert ((found - truth) ** 2).mean() < 0.2 * ((smooth - truth) ** 2).mean()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no multiple of 32"):
        Upsampler(np.zeros((100, 128)))


def test_a_field_of_512_takes_under_a_second():
    made = Upsampler(photo(side=512))
    y = np.random.default_rng(5).random((1, SIZE, SIZE))
    start = time.perf_counter()
    made(y)
    assert time.perf_counter() - start < 1
