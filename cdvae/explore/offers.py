"""What a model offers to a hand on its draws, read off the contracts of `Model` and `Tie`."""

import numpy as np
import torch

from cdvae.checkpoints import Checkpoint
from cdvae.data.fields import SIZE
from cdvae.model import Model
from cdvae.postprocess.own import Subject
from cdvae.ties import Tie


def tie_of(checkpoint: Checkpoint) -> Tie | None:
    """The tie that its draws cross; None for a model without, or whose draws are but samples."""
    tie = getattr(checkpoint.model, "tie", None)
    crosses = type(checkpoint.model).draws is not Model.draws
    return tie if isinstance(tie, Tie) and crosses else None


def setting_of(checkpoint: Checkpoint, spread: float = 1.0, component: int | None = None) -> str:
    """What its tie draws from, for a reader; empty where a spread changes nothing."""
    tie = tie_of(checkpoint)
    return tie.setting(spread, component) if tie else ""


def components_of(checkpoint: Checkpoint) -> int:
    """How many components its tie mixes; 0 for one without a mixture."""
    tie = tie_of(checkpoint)
    return tie.n_components if tie else 0


def layers_of(checkpoint: Checkpoint) -> int:
    """How many layers of codes its draws are made of."""
    x_c = torch.zeros(1, checkpoint.task.channels_c, SIZE, SIZE)
    draws = checkpoint.model.draws(x_c, 1, torch.Generator().manual_seed(0))
    return len(draws.noise) + 1


def leaves_free(checkpoint: Checkpoint) -> bool:
    """Whether its tie leaves components of the codes free."""
    tie = tie_of(checkpoint)
    return tie is not None and getattr(tie, "n_tied", 0) < getattr(tie, "n_code", 0)


def weights_of(checkpoint: Checkpoint, subject: Subject) -> np.ndarray | None:
    """A mixture's weights at the mean of q(z_c | x_c): (K,); None where a model tells none."""
    mixture = getattr(tie_of(checkpoint), "mixture", None)
    encoder = getattr(checkpoint.model, "dvae_c", None)
    if not (components_of(checkpoint) and mixture and encoder):
        return None
    mu, _ = encoder.q_top_given_x(subject.x_c)
    return mixture(mu)[0].exp()[0].numpy()
