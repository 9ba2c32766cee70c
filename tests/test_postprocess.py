"""Detail maps, relighting and resaturation against their definitions and a second library."""

import cv2
import numpy as np
import pytest

from cdvae.data.photos.intrinsic import DARKEST
from cdvae.figures.gallery import relight, relight_as_printed, resaturate
from cdvae.postprocess.details import (
    DIMMEST,
    HUELESS,
    NEWLY_WHITE,
    SHOULDER,
    bent,
    exposure,
    log_shading,
    own_shading,
    relit,
    relit_as_printed,
    resaturated,
    to_linear,
    to_srgb,
    with_details,
)
from cdvae.postprocess.upsample import Upsampler

RANDOM = np.random.default_rng(0)


def colours(side: int = 64) -> np.ndarray:
    return RANDOM.random((side, side, 3)).astype(np.float32)


def test_details_are_the_identity_when_the_codes_are_equal():
    photo, field = colours(), RANDOM.random((32, 32)).astype(np.float32)
    original = RANDOM.random((64, 64)).astype(np.float32)
    upsample = Upsampler(photo.mean(2))
    made = with_details(field[None], field, original, upsample)
    assert np.array_equal(made[0], original)
    light = to_linear(photo)
    for same, clipped in (
        *relight(light, field[None], field, upsample),
        *relight_as_printed(light, field[None], field[None], field, upsample),
    ):
        assert clipped == 0 and np.allclose(to_srgb(same), photo, atol=1e-5)
    ((same, _),) = resaturate(photo, field[None], field, upsample)
    assert np.allclose(same, photo, atol=1e-5)


def test_details_are_equation_10():
    upsample = Upsampler(colours().mean(2))
    generated = RANDOM.random((3, 32, 32))
    reproduced, original = RANDOM.random((32, 32)), RANDOM.random((64, 64))
    made = with_details(generated, reproduced, original, upsample)
    expected = upsample(generated) + (original - upsample(reproduced[None])[0])
    assert np.allclose(made, expected, atol=1e-4)


def test_resaturation_keeps_hue_and_value():
    photo = colours().clip(0.1, 1)
    new = RANDOM.uniform(SHOULDER, 1 - SHOULDER, photo.shape[:2]).astype(np.float32)
    made, beyond = resaturated(photo, new)
    before, after = (
        cv2.cvtColor(each.astype(np.float32), cv2.COLOR_RGB2HSV) for each in (photo, made)
    )
    turn = np.abs(before[..., 0] - after[..., 0])
    has_hue = photo.max(2) - photo.min(2) >= HUELESS
    assert has_hue.mean() > 0.9
    assert np.minimum(turn, 360 - turn)[has_hue].max() < 0.1
    assert np.abs(before[..., 2] - after[..., 2]).max() < 1e-6
    assert np.abs(after[..., 1] - new)[has_hue].max() < 1e-4 and beyond == 0


def test_resaturation_with_its_own_saturation_is_the_identity():
    photo = colours()
    own = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)[..., 1]
    assert np.allclose(resaturated(photo, own)[0], photo, atol=1e-5)


def test_grey_stays_grey_and_what_goes_beyond_is_bent_back_and_counted():
    photo = colours(10).clip(0.1, 0.9)
    photo[..., 0], photo[..., 1] = 0.9, 0.1  # no pixel is nearly grey
    photo[0] = 0.5  # ten grey pixels
    photo[1] = 0.0  # ten black ones
    new = np.full((10, 10), 0.5, np.float32)
    new[2:4] = 1.3
    new[4] = -0.2
    new[0] = 3.0  # of grey pixels, where nothing changes
    made, beyond = resaturated(photo, new)
    assert np.array_equal(made[:2], photo[:2]) and beyond == pytest.approx(0.3)
    saturation = 1 - made.min(2)[2:5] / made.max(2)[2:5]
    assert saturation[:2] == pytest.approx(1 - SHOULDER / (1 + 4), abs=1e-6)  # 0.4 beyond 0.9
    assert saturation[2] == pytest.approx(SHOULDER / (1 + 3), abs=1e-6)  # 0.3 below 0.1


def test_saturation_is_bent_smoothly_and_its_own_is_kept():
    wanted = np.linspace(-2, 3, 50_001)
    for own in (0.0, 0.02, 0.4, 0.95, 1.0):
        made = bent(wanted, np.full_like(wanted, own))
        slope = np.diff(made) / np.diff(wanted)
        assert 0 <= made.min() and made.max() <= 1 and 0 <= slope.min() and slope.max() < 1 + 1e-6
        assert bent(np.array([own]), np.array([own])) == own
        if 0 < own < 1:  # no end is reached, and nothing jumps, in value or in slope
            assert 0 < made.min() and made.max() < 1 and slope.min() > 0
            assert np.abs(np.diff(slope)).max() < 0.02
        if SHOULDER < own < 1 - SHOULDER:
            kept = np.abs(wanted - 0.5) < 0.5 - SHOULDER
            assert np.abs(made - wanted)[kept].max() < 1e-12


