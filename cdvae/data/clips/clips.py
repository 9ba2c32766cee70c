"""Clips as the motion task's frames and flow, from pairs of frames a second apart."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cdvae.data.clips.video import PAIRS, clip_pairs
from cdvae.data.fields import Fields, Task
from cdvae.data.listing import Listing, files_under
from cdvae.data.registry import Request
from cdvae.data.splits import SPLITS
from cdvae.tools.chunks import Gathered, gather
from cdvae.tools.content import digests
from cdvae.tools.files import InputError, cache_root, key_of
from cdvae.tools.meaning import meaning

SUFFIXES = frozenset(".avi .mp4 .mkv .webm .mov .m4v .mpg .mpeg .wmv .flv .ogv .3gp .ts".split())
MOVES = 0.5  # a cell moves from this flow on, in grid pixels per second
STILL = 0.01  # a pair of which a smaller share of the cells moves is still
CHUNK = 16  # clips: what an interruption loses, a few seconds' work


class Clips(NamedTuple):
    """The clips of a split: their folder, their names in it, and those left out with the reason.

    classes: where the first part of a name is the clip's class, all classes in order.
    """

    folder: Path
    names: list[str]
    left_out: Mapping[str, str]
    classes: Sequence[str] = ()


Listed = Callable[[Path, str], Clips]  # the clips of a split of a folder


def make_clips(listed: Listed, request: Request, split: str) -> Fields:
    """The motion task: at most so many pairs of a split's clips, and their flow.

    Eight equally spaced frames of a clip are paired with the frame one second later
    (`video.pick_pairs`), and their flow (`flow.py`) is measured at 320 pixels' length, which is
    UCF101's own, or at full size where that is less. Clips shorter than a second, or unreadable,
    are skipped by name. The pairs come in an order shuffled by the seed and spread over the clips
    as widely as they allow; no more clips are read than needed.

    x_c (N, 3, 32, 32) is the colour frame in [0, 1], RGB, to 1/255; x_g (N, 2, 32, 32) the flow in
    grid pixels over one second, x right, y down. semantics (N, n_labels) is the one-hot class
    where there are classes (the paper leaves f_bbox out, Sec. 6.1), else (N, 0). Ids are
    `<Class>/<clip>#<k>`, k from 0 to 7.

    Still pairs (`still`) are counted and left out, to train on and to test with: predicting no
    motion where there is none is no test of a motion model.
    Raises InputError where no clip can be used, and where nothing moves.
    """
    clips = listed(request.root, split)
    gathered = measured(clips, request.size(split), request.seed)
    skipped = {**clips.left_out, **gathered.failed}
    if not gathered.rows:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3])
        raise InputError(
            f"no clip for {split} in {request.root} can be used ({why}): check the folder"
        )
    made = fields_of(request.task, gathered, clips.classes, request.size(split), request.seed)
    moving = made.rows(~still(made))
    used = len({clip.rpartition("#")[0] for clip in made.ids})
    counts = {"pairs": len(made), "still_pairs": len(made) - len(moving)}
    found = len(clips.names) + len(clips.left_out)
    request.account(split, "clips", found, used, skipped, counts)
    if len(moving) == 0:
        raise InputError(f"nothing moves in the {split} clips of {request.root}: give others")
    return moving


def stamp(listed: Listed, request: Request) -> list[tuple[str, list[str], list[str], list[str]]]:
    """What the clips of each split hold: their classes, names and hashes."""
    parts = [(split, listed(request.root, split)) for split in SPLITS]
    return [
        (split, list(clips.classes), clips.names, digests(clips.folder, clips.names))
        for split, clips in parts
    ]


def still(fields: Fields) -> Tensor:
    """Which pairs do not move, (N,) bool: under 1% of the cells by 0.5 grid pixels in the second.

    That is 5 pixels of a 320 × 240 frame in some ten cells of 1024; what remains below is mostly
    noise. Models and scores that should see motion take the others: `~still(fields)`.
    """
    return (lengths(fields.x_g) >= MOVES).float().mean((1, 2)) < STILL


def lengths(x_g: Tensor) -> Tensor:
    """The length of each flow vector (N, 32, 32), in grid pixels per second."""
    return torch.linalg.vector_norm(x_g, dim=1)


def under(folder: Path) -> Listing:
    """The clips in a folder, at any depth."""
    return files_under(folder, SUFFIXES)


def measured(
    clips: Clips, n: int, seed: int, method: str = "dis", workers: int | None = None
) -> Gathered:
    """Pairs and their flow, n or more: of few clips all eight, of many one each, and more where
    clips fail. They are kept in the cache, in a folder named by all that shapes them."""
    import cv2

    names = [clips.names[i] for i in np.random.default_rng(seed).permutation(len(clips.names))]
    content = digests(clips.folder, names)
    shaped = names, content, method, cv2.__version__, meaning(clip_pairs)
    per_clip = min(PAIRS, -(-n // max(1, len(names))))
    while True:
        gathered = gather(
            partial(clip_pairs, clips.folder, per_clip, method),
            names,
            cache_root() / "clips" / f"clips-{key_of(*shaped, per_clip)}",
            describe="clips",
            chunk=CHUNK,
            workers=workers,
            enough=n,
        )
        if len(gathered.rows) >= n or per_clip == PAIRS:
            return gathered
        per_clip = min(PAIRS, 2 * per_clip)


def fields_of(task: Task, gathered: Gathered, classes: Sequence[str], n: int, seed: int) -> Fields:
    """The gathered pairs, shuffled, the first `n` of them."""
    total = len(gathered.rows)
    order = np.random.default_rng(seed).permutation(total)[:n]
    slots = gathered.load("slot")
    ids = tuple(f"{clip_id(gathered.rows[i], classes)}#{int(slots[i])}" for i in order)
    semantics = torch.zeros(len(order), len(classes))
    if classes:
        label = {name: number for number, name in enumerate(classes)}
        of_row = torch.tensor([label[Path(gathered.rows[i]).parts[0]] for i in order])
        semantics[torch.arange(len(order)), of_row] = 1
    x_c, x_g = gathered.load("x_c")[order].float().div_(255), gathered.load("x_g")[order]
    return Fields(task, x_c, x_g, semantics, len(classes), ids)


def clip_id(name: str, classes: Sequence[str]) -> str:
    """A clip's name in ids: without its suffix where a list makes it unique, else as it is."""
    return Path(name).with_suffix("").as_posix() if classes else name
