"""Fit, sample, score: every run of a profile on a data set, cached on disk.

A run is one task, method and seed. What it needs is looked up under a key made of every setting
and all code that shaped it, and made when it is not there, so that an interrupted reproduction
goes on from what is finished.
"""

from dataclasses import dataclass

import torch

from cdvae.files import InputError, code_hash

MODEL_ROOMS = ("gaussian", "networks", "dvae", "ties", "model", "baselines", "methods", "training")
SCORE_ROOMS = ("metrics",)


@dataclass(frozen=True)
class Run:
    """One cell of the experiment."""

    task: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task}/{self.method}/{self.seed}"


def rooms(names: tuple[str, ...]) -> str:
    return code_hash(*(f"{name}.py" for name in names))


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError):
        raise InputError(f"device '{name}' cannot be used here: try --device cpu") from None
