"""Models as graphs of their noise: the same numbers in give the same fields out, in any runtime.

A graph takes an example's x_c (1, C_c, 32, 32), and for n samples the numbers that `sample` would
draw: `noise` (n, n_noise), independent N(0, 1), in the order in which the model draws them. It
gives `fields` (n, C_g, 32, 32), and from x_g (1, C_g, 32, 32) and `own_noise` (1, n_own) the layer
as the model gives it back, `reproduced` = CDVAE(z_o) of Eq. 10. Ties take a `spread` (1,), and
mixtures `component` (1,), counted from 0 with −1 for all, and `choice` (n, K), independent Exp(1):
component k is that of the largest π_k / choice_k, so it is k with probability π_k. They give
`weights` (1, K), π at the mean of q(z_c | x_c).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cdvae.gaussian import Gaussian
from cdvae.methods.crossconv import CrossConv
from cdvae.methods.crossconv_layers import resized
from cdvae.methods.cvae import CVAE
from cdvae.methods.spatial import Given, SpatialCDVAE
from cdvae.methods.spatial_layers import Canvas
from cdvae.model import CDVAE, Model
from cdvae.networks import PATCH, SIZE, SLOPE
from cdvae.ties import LEAST, GaussianTie, MDNTie
from cdvae.tools.errors import InputError


class Graph(nn.Module):
    """n_noise, n_own: how many numbers a sample, and the layer given back, are made of.

    inputs, outputs: their names, in order.
    """

    n_noise: int
    n_own = 0
    n_components = 0
    inputs = ("x_c", "x_g", "noise")
    outputs = ("fields", "reproduced")

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def example(self, channels_c: int, channels_g: int, n: int = 3) -> tuple[Tensor, ...]:
        """Inputs of the right shapes, for n samples."""
        every = {
            "x_c": torch.rand(1, channels_c, 32, 32),
            "x_g": torch.rand(1, channels_g, 32, 32),
            "noise": torch.randn(n, self.n_noise),
            "own_noise": torch.randn(1, self.n_own),
            "spread": torch.ones(1),
            "component": torch.full((1,), -1),
            "choice": torch.rand(n, self.n_components) + 0.1,
        }
        return tuple(every[name] for name in self.inputs)


class Tied(Graph):
    """CDVAE. `noise` is that of z_c's top, of the tie, then of z_g's layers below, from the top."""

    inputs = ("x_c", "x_g", "noise", "own_noise", "spread")

    def __init__(self, model: CDVAE):
        super().__init__(model)
        self.sizes = list(model.dvae_g.latents[::-1])  # from the top
        self.n_noise, self.n_own = self.sizes[0] + sum(self.sizes), sum(self.sizes)

    def forward(self, x_c, x_g, noise, own_noise, spread):
        top = self.model.dvae_c.q_top_given_x(x_c)
        first, second, *below = noise.split([self.sizes[0], *self.sizes], 1)
        z_g = self.crossed(given(top, first), second, spread)
        return self.descended(z_g, below), self.reproduced(x_g, own_noise)

    def crossed(self, z_c: Tensor, noise: Tensor, spread: Tensor) -> Tensor:
        """`GaussianTie.cross`, with σ_t `spread` times as large."""
        tie = self.model.tie
        sigma = spread.clamp_min(LEAST) * tie.sigma
        shrink = 1 / (1 + sigma**2) if tie.exact else torch.ones_like(sigma)
        tied = (torch.arange(tie.n_code) < tie.n_tied).float()
        return tied * (shrink * z_c + shrink.sqrt() * sigma * noise) + (1 - tied) * noise

    def descended(self, z: Tensor, below: list[Tensor]) -> Tensor:
        dvae = self.model.dvae_g
        for layer, noise in zip(reversed(range(len(below))), below, strict=True):
            z = given(dvae.p_z_given_above(layer, z), noise)
        return dvae.mean_x(z)

    def reproduced(self, x_g: Tensor, own_noise: Tensor) -> Tensor:
        """`CDVAE.reproduce`: codes are drawn from the top, of the lowest the mean is taken."""
        dvae, noises = self.model.dvae_g, own_noise.split(self.sizes, 1)
        *lower, top = dvae.upward(x_g)
        q, z = top, given(top, noises[0])
        for layer, noise in zip(reversed(range(len(lower))), noises[1:], strict=True):
            q = product(lower[layer], dvae.p_z_given_above(layer, z))
            z = given(q, noise)
        return dvae.mean_x(q[0])


class Mixed(Tied):
    """CDVAE with a mixture for its tie."""

    inputs = (*Tied.inputs, "component", "choice")
    outputs = (*Graph.outputs, "weights")

    def __init__(self, model: CDVAE):
        super().__init__(model)
        self.n_components = model.tie.n_components

    def forward(self, x_c, x_g, noise, own_noise, spread, component, choice):
        top = self.model.dvae_c.q_top_given_x(x_c)
        first, second, *below = noise.split([self.sizes[0], *self.sizes], 1)
        log_pi, mu, log_var = self.model.tie.mixture(given(top, first))
        k = torch.where(component < 0, (log_pi.exp() / choice).argmax(1), component)
        chosen = (k[:, None] == torch.arange(self.n_components)).to(mu)[:, :, None]
        mu, log_var = (mu * chosen).sum(1), (log_var * chosen).sum(1)
        z_g = mu + spread.clamp_min(LEAST) * torch.exp(0.5 * log_var) * second
        weights = self.model.tie.mixture(top[0])[0].exp()
        return self.descended(z_g, below), self.reproduced(x_g, own_noise), weights


class Conditional(Graph):
    """CVAE. `noise` is z."""

    def __init__(self, model: CVAE):
        super().__init__(model)
        self.n_noise = model.n_code

    def forward(self, x_c, x_g, noise):
        model, s_c = self.model, self.model.standard_c.apply_to(x_c)
        own = model.q_z_given_x(s_c, model.standard_g.apply_to(x_g))[0]
        features = model.image_tower(s_c)
        several = features.expand(noise.shape[0], -1, -1, -1)
        made = (model.decode(several, noise), model.decode(features, own))
        return tuple(map(model.standard_g.undo, made))


class InSpace(Graph):
    """CDVAE-spatial. `noise` is that of z_g's vector; other codes of x_g it must not have."""

    def __init__(self, model: SpatialCDVAE):
        super().__init__(model)
        *maps, self.n_noise = model.settings.codes_g
        if any(maps):
            raise InputError("CDVAE-spatial with maps for codes of x_g cannot be exported")

    def forward(self, x_c, x_g, noise):
        model = self.model
        s_c, s_g = model.standard_c.apply_to(x_c), model.standard_g.apply_to(x_g)
        seen = model.given(s_c, model.q_c(s_c))
        tie = model.tie(seen.z_c[-1])
        own = product(model.top_g(model.encoder_g(torch.cat([s_g, s_c], 1))[-1]), tie)[0]
        made = (self.decoded(seen, z) for z in (given(tie, noise), own))
        return tuple(map(model.standard_g.undo, made))

    def decoded(self, seen: Given, z: Tensor) -> Tensor:
        """`SpatialCDVAE.decode_g` for one x_c, written so that the number of codes can change."""
        *maps, top = seen.z_c
        vector = torch.cat([z, top.expand(z.shape[0], -1)], 1)
        return painted(seen.canvas, self.model.decoder_g(vector, maps))


