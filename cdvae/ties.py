"""Ties between the codes of the two layers (Sec. 3.1): a cost in training, a sampler at test time.

Both offer `cost(z_c, z_g)`, the F_tie of log P(z_c, z_g) = −|z_c|²/2 − |z_g|²/2 − F_tie in nats
per example, and `sample(z_c)`, a draw from P(z_g | z_c).
"""

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.networks import SLOPE


class GaussianTie(nn.Module):
    """‖z_g − z_c‖² / (2 σ_t²) on the first `share` of the components (Eq. 3–5).

    The first components can be taken without loss of generality. `sample` draws
    z_g ~ N(z_c, σ_t²) as the paper does, and the untied rest from N(0, 1). Eq. 3 itself implies
    N(z_c / (1 + σ_t²), σ_t² / (1 + σ_t²)) for the tied ones (ERRATA).
    """

    def __init__(self, n_code: int, sigma: float, share: float = 0.8):
        super().__init__()
        self.sigma, self.n_code = sigma, n_code
        self.n_tied = max(1, round(share * n_code))

    def cost(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """F_tie for codes (batch, n_code): (batch,)."""
        distance = (z_g[:, : self.n_tied] - z_c[:, : self.n_tied]).square().sum(1)
        return distance / (2 * self.sigma**2)

    def sample(self, z_c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """z_g for each z_c (batch, n_code)."""
        noise = torch.randn(z_c.shape, generator=generator, device=z_c.device, dtype=z_c.dtype)
        tied = z_c[:, : self.n_tied] + self.sigma * noise[:, : self.n_tied]
        return torch.cat([tied, noise[:, self.n_tied :]], dim=1)


class MDNTie(nn.Module):
    """−log Σ_k π_k(z_c) N(z_g | μ_k(z_c), σ_k²(z_c)) on all components (Eq. 6–7).

    The text calls σ fixed, Eq. 6 writes σ_k(z_c): here it depends on z_c and is at least
    `sigma_min`, so that no component can collapse onto a training code.
    """

    def __init__(self, n_code: int, n_components: int, hidden: int, sigma_min: float):
        super().__init__()
        self.shape = (n_components, n_code)
        self.sigma_min = sigma_min
        self.body = nn.Sequential(nn.Linear(n_code, hidden), nn.LeakyReLU(SLOPE))
        self.weights = nn.Linear(hidden, n_components)
        self.means = nn.Linear(hidden, n_components * n_code)
        self.scales = nn.Linear(hidden, n_components * n_code)

    def mixture(self, z_c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log π (batch, K), means and log-variances (batch, K, n_code)."""
        h = self.body(z_c)
        log_pi = torch.log_softmax(self.weights(h), dim=1)
        sigma = self.sigma_min + nn.functional.softplus(self.scales(h))
        mu = self.means(h)
        return log_pi, mu.unflatten(1, self.shape), 2 * sigma.log().unflatten(1, self.shape)

    def cost(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """−log P(z_g | z_c) in nats: (batch,)."""
        log_pi, mu, log_var = self.mixture(z_c)
        log_n = gaussian.log_density(z_g[:, None], mu, log_var).sum(2)
        return -torch.logsumexp(log_pi + log_n, dim=1)

    def sample(self, z_c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """z_g for each z_c (batch, n_code): a component by its weight, then its Gaussian."""
        log_pi, mu, log_var = self.mixture(z_c)
        k = torch.multinomial(log_pi.exp(), 1, generator=generator)[:, :, None]
        k = k.expand(-1, -1, self.shape[1])
        return gaussian.sample(mu.gather(1, k)[:, 0], log_var.gather(1, k)[:, 0], generator)
