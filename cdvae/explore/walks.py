"""Draws taken apart: a walk from one to another, and one layer of codes at a time.

A draw is kept as the codes and the noise that made it (`model.Draws`), so that it can be taken
again with one of them changed.
"""

import torch
from torch import Tensor

from cdvae.model import Draws
from cdvae.ties import Tie


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """The spherical walk from a (n,) to b (n,) at each of the positions t (T,) in [0, 1]: (T, n).

    sin((1 − t) θ) / sin θ · a + sin(t θ) / sin θ · b, with θ the angle between them; a straight
    line where they are parallel. Draws of N(0, I) lie near a sphere, and so does this walk.
    """
    cosine = torch.dot(a, b) / (a.norm() * b.norm()).clamp_min(1e-12)
    angle, t = torch.acos(cosine.clamp(-1, 1)), t[:, None]
    if torch.sin(angle) < 1e-4:
        return (1 - t) * a + t * b
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def walk(draws: Draws, first: int, second: int, steps: int) -> Draws:
    """A walk from one draw to another: z, and the noise of the layers below, by `slerp`."""
    t = torch.linspace(0, 1, steps)
    codes = [slerp(each[first], each[second], t) for each in (draws.z, *draws.noise)]
    return Draws(codes[0], tuple(codes[1:]))


def layer_of_others(draws: Draws, one: int, layer: int) -> Draws:
    """Draw `one` with one layer taken from each of the draws in turn; 0 is the bottom layer."""
    codes = [each[one].expand_as(each) for each in (*draws.noise, draws.z)]
    codes[layer] = (*draws.noise, draws.z)[layer]
    return Draws(codes[-1], tuple(codes[:-1]))


def untied_of_others(tie: Tie, draws: Draws, one: int) -> Draws:
    """Draw `one` with the components that its tie leaves free taken from each draw in turn."""
    tied = torch.arange(draws.z.shape[1]) < tie.n_tied
    z = torch.where(tied, draws.z[one], draws.z)
    return Draws(z, tuple(each[one].expand_as(each) for each in draws.noise))
