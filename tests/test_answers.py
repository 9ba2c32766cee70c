"""How different answers are and what clips, against distances and shares that are known."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from cdvae.studies import answers
from cdvae.tools.files import InputError


def test_black_and_white_are_a_hundred_apart():
    pictures = np.stack([np.full((4, 5, 3), level) for level in (0.0, 1.0, 1.0)])
    assert answers.difference(pictures) == pytest.approx(200 / 3, rel=1e-3)


def test_differences_against_another_library():
    pictures = np.random.default_rng(0).random((3, 6, 7, 3))
    lab = rgb2lab(pictures)
    apart = [np.linalg.norm(lab[a] - lab[b], axis=2).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert answers.difference(pictures) == pytest.approx(np.mean(apart), rel=2e-3)


def test_what_clips_is_counted_where_the_photo_did_not():
    original = np.full((10, 10, 3), 0.5)
    original[0] = 1.0  # ten pixels that were white before
    made = np.stack([original, original])
    made[1, :3] = 1.0  # thirty white, of which twenty are new
    made[1, 9, 0, 2] = 0.0  # and one that has lost its blue
    assert answers.newly_clipped(made, original) == pytest.approx(0.21)


def test_scenes_are_refused():
    with pytest.raises(InputError, match="answers of scenes, relighting, are no photos"):
        answers.table("smoke", "scenes", None)
