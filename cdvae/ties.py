"""Ties between the codes of the two layers (Sec. 3.1): a cost in training, then a sampler."""

import math
from copy import copy

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.gaussian import Gaussian
from cdvae.networks import SLOPE

LEAST = 1e-6  # spread, so that its logarithm is finite


class Tie(nn.Module):
    """What every tie offers, for codes z_c and z_g of shape (batch, n_code).

    A tie of one's own gives `cost` and `sample`; with `log_conditional` and `log_joint` its models
    have likelihoods, and with `cross` the explorer can widen it.
    """

    n_components = 0  # of a mixture, which then gives `mixture` as MDNTie does
    n_code: int  # size of the codes …
    n_tied: int  # … of which the first so many are tied

    def cost(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """F_tie of log P(z_c, z_g) = −|z_c|²/2 − |z_g|²/2 − F_tie + const, nats: (batch,)."""
        raise NotImplementedError

    def sample(self, z_c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw from P(z_g | z_c) for each z_c: (batch, n_code)."""
        raise NotImplementedError

    def log_conditional(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """log P(z_g | z_c) of what `sample` draws from, in nats: (batch,)."""
        raise NotImplementedError

    def log_joint(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """log P(z_c, z_g), normalised, in nats: (batch,)."""
        return gaussian.log_standard(z_c) + self.log_conditional(z_c, z_g)

    def cross(
        self,
        z_c: Tensor,
        generator: torch.Generator | None = None,
        spread: float = 1.0,
        component: int | None = None,
    ) -> Tensor:
        """As `sample`, with the tie's deviations multiplied by `spread`.

        Of a mixture the draws come from one component alone if that is given, counted from 0.
        """
        return self.sample(z_c, generator)

    def __str__(self) -> str:
        """What the tie is and its size, in two lines at most."""
        return type(self).__name__

    def setting(self, spread: float, component: int | None) -> str:
        """What `cross` draws from, for a reader; empty where spread changes nothing."""
        return ""


class GaussianTie(Tie):
    """‖z_g − z_c‖² / (2 σ_t²) on the first `share` of the components (Eq. 3–5).

    The first components can be taken without loss of generality; the rest have N(0, 1) each.
    `sample` draws the tied ones from N(z_c, σ_t²) as the paper does. Eq. 3 itself implies
    N(z_c / (1 + σ_t²), σ_t² / (1 + σ_t²)), which is drawn from if `exact` (ERRATA).
    """

    def __init__(self, n_code: int, sigma: float, share: float = 0.8, exact: bool = False):
        super().__init__()
        self.sigma, self.n_code, self.exact = sigma, n_code, exact
        self.n_tied = max(1, round(share * n_code))

    def cost(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """F_tie: (batch,)."""
        distance = (z_g[:, : self.n_tied] - z_c[:, : self.n_tied]).square().sum(1)
        return distance / (2 * self.sigma**2)

    def conditional(self, z_c: Tensor) -> Gaussian:
        """Mean and log-variance of P(z_g | z_c): (batch, n_code) each."""
        shrink = 1 / (1 + self.sigma**2) if self.exact else 1.0
        tied = torch.arange(self.n_code, device=z_c.device) < self.n_tied
        mu = torch.where(tied, shrink * z_c, 0.0)
        return mu, torch.where(tied, math.log(shrink * self.sigma**2), 0.0).to(mu).expand_as(mu)

    def log_conditional(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """log P(z_g | z_c) of the draws, in nats: (batch,)."""
        return gaussian.log_density(z_g, *self.conditional(z_c)).sum(1)

    def log_joint(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """log P(z_c, z_g) of Eq. 3 with its normaliser, in nats: (batch,).

        ∫∫ N(z_c) N(z_g) exp(−F_tie) = (1 + 2 / σ_t²)^(−d/2) for d tied components.
        """
        log_normaliser = -0.5 * self.n_tied * math.log1p(2 / self.sigma**2)
        priors = gaussian.log_standard(z_c) + gaussian.log_standard(z_g)
        return priors - self.cost(z_c, z_g) - log_normaliser

    def sample(self, z_c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """z_g for each z_c."""
        return gaussian.sample(*self.conditional(z_c), generator)

    def cross(
        self,
        z_c: Tensor,
        generator: torch.Generator | None = None,
        spread: float = 1.0,
        component: int | None = None,
    ) -> Tensor:
        """Draws with σ_t `spread` times as large; the untied components stay N(0, 1)."""
        changed = copy(self)
        changed.sigma = max(spread, LEAST) * self.sigma
        return changed.sample(z_c, generator)

    def __str__(self) -> str:
        return f"Gaussian tie\n{self.n_tied} of {self.n_code}"

    def setting(self, spread: float, component: int | None) -> str:
        return f"σₜ = {spread * self.sigma:.2g}"


class MDNTie(Tie):
    """−log Σ_k π_k(z_c) N(z_g | μ_k(z_c), σ_k²(z_c)) on all components (Eq. 6–7).

    The text calls σ fixed, Eq. 6 writes σ_k(z_c): here it depends on z_c and is at least
    `sigma_min`, so that no component can collapse onto a training code. As printed the cost comes
    on top of z_g's prior N(0, I), and no density has that as its logarithm; if `normalised` the
    mixture takes the prior's place (ERRATA).
    """

    def __init__(
        self,
        n_code: int,
        n_components: int,
        hidden: int,
        sigma_min: float,
        normalised: bool = False,
    ):
        super().__init__()
        self.shape, self.n_components = (n_components, n_code), n_components
        self.n_code = self.n_tied = n_code
        self.sigma_min, self.normalised = sigma_min, normalised
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
        """F_tie: (batch,)."""
        prior = gaussian.log_standard(z_g) if self.normalised else 0.0
        return prior - self.log_conditional(z_c, z_g)

    def log_conditional(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        """log P(z_g | z_c) of the draws, in nats: (batch,)."""
        log_pi, mu, log_var = self.mixture(z_c)
        log_n = gaussian.log_density(z_g[:, None], mu, log_var).sum(2)
        return torch.logsumexp(log_pi + log_n, dim=1)

    def log_overlap(self, z_c: Tensor) -> Tensor:
        """log ∫ N(z_g; 0, I) P(z_g | z_c) dz_g: (batch,).

        What the printed density lacks to be normalised at this z_c: were it constant, the
        printed joint would be right up to a factor.
        """
        log_pi, mu, log_var = self.mixture(z_c)
        zero = torch.zeros_like(mu)
        log_n = gaussian.log_density(zero, mu, torch.log1p(log_var.exp())).sum(2)
        return torch.logsumexp(log_pi + log_n, dim=1)

    def sample(self, z_c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """z_g for each z_c: a component by its weight, then its Gaussian."""
        return self.cross(z_c, generator)

    def cross(
        self,
        z_c: Tensor,
        generator: torch.Generator | None = None,
        spread: float = 1.0,
        component: int | None = None,
    ) -> Tensor:
        """Draws with every σ_k `spread` times as large (a temperature of spread²)."""
        log_pi, mu, log_var = self.mixture(z_c)
        k = torch.multinomial(log_pi.exp(), 1, generator=generator)
        if component is not None:
            k = torch.full_like(k, component)
        k = k[:, :, None].expand(-1, -1, self.n_code)
        log_var = log_var.gather(1, k)[:, 0] + 2 * math.log(max(spread, LEAST))
        return gaussian.sample(mu.gather(1, k)[:, 0], log_var, generator)

    def __str__(self) -> str:
        return f"MDN tie\n$K$ = {self.n_components}"

    def setting(self, spread: float, component: int | None) -> str:
        which = "all components" if component is None else f"component {component + 1}"
        return f"{which}, temperature {spread**2:.2g}"
