"""Visual Dynamics (Xue et al. 2016): a conditional VAE whose code becomes convolution kernels.

The difference image v = I' − I of two frames is drawn from P(v | I) = ∫ P(v | I, z) P(z) dz with
P(z) = N(0, I) (A.1). The code z says what moves how: it is decoded into kernels, one for each
feature map of the image, and these move the maps (A.2). `Sizes()` is the network of A.2.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.methods.crossconv_layers import (
    NARROW,
    SMALL,
    KernelDecoder,
    MotionDecoder,
    MotionEncoder,
    Sizes,
    cross_convolution,
    image_encoder,
    products,
    resized,
)
from cdvae.methods.registry import Method, Table
from cdvae.model import Batch, Draws, Model
from cdvae.tools.registry import register
from cdvae.training import Training


class CrossConv(Model):
    """P(v | I) by cross convolution; v has channels_g channels, the image channels_c.

    sigma: deviation of P(v | I, z), in the unit of v, for each number of the network's output.
    sampled: False makes it an autoencoder, whose code is not sampled and has no prior.
    """

    walks = True

    def __init__(
        self, channels_c: int, channels_g: int, s: Sizes, sigma: float, sampled: bool = True
    ):
        super().__init__()
        self.sizes, self.sigma, self.sampled = s, sigma, sampled
        self.encoder = MotionEncoder(channels_c + channels_g, s)
        self.kernel_decoder = KernelDecoder(s)
        self.image_encoders = nn.ModuleList(image_encoder(channels_c, s) for _ in s.scales)
        self.decoder = MotionDecoder(channels_g, s)
        self.register_buffer("spread", torch.ones(()))

    def standardise(self, x_c: Tensor, x_g: Tensor) -> None:
        """Take the scale of v from examples; pictures stay as they are."""
        self.spread.copy_(x_g.square().mean().sqrt())

    def q_z_given_x(self, x_c: Tensor, x_g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | v, I): (N, n_code) each."""
        both = torch.cat([x_c - 0.5, x_g / self.spread], 1)
        return self.encoder(resized(both, self.sizes.side))

    def encode(self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A code of what happens: a draw of q(z | v, I), the autoencoder's own code (N, n_code)."""
        mu, log_var = self.q_z_given_x(x_c, x_g)
        return gaussian.sample(mu, log_var, generator) if self.sampled else mu

    def kernels(self, z: Tensor) -> Tensor:
        """The kernels that a code stands for: (N, scales, maps, k, k)."""
        return self.kernel_decoder(z)

    def features(self, x_c: Tensor) -> list[Tensor]:
        """The image's maps at each scale, the largest first."""
        maps, picture = [], x_c
        for encoder, side in zip(self.image_encoders, self.sizes.scales, strict=True):
            picture = resized(x_c if side >= x_c.shape[-1] else picture, side)  # means of means
            maps.append(encoder(picture - 0.5))
        return maps

    def decode(self, maps: list[Tensor], kernels: Tensor) -> Tensor:
        """E[v | I, z] at the side of the largest maps: (N, channels_g, side, side)."""
        pairs = zip(maps, kernels.unbind(1), strict=True)
        return self.spread * self.decoder([cross_convolution(*pair) for pair in pairs])

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Minus the bound of A.1 (Eq. 12 with one sample), in nats per example.

        reconstruction: −log P(v | I, z) without its constant, v at the output's side.
        """
        mu, log_var = self.q_z_given_x(batch.x_c, batch.x_g)
        z = gaussian.sample(mu, log_var) if self.sampled else mu
        v = self.decode(self.features(batch.x_c), self.kernels(z))
        error = (v - resized(batch.x_g, v.shape[-1])).square().flatten(1).sum(1).mean()
        zero = torch.zeros_like(mu)
        terms = {
            "reconstruction": error / (2 * self.sigma**2),
            "kl": gaussian.kl(mu, log_var, zero, zero).sum(1).mean(),
        }
        weight = batch.kl_weight if self.sampled else 0.0
        terms["loss"] = terms["reconstruction"] + weight * terms["kl"]
        return terms

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of v for each picture with z from N(0, I): (N, n, channels_g, H, W)."""
        z = torch.randn(len(x_c), n, self.sizes.n_code(), generator=generator, device=x_c.device)
        return self.sample_given_z(x_c, z)

    @torch.no_grad()
    def sample_given_z(self, x_c: Tensor, z: Tensor) -> Tensor:
        """E[v | I, z] for codes z (N, n, n_code), at the picture's resolution: (N, n, C, H, W)."""
        n = z.shape[1]
        maps = [each.repeat_interleave(n, 0) for each in self.features(x_c)]
        v = self.decode(maps, self.kernels(z.flatten(0, 1)))
        return resized(v, x_c.shape[-1]).unflatten(0, (len(x_c), n))

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """v of the mean of q(z | v, I): (N, channels_g, H, W)."""
        return self.sample_given_z(x_c, self.q_z_given_x(x_c, x_g)[0][:, None])[:, 0]

    @torch.no_grad()
    def draws(
        self,
        x_c: Tensor,
        n: int,
        generator: torch.Generator | None = None,
        spread: float = 1.0,
        component: int | None = None,
    ) -> Draws:
        """The codes of the samples."""
        return Draws(torch.randn(n, self.sizes.n_code(), generator=generator))

    @torch.no_grad()
    def fields_of(self, x_c: Tensor, draws: Draws) -> Tensor:
        """The fields of codes: (n, channels_g, H, W)."""
        return self.sample_given_z(x_c, draws.z[None])[0]


class FineCrossConv(CrossConv):
    """The same network at the pictures' own resolution, where A.2's sees and draws them at half:
    there a step of a pixel and a half can no longer be told from none.

    Each 2 × 2 pixels are channels of one of its places, in pictures and in differences. The motion
    encoder is given the products from which flow is found as well, for both frames.
    """

    def __init__(
        self, channels_c: int, channels_g: int, s: Sizes, sigma: float, sampled: bool = True
    ):
        super().__init__(4 * channels_c, 4 * channels_g, s, sigma, sampled)
        self.encoder = MotionEncoder(4 * (channels_c + channels_g) + 2 * 5, s)

    def q_z_given_x(self, x_c: Tensor, x_g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | v, I): (N, n_code) each."""
        frames = [F.pixel_unshuffle(x, 2) for x in (x_c - 0.5, x_g / self.spread)]
        both = torch.cat([*frames, products(x_c, x_g), products(x_c + x_g, x_g)], 1)
        return self.encoder(both)

    def features(self, x_c: Tensor) -> list[Tensor]:
        """The image's maps at each scale, the largest first."""
        return super().features(F.pixel_unshuffle(x_c, 2))

    def decode(self, maps: list[Tensor], kernels: Tensor) -> Tensor:
        """E[v | I, z] at twice the side of the largest maps: (N, channels_g, 2 side, 2 side)."""
        return F.pixel_shuffle(super().decode(maps, kernels), 2)


def future(x_c: Tensor, v: Tensor) -> Tensor:
    """The next frame, input + difference, clipped to [0, 1]; shapes broadcast."""
    return (x_c + v).clamp(0, 1)


@dataclass(frozen=True)
class FlowNetwork:
    """Settings of the network in Table 4, where it draws flow."""

    steps: int = 400  # of training
    sigma: float = 1.0  # deviation of P(x_g | x_c, z), pixels per second
    network: Sizes = SMALL


UNGUIDED = Training(guidance_start=0.0, guidance_end=0.0, guidance_share=0.0)  # no embedding here


@dataclass(frozen=True)
class Frames:
    """Settings of the network on pairs of frames of moving shapes (notebook 08)."""

    seeds: tuple = (0,)
    n_train: int = 20000
    n_valid: int = 500
    n_test: int = 500
    n_samples: int = 20  # for each test picture
    size: int = 64  # side of the frames, pixels
    fine: bool = True  # see and draw frames at their own resolution; False: at half, as in A.2
    sigma: float = 0.4  # deviation of P(v | I, z); colours are in [0, 1]
    network: Sizes = NARROW
    training: Training = replace(
        UNGUIDED, steps=6000, checks=10, batch_size=16, learning_rate=2e-3, warm_up=0.8
    )


register(Table("dynamics", Frames))


def build(task: Task, profile) -> CrossConv:
    """An untrained model with a profile's settings."""
    net = profile.crossconv
    return CrossConv(task.channels_c, task.channels_g, net.network, net.sigma)


register(
    Method(
        name="crossconv",
        label="Cross convolution",
        kind="paper",
        about="Visual Dynamics' network; motion only",
        look=("#7F3C8D", "X"),
        model=CrossConv,
        build=build,
        tables={"crossconv": FlowNetwork},
        tasks=("motion",),
        published=("motion-scenes",),
    )
)
