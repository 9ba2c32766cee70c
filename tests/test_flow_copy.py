"""The flow baseline: exact flow on shapes, estimated flow on frames of which nothing is known."""

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from cdvae.data.drawn import shapes
from cdvae.dynamics.flow_copy import FlowCopy, mean_flow, warped


def test_a_picture_laid_under_its_own_flow_moves_as_it_moved():
    """The flow baseline fails by its neighbours, not by how their flow is laid over a picture."""
    pairs = shapes.load("test", 100, 3)
    field = shapes.flow(pairs.shapes, pairs.motion)
    centre = pairs.shapes.centre.floor().long()
    for n in range(100):
        top = int(pairs.shapes.rank[n].argmax())
        x, y = centre[n, top].tolist()
        assert torch.equal(field[n, :, y, x], pairs.motion[n, top])
    seen = shapes.visible(pairs.shapes) > 0.1
    found = mean_flow(pairs.shapes, field)
    assert torch.allclose(found[seen], pairs.motion[seen], atol=1e-4)
    draw = FlowCopy(pairs, pairs)  # the nearest picture is the picture itself
    after = pairs.first.float() / 255 + draw(slice(0, 100), 1)[:, 0]
    wrong = (after - pairs.second.float() / 255).abs()[seen.all(1)]
    assert wrong.max() < 0.02


def test_warping_agrees_with_scipy():
    """Bilinear, edges repeated, at flows of fractions of pixels that also leave the picture."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 3, 20, 24, generator=generator)
    field = 8 * torch.rand(2, 2, 20, 24, generator=generator) - 4
    found = warped(x, field).numpy()
    rows, columns = np.mgrid[:20, :24]
    for n in range(2):
        there = rows - field[n, 1].numpy(), columns - field[n, 0].numpy()
        for channel in range(3):
            expected = map_coordinates(x[n, channel].numpy(), there, order=1, mode="nearest")
            assert np.abs(found[n, channel] - expected).max() < 1e-4


def test_a_clip_laid_under_its_own_flow_comes_nearer_to_what_came():
    """Frames alone, as of a clip: a textured picture that moves by three pixels."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(6, 3, 16, 16, generator=generator)
    large = torch.nn.functional.interpolate(coarse, size=(80, 80), mode="bicubic").clamp(0, 1)
    frames = [(large[..., 8:72, at : at + 64] * 255).to(torch.uint8) for at in (8, 11)]
    pairs = shapes.Pairs(*frames)
    draw = FlowCopy(pairs, pairs)  # the nearest picture is the picture itself
    v, truth = draw(slice(0, 6), 1)[:, 0], (frames[1].float() - frames[0].float()) / 255
    assert v.shape == (6, 3, 64, 64)
    assert (v - truth)[..., 4:-8].square().mean() < 0.1 * truth[..., 4:-8].square().mean()
