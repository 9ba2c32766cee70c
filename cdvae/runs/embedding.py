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
from cdvae.runs import embedding_many
from cdvae.runs.settings import Profile
from cdvae.tools.device import one_thread
from cdvae.tools.files import InputError, atomic, cache_root, is_whole, key_of
from cdvae.tools.meaning import meaning

LARGE = 30_000  # rows, mirror images included: from here on features are not held whole


def is_large(settings: Profile) -> bool:
    """Whether so many training examples are asked for that they are embedded in parts."""
    return (settings.n_used or settings.n_train) * (1 + settings.flips) > LARGE


def embedder(settings: Profile) -> Callable:
    """The function that makes the targets, whose meaning shapes the keys of what is guided."""
    return embedding_many.targets if is_large(settings) else guidance.targets


def targets_file(plan: Plan, settings: Profile, n_code: int) -> Path:
    """Where the targets for a code of that size lie, or will."""
    weight = settings.guidance.semantic_weight
    code = meaning(embedder(settings), *([with_flips] if settings.flips else []))
    shaped = (n_code, weight, settings.flips, settings.n_used, code)
    return cache_root() / "targets" / f"{key_of(plan.key, *shaped)}.safetensors"


def targets(plan: Plan, settings: Profile, n_code: int, shown: Callable[[], Fields]) -> Tensor:
    """Embedding targets p_c and p_g of the training split: (2, N, n_code).

    shown: gives what is shown in training, mirror images and all; not asked where that is much.
    """
    path = targets_file(plan, settings, n_code)
    if not is_whole(path):
        pair = made(plan, settings, n_code, shown)
        with atomic(path) as temporary:
            save_file({"p": pair}, temporary)
    with safe_open(path, framework="pt") as file:
        return file.get_tensor("p")


def made(plan: Plan, settings: Profile, n_code: int, shown: Callable[[], Fields]) -> Tensor:
    """The targets; raises InputError where the examples are too few or too alike."""
    weight = settings.guidance.semantic_weight
    try:
        with one_thread():
            if is_large(settings):
                given = (settings.n_used, settings.flips, n_code, weight)
                pair = embedding_many.targets(plan.file("train"), *given)
            else:
                train = shown()
                layers = (train.x_c, train.x_g, train.semantics, train.n_labels)
                pair = guidance.targets(*layers, n_code, weight)
    except ValueError as error:
        raise InputError(
            f"{plan.task.name}: the training examples are too few or too alike for the embedding "
            f"that guides ({error}): give more or more varied ones, or ask with --methods for "
            "those that need no embedding, as cvae"
        ) from None
    return torch.stack([torch.from_numpy(p) for p in pair])
