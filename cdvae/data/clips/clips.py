"""Clips: UCF101, or any folder of clips, as the motion task's frames and flow."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cdvae.data.clips.video import PAIRS, clip_pairs
from cdvae.data.fields import TASKS, Fields
from cdvae.data.report import Report
from cdvae.data.splits import SPLITS, split_names, split_training
from cdvae.tools.chunks import Gathered, gather
from cdvae.tools.files import InputError, code_hash, key_of

VIDEOS = "UCF-101"
LISTS = "ucfTrainTestlist"
SUFFIXES = frozenset(".avi .mp4 .mkv .webm .mov .m4v .mpg .mpeg .wmv .flv .ogv .3gp .ts".split())
MOVES = 0.5  # a cell moves from this flow on, in grid pixels per second
STILL = 0.01  # a pair of which a smaller share of the cells moves is still
CHUNK = 16  # clips: what an interruption loses, a few seconds' work


def load_clips(
    root: Path,
    split: str,
    cache: Path,
    *,
    n: int | None = None,
    seed: int = 0,
    method: str = "dis",
    workers: int | None = None,
) -> tuple[Fields, Report]:
    """The motion task from UCF101 (its split 1) or any folder of clips, and an account of it.

    `root` holds `UCF-101/<Class>/…` and `ucfTrainTestlist/`; without these lists it is any folder
    of clips at any depth, split by source (`splits.py`). The split is "train", "test" or "valid",
    a tenth of the sources to train on, which "train" is then without.

    Eight equally spaced frames of a clip are paired with the frame one second later
    (`video.pick_pairs`), and their flow (`flow.py`) is measured at 320 pixels' length, which is
    UCF101's own, or at full size where that is less. Clips shorter than a second, or unreadable,
    are skipped by name.

    x_c (N, 3, 32, 32) is the colour frame in [0, 1], RGB, to 1/255; x_g (N, 2, 32, 32) the flow in
    grid pixels over one second, x right, y down. semantics (N, n_labels) is the one-hot class
    where there are lists (the paper leaves f_bbox out, Sec. 6.1), else (N, 0). Ids are
    `<Class>/<clip>#<k>`, k from 0 to 7. Still pairs stay in and are counted: see `still`.

    n: at most so many pairs, in an order shuffled by `seed` and spread over the clips as widely as
    they allow, reading no more clips than needed. None: all, in that order.
    Chunks and the report lie under `cache`, in a folder named by all that shaped them.
    Raises InputError for a folder without clips, for lists that are missing or unreadable, and
    where no clip of the split can be used.
    """
    root = Path(root)
    if split not in SPLITS:
        raise InputError(f"unknown split '{split}': choose from {', '.join(SPLITS)}")
    if n is not None and n < 1:
        raise InputError(f"n is {n}: ask for at least one pair")
    folder, names, labels, absent = listed(root, split)
    names = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    gathered, place = _gather(folder, names, n, Path(cache), method, workers)
    skipped = {**absent, **gathered.failed}
    if not gathered.rows:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3])
        raise InputError(f"no clip for {split} in {root} can be used ({why}): check the folder")
    fields = _fields(gathered, labels, n, seed)
    report = _report(fields, gathered, skipped, f"{root.name} {split}", len(names) + len(absent))
    report.save(place / f"report-{n or 'all'}.json")
    return fields, report


def still(fields: Fields) -> Tensor:
    """Which pairs do not move, (N,) bool: under 1% of the cells by 0.5 grid pixels in the second.

    That is 5 pixels of a 320 × 240 frame in some ten cells of 1024; what remains below is mostly
    noise. Models and scores that should see motion take the others: `~still(fields)`.
    """
    return (lengths(fields.x_g) >= MOVES).float().mean((1, 2)) < STILL


def lengths(x_g: Tensor) -> Tensor:
    """The length of each flow vector (N, 32, 32), in grid pixels per second."""
    return torch.linalg.vector_norm(x_g, dim=1)


def under(folder: Path) -> list[str]:
    """The clips in a folder, at any depth, as sorted relative names; hidden files do not count."""
    paths = (path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(
        path.relative_to(folder).as_posix()
        for path in paths
        if not path.name.startswith(".") and path.is_file()
    )


def read_classes(root: Path) -> list[str]:
    """The classes of `classInd.txt` in their order; raises InputError where it cannot be read."""
    path = Path(root) / LISTS / "classInd.txt"
    entries = [line.split() for line in _lines(path)]
    if not entries or any(len(entry) != 2 or not entry[0].isdecimal() for entry in entries):
        raise InputError(f"{path} does not list classes as '1 ApplyEyeMakeup': restore it")
    return [name for _, name in sorted(entries, key=lambda entry: int(entry[0]))]


def read_list(root: Path, split: str) -> list[str]:
    """The clips of `testlist01.txt` ("test") or `trainlist01.txt`, as `<Class>/<clip>`."""
    lines = _lines(Path(root) / LISTS / f"{'test' if split == 'test' else 'train'}list01.txt")
    return list(dict.fromkeys(line.split()[0] for line in lines))


def why_not(root: Path, name: str, classes: Sequence[str]) -> str | None:
    """What is wrong with a listed clip before it is opened, if anything."""
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts:
        return "listed, but outside the folder"
    if parts[0] not in classes:
        return "listed under a class that classInd.txt does not have"
    if not (Path(root) / VIDEOS / name).is_file():
        return "listed, but not there"
    return None


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"{path} is missing: unpack UCF101's train/test lists for recognition")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file: restore it") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def listed(root: Path, split: str):
    """The folder of clips, the names of the split, class of each label, and what is absent."""
    if not root.is_dir():
        raise InputError(f"there is no folder {root}: give the folder that holds the clips")
    if not (root / LISTS).is_dir():
        names = under(root)
        if not names:
            raise InputError(f"no clip in {root}: give a folder with {', '.join(sorted(SUFFIXES))}")
        return root, split_names(names, split), [], {}
    classes = read_classes(root)
    names = read_list(root, split)
    names = names if split == "test" else split_training(names, split)
    absent = {name: why for name in names if (why := why_not(root, name, classes))}
    return root / VIDEOS, [name for name in names if name not in absent], classes, absent


def _gather(folder, names, n, cache, method, workers) -> tuple[Gathered, Path]:
    """Pairs for `n`: of few clips all eight, of many one each, and more where clips fail."""
    import cv2

    sizes = [(folder / name).stat().st_size for name in names]
    shaped = (
        names,
        sizes,
        method,
        cv2.__version__,
        code_hash("data/clips/video.py", "data/clips/flow.py"),
    )
    per_clip = PAIRS if n is None else min(PAIRS, -(-n // max(1, len(names))))
    while True:
        place = cache / f"clips-{key_of(*shaped, per_clip)}"
        gathered = gather(
            partial(clip_pairs, folder, per_clip, method),
            names,
            place,
            describe="clips",
            chunk=CHUNK,
            workers=workers,
            enough=n,
        )
        if n is None or len(gathered.rows) >= n or per_clip == PAIRS:
            return gathered, place
        per_clip = min(PAIRS, 2 * per_clip)


def _fields(gathered: Gathered, classes: Sequence[str], n: int | None, seed: int) -> Fields:
    """The gathered pairs, shuffled, the first `n` of them."""
    total = len(gathered.rows)
    order = np.random.default_rng(seed).permutation(total)[:n]
    slots = gathered.load("slot")
    ids = tuple(f"{_clip_id(gathered.rows[i], classes)}#{int(slots[i])}" for i in order)
    semantics = torch.zeros(len(order), len(classes))
    if classes:
        label = {name: number for number, name in enumerate(classes)}
        of_row = torch.tensor([label[Path(gathered.rows[i]).parts[0]] for i in order])
        semantics[torch.arange(len(order)), of_row] = 1
    return Fields(
        TASKS["motion"],
        x_c=gathered.load("x_c")[order].float().div_(255),
        x_g=gathered.load("x_g")[order],
        semantics=semantics,
        n_labels=len(classes),
        ids=ids,
    )


def _clip_id(name: str, classes: Sequence[str]) -> str:
    """A clip's name in ids: without its suffix where a list makes it unique, else as it is."""
    return Path(name).with_suffix("").as_posix() if classes else name


def _report(
    fields: Fields, gathered: Gathered, skipped: Mapping[str, str], source: str, found: int
) -> Report:
    motion = lengths(fields.x_g).mean((1, 2)).numpy()
    counts = {"pairs": len(fields), "still_pairs": int(still(fields).sum())}
    for percent in (5, 50, 95):
        counts[f"mean_flow_{percent}%"] = round(float(np.percentile(motion, percent)), 3)
    notes = ["flow in pixels of the 32 × 32 grid per second, its mean over a pair, percentiles"]
    notes += [f"still: fewer than {STILL:.0%} of the cells move by {MOVES} pixels or more"]
    read = len(set(gathered.rows)) + len(gathered.failed)
    if read + len(skipped) - len(gathered.failed) < found:
        notes.append("the limit on pairs was reached before all clips were read")
    used = len({clip.rpartition("#")[0] for clip in fields.ids})
    return Report(source, "clips", found, used, skipped, counts, tuple(notes))
