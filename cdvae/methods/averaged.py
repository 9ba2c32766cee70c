"""Weights that are averaged over the last steps: training goes on with the plain ones, and the
averaged ones are validated, kept and sampled with (Polyak & Juditsky 1992)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from cdvae.model import Model

RAMP = 10  # steps after which the average begins to reach back far


class Averaged(Model):
    """A model whose weights are averaged while it is trained.

    Its `loss` calls `follow` in training mode. In evaluation mode the averages stand in the place
    of the weights, which come back with training mode.
    """

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Tensor] = []  # the averages, or in evaluation mode the plain weights
        self.steps = 0

    def follow(self, decay: float) -> None:
        """Take one step's weights into the average, of which a step before has `decay` the share
        of the step after it; in the first steps less."""
        weights = [weight.detach() for weight in self.parameters()]
        self.others = self.others or [weight.clone() for weight in weights]
        self.steps += 1
        share = 1 - min(decay, (1 + self.steps) / (RAMP + self.steps))
        for mean, weight in zip(self.others, weights, strict=True):
            mean.lerp_(weight, share)

    def train(self, mode: bool = True) -> "Averaged":
        """Training or evaluation mode, with the weights that belong to it."""
        if mode != self.training and self.others:
            for other, weight in zip(self.others, self.parameters(), strict=True):
                plain = weight.detach().clone()
                weight.detach().copy_(other)
                other.copy_(plain)
        return super().train(mode)

    def load_state_dict(self, state_dict: Mapping[str, Any], *given: Any, **named: Any) -> Any:
        """As `nn.Module` does; what was averaged before is forgotten."""
        self.others, self.steps = [], 0
        return nn.Module.load_state_dict(self, state_dict, *given, **named)
