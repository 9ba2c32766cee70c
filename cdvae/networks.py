"""Building blocks: image stems, Gaussian heads, the two fully connected layers between codes."""

from itertools import pairwise

from torch import Tensor, nn

SIZE = 32  # fields are SIZE × SIZE
PATCH = 4  # side of the patches that the image stems begin with
SLOPE = 0.1  # of the leaky rectifiers


def contracting(channels_in: int, channels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions (batch, channels_in, 32, 32) -> (batch, channels[-1], side, side).

    The first works on patches of 4 × 4 pixels (8 × 8 of them), each further one halves the side.
    """
    layers = [
        nn.PixelUnshuffle(PATCH),
        nn.Conv2d(PATCH**2 * channels_in, channels[0], 3, padding=1),
    ]
    for n_in, n_out in pairwise(channels):
        layers += [nn.LeakyReLU(SLOPE), nn.Conv2d(n_in, n_out, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, nn.LeakyReLU(SLOPE))


def expanding(channels: tuple[int, ...], channels_out: int) -> nn.Sequential:
    """The mirror of `contracting`: (batch, channels[-1], side, side) -> (…, 32, 32)."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(channels[::-1]):
        layers += [nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
    layers.append(nn.Conv2d(channels[0], PATCH**2 * channels_out, 3, padding=1))
    return nn.Sequential(*layers, nn.PixelShuffle(PATCH))


def side_after(channels: tuple[int, ...]) -> int:
    """The side of the smallest feature map of a stem with these channels."""
    return (SIZE // PATCH) >> (len(channels) - 1)


class Encoder(nn.Module):
    """Image stem: (batch, channels_in, 32, 32) -> (batch, hidden)."""

    def __init__(self, channels_in: int, channels: tuple[int, ...], hidden: int):
        super().__init__()
        n_flat = channels[-1] * side_after(channels) ** 2
        self.layers = nn.Sequential(
            contracting(channels_in, channels),
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
            expanding(channels, channels_out),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def two_layers(n_in: int, hidden: int) -> nn.Sequential:
    """The two fully connected layers with leaky rectifiers between latent layers (Figure 2).

    Batch-normalised, as the ladder VAE is; without it the middle code carries nothing.
    """
    return nn.Sequential(*dense(n_in, hidden), *dense(hidden, hidden))


def dense(n_in: int, n_out: int) -> list[nn.Module]:
    """One fully connected layer, batch-normalised, with its leaky rectifier."""
    return [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.LeakyReLU(SLOPE)]


class GaussianHead(nn.Module):
    """Features (batch, n_in) -> mean and log-variance of a code, (batch, n_out) each."""

    LOG_VAR_MIN, LOG_VAR_MAX = -8.0, 4.0  # keeps exp() finite while the network is still wild

    LOG_VAR_START = -3.0  # codes start almost noiseless, so that the layers above are heard

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.linear = nn.Linear(n_in, 2 * n_out)
        nn.init.constant_(self.linear.bias[n_out:], self.LOG_VAR_START)  # a view: in place

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_var = self.linear(features).chunk(2, dim=1)
        return mu, log_var.clamp(self.LOG_VAR_MIN, self.LOG_VAR_MAX)
