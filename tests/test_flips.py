"""Mirror images: of fields, of flows, of layouts."""

import numpy as np
import torch

from cdvae.data.fields import GRID, TASKS, Fields, with_flips
from cdvae.data.photos.semantics import layout_coverage


def fields(task: str, semantics: torch.Tensor, n_labels: int) -> Fields:
    t = TASKS[task]
    x_c, x_g = torch.rand(2, t.channels_c, 32, 32), torch.randn(2, t.channels_g, 32, 32)
    return Fields(t, x_c, x_g, semantics, n_labels, ("a", "b"))


def test_a_mirrored_flow_moves_a_mirrored_picture():
    """A dot that goes right by its flow goes left in the mirror, up and down as before."""
    given = fields("motion", torch.zeros(2, 0), 0)
    both = with_flips(given)
    assert len(both) == 4 and both.ids == ("a", "b", "a mirrored", "b mirrored")
    for x in (0, 5, 31):
        u, v = given.x_g[0, :, 3, x]
        assert both.x_g[2, :, 3, 31 - x].tolist() == [-u, v]
        assert torch.equal(both.x_c[2, :, 3, 31 - x], given.x_c[0, :, 3, x])


def test_twice_mirrored_is_as_before():
    for task in ("motion", "relighting"):
        given = fields(task, torch.rand(2, 3 + 3 * GRID**2), 3)
        twice = with_flips(with_flips(given))
        for name in ("x_c", "x_g", "semantics"):
            assert torch.equal(getattr(twice, name)[6:], getattr(given, name))


def test_layouts_are_those_of_mirrored_boxes():
    boxes = np.array([[3.0, 2.0, 40.0, 50.0], [60.0, 10.0, 95.0, 99.0]])
    mirrored = boxes.copy()
    mirrored[:, [0, 2]] = 100 - boxes[:, [2, 0]]
    kinds = np.array([0, 1])
    plain, other = (layout_coverage(b, kinds, 2, (100.0, 100.0)) for b in (boxes, mirrored))
    semantics = torch.tensor(np.concatenate([[0.5, 0.5], plain.ravel()]))[None].repeat(2, 1)
    found = with_flips(fields("relighting", semantics.float(), 2)).semantics[2]
    assert found[:2].tolist() == [0.5, 0.5]
    assert np.allclose(found[2:].numpy(), other.ravel(), atol=1e-6)
