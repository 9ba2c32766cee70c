"""What a trained cross convolutional network has learned: codes, kernels, motions moved over."""

from typing import NamedTuple

import torch
from torch import Tensor

from cdvae.data.drawn.shapes import SIDE, Pairs
from cdvae.dynamics.motions import along, measure
from cdvae.methods.crossconv import CrossConv, future
from cdvae.methods.crossconv_layers import resized


def traverse(model: CrossConv, x_c: Tensor, dimension: int, values: Tensor) -> Tensor:
    """Futures of pictures (N, 3, H, W) as one dimension of z takes each value and the others are
    0, the prior's mean: (N, len(values), 3, H, W) in [0, 1]."""
    z = torch.zeros(len(x_c), len(values), model.sizes.n_code(), device=x_c.device)
    z[:, :, dimension] = values
    return future(x_c[:, None], model.sample_given_z(x_c, z))


def steps_along(model: CrossConv, pairs: Pairs, dimension: int, values: Tensor) -> Tensor:
    """The median step of each shape along its axis as one dimension of z is traversed:
    (len(values), 3) pixels."""
    x_c = pairs.first.float() / 255
    frames = traverse(model, x_c, dimension, values)
    rows = torch.arange(len(x_c)).repeat_interleave(len(values))
    found = measure(pairs.shapes.rows(rows), resized(frames.flatten(0, 1), SIDE))
    return along(found).unflatten(0, (-1, len(values))).median(0).values


def transfer(model: CrossConv, source: Pairs, x_c: Tensor) -> Tensor:
    """Visual analogy: what happened in each source pair, happening to each picture.

    source: S pairs; x_c (N, 3, H, W). The code of a pair, its mean, is decoded into kernels and
    these move the maps of the picture: (S, N, 3, H, W) in [0, 1].
    """
    first, second = (x.float() / 255 for x in (source.first, source.second))
    with torch.no_grad():
        z, _ = model.q_z_given_x(first, second - first)
    v = model.sample_given_z(x_c, z[None].expand(len(x_c), -1, -1))
    return future(x_c[:, None], v).transpose(0, 1)


class Response(NamedTuple):
    """The kernel that follows one shape's step most closely."""

    scale: int
    map: int
    share: float  # of the kernel's variance over pairs that is linear in the step
    kernels: Tensor  # (3, k, k): at a step of −4, 0 and 4 pixels, by that line


@torch.no_grad()
def responses(model: CrossConv, pairs: Pairs) -> list[Response]:
    """For circle, square and triangle: the kernel that answers to its step, and how.

    Each kernel's entries are regressed on the step over all pairs; of the kernels that vary as
    much as an average one, the one with the largest share of variance explained is chosen.
    """
    first, second = (x.float() / 255 for x in (pairs.first, pairs.second))
    kernels = model.kernels(model.q_z_given_x(first, second - first)[0])
    mean, varied = kernels.mean(0), kernels - kernels.mean(0)
    total = varied.square().mean(0).sum((2, 3))  # (scales, maps)
    found = []
    for step in along(pairs.motion).unbind(1):
        centred = step - step.mean()
        slope = torch.einsum("n,nsmij->smij", centred, varied) / centred.square().sum()
        share = slope.square().sum((2, 3)) * centred.square().mean() / total.clamp_min(1e-12)
        share = torch.where(total >= total.mean(), share, 0.0)
        scale, number = divmod(int(share.argmax()), share.shape[1])
        at = torch.tensor([-4.0, 0.0, 4.0])[:, None, None]
        line = mean[scale, number] + (at - step.mean()) * slope[scale, number]
        found.append(Response(scale, number, float(share[scale, number]), line))
    return found
