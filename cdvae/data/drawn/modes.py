"""Does a method find the true modes, as often as they occur? Measured where the truth is known.

In the built-in world each part of a scene has modes: which light is on (the whole picture), whether
a paint is dull or vivid, which way a thing moves. Draws of the exact conditional give each mode's
probability and its mean field; a sample has, in each part, the mode whose mean field is nearest.
"""

import torch
from torch import Tensor

from cdvae.data.drawn import render, world
from cdvae.data.drawn.scenes import SceneTruth, generated_layer

DRAWS = 200  # of the exact conditional for each scene
FREQUENT = 0.05  # modes of this probability and more are to be found
SEEN = 12  # pixels: a part that shows less is not judged
PROGRESS = 3  # labels of a motion: −1, 0, 1


def mode_labels(task: str, hidden: world.Hidden) -> Tensor:
    """The mode of each part in each draw, (N, regions) from 0; `regions` says where they are."""
    if task == "relighting":
        return (2 * hidden.light + hidden.lamp_on)[:, None]
    if task == "resaturation":
        return hidden.high.long()
    own = torch.cat([torch.zeros_like(hidden.pan[:, None]), hidden.direction], 1)
    return PROGRESS * (own + 1) + hidden.pan[:, None] + 1


def regions(task: str, g: render.Geometry) -> Tensor:
    """Where the parts show: (N, regions, 32, 32) bool; for light, the whole picture."""
    if task == "relighting":
        return torch.ones_like(g.label, dtype=torch.bool)[:, None]
    return torch.stack([g.label == part for part in range(world.MOST + 1)], 1)


class Modes:
    """The modes of some scenes: p (N, regions, modes), fields (N, regions, modes, C, 32, 32)."""

    def __init__(self, truth: SceneTruth, index: Tensor, generator: torch.Generator):
        scenes = truth.scenes.rows(index)
        g = render.geometry(scenes)
        rows = torch.arange(len(index), device=index.device).repeat_interleave(DRAWS)
        repeated = scenes.rows(rows)
        hidden = world.draw_hidden(repeated, generator)
        drawn = render.Geometry(*(part[rows] for part in g))
        x = generated_layer(truth.task, repeated, drawn, hidden).unflatten(0, (-1, DRAWS))
        labels = mode_labels(truth.task, hidden).unflatten(0, (-1, DRAWS))
        one_hot = torch.nn.functional.one_hot(labels).to(x.dtype)  # (N, draws, regions, modes)
        count = one_hot.sum(1)
        self.where = regions(truth.task, g)
        self.judged = self.where.flatten(2).sum(2) >= SEEN
        self.p = count / DRAWS
        self.fields = torch.einsum("ndrm,ndchw->nrmchw", one_hot, x)
        self.fields /= count.clamp_min(1)[..., None, None, None]

    def nearest(self, samples: Tensor) -> Tensor:
        """The mode of each sample (N, n, C, 32, 32) in each part: (N, n, regions)."""
        where = self.where[:, :, None, None].to(samples.dtype)
        masked = self.fields * where  # Σ_region (x − m)² = const − 2 x·m + m·m
        cross = torch.einsum("nschw,nrmchw->nsrm", samples, masked)
        distance = masked.square().flatten(3).sum(3)[:, None] - 2 * cross
        return distance.masked_fill(self.p[:, None] == 0, torch.inf).argmin(3)

    def score(self, samples: Tensor) -> dict[str, Tensor]:
        """For each scene, over its parts that can be seen, NaN where there is none: (N,) each.

        mode_coverage: share of the frequent modes that some sample has. mode_frequency_error:
        total variation distance between the modes' frequencies in the samples and in truth.
        """
        n_modes = self.p.shape[2]
        found = torch.nn.functional.one_hot(self.nearest(samples), n_modes).float().mean(1)
        frequent = self.p >= FREQUENT
        coverage = ((found > 0) & frequent).sum(2) / frequent.sum(2)
        distance = 0.5 * (found - self.p).abs().sum(2)
        judged = self.judged.float()
        return {
            name: (each * judged).sum(1) / judged.sum(1)
            for name, each in {"mode_coverage": coverage, "mode_frequency_error": distance}.items()
        }
