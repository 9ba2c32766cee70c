"""Sampling with a hand on it: a wider tie, one component, a walk, one layer of codes at a time.

A draw is kept as the codes and the noise that made it, so that it can be taken again with one of
them changed. With nothing changed the draws are those of the model's own `sample`.
"""

from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.methods.baselines import CVAE
from cdvae.model import CDVAE
from cdvae.ties import MDNTie

LEAST = 1e-6  # spread, so that its logarithm is finite


@dataclass(frozen=True)
class Draws:
    """n draws for one x_c.

    z (n, n_code): the top code z_g, or the only code of CVAE and cross convolution. noise: for
    each layer below the top, from the bottom, the N(0, 1) draws (n, n_l) that make z_l of z_{l+1}.
    """

    z: Tensor
    noise: tuple[Tensor, ...] = ()

    def rows(self, index) -> "Draws":
        """The draws at `index`."""
        return Draws(self.z[index], tuple(each[index] for each in self.noise))


def spread_tie(tie: nn.Module, spread: float) -> nn.Module:
    """A Gaussian tie with σ_t `spread` times as large; its untied components stay N(0, 1)."""
    changed = copy(tie)
    changed.sigma = max(spread, LEAST) * tie.sigma
    return changed


def cross(
    tie: nn.Module,
    z_c: Tensor,
    spread: float = 1.0,
    component: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """z_g for each z_c (n, n_code), with the deviations of the tie multiplied by `spread`.

    Of an MDN tie every σ_k is multiplied (its variances have the temperature spread²) and the
    weights stay; if `component` is given, counted from 0, all draws come from that Gaussian.
    """
    if not isinstance(tie, MDNTie):
        return spread_tie(tie, spread).sample(z_c, generator)
    log_pi, mu, log_var = tie.mixture(z_c)
    k = torch.multinomial(log_pi.exp(), 1, generator=generator)
    if component is not None:
        k = torch.full_like(k, component)
    k = k[:, :, None].expand(-1, -1, tie.shape[1])
    log_var = log_var.gather(1, k)[:, 0] + 2 * torch.tensor(max(spread, LEAST)).log()
    return gaussian.sample(mu.gather(1, k)[:, 0], log_var, generator)


@torch.no_grad()
def draw(
    model: nn.Module,
    x_c: Tensor,
    n: int,
    generator: torch.Generator,
    spread: float = 1.0,
    component: int | None = None,
) -> Draws:
    """n draws for x_c (1, C_c, 32, 32); models without a tie have no spread and no components."""
    if not isinstance(model, CDVAE):
        n_code = model.n_code if isinstance(model, CVAE) else model.sizes.n_code()
        return Draws(torch.randn(n, n_code, generator=generator))
    mu, log_var = model.dvae_c.q_top_given_x(x_c)
    z_c = gaussian.sample(mu.repeat_interleave(n, 0), log_var.repeat_interleave(n, 0), generator)
    z_g = cross(model.tie, z_c, spread, component, generator)
    below = reversed(model.dvae_g.latents[:-1])
    noise = [torch.randn(n, size, generator=generator) for size in below]
    return Draws(z_g, tuple(noise[::-1]))


@torch.no_grad()
def decode(model: nn.Module, x_c: Tensor, draws: Draws) -> Tensor:
    """The fields of the draws for x_c (1, C_c, 32, 32): (n, C_g, 32, 32)."""
    z = draws.z
    if isinstance(model, CVAE):
        features = model.image_tower(model.standard_c.apply_to(x_c)).expand(len(z), -1, -1, -1)
        return model.standard_g.undo(model.decode(features, z))
    if not isinstance(model, CDVAE):
        return model.sample_given_z(x_c, z[None])[0]
    for layer, noise in reversed(list(enumerate(draws.noise))):
        mu, log_var = model.dvae_g.p_z_given_above(layer, z)
        z = mu + torch.exp(0.5 * log_var) * noise
    return model.dvae_g.mean_x(z)


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


def untied_of_others(tie: nn.Module, draws: Draws, one: int) -> Draws:
    """Draw `one` with the untied components of a Gaussian tie taken from each draw in turn."""
    tied = torch.arange(draws.z.shape[1]) < tie.n_tied
    z = torch.where(tied, draws.z[one], draws.z)
    return Draws(z, tuple(each[one].expand_as(each) for each in draws.noise))


@torch.no_grad()
def reproduce(model: nn.Module, x_c: Tensor, x_g: Tensor, generator: torch.Generator) -> Tensor:
    """CDVAE(z_o) of Eq. 10: layers x_g given back from codes of their own, (N, C_g, 32, 32).

    z_1 is the mean of q(z_1 | z_2, x_g) and the codes above are drawn; the other models decode the
    mean of q(z | x_c, x_g).
    """
    if isinstance(model, CDVAE):
        return model.dvae_g.mean_x(model.dvae_g.q_z_given_x(x_g, generator).q[0][0])
    if isinstance(model, CVAE):
        x_c, x_g = model.standard_c.apply_to(x_c), model.standard_g.apply_to(x_g)
        z, _ = model.q_z_given_x(x_c, x_g)
        return model.standard_g.undo(model.decode(model.image_tower(x_c), z))
    z, _ = model.q_z_given_x(x_c, x_g)
    return model.sample_given_z(x_c, z[:, None])[:, 0]
