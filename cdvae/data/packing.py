"""What of a source is packed, so that the file is no larger than asked for (`data.packed`)."""

from pathlib import Path

import torch

from cdvae.data import packed, sources
from cdvae.data.sources import Plan
from cdvae.tools.files import InputError

SPARE = 100_000  # bytes of a pack's header beside the names of the examples


def pack(plans: list[Plan], path: Path, profile: str, megabytes: float) -> list[str]:
    """Pack the splits of each task; returns a line a task on how many examples there are.

    Validation and test examples are packed whole, training examples, the first, as far as there is
    room: of each task the same share. Raises InputError where the former alone are too large.
    """
    parts = {plan.task.name: sources.load(plan) for plan in plans}
    sizes = {
        task: {k: packed.size_of(v) * len(v) for k, v in f.items()} for task, f in parts.items()
    }
    whole = sum(of["train"] for of in sizes.values())
    other = sum(sum(of.values()) for of in sizes.values()) - whole
    room = 1e6 * megabytes - SPARE - other
    if room <= 0:
        raise InputError(
            f"validation and test examples alone take {other / 1e6:.1f} MB: ask for more by --mb"
        )
    share, lines = min(1.0, room / whole), []
    for task, splits in parts.items():
        every = splits["train"]
        n = int(share * len(every))
        splits["train"] = every.rows(torch.arange(len(every)) < n)
        counts = f"{n:,} of {len(every):,} training, {len(splits['valid']):,} validation"
        lines.append(f"{task}: {counts} and {len(splits['test']):,} test examples")
    names = sources.label_names(plans[0])
    about = {"data": plans[0].source.name, "profile": profile, "label_names": names}
    packed.write(path, parts, about)
    return lines