def test_the_change_fades_where_the_hue_does():
    """From grey to HUELESS, a colour's saturation moves by the square of its share."""
    for share in (0.0, 0.25, 0.5, 1.0, 2.0):
        pixel = np.array([[[0.5, 0.5, 0.5 - share * HUELESS]]])
        own = share * HUELESS / 0.5
        made, _ = resaturated(pixel, np.array([[own + 0.3]]))
        found = 1 - made.min() / made.max()
        assert found == pytest.approx(own + 0.3 * min(share, 1) ** 2)


def test_relighting_is_albedo_times_shading_in_linear_light():
    """Where the model gives the shading back exactly, the photo is albedo × generated shading."""
    albedo, old = colours(8), RANDOM.uniform(DIMMEST, 1, (8, 8))
    new = RANDOM.uniform(DIMMEST, 1, (8, 8))
    light = albedo * old[..., None]
    made, clipped = relit(light, log_shading(new) - log_shading(old))
    assert np.allclose(made, albedo * new[..., None]) and clipped == 0
    made, clipped = relit_as_printed(light, old, old + (new - old))
    assert np.allclose(made, albedo * new[..., None]) and clipped == 0


def test_what_the_model_cannot_give_back_is_kept_in_proportion():
    """Log photo = log albedo + log CDVAE(z_g) + (log S_o − log CDVAE(z_o)), Eq. 10 in logs."""
    albedo, shading = colours(64), RANDOM.uniform(0.05, 1, (64, 64))
    generated, reproduced = RANDOM.uniform(0.1, 1, (2, 32, 32))

    def upsample(fields):  # any linear map will do
        return np.kron(fields, np.ones((2, 2)))

    ((made, _),) = relight(albedo * shading[..., None], generated[None], reproduced, upsample)
    logs = with_details(np.log(generated)[None], np.log(reproduced), np.log(shading), upsample)
    wanted = albedo * np.exp(logs[0])[..., None]
    factor = np.median(made / wanted)  # light is turned down where too much of it were white
    assert 0 < factor < 1 and np.allclose(made, (factor * wanted).clip(0, 1), atol=1e-5)


def test_a_dark_shading_never_leaves_a_pixel_black():
    light = colours(8).clip(0.1, 1)
    fields = np.array([[-0.1, 0.0, DIMMEST, 0.5]])
    made, clipped = relit(light[:1, :4], log_shading(fields) - log_shading(0.5))
    assert np.allclose(made[:, :3], light[:1, :3] * DIMMEST / 0.5) and clipped == 0
    made, clipped = relit_as_printed(light, np.full((8, 8), 0.1), np.full((8, 8), 0.1 - 0.4))
    assert made.max() <= DARKEST / 0.1 and clipped == 1  # Eq. 10 as printed does


def test_light_beyond_white_is_clipped_and_counted():
    bright = np.log(np.where(np.arange(8) < 2, 4.0, 0.2)) * np.ones((8, 1))
    made, clipped = relit(np.ones((8, 8, 3)) * np.where(np.arange(8) < 1, 1, 0.5)[:, None], bright)
    assert made.max() == 1 and clipped == pytest.approx(1 / 8)  # what was white before


def test_new_light_is_turned_down_until_few_pixels_are_newly_white():
    """By trying: a slightly larger factor brings more of them, as 8 bits, to 255 than may be."""
    light, change = colours(50), RANDOM.normal(0.5, 0.5, (50, 50))
    light[:10] = 1
    light[10:20, :, 0] = 1  # red is at white, green and blue are not
    made = light * np.exp(change)[..., None]
    factor, before = exposure(made, light), np.rint(255 * to_srgb(light))
    for times, expected in ((0.999, True), (1.001, False)):
        after = np.rint(255 * to_srgb((made * factor * times).clip(0, 1)))
        newly = ((after == 255) & (before < 255)).any(2)
        assert (newly.mean() <= NEWLY_WHITE) == expected
    assert factor < 1 and exposure(0.5 * light, light) == 1


def test_own_shading_leaves_an_albedo_in_range():
    light = colours()
    shading = own_shading(light, RANDOM.normal(0.5, 1, (64, 64)))
    assert shading.min() >= DARKEST and shading.max() <= 1
    assert (light / shading[..., None]).max() <= 1


def test_linear_light_there_and_back():
    photo = colours()
    assert np.allclose(to_srgb(to_linear(photo)), photo, atol=1e-5)
