"""The contracting and expanding paths: sides, channels, and whose maps a vector sees."""

import torch

from cdvae.networks import Contraction, Expansion


def test_paths_meet_at_every_scale():
    down, up = Contraction(3, (4, 6, 8), 10), Expansion(10, (4, 6, 8), (4, 6, 8), 2)
    *maps, top = down(torch.rand(2, 3, 32, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 8, 8), (6, 4, 4), (8, 2, 2)]
    assert up(top, maps).shape == (2, 2, 32, 32)


def test_several_vectors_for_one_example_see_that_examples_maps():
    down, up = Contraction(1, (4, 6), 10), Expansion(10, (4, 6), (4, 6), 1)
    for parameter in up.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    *maps, _ = down(torch.rand(2, 1, 32, 32))
    vectors = torch.randn(6, 10)
    together = up(vectors, maps, n=3)
    for example in range(2):
        one = [m[example : example + 1] for m in maps]
        for k in range(3):
            row = 3 * example + k
            alone = up(vectors[row : row + 1], one)
            assert torch.allclose(alone[0], together[row], atol=1e-5)
