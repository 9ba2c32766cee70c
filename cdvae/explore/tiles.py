"""Generated fields as they are to be shown: in colours, on the picture, with details."""

import numpy as np
import torch
from matplotlib import colormaps
from torch import Tensor

from cdvae.checkpoints import Checkpoint
from cdvae.explore.sheet import Tile
from cdvae.postprocess.colours import FULL_FLOW, flow_colours
from cdvae.postprocess.own import Subject

FINISHES = {
    "off": "off: the field, 32 × 32",
    "upsampled": "upsampled, on the picture",
    "details": "upsampled, with details",
}
ARROWS = {"off": "off: flow in colours", "upsampled": "arrows on the picture"}
FIELDS = "cividis"  # safe for colour-blind readers


def finishes_of(checkpoint: Checkpoint) -> dict[str, str]:
    """The ways to show its fields; flow is not post-processed (Sec. 6)."""
    return ARROWS if checkpoint.task.is_flow else FINISHES


def field_picture(field: np.ndarray) -> np.ndarray:
    """A generated field (C_g, 32, 32) as colours: scalars in [0, 1], flow by direction."""
    if len(field) == 2:
        return flow_colours(torch.from_numpy(field), FULL_FLOW)
    return scalar_picture(field[0])


def scalar_picture(values: np.ndarray) -> np.ndarray:
    """Values (32, 32), of which 0 to 1 are told apart, as colours (32, 32, 3)."""
    return colormaps[FIELDS](values.clip(0, 1))[..., :3]


def tiles_of(
    checkpoint: Checkpoint, subject: Subject, finish: str, fields: Tensor, titles: list[str]
) -> list[Tile]:
    """Fields (n, C_g, 32, 32) with their titles, finished in one of the ways of FINISHES."""
    if finish == "off":
        pictures = [field_picture(field) for field in fields.numpy()]
        return [Tile(*pair) for pair in zip(pictures, titles, strict=True)]
    if checkpoint.task.is_flow:
        pairs = zip(fields.numpy(), titles, strict=True)
        picture = subject.on_screen(subject.fine)
        return [Tile(picture, text, flow) for flow, text in pairs]
    own = None
    if finish == "details":
        own = checkpoint.reproduce(subject.x_c, subject.x_g)[0, 0].numpy()
    pictures = subject.with_layers(fields[:, 0].numpy(), own)
    return [Tile(*pair) for pair in zip(pictures, titles, strict=True)]
