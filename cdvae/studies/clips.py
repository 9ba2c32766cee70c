"""What each part of the network on clips earns: one change at a time, on validation pairs.

    cdvae study clips --root DIR

trains and scores each variant (`dynamics.variants`) and writes `dynamics_ablations.csv` and, with
their provenance, `dynamics_ablations.json` to `results/<profile>/ucf101/`, anew as each one ends.
No test pair is looked at. The check of a training whose weights are kept is chosen on the same
validation pairs, for all variants alike.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from cdvae.data.clips.frames import ClipPairs
from cdvae.dynamics.clip_results import interval
from cdvae.dynamics.clips import ClipExperiment
from cdvae.dynamics.pairs import FramePairs, Network, codes, fit_network
from cdvae.dynamics.results import open_dynamics
from cdvae.dynamics.rows import OURS, FrameMethod, frame_methods
from cdvae.dynamics.variants import BASE, Variant, variants
from cdvae.methods.crossconv_local import ClipFrames, LocalCrossConv
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.errors import InputError
from cdvae.tools.files import key_of, write_json
from cdvae.tools.progress import Progress

DATA, NAME = "ucf101", "dynamics_ablations.csv"
PRIOR, TRAINING, GIVEN = OURS, f"{OURS}_empirical", f"{OURS}_encoded"  # rows that are scored


def built(kind: type, settings: ClipFrames, sampled: bool, device: torch.device) -> Network:
    """An untrained network of a variant."""
    model = kind(settings.network, settings.sigma, settings.size, sampled)
    return model.to(device, memory_format=torch.channels_last)


class VariantExperiment(ClipExperiment):
    """The runs of a variant, which are scored on validation pairs."""

    def __init__(self, variant: Variant, profile: str, root: str, device: str):
        super().__init__(load_profile(profile, clip_dynamics=variant.changes), root, device)
        self.variant = variant
        if variant.kind is not LocalCrossConv:  # whose keys are those of `cdvae reproduce`
            self.build = partial(built, variant.kind)
            self.learned_by = (self.build, FramePairs, fit_network, codes)

    def clip_pairs(self, split: str) -> ClipPairs:
        return super().clip_pairs("valid" if split == "test" else split)

    def method(self, run: Run) -> FrameMethod:
        """The network, with the rows that are compared."""
        every = frame_methods(DATA)[run.method]
        rows = tuple(row for row in every.rows if row.name in (PRIOR, TRAINING, GIVEN))
        return replace(every, rows=rows)

    def score_key(self, run: Run) -> str:
        return key_of("validation", super().score_key(run))

    def parameters(self, run: Run) -> int:
        """How many weights a training changes."""
        model = self.untrained(run)
        return sum(part.numel() for part in model.parameters() if part.requires_grad)


class Ablations:
    """The experiments of all variants, and what is known of them."""

    def __init__(self, profile: str, root: str, device: str):
        plain = open_dynamics(profile, DATA, root, device).settings
        self.profile, self.seeds = profile, plain.seeds
        self.experiments = {
            each.name: VariantExperiment(each, profile, root, device) for each in variants(plain)
        }
        self.path = results_folder(profile, DATA) / NAME
        self.rows, self.about = self.before()

    def before(self) -> tuple[dict[str, dict], dict[str, dict]]:
        """Rows and provenance that stand in the files and would be made again, by name."""
        about_file = self.path.with_suffix(".json")
        if not self.path.exists() or not about_file.exists():
            return {}, {}
        about = json.loads(about_file.read_text(encoding="utf-8"))["runs"]
        about = {name: each for name, each in about.items() if self.is_current(name, each["key"])}
        lines = pd.read_csv(self.path).to_dict("records")
        rows = {f"{line['variant']}/{line['seed']}": line for line in lines}
        return {name: rows[name] for name in about}, about

    def is_current(self, name: str, key: str) -> bool:
        variant, seed = name.split("/")
        known = self.experiments.get(variant)
        return known is not None and known.score_key(run_of(seed)) == key

    def make(self, asked: list[tuple[str, int]], progress: Progress) -> None:
        """Train and score what is missing, and write the files as each one ends."""
        for variant, seed in asked:
            experiment, run = self.experiments[variant], run_of(seed)
            found = experiment.scores(run, progress)
            base = self.experiments[BASE].scores(run, progress)
            name = f"{variant}/{seed}"
            self.rows[name] = line(experiment, run, found, base)
            self.about[name] = found["provenance"] | {"key": experiment.score_key(run)}
            self.write()
            experiment.forget()  # or the pairs of all variants would be held in the end

    def write(self) -> None:
        """The files, in the order of the variants."""
        order = list(self.experiments)
        lines = sorted(self.rows.values(), key=lambda x: (order.index(x["variant"]), x["seed"]))
        labels = {name: each.variant.label for name, each in self.experiments.items()}
        lines = [each | {"label": labels[each["variant"]]} for each in lines]
        write_csv(pd.DataFrame(lines), self.path)
        about = {"profile": self.profile, "data": DATA, "scored on": "valid", "runs": self.about}
        write_json(self.path.with_suffix(".json"), about)


def run_of(seed: int | str) -> Run:
    return Run("motion", OURS, int(seed))


def line(experiment: VariantExperiment, run: Run, found: dict, base: dict) -> dict[str, Any]:
    """A row of the table. Energy scores are compared pair by pair with those of the unchanged
    network of the same seed; the interval is that of the pairs, by video group."""
    score = {(row, metric): value for row, metric, _, value, _ in found["rows"]}
    apart = np.subtract(found["each"][PRIOR], base["each"][PRIOR])[None]
    groups = np.unique(found["groups"], return_inverse=True)[1]
    low, high = interval(apart, groups)
    return {
        "variant": experiment.variant.name,
        "label": experiment.variant.label,
        "seed": run.seed,
        "explained": score[GIVEN, "explained"],
        "code_nats": score[OURS, "code_kl"],
        "energy_score": score[PRIOR, "energy_score"],
        "energy_difference": float(apart.mean()),
        "low": low,
        "high": high,
        "energy_score_training_codes": score[TRAINING, "energy_score"],
        "parameters": experiment.parameters(run),
        "training_seconds": found["provenance"]["seconds"],
        "n_train": found["sizes"]["train"],
        "n_valid": found["sizes"]["test"],
    }


def run(
    profile: str,
    root: str,
    seeds: Iterable[int] | None = None,
    names: list[str] | None = None,
    device: str = "auto",
) -> Path:
    """Train and score the variants; returns the file that is written.

    seeds: of the changed networks; by default the profile's first. The unchanged one has all of
    the profile's as well: they tell how far trainings differ by chance. names: of variants; by
    default all. Rows of others stay.
    """
    ablations = Ablations(profile, root, device)
    names = names or list(ablations.experiments)
    if unknown := sorted(set(names) - set(ablations.experiments)):
        known = ", ".join(ablations.experiments)
        raise InputError(f"unknown variant '{unknown[0]}': choose from {known}")
    chosen = list(seeds or ablations.seeds[:1])
    base = list(dict.fromkeys([*chosen, *ablations.seeds])) if BASE in names else chosen
    asked = [(BASE, seed) for seed in base]
    asked += [(name, seed) for name in names if name != BASE for seed in chosen]
    missing = [pair for pair in asked if "/".join(map(str, pair)) not in ablations.rows]
    needed = dict.fromkeys([*missing, *((BASE, seed) for _, seed in missing)])
    steps = [ablations.experiments[name].steps(run_of(seed)) for name, seed in needed]
    progress = Progress(sum(steps))
    try:
        ablations.make(missing, progress)
    finally:
        progress.close()
    return ablations.path
