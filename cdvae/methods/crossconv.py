"""Visual Dynamics (Xue et al. 2016): a conditional VAE whose code becomes convolution kernels.

The difference image v = I' − I of two frames is drawn from P(v | I) = ∫ P(v | I, z) P(z) dz with
P(z) = N(0, I) (A.1). The code z says what moves how: it is decoded into kernels, one for each
feature map of the image, and these move the maps (A.2). `Sizes()` is the network of A.2.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cdvae import gaussian
from cdvae.model import Batch


@dataclass(frozen=True)
class Sizes:
    """The layers of the network; by default those of A.2.

    There the motion encoder's last maps, half of them means and half log-variances, are the code,
    and the kernels have the side of these maps. With `code` the last maps are fully connected to
    that many means and log-variances instead, and the code to maps of the kernels' side.
    """

    side: int = 128  # of the frames that the motion encoder sees
    encoder: tuple = (96, 96, 128, 128, 256, 256)  # channels
    encoder_kernels: tuple = (5, 5, 5, 5, 5, 5)  # sides; unpadded
    encoder_pools: tuple = (1, 3, 5)  # 2 × 2 pooling follows these layers, counted from 1
    code: int = 0  # dimensions of z; 0: the motion encoder's last maps
    kernel_decoder: int = 128  # channels of its first layer
    scales: tuple = (256, 128, 64, 32)  # sides of the image at the input of its encoders
    image: tuple = (64, 64, 64, 32)  # channels; the last: maps and kernels of each scale
    image_kernel: int = 5
    image_pools: tuple = (1, 3)
    decoder: tuple = (128, 128)  # channels before the last layer
    decoder_kernel: int = 9

    def kernel(self) -> int:
        """The side of the motion encoder's last maps, and of the kernels."""
        side = self.side
        for number, kernel in enumerate(self.encoder_kernels, start=1):
            side = (side - kernel + 1) // (2 if number in self.encoder_pools else 1)
        return side

    def n_code(self) -> int:
        """The number of dimensions of z."""
        return self.code or self.encoder[-1] // 2 * self.kernel() ** 2


def resized(x: Tensor, side: int) -> Tensor:
    """Pictures (N, C, H, W) at side × side: area means where that is smaller, else bilinear."""
    if x.shape[-1] == side:
        return x
    if x.shape[-1] > side:
        return F.adaptive_avg_pool2d(x, side)
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def cross_convolution(maps: Tensor, kernels: Tensor) -> Tensor:
    """Each map with its own kernel: (N, C, H, W) and (N, C, k, k), k odd, to (N, C, H, W).

    A correlation (the kernel is not flipped), zeros around the maps. The whole batch is one
    grouped convolution.
    """
    n, c, height, width = maps.shape
    side = kernels.shape[-1]
    one = maps.reshape(1, n * c, height, width)
    each = kernels.reshape(n * c, 1, side, side)
    return F.conv2d(one, each, padding=side // 2, groups=n * c).view(n, c, height, width)


def layer(n_in: int, n_out: int, kernel: int, padding: int) -> list[nn.Module]:
    """Convolution, batch normalisation, rectifier."""
    convolution = nn.Conv2d(n_in, n_out, kernel, padding=padding, bias=False)
    return [convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]


class MotionEncoder(nn.Module):
    """Figure 3(a): what happens from x_c to x_g -> mean and log-variance of z, (N, n_code) each."""

    def __init__(self, channels: int, s: Sizes):
        super().__init__()
        layers: list[nn.Module] = []
        pairs = zip(pairwise((channels, *s.encoder)), s.encoder_kernels, strict=True)
        for number, ((n_in, n_out), kernel) in enumerate(pairs, start=1):
            layers += layer(n_in, n_out, kernel, 0)
            if number in s.encoder_pools:
                layers.append(nn.MaxPool2d(2))
        if s.code:
            n_in = s.encoder[-1] * s.kernel() ** 2
            layers += [nn.Flatten(), nn.Linear(n_in, 2 * s.code)]
        else:
            layers.pop()  # the last rectifier: a mean may be negative
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.layers(x).flatten(1).chunk(2, dim=1)
        return mu, log_var


class KernelDecoder(nn.Module):
    """Figure 3(b): z (N, n_code) -> kernels of all scales (N, scales, maps, k, k)."""

    def __init__(self, s: Sizes):
        super().__init__()
        side, n_scales, maps = s.kernel(), len(s.scales), s.image[-1]
        n_in = s.encoder[-1] // 2
        self.layers = nn.Sequential(
            *([nn.Linear(s.code, n_in * side**2)] if s.code else []),
            nn.Unflatten(1, (n_in, side, side)),
            *layer(n_in, s.kernel_decoder, 5, 2),
            nn.Conv2d(s.kernel_decoder, n_scales * maps, 5, padding=2),
            nn.Unflatten(1, (n_scales, maps)),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def image_encoder(channels: int, s: Sizes) -> nn.Sequential:
    """Figure 3(c), one scale: (N, channels, side, side) -> (N, maps, side / 4, side / 4) in A.2."""
    layers: list[nn.Module] = []
    pairs = pairwise((channels, *s.image))
    for number, (n_in, n_out) in enumerate(pairs, start=1):
        layers += layer(n_in, n_out, s.image_kernel, s.image_kernel // 2)
        if number in s.image_pools:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class MotionDecoder(nn.Module):
    """Figure 3(e): the moved maps of all scales -> the standardised difference at the largest's."""

    def __init__(self, channels: int, s: Sizes):
        super().__init__()
        n_in = len(s.scales) * s.image[-1]
        first, second = s.decoder
        self.layers = nn.Sequential(
            *layer(n_in, first, s.decoder_kernel, s.decoder_kernel // 2),
            *layer(first, second, 1, 0),
            nn.Conv2d(second, channels, 1),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        side = max(each.shape[-1] for each in maps)
        return self.layers(torch.cat([F.interpolate(m, size=(side, side)) for m in maps], 1))


class CrossConv(nn.Module):
    """P(v | I) by cross convolution; v has channels_g channels, the image channels_c.

    sigma: deviation of P(v | I, z), in the unit of v, for each number of the network's output.
    sampled: False makes it an autoencoder, whose code is not sampled and has no prior.
    """

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


def future(x_c: Tensor, v: Tensor) -> Tensor:
    """The next frame, input + difference, clipped to [0, 1]; shapes broadcast."""
    return (x_c + v).clamp(0, 1)
