"""The largest memory of a step at the paper's sizes, in a process of its own.

    CDVAE_CACHE=<an empty folder> python -P -m cdvae.studies.memory score marginal 1000

prints it in MB, and the processor's seconds. Made-up fields lie in the cache in place of the
built-in world's, of whose tasks motion has the most channels. What does not change the most memory
is made small: training is of two steps and one check, as later ones take no more, and learned
methods are scored on a few test examples, more than a batch.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import torch

from cdvae.data import fields, sources
from cdvae.data.fields import GRID, Fields, task_named
from cdvae.data.splits import SPLITS
from cdvae.methods import rows
from cdvae.runs import embedding_many
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.studies import timing
from cdvae.tools.device import one_thread
from cdvae.tools.files import cache_root

TASK, MIRRORED, UPDATES = "motion", "relighting", 2
N_TEST, SOME = 40_000, 30  # test examples: the paper's, and more than are scored at a time
COUNTS = 1000, 4000  # test examples between which memory should not grow
SCENES = 11  # categories of the built-in world
PHOTOS = 200, 80_000  # categories of labelled photos, and how many photos
N_CODE, WEIGHT = 64, 2.0  # of the embedding, as the profile has them


def experiment(n_test: str | int, **changes) -> Experiment:
    """The paper's profile with few steps and so many test examples."""
    steps = dict.fromkeys(rows(), UPDATES)
    changes |= {"training": {"checks": 1}, "steps_of": steps, "likelihood": {"n_test": 2}}
    return Experiment(load_profile("paper", n_test=int(n_test), **changes), device="cpu")


def lay(task: str, n_test: str) -> None:
    """Put made-up fields where that experiment looks for its examples."""
    plan = experiment(n_test).plan(task)
    for split in SPLITS:
        n = plan.source.size(split)
        kept = cache_root() / f"{task}-{split}-{n}.safetensors"
        if not kept.exists():
            fields.save(made_up(task, n, SCENES), kept)
        plan.file(split).parent.mkdir(parents=True, exist_ok=True)
        os.link(kept, plan.file(split))


def made_up(task: str, n: int, categories: int) -> Fields:
    """Examples of which each shows an object: a label, and four cells of its layout."""
    generator, entry = torch.Generator().manual_seed(n), task_named(task)
    x_c, x_g, *_ = timing.examples(n, (entry.channels_c, entry.channels_g))
    semantics = torch.zeros(n, categories * (1 + GRID**2))
    label = torch.randint(categories, (n,), generator=generator)
    layout = semantics[:, categories:].view(n, categories, GRID, GRID)
    semantics[torch.arange(n), label] = 1
    row, column = torch.randint(GRID - 1, (2, n), generator=generator)
    for down, right, share in ((0, 0, 0.9), (0, 1, 0.5), (1, 0, 0.3), (1, 1, 0.1)):
        layout[torch.arange(n), label, row + down, column + right] = share
    ids = tuple(f"made-up-{k}" for k in range(n))
    return Fields(entry, x_c, x_g, semantics, categories, ids)


def lay_photos() -> None:
    """Write labelled photos."""
    categories, n = PHOTOS
    fields.save(made_up("resaturation", n, categories), photos())


def photos() -> Path:
    return cache_root() / "photos.safetensors"


def make() -> None:
    """Make the built-in world's examples."""
    sources.load(experiment(N_TEST, data_seed=1).plan(TASK))


def embed() -> None:
    """Embed the built-in world's training examples."""
    experiment(SOME).prepare([Run(TASK, "gauss", 0)])


def embed_photos() -> None:
    """Embed labelled photos and their mirror images."""
    embedding_many.targets(photos(), 0, True, N_CODE, WEIGHT)


def train(name: str) -> None:
    """Train a method."""
    experiment(SOME).ensure_trained(Run(TASK, name, 0))


def train_mirrored(name: str) -> None:
    """Train a method on pictures of three channels and their mirror images, embedded before."""
    experiment(SOME, flips=True).ensure_trained(Run(MIRRORED, name, 0))


def score(name: str, n_test: str) -> None:
    """Score a method."""
    experiment(n_test).scores(Run(TASK, name, 0))


def main(what: str, *rest: str) -> dict[str, float]:
    """Take a step; the largest memory of this process in MB, and seconds of the processor."""
    start = time.process_time()
    with one_thread():
        ACTIONS[what](*rest)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"megabytes": megabytes, "value": time.process_time() - start}


ACTIONS = {
    "lay": lay,
    "lay-photos": lay_photos,
    "make": make,
    "embed": embed,
    "embed-photos": embed_photos,
    "train": train,
    "train-mirrored": train_mirrored,
    "score": score,
}


def steps() -> dict[str, tuple]:
    """The steps that are measured of data, embeddings and what learns nothing, scored at several
    sizes, in order; and what `main` calls them."""
    found = {
        "embedding 80,000 labelled photos and their mirror images": ("embed-photos",),
        "scoring marginal, 40,000 test examples": ("score", "marginal", N_TEST),
        "making 122,000 scenes": ("make",),
        "embedding 80,000 scenes": ("embed",),
        "training gauss on 80,000 pictures and their mirror images": ("train-mirrored", "gauss"),
    }
    for n in COUNTS:
        controls = [name for name in served() if not rows()[name].is_learned]
        found |= {f"scoring {name}, {n:,} test examples": ("score", name, n) for name in controls}
    return found


def learned() -> dict[str, tuple]:
    """As `steps`, of methods that learn."""
    names = [name for name in served() if rows()[name].is_learned]
    found = {f"training {name}": ("train", name) for name in names}
    return found | {f"scoring {name}": ("score", name, SOME) for name in names}


def served() -> list[str]:
    """The methods that are measured."""
    return [k for k, v in rows().items() if v.serves(TASK) and v.kind != "variant"]


def laid() -> list[tuple]:
    """What is made up before, and what `main` calls that."""
    tests = [("lay", TASK, n) for n in (SOME, *COUNTS, N_TEST)]
    return [*tests, ("lay", MIRRORED, SOME), ("lay-photos",)]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
