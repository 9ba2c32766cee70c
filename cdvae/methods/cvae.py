"""The conditional VAE of Sec. 6.2 (row `cvae`)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.gaussian import Gaussian
from cdvae.methods.registry import EVERYWHERE, Method
from cdvae.model import Batch, Draws, Model, drawn
from cdvae.networks import SLOPE, GaussianHead, Standard
from cdvae.tools.registry import register


@dataclass(frozen=True)
class Cvae:
    """Settings."""

    width: int = 16  # channels of the towers' first layers
    code: int = 32  # size of z
    sigma: float = 3.0  # deviation of the pixel-wise L2, in deviations of the field


def conv_tower(channels_in: int, width: int) -> nn.Sequential:
    """Five convolutional layers, 32 × 32 -> 8 × 8: (batch, 2 · width, 8, 8)."""
    layers: list[nn.Module] = []
    n_in = channels_in
    for n_out, stride in ((width, 2), (width, 1), (2 * width, 2), (2 * width, 1), (2 * width, 1)):
        layers += [nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1), nn.LeakyReLU(SLOPE)]
        n_in = n_out
    return nn.Sequential(*layers)


class CVAE(Model):
    """Conditional VAE after Walker et al. [22]: P(x_g | x_c, z), q(z | x_c, x_g), P(z) = N(0, I).

    Image tower (x_c) and encoder tower (x_c and x_g) have five convolutional layers each; the
    code joins the image features as maps of their size and two up-sampling layers give the
    field. sigma: deviation of the pixel-wise L2 loss, in units of the field's own deviation; it
    is what weighs L2 against KL.
    """

    walks = True

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

    def decoded(self, x_c: Tensor, z: Tensor) -> Tensor:
        """The fields of codes z (batch · n, n_code), n of them for each x_c: (batch, n, …)."""
        n = len(z) // len(x_c)
        features = self.image_tower(self.standard_c.apply_to(x_c)).repeat_interleave(n, 0)
        return self.standard_g.undo(self.decode(features, z)).unflatten(0, (len(x_c), n))

    def q_z(self, x_c: Tensor, x_g: Tensor) -> Gaussian:
        """q(z | x_c, x_g), from fields in their stated ranges."""
        return self.q_z_given_x(self.standard_c.apply_to(x_c), self.standard_g.apply_to(x_g))

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c with z from the prior: (batch, n, C_g, 32, 32)."""
        shape, like = (len(x_c) * n, self.n_code), {"device": x_c.device, "dtype": x_c.dtype}
        return self.decoded(x_c, torch.randn(shape, generator=generator, **like))

    def log_weights(
        self, x_c: Tensor, x_g: Tensor, k: int, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """log w (batch, k) of P(x_g | x_c), its L2 read as a Gaussian."""
        s_c, s_g = self.standard_c.apply_to(x_c), self.standard_g.apply_to(x_g)
        q = [each.repeat_interleave(k, 0) for each in self.q_z_given_x(s_c, s_g)]
        z = gaussian.sample(*q, generator)
        x_hat = self.decode(self.image_tower(s_c).repeat_interleave(k, 0), z)
        log_var = torch.full_like(x_hat, 2 * math.log(self.sigma))
        log_p = gaussian.log_density(s_g.repeat_interleave(k, 0), x_hat, log_var).flatten(1).sum(1)
        log_p = log_p + self.standard_g.log_det(x_g[0, 0].numel())
        log_w = log_p + gaussian.log_standard(z) - gaussian.log_density(z, *q).sum(1)
        return {"conditional": log_w.unflatten(0, (len(x_c), k))}

    @torch.no_grad()
    def with_own_code(
        self, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """n fields by way of q(z | x_c, x_g)."""
        return self.decoded(x_c, drawn(self.q_z(x_c, x_g), n, generator))

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """The field of the mean of q(z | x_c, x_g)."""
        return self.decoded(x_c, self.q_z(x_c, x_g)[0])[:, 0]

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
        return Draws(torch.randn(n, self.n_code, generator=generator))

    @torch.no_grad()
    def fields_of(self, x_c: Tensor, draws: Draws) -> Tensor:
        """The fields of codes: (n, C_g, 32, 32)."""
        return self.decoded(x_c, draws.z)[0]


def build(task: Task, profile) -> CVAE:
    """An untrained model with a profile's settings."""
    s = profile.cvae
    return CVAE(task.channels_c, task.channels_g, s.width, s.code, s.sigma)


register(
    Method(
        name="cvae",
        label="CVAE",
        kind="paper",
        about="the conditional VAE",
        look=("#D55E00", "v"),
        model=CVAE,
        build=build,
        tables={"cvae": Cvae},
        published=EVERYWHERE,
    )
)
