"""The embedding targets of a training split: made once, kept in the cache."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae import guidance
from cdvae.data.fields import Fields, with_flips
from cdvae.data.sources import Plan
from cdvae.runs.settings import Profile
from cdvae.tools.device import one_thread
from cdvae.tools.files import InputError, atomic, cache_root, is_whole, key_of
from cdvae.tools.meaning import meaning


def targets_file(plan: Plan, settings: Profile, n_code: int) -> Path:
    """Where the targets for a code of that size lie, or will."""
    weight = settings.guidance.semantic_weight
    code = meaning(guidance.targets, *([with_flips] if settings.flips else []))
    shaped = (n_code, weight, settings.flips, settings.n_used, code)
    return cache_root() / "targets" / f"{key_of(plan.key, *shaped)}.safetensors"


def targets(plan: Plan, settings: Profile, n_code: int, shown: Callable[[], Fields]) -> Tensor:
    """Embedding targets p_c and p_g of the training split: (2, N, n_code).

    shown: gives what is shown in training, mirror images and all.
    """
    path = targets_file(plan, settings, n_code)
    if not is_whole(path):
        pair = made(shown(), n_code, settings.guidance.semantic_weight)
        with atomic(path) as temporary:
            save_file({"p": pair}, temporary)
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("p")


def made(train: Fields, n_code: int, weight: float) -> Tensor:
    """The targets of these examples; raises InputError where they are too few or too alike."""
    try:
        with one_thread():
            pair = guidance.targets(
                train.x_c, train.x_g, train.semantics, train.n_labels, n_code, weight
            )
    except ValueError as error:
        raise InputError(
            f"{train.task.name}: the {len(train)} training examples are too few or too alike for "
            f"the embedding that guides ({error}): give more or more varied ones, or ask with "
            "--methods for those that need no embedding, as cvae"
        ) from None
    return torch.stack([torch.from_numpy(p) for p in pair])
