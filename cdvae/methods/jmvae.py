"""An opponent from the multi-modal VAEs: JMVAE-kl (Suzuki, Nakayama & Matsuo 2016; row `jmvae`).

Both layers share one code, P(x_c, x_g) = ∫ P(x_c | z) P(x_g | z) P(z) dz, where CDVAE has a code
for each and a tie between them. An encoder of x_c alone learns to be near q(z | x_c, x_g), which
is not at hand when x_g is to be drawn.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.gaussian import Gaussian
from cdvae.methods.registry import Method
from cdvae.model import Batch, Model
from cdvae.networks import Decoder, Encoder, GaussianHead, Standard, log_density, with_floor
from cdvae.tools.registry import register


@dataclass(frozen=True)
class SharedCode:
    """Settings."""

    steps: int = 1000  # of training
    stem: tuple = (32, 64)  # channels of the image stems: on 8 × 8 patches, then 4 × 4
    hidden: int = 128  # width of the fully connected layers
    code: int = 32  # size of z
    noise_floor: float = 1.5  # least deviation of P(x | z), in deviations of the field
    alpha: float = 3.0  # weight of KL(q(z | x_c, x_g) ‖ q(z | x_c))


class JMVAE(Model):
    """The joint model with one code, sampled by way of q(z | x_c)."""

    def __init__(self, channels_c: int, channels_g: int, settings: SharedCode):
        super().__init__()
        s = self.settings = settings
        self.standard_c, self.standard_g = Standard(channels_c), Standard(channels_g)
        self.encoder = Encoder(channels_c + channels_g, s.stem, s.hidden)
        self.encoder_c = Encoder(channels_c, s.stem, s.hidden)
        self.q_head, self.q_head_c = (GaussianHead(s.hidden, s.code) for _ in range(2))
        self.decoder_c = Decoder(s.code, s.hidden, s.stem, 2 * channels_c)
        self.decoder_g = Decoder(s.code, s.hidden, s.stem, 2 * channels_g)

    def p_x_given_z(self, decoder: Decoder, z: Tensor) -> Gaussian:
        """Mean and log-variance of a standardised layer given the code."""
        return with_floor(decoder(z), self.settings.noise_floor)

    def log_p_x_given_z(self, decoder: Decoder, x: Tensor, z: Tensor) -> Tensor:
        """log P(x | z) of a standardised layer in nats: (batch,)."""
        return log_density(x, decoder.patches(z), self.settings.noise_floor)

    def q_z_given_c(self, x_c: Tensor) -> Gaussian:
        """q(z | x_c), from the standardised input."""
        return self.q_head_c(self.encoder_c(x_c))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """JMVAE-kl's objective for the encoder of x_c, nats per example up to a constant.

        The divergence from q(z | x_c) is warmed up with that from P(z).
        """
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        q = self.q_head(self.encoder(torch.cat([x_c, x_g], 1)))
        z = gaussian.sample(*q)
        prior = torch.zeros_like(q[0]), torch.zeros_like(q[1])
        terms = {
            "reconstruction_c": -self.log_p_x_given_z(self.decoder_c, x_c, z).mean(),
            "reconstruction_g": -self.log_p_x_given_z(self.decoder_g, x_g, z).mean(),
            "kl": gaussian.kl(*q, *prior).sum(1).mean(),
            "kl_alone": gaussian.kl(*q, *self.q_z_given_c(x_c)).sum(1).mean(),
        }
        reconstruction = terms["reconstruction_c"] + terms["reconstruction_g"]
        divergence = terms["kl"] + self.settings.alpha * terms["kl_alone"]
        return terms | {"loss": reconstruction + batch.kl_weight * divergence}

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n means of P(x_g | z), z from q(z | x_c), for each x_c: (batch, n, C_g, 32, 32)."""
        mu, log_var = self.q_z_given_c(self.standard_c.apply_to(x_c))
        z = gaussian.sample(mu.repeat_interleave(n, 0), log_var.repeat_interleave(n, 0), generator)
        x_g = self.standard_g.undo(self.p_x_given_z(self.decoder_g, z)[0])
        return x_g.unflatten(0, (len(x_c), n))


def build(task: Task, profile) -> JMVAE:
    """An untrained model with a profile's settings."""
    return JMVAE(task.channels_c, task.channels_g, profile.jmvae)


register(
    Method(
        name="jmvae",
        label="JMVAE",
        kind="rival",
        about="a joint VAE whose layers share one code",
        look=("#E377C2", "p"),
        model=JMVAE,
        build=build,
        tables={"jmvae": SharedCode},
    )
)
