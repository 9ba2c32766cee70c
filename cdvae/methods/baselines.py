"""The baselines of Sec. 6.2, nearest neighbour and the conditional VAE, and two controls."""

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.dvae import Standard
from cdvae.model import Batch
from cdvae.networks import SLOPE, GaussianHead


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian smoothing of fields (N, C, H, W), σ in pixels, edges mirrored (4 σ window)."""
    if sigma <= 0:
        return x
    size = x.shape[-1]
    kernel = blur_matrix(size, sigma).to(x)
    return kernel @ x @ kernel.T


def blur_matrix(size: int, sigma: float) -> Tensor:
    """The (size, size) matrix that blurs a line, edges mirrored (d c b a|a b c d)."""
    reach = int(4 * sigma + 0.5)
    offset = torch.arange(-reach, reach + 1)
    weight = torch.exp(-0.5 * (offset / sigma) ** 2)
    weight = weight / weight.sum()
    source = torch.arange(size)[:, None] + offset[None]
    source = source.remainder(2 * size)
    source = torch.minimum(source, 2 * size - 1 - source)
    return torch.zeros(size, size).scatter_add_(1, source, weight.expand(size, -1).contiguous())


class NearestNeighbour:
    """The n examples nearest in x_c (Euclidean) lend their x_g, smoothed by a Gaussian.

    x_c (N, C_c, 32, 32) and x_g (N, C_g, 32, 32) are the training fields, sigma is in pixels.
    """

    def __init__(self, x_c: Tensor, x_g: Tensor, sigma: float):
        self.keys = x_c.flatten(1)
        self.norms = self.keys.square().sum(1)
        self.x_g = gaussian_blur(x_g, sigma)

    def nearest(self, x_c: Tensor, n: int) -> Tensor:
        """Indices of the n nearest training examples, nearest first: (batch, n)."""
        distance = self.norms - 2 * x_c.flatten(1) @ self.keys.T  # + |x_c|², the same for all
        return distance.topk(n, dim=1, largest=False).indices

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """The n nearest neighbours' fields in order of distance; nothing is random."""
        if n > len(self.keys):
            raise ValueError(f"{n} neighbours asked of {len(self.keys)} training examples")
        return self.x_g[self.nearest(x_c, n)]


class Marginal:
    """A control that ignores the input: any training field may be the answer."""

    def __init__(self, x_g: Tensor):
        self.x_g = x_g

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n training fields for each x_c, drawn with replacement: (batch, n, C_g, 32, 32)."""
        index = torch.randint(len(self.x_g), (len(x_c), n), generator=generator, device=x_c.device)
        return self.x_g[index]


class MeanPlusNoise:
    """A control with one answer: the mean of the n_mean nearest fields, and noise around it.

    The noise is Gaussian with the covariance of the errors that this mean makes on validation
    examples (x_c, x_g), whatever the input.
    """

    def __init__(self, nearest: NearestNeighbour, n_mean: int, x_c: Tensor, x_g: Tensor):
        self.nearest, self.n_mean = nearest, n_mean
        self.errors = x_g - torch.cat([self.mean(part) for part in x_c.split(25)])

    def mean(self, x_c: Tensor) -> Tensor:
        """The mean field for each x_c: (batch, C_g, 32, 32)."""
        return self.nearest.sample(x_c, self.n_mean).mean(1)

    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: (batch, n, C_g, 32, 32)."""
        k = len(self.errors)  # errors mixed by N(0, 1/k) weights have just their covariance
        weights = torch.randn(len(x_c), n, k, generator=generator, device=x_c.device)
        noise = torch.tensordot(weights / k**0.5, self.errors, dims=1)
        return self.mean(x_c)[:, None] + noise


def conv_tower(channels_in: int, width: int) -> nn.Sequential:
    """Five convolutional layers, 32 × 32 -> 8 × 8: (batch, 2 · width, 8, 8)."""
    layers: list[nn.Module] = []
    n_in = channels_in
    for n_out, stride in ((width, 2), (width, 1), (2 * width, 2), (2 * width, 1), (2 * width, 1)):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1), nn.LeakyReLU(SLOPE)]
        n_in = n_out
    return nn.Sequential(*layers)


class CVAE(nn.Module):
    """Conditional VAE after Walker et al. [22]: P(x_g | x_c, z), q(z | x_c, x_g), P(z) = N(0, I).

    Image tower (x_c) and encoder tower (x_c and x_g) have five convolutional layers each; the
    code joins the image features as maps of their size and two up-sampling layers give the
    field. sigma: deviation of the pixel-wise L2 loss, in units of the field's own deviation; it
    is what weighs L2 against KL.
    """

    def __init__(self, channels_c: int, channels_g: int, width: int, n_code: int, sigma: float):
        super().__init__()
        self.n_code, self.sigma = n_code, sigma
        self.standard_c, self.standard_g = Standard(channels_c), Standard(channels_g)
        self.image_tower = conv_tower(channels_c, width)
        self.encoder_tower = conv_tower(channels_c + channels_g, width)
        self.q_head = GaussianHead(2 * width * 64, n_code)
        self.code_maps = nn.Sequential(
            nn.Linear(n_code, 2 * width * 64), nn.LeakyReLU(SLOPE), nn.Unflatten(1, (-1, 8, 8))
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(4 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.ConvTranspose2d(width, channels_g, 4, stride=2, padding=1),
        )

    def standardise(self, x_c: Tensor, x_g: Tensor) -> None:
        """Fit both layers' scales to the training fields."""
        self.standard_c.fit(x_c)
        self.standard_g.fit(x_g)

    def q_z_given_x(self, x_c: Tensor, x_g: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x_c, x_g), from standardised fields."""
        return self.q_head(self.encoder_tower(torch.cat([x_c, x_g], 1)).flatten(1))

    def decode(self, features: Tensor, z: Tensor) -> Tensor:
        """The standardised field from image features (batch, 2 · width, 8, 8) and codes."""
        return self.decoder(torch.cat([features, self.code_maps(z)], 1))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Pixel-wise L2 (scaled) plus KL: nats per example up to a constant."""
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        mu, log_var = self.q_z_given_x(x_c, x_g)
        x_hat = self.decode(self.image_tower(x_c), gaussian.sample(mu, log_var))
        zero = torch.zeros_like(mu)
        terms = {
            "l2": (x_hat - x_g).square().flatten(1).sum(1).mean() / (2 * self.sigma**2),
            "kl": gaussian.kl(mu, log_var, zero, zero).sum(1).mean(),
        }
        terms["loss"] = terms["l2"] + batch.kl_weight * terms["kl"]
        return terms

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c with z from the prior: (batch, n, C_g, 32, 32)."""
        features = self.image_tower(self.standard_c.apply_to(x_c)).repeat_interleave(n, 0)
        z = torch.randn(
            len(features), self.n_code, generator=generator, device=x_c.device, dtype=x_c.dtype
        )
        return self.standard_g.undo(self.decode(features, z)).unflatten(0, (len(x_c), n))
