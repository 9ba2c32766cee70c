"""The layers of Visual Dynamics' network (Xue et al. 2016, A.2), and their sizes."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALLEST = 1e-8  # under roots of products


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


def products(x: Tensor, v: Tensor) -> Tensor:
    """What flow is found from (Lucas and Kanade 1981): means over 2 × 2 pixels of I_x v, I_y v,
    I_x², I_x I_y and I_y² of grey pictures (N, 3, H, W), rooted: (N, 5, H/2, W/2)."""
    grey, change = x.mean(1, keepdim=True), v.mean(1, keepdim=True)
    along = F.pad((grey[..., 2:] - grey[..., :-2]) / 2, (1, 1))
    down = F.pad((grey[..., 2:, :] - grey[..., :-2, :]) / 2, (0, 0, 1, 1))
    both = torch.cat([along * change, down * change, along**2, along * down, down**2], 1)
    mean = F.avg_pool2d(both, 2)
    return 8 * mean.sign() * (mean.abs() + SMALLEST).sqrt()


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


SMALL = Sizes(  # for flow in Table 4
    side=32,
    encoder=(16, 16, 24, 32, 32, 32),
    encoder_kernels=(3, 3, 3, 3, 3, 3),
    encoder_pools=(1,),
    code=16,
    kernel_decoder=32,
    scales=(32, 16, 8),
    image=(8, 12, 12),
    image_kernel=5,
    image_pools=(1,),
    decoder=(24, 24),
    decoder_kernel=5,
)

NARROW = Sizes(  # for pairs of frames on a laptop
    side=32,
    encoder=(16, 32, 32, 48, 64, 64),
    encoder_kernels=(3, 3, 3, 3, 3, 1),  # which leaves kernels of 7 × 7: at 32 pixels, steps of 2½
    encoder_pools=(1,),
    code=32,
    kernel_decoder=64,
    scales=(32, 16),  # which is as far as kernels of 7 × 7 are needed
    image=(16, 16, 16),
    image_kernel=5,
    image_pools=(),
    decoder=(32, 32),
    decoder_kernel=5,
)
