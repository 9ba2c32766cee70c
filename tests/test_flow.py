"""Optical flow against known warps of photos, made by SciPy, and its scaling to the grid."""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import affine_transform

from cdvae.data.clips.flow import flow, on_grid
from cdvae.tools.files import InputError

SHARED = Path(os.environ.get("CDVAE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
WARPS = {  # rotation in degrees about the centre, scale, translation (x, y) in pixels
    "a little to the right": (0, 1, (3.3, -2.1)),
    "to the lower right": (0, 1, (12, 7)),
    "far to the left": (0, 1, (-30, 18)),
    "out of sight almost": (0, 1, (70, -20)),
    "turned": (2, 1, (0, 0)),
    "turned more": (-5, 1, (0, 0)),
    "grown": (0, 1.05, (0, 0)),
    "shrunk": (0, 0.95, (0, 0)),
    "all three": (3, 1.04, (6, -4)),
}


def photos() -> list[np.ndarray]:
    """Real photos (h, w, 3) uint8, or textures of similar spectra where there are none."""
    import cv2

    folder = SHARED / "data" / "coco-mini" / "val2014"
    if folder.is_dir():
        paths = sorted(folder.glob("*.jpg"))[:40:10]
        return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    return [texture(seed) for seed in range(4)]


def texture(seed: int, size: int = 256) -> np.ndarray:
    """Noise with the falling spectrum of photos (h, w, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(size, size, 3))
    across, down = np.fft.fftfreq(size), np.fft.fftfreq(size)[:, None]
    amplitude = np.hypot(across, down) + 1 / size
    whole = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) / amplitude[..., None] ** 1.3, axes=(0, 1))
    return np.clip(128 + 50 * whole.real / whole.real.std(), 0, 255).astype(np.uint8)


def warped(photo: np.ndarray, degrees: float, scale: float, shift: tuple[float, float]):
    """The photo after a motion, the true flow (h, w, 2), and where its end is in the frame."""
    height, width = photo.shape[:2]
    centre = np.array([width - 1, height - 1]) / 2
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    move = centre - turn @ centre + shift  # a point p = (x, y) goes to turn @ p + move
    back = np.linalg.inv(turn)
    matrix, offset = back[::-1, ::-1], (-back @ move)[::-1]  # in SciPy's (y, x)
    channels = [
        affine_transform(photo[..., c].astype(float), matrix, offset, mode="mirror")
        for c in range(3)
    ]
    after = np.clip(np.rint(np.stack(channels, -1)), 0, 255).astype(np.uint8)
    points = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(float)
    ends = points @ turn.T + move
    inside = ((ends >= 0) & (ends <= [width - 1, height - 1])).all(-1)
    return after, ends - points, inside


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return photos()


@pytest.mark.parametrize("name", WARPS)
def test_flow_of_warped_photos_is_true_to_a_quarter_pixel(name, pictures):
    errors = []
    for photo in pictures:
        after, truth, inside = warped(photo, *WARPS[name])
        found = flow(photo, after)
        assert found.shape == (*photo.shape[:2], 2) and found.dtype == np.float32
        errors.append(np.linalg.norm(found - truth, axis=-1)[inside].mean())
    print(name, np.round(errors, 3))
    assert np.mean(errors) < 0.25
    assert np.max(errors) < 0.5


def test_medium_preset_is_coarser_but_follows(pictures):
    after, truth, inside = warped(pictures[0], *WARPS["to the lower right"])
    found = flow(pictures[0], after, "dis-medium")
    assert np.linalg.norm(found - truth, axis=-1)[inside].mean() < 0.5


def test_flow_on_the_grid_is_in_grid_pixels_per_second():
    height, width = 240, 320
    y, x = np.mgrid[:height, :width]
    field = np.stack([3 + 0.01 * x, -2 + 0.02 * y], -1).astype(np.float32)
    grid = on_grid(field, seconds=0.5)
    assert grid.shape == (2, 32, 32) and grid.dtype == np.float32
    across = field[0, :, 0].reshape(32, 10).mean(1)  # a cell is 10 columns
    down = np.repeat(field[:, 0, 1], 2).reshape(32, 15).mean(1)  # and 7½ rows
    assert np.allclose(grid[0], across[None, :] * 32 / 320 / 0.5, atol=1e-4)
    assert np.allclose(grid[1], down[:, None] * 32 / 240 / 0.5, atol=1e-4)


def test_a_translated_photo_moves_the_whole_grid(pictures):
    after, truth, inside = warped(pictures[0], 0, 1, (16, -8))
    grid = on_grid(flow(pictures[0], after))
    kept = inside.reshape(32, 8, 32, 8).all((1, 3))  # cells that stay in the frame
    assert np.abs(grid[0] - 2)[kept].mean() < 0.05  # 16 of 256 pixels are 2 of 32
    assert np.abs(grid[1] + 1)[kept].mean() < 0.05


def test_frames_that_do_not_fit_are_refused(pictures):
    photo = pictures[0]
    with pytest.raises(InputError, match="unknown flow method 'liu'"):
        flow(photo, photo, "liu")
    with pytest.raises(ValueError, match="change their size"):
        flow(photo, photo[:-1])
    with pytest.raises(ValueError, match="smaller than 32"):
        flow(photo[:20], photo[:20])


def test_nothing_moves_between_equal_frames(pictures):
    black = np.zeros((48, 64, 3), np.uint8)
    for frame in (pictures[0], black, black + 255):
        assert np.abs(flow(frame, frame)).max() < 0.01
    assert np.isfinite(flow(black, black + 255)).all()
