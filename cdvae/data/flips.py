"""Mirror images: twice the training examples, since the world has no left and right to learn."""

import torch

from cdvae.data.fields import GRID, Fields


def with_flips(fields: Fields) -> Fields:
    """The examples, then their mirror images (left and right exchanged), without their truth.

    A mirrored flow's x component changes its sign; mirrored layouts have their columns exchanged.
    """
    x_c, x_g, semantics = fields.x_c.flip(-1), fields.x_g.flip(-1), fields.semantics.clone()
    if fields.task.name == "motion":
        x_g = torch.cat([-x_g[:, :1], x_g[:, 1:]], 1)
    if semantics.shape[1] > fields.n_labels:
        layout = semantics[:, fields.n_labels :].unflatten(1, (-1, GRID, GRID))
        semantics[:, fields.n_labels :] = layout.flip(-1).flatten(1)
    pairs = (fields.x_c, x_c), (fields.x_g, x_g), (fields.semantics, semantics)
    ids = (*fields.ids, *(f"{name} mirrored" for name in fields.ids))
    return Fields(fields.task, *(torch.cat(pair) for pair in pairs), fields.n_labels, ids)
