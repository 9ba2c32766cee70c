"""Flow matching with a U-Net at full resolution (row `fm-full`): no patches at its mouth.

`fm` reads fields as 8 × 8 patches of 4 × 4 pixels, which is quick. This row shows whether that
build holds it back: its maps are 32 × 32, 16 × 16, 8 × 8 and 4 × 4, and all else is the same.
"""

from dataclasses import dataclass

from torch import nn

from cdvae.data.fields import Task
from cdvae.methods.flow_matching import Flow, FlowMatching
from cdvae.methods.registry import Method
from cdvae.networks import SIZE, SLOPE, Contraction, Expansion
from cdvae.tools.registry import register


@dataclass(frozen=True)
class WholeFlow(Flow):
    """Settings; widths of one scale more for each halving of the side, from 32 × 32 on."""

    widths: tuple = (24, 48, 64, 96)


def smallest(widths: tuple[int, ...]) -> int:
    """The side of the coarsest maps."""
    return SIZE >> (len(widths) - 1)


class WholeContraction(Contraction):
    """As `Contraction`, its finest maps as large as the field."""

    def __init__(self, channels: int, widths: tuple[int, ...], vector: int):
        super().__init__(channels, widths, vector)
        self.start = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.top = nn.Linear(widths[-1] * smallest(widths) ** 2, vector)


class WholeExpansion(Expansion):
    """As `Expansion`, its finest maps as large as the field."""

    def __init__(self, vector: int, widths: tuple[int, ...], channels: int):
        super().__init__(vector, widths, widths, channels)
        side = smallest(widths)
        self.start = nn.Sequential(
            nn.Linear(vector, widths[-1] * side**2), nn.Unflatten(1, (widths[-1], side, side))
        )
        self.end = nn.Sequential(nn.LeakyReLU(SLOPE), nn.Conv2d(widths[0], channels, 3, padding=1))


class WholeFlowMatching(FlowMatching):
    """Flow matching with that network."""

    def __init__(self, channels_c: int, channels_g: int, settings: WholeFlow):
        super().__init__(channels_c, channels_g, settings)
        widths, vector = settings.widths, settings.vector
        self.down = WholeContraction(channels_c + channels_g, widths, vector)
        self.up = WholeExpansion(vector, widths, channels_g)


def build(task: Task, profile) -> WholeFlowMatching:
    """An untrained model with a profile's settings."""
    return WholeFlowMatching(task.channels_c, task.channels_g, profile.fm_full)


register(
    Method(
        name="fm-full",
        label="Flow matching, full",
        kind="rival",
        about="conditional flow matching, a U-Net at full resolution",
        look=("#A67C52", ">"),
        model=WholeFlowMatching,
        build=build,
        tables={"fm_full": WholeFlow},
    )
)
