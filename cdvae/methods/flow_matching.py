"""An opponent of today: conditional flow matching with a small U-Net (row `fm`).

A field is carried from noise at t = 0 to x_g at t = 1 along straight lines; the network learns the
velocity at (x_t, t) given x_c, and a draw follows it (Lipman et al. 2023; Tong et al. 2024).
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from cdvae.data.fields import Task
from cdvae.methods.registry import Method
from cdvae.model import Batch, Model
from cdvae.networks import SLOPE, Contraction, Expansion, Standard
from cdvae.tools.registry import register

FREQUENCIES = 8  # of the sines and cosines that tell the network the time
DENSER = 1.5  # steps end at equal parts of the way to this power: shorter near the noise


@dataclass(frozen=True)
class Flow:
    """Settings."""

    steps: int = 1500  # of training
    n_test: int = 200  # test examples that are scored, the first: a draw is dear
    widths: tuple = (64, 96)  # channels of the maps of each scale, finest first
    vector: int = 128  # width of what stands above the maps
    evaluations: int = 16  # of the network for one draw, by the midpoint rule: an even number


class Clock(nn.Module):
    """Adds to the maps of each scale what the time t says: features of t, two layers."""

    def __init__(self, widths: tuple[int, ...], hidden: int):
        super().__init__()
        self.register_buffer("frequency", math.pi * torch.arange(1.0, FREQUENCIES + 1))
        self.body = nn.Sequential(nn.Linear(2 * FREQUENCIES, hidden), nn.LeakyReLU(SLOPE))
        self.shifts = nn.ModuleList(nn.Linear(hidden, n) for n in widths)

    def forward(self, t: Tensor):
        """For times t (batch,) the function that shifts maps."""
        angle = t[:, None] * self.frequency
        body = self.body(torch.cat([angle.sin(), angle.cos()], 1))
        return lambda scale, maps: maps + self.shifts[scale](body)[:, :, None, None]


class FlowMatching(Model):
    """The velocity field of P(x_g | x_c), its loss and its sampler."""

    def __init__(self, channels_c: int, channels_g: int, settings: Flow):
        super().__init__()
        self.settings, widths, vector = settings, settings.widths, settings.vector
        self.channels_g = channels_g
        self.standard_c, self.standard_g = Standard(channels_c), Standard(channels_g)
        self.down = Contraction(channels_c + channels_g, widths, vector)
        self.up = Expansion(vector, widths, widths, channels_g)
        self.clocks = nn.ModuleList(Clock(widths, vector) for _ in range(2))

    def velocity(self, x_t: Tensor, t: Tensor, x_c: Tensor) -> Tensor:
        """dx/dt at x_t (batch, C_g, 32, 32) and t (batch,), from standardised fields."""
        down, up = (clock(t) for clock in self.clocks)
        *maps, top = self.down(torch.cat([x_t, x_c], 1), down)
        return self.up(top, maps, up)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """½ Σ (velocity − (x_g − noise))² at a uniform time, mean over the batch."""
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        noise, t = torch.randn_like(x_g), torch.rand(len(x_g), device=x_g.device)
        x_t = torch.lerp(noise, x_g, t[:, None, None, None])
        error = self.velocity(x_t, t, x_c) - (x_g - noise)
        return {"loss": 0.5 * error.square().flatten(1).sum(1).mean()}

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c by the midpoint rule: (batch, n, C_g, 32, 32)."""
        c = self.standard_c.apply_to(x_c).repeat_interleave(n, 0)
        shape = (len(c), self.channels_g, *c.shape[2:])
        x = torch.randn(shape, generator=generator, device=c.device, dtype=c.dtype)
        steps = self.settings.evaluations // 2
        for start, end in pairwise((k / steps) ** DENSER for k in range(steps + 1)):
            times = [torch.full((len(c),), t, device=c.device) for t in (start, (start + end) / 2)]
            middle = x + (end - start) / 2 * self.velocity(x, times[0], c)
            x = x + (end - start) * self.velocity(middle, times[1], c)
        return self.standard_g.undo(x).unflatten(0, (len(x_c), n))


def build(task: Task, profile) -> FlowMatching:
    """An untrained model with a profile's settings."""
    return FlowMatching(task.channels_c, task.channels_g, profile.fm)


register(
    Method(
        name="fm",
        label="Flow matching",
        kind="rival",
        about="conditional flow matching, a small U-Net",
        look=("#4B3621", ">"),
        model=FlowMatching,
        build=build,
        tables={"fm": Flow},
    )
)
