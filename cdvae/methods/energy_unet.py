"""An opponent of today: a U-Net with noise injected, trained by the energy score (row `unet`).

x_g = f(x_c, noise), with no encoder of x_g and no bound: engression (Shen & Meinshausen 2024).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cdvae.data.fields import Task
from cdvae.methods.registry import Method
from cdvae.metrics import energy_loss
from cdvae.model import Batch, Model
from cdvae.networks import Contraction, Expansion, Standard
from cdvae.tools.registry import register


@dataclass(frozen=True)
class EnergyRegressor:
    """Settings."""

    steps: int = 800  # of training
    widths: tuple = (64, 96)  # channels of the maps of each scale, finest first
    vector: int = 128  # width of what stands above the maps
    noise: int = 32  # numbers N(0, 1) that join that vector …
    noise_maps: int = 4  # … and maps of them that join the maps of each scale; 0: none do
    draws: int = 4  # for each example of a training step


class EnergyUNet(Model):
    """The network, its loss and its sampler."""

    def __init__(self, channels_c: int, channels_g: int, settings: EnergyRegressor):
        super().__init__()
        s = self.settings = settings
        self.standard_c, self.standard_g = Standard(channels_c), Standard(channels_g)
        self.down = Contraction(channels_c, s.widths, s.vector)
        self.up = Expansion(s.vector + s.noise, s.widths, s.widths, channels_g)
        maps = s.widths if s.noise_maps else ()
        self.inject = nn.ModuleList(nn.Conv2d(s.noise_maps, n, 1, bias=False) for n in maps)

    def draw_g(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n standardised fields for each standardised x_c: (batch, n, C_g, 32, 32)."""

        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=x_c.device, dtype=x_c.dtype)

        def at_scale(scale: int, h: Tensor) -> Tensor:
            if not self.inject:
                return h
            maps = noise(len(h), self.settings.noise_maps, *h.shape[2:])
            return h + self.inject[scale](maps)

        *maps, top = self.down(x_c)
        top = top.repeat_interleave(n, 0)
        vector = torch.cat([top, noise(len(top), self.settings.noise)], 1)
        return self.up(vector, maps, at_scale, n).unflatten(0, (len(x_c), n))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The energy score of `draws` draws, in deviations of the field."""
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        return {"loss": energy_loss(self.draw_g(x_c, self.settings.draws), x_g).mean()}

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: (batch, n, C_g, 32, 32)."""
        return self.standard_g.undo(self.draw_g(self.standard_c.apply_to(x_c), n, generator))


def build(task: Task, profile) -> EnergyUNet:
    """An untrained model with a profile's settings."""
    return EnergyUNet(task.channels_c, task.channels_g, profile.unet)


register(
    Method(
        name="unet",
        label="Energy U-Net",
        kind="rival",
        about="a U-Net with noise, trained by the energy score",
        look=("#6B8E23", "<"),
        model=EnergyUNet,
        build=build,
        tables={"unet": EnergyRegressor},
    )
)
