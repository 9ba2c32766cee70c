"""Building blocks: image stems, Gaussian heads, the two fully connected layers between codes."""

from torch import Tensor, nn

SLOPE = 0.1  # of the leaky rectifiers


def stride_two(channels_in: int, channels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions that halve the side each: (batch, channels_in, 32, 32) -> (…, 32 / 2^n, …)."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip((channels_in, *channels), channels, strict=False):
        layers += [nn.Conv2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def upsampling(channels: tuple[int, ...], channels_out: int) -> nn.Sequential:
    """The mirror of `stride_two`: transposed convolutions that double the side each."""
    layers: list[nn.Module] = []
    for n_in, n_out in zip(channels[::-1], channels[-2::-1], strict=False):
        layers += [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
    layers += [nn.ConvTranspose2d(channels[0], channels_out, 4, stride=2, padding=1)]
    return nn.Sequential(*layers)


def side_after(channels: tuple[int, ...], size: int = 32) -> int:
    """The side of the smallest feature map of a stem with these channels."""
    return size >> len(channels)


class Encoder(nn.Module):
    """Image stem: (batch, channels_in, 32, 32) -> (batch, hidden)."""

    def __init__(self, channels_in: int, channels: tuple[int, ...], hidden: int):
        super().__init__()
        n_flat = channels[-1] * side_after(channels) ** 2
        self.layers = nn.Sequential(
            stride_two(channels_in, channels),
            nn.Flatten(),
            nn.Linear(n_flat, hidden),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Decoder(nn.Module):
    """Image head: a code (batch, n_code) -> (batch, channels_out, 32, 32)."""

    def __init__(self, n_code: int, hidden: int, channels: tuple[int, ...], channels_out: int):
        super().__init__()
        side = side_after(channels)
        self.layers = nn.Sequential(
            nn.Linear(n_code, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, channels[-1] * side**2),
            nn.LeakyReLU(SLOPE),
            nn.Unflatten(1, (channels[-1], side, side)),
            upsampling(channels, channels_out),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def two_layers(n_in: int, hidden: int) -> nn.Sequential:
    """The two fully connected layers with leaky rectifiers between latent layers (Figure 2)."""
    return nn.Sequential(
        nn.Linear(n_in, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, hidden), nn.LeakyReLU(SLOPE)
    )


class GaussianHead(nn.Module):
    """Features (batch, n_in) -> mean and log-variance of a code, (batch, n_out) each."""

    LOG_VAR_MIN, LOG_VAR_MAX = -8.0, 4.0  # keeps exp() finite while the network is still wild

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.linear = nn.Linear(n_in, 2 * n_out)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.linear(features).chunk(2, dim=1)
        return mu, log_var.clamp(self.LOG_VAR_MIN, self.LOG_VAR_MAX)
