"""Deep variational auto-encoder with ladder inference (Appendix 9.1, Eq. 11–27).

Codes are numbered from the bottom: z[0] is z_1, next to the image; z[-1] is z_L, the top.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.gaussian import Gaussian
from cdvae.networks import (
    Decoder,
    Encoder,
    GaussianHead,
    Standard,
    log_density,
    two_layers,
    with_floor,
)


class Ladder(NamedTuple):
    """One pass of inference: for each layer from bottom to top a sample, q and p."""

    z: list[Tensor]
    q: list[Gaussian]
    p: list[Gaussian]

    def kl(self) -> Tensor:
        """KL(q ‖ p) of each layer in nats per example: (layers, batch)."""
        pairs = zip(self.q, self.p, strict=True)
        return torch.stack([gaussian.kl(*q, *p).sum(1) for q, p in pairs])


class DVAE(nn.Module):
    """P(x) = ∫ P(x | z_1) P(z_1 | z_2) … P(z_L) dz for fields x (batch, channels, 32, 32).

    latents: sizes of the codes from the bottom z_1 to the top z_L; one entry makes a plain VAE.
    noise_floor: least standard deviation of P(x | z_1), in units of the field's own deviation.
    """

    def __init__(
        self,
        channels: int,
        latents: tuple[int, ...],
        stem: tuple[int, ...],
        hidden: int,
        noise_floor: float,
    ):
        super().__init__()
        self.latents, self.noise_floor = tuple(latents), noise_floor
        self.standard = Standard(channels)
        self.encoder = Encoder(channels, stem, hidden)
        self.up = nn.ModuleList(two_layers(hidden, hidden) for _ in latents)
        self.q_head = nn.ModuleList(GaussianHead(hidden, n) for n in latents)
        self.down = nn.ModuleList(two_layers(n, hidden) for n in latents[1:])
        self.p_head = nn.ModuleList(GaussianHead(hidden, n) for n in latents[:-1])
        self.decoder = Decoder(latents[0], hidden, stem, 2 * channels)

    def upward(self, x: Tensor) -> list[Gaussian]:
        """The deterministic pass: μ̂_q,i and log σ̂²_q,i of each layer, bottom to top."""
        features, estimates = self.encoder(self.standard.apply_to(x)), []
        for block, head in zip(self.up, self.q_head, strict=True):
            features = block(features)
            estimates.append(head(features))
        return estimates

    def q_top_given_x(self, x: Tensor) -> Gaussian:
        """q(z_L | x), Eq. 27 at i = L: the upward estimate alone."""
        return self.upward(x)[-1]

    def p_z_given_above(self, layer: int, above: Tensor) -> Gaussian:
        """P(z_i | z_{i+1}), Eq. 12–13 and 19; `layer` counts from 0 at the bottom."""
        return self.p_head[layer](self.down[layer](above))

    def q_z_given_x(
        self, x: Tensor, generator: torch.Generator | None = None, n: int = 1
    ) -> Ladder:
        """Upward pass, then the stochastic downward pass with merged precisions (Eq. 24–27).

        n: draws for each example, one after the other in (batch · n) rows.
        """
        estimates = [
            (mu.repeat_interleave(n, 0), log_var.repeat_interleave(n, 0))
            for mu, log_var in self.upward(x)
        ]
        top = estimates[-1]
        z, q = [gaussian.sample(*top, generator)], [top]
        p = [(torch.zeros_like(top[0]), torch.zeros_like(top[1]))]
        for layer in reversed(range(len(self.latents) - 1)):
            p.insert(0, self.p_z_given_above(layer, z[0]))
            q.insert(0, gaussian.product(*estimates[layer], *p[0]))
            z.insert(0, gaussian.sample(*q[0], generator))
        return Ladder(z, q, p)

    def p_x_given_z(self, z_1: Tensor) -> Gaussian:
        """Mean and log-variance of the standardised field given the bottom code (Eq. 20)."""
        return with_floor(self.decoder(z_1), self.noise_floor)

    def log_p_x_given_z(self, x: Tensor, z_1: Tensor) -> Tensor:
        """log P(x | z_1) in nats per example, as a density of x in its own unit: (batch,)."""
        patches, standard = self.decoder.patches(z_1), self.standard
        log_p = log_density(standard.apply_to(x), patches, self.noise_floor)
        return log_p + standard.log_det(x[0, 0].numel())

    def descend(self, z_top: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw the codes below `z_top` from the prior (Eq. 14); returns z_1 (batch, n)."""
        z = z_top
        for layer in reversed(range(len(self.latents) - 1)):
            z = gaussian.sample(*self.p_z_given_above(layer, z), generator)
        return z

    def mean_x(self, z_1: Tensor) -> Tensor:
        """E[x | z_1] in the field's own unit: (batch, channels, 32, 32)."""
        return self.standard.undo(self.p_x_given_z(z_1)[0])

    def log_weight(
        self, x: Tensor, k: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """k draws of the codes for each x, in (batch · k) rows: the top code, and
        log P(x, lower codes | top) − log q(codes | x), in nats."""
        ladder = self.q_z_given_x(x, generator, k)
        log_w = self.log_p_x_given_z(x.repeat_interleave(k, 0), ladder.z[0])
        for layer, (z, q, p) in enumerate(zip(ladder.z, ladder.q, ladder.p, strict=True), start=1):
            log_w = log_w - gaussian.log_density(z, *q).sum(1)
            if layer < len(ladder.z):
                log_w = log_w + gaussian.log_density(z, *p).sum(1)
        return ladder.z[-1], log_w
