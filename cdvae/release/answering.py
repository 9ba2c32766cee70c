"""Which of a model's weights its answers hang on: samples, draws, an original given back."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cdvae.model import Model


class Reads(TorchFunctionMode):
    """Remembers every tensor that torch is given while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.update(id(each) for each in tensors_in((args, kwargs or {})))
        return func(*args, **(kwargs or {}))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors among arguments, in lists, tuples and dicts too."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors_in(each)


@torch.no_grad()
def weights_for_answers(model: Model, x_c: Tensor, x_g: Tensor) -> dict[str, Tensor]:
    """The weights that `sample`, `reproduce`, `draws` and `fields_of` read, by name.

    Found by answering two examples x_c (2, C_c, 32, 32) and x_g; what is left out is what only
    training and likelihoods read, such as the decoder of x_c.
    """
    generator = torch.Generator().manual_seed(0)
    with Reads() as reads:
        model.sample(x_c, 2, generator)
        model.reproduce(x_c, x_g, generator)
        model.fields_of(x_c[:1], model.draws(x_c[:1], 2, generator))
    every = model.state_dict(keep_vars=True)
    return {name: value.detach() for name, value in every.items() if id(value) in reads.seen}


def modules_without(model: nn.Module, kept: Iterable[str]) -> list[str]:
    """The largest modules of which no weight is among those kept, by name."""
    found: list[str] = []
    for name, module in model.named_modules():
        is_inside = any(name.startswith(f"{each}.") for each in found)
        if name and not is_inside and module.state_dict():
            if not any(each.startswith(f"{name}.") for each in kept):
                found.append(name)
    return found
