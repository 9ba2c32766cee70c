"""What a user adds, each in one entry: a tie, a conditional model and a data set of their own."""

import torch
from torch import Tensor, nn

import cdvae
from cdvae import gaussian


class AffineTie(cdvae.Tie):
    """z_g = A z_c + b + noise of deviation σ; takes the place of z_g's prior."""

    def __init__(self, n_code: int, sigma: float = 0.5):
        super().__init__()
        self.n_code = self.n_tied = n_code
        self.sigma, self.map = sigma, nn.Linear(n_code, n_code)

    def conditional(self, z_c: Tensor) -> tuple[Tensor, Tensor]:
        mu = self.map(z_c)
        return mu, torch.full_like(mu, self.sigma).log() * 2

    def log_conditional(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        return gaussian.log_density(z_g, *self.conditional(z_c)).sum(1)

    def cost(self, z_c: Tensor, z_g: Tensor) -> Tensor:
        return gaussian.log_standard(z_g) - self.log_conditional(z_c, z_g)

    def sample(self, z_c: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return gaussian.sample(*self.conditional(z_c), generator)

    def __str__(self) -> str:
        return "affine tie"


def affine(n_code: int, profile) -> AffineTie:
    return AffineTie(n_code)


class Regressor(cdvae.Model):
    """A convolution for the mean, and one spread for all pixels: no code at all."""

    def __init__(self, channels_c: int, channels_g: int):
        super().__init__()
        self.standard_c, self.standard_g = cdvae.Standard(channels_c), cdvae.Standard(channels_g)
        self.mean = nn.Conv2d(channels_c, channels_g, 5, padding=2)
        self.log_var = nn.Parameter(torch.zeros(()))

    def loss(self, batch: cdvae.Batch) -> dict[str, Tensor]:
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        log_p = gaussian.log_density(x_g, self.mean(x_c), self.log_var)
        return {"loss": -log_p.flatten(1).sum(1).mean()}

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        mean = self.mean(self.standard_c.apply_to(x_c)).repeat_interleave(n, 0)
        drawn = gaussian.sample(mean, self.log_var.expand_as(mean), generator)
        return self.standard_g.undo(drawn).unflatten(0, (len(x_c), n))


def regressor(task: cdvae.Task, profile) -> Regressor:
    return Regressor(task.channels_c, task.channels_g)


def stripes(request, split: str) -> cdvae.Fields:
    """Stripes in a light that is one of two, whatever their albedo says, and varies a little."""
    seed = 3 * request.seed + ("train", "valid", "test").index(split)
    generator = torch.Generator().manual_seed(seed)
    n = request.size(split)
    albedo = torch.rand(n, 3, 1, 32, generator=generator).expand(-1, -1, 32, -1).contiguous()
    bright = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
    shade = torch.where(bright, 0.8, 0.3) + 0.2 * torch.rand(n, 1, 1, 32, generator=generator)
    shade = shade.expand(-1, -1, 32, -1).contiguous()
    ids = tuple(f"{split}-{k}" for k in range(n))
    return cdvae.Fields(request.task, albedo, shade, torch.zeros(n, 0), 0, ids)


cdvae.register(cdvae.tied("affine", "Affine", affine))
cdvae.register(cdvae.Method("regressor", "Regressor", model=Regressor, build=regressor))
cdvae.register(cdvae.DataSet("stripes", "stripes", ("relighting",), make=stripes, needs_root=False))