def painted(canvas: Canvas, maps: Tensor) -> Tensor:
    """`Canvas.paint` for one x_c."""
    h = F.leaky_relu(maps, SLOPE).flatten(2).permute(0, 2, 1)[:, :, None]
    x = (canvas.offset + h @ canvas.weights / canvas.weights.shape[1] ** 0.5)[:, :, 0]
    return F.pixel_shuffle(x.permute(0, 2, 1).unflatten(2, (SIZE // PATCH, -1)), PATCH)


class Crossed(Graph):
    """The cross convolutional network, where it draws flow. `noise` is z."""

    def __init__(self, model: CrossConv):
        super().__init__(model)
        self.n_noise = model.sizes.n_code()

    def forward(self, x_c, x_g, noise):
        maps, own = self.model.features(x_c), self.model.q_z_given_x(x_c, x_g)[0]
        return tuple(self.decoded(maps, z) for z in (noise, own))

    def decoded(self, maps: list[Tensor], z: Tensor) -> Tensor:
        """`CrossConv.decode`; the convolution is written as the sum that it is, as the number of
        groups of a convolution cannot change with n."""
        moved = [
            moved_by(*pair) for pair in zip(maps, self.model.kernels(z).unbind(1), strict=True)
        ]
        return resized(self.model.spread * self.model.decoder(moved), 32)


def moved_by(maps: Tensor, kernels: Tensor) -> Tensor:
    """Maps (1, C, H, W) each with its kernel of (n, C, k, k): (n, C, H, W)."""
    height, width, side = *maps.shape[2:], kernels.shape[-1]
    padded = F.pad(maps, [side // 2] * 4)
    total = 0
    for y in range(side):
        for x in range(side):
            part = padded[:, :, y : y + height, x : x + width]
            total = total + part * kernels[:, :, y, x, None, None]
    return total


def product(a: Gaussian, b: Gaussian) -> Gaussian:
    """`gaussian.product` without logaddexp, which ONNX has not; log-variances of codes are small
    enough for it."""
    share = torch.sigmoid(b[1] - a[1])  # of a's precision in the sum
    return share * a[0] + (1 - share) * b[0], a[1] + torch.log(share)


def given(q: Gaussian, noise: Tensor) -> Tensor:
    """A draw of a Gaussian made of N(0, 1) numbers."""
    return q[0] + torch.exp(0.5 * q[1]) * noise


def graph_of(model: Model) -> Graph:
    """The graph of a model; InputError for one of a kind that has none."""
    if type(model) is CDVAE and type(model.tie) is GaussianTie:
        return Tied(model)
    if type(model) is CDVAE and type(model.tie) is MDNTie:
        return Mixed(model)
    for kind, graph in {CVAE: Conditional, SpatialCDVAE: InSpace, CrossConv: Crossed}.items():
        if type(model) is kind:
            return graph(model)
    kinds = "CVAE, CDVAE-spatial, cross convolution, CDVAE with a Gaussian or a mixture tie"
    raise InputError(f"{type(model).__name__} cannot be exported: choose a model of {kinds}")
