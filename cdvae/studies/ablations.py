"""What each part of the method earns: one change at a time to the settings of a profile.

    cdvae study ablations --data coco --root DIR

trains and scores each variant on one task and writes `ablations.csv` and, with their provenance,
`ablations.json` to `results/<profile>/<data>/`. Nothing is chosen by these scores.
"""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from cdvae.data.sources import data_set
from cdvae.methods import method, of_kind
from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment
from cdvae.runs.parallel import Crew, score_pairs
from cdvae.runs.settings import Profile, load_profile, merged
from cdvae.runs.store import Run
from cdvae.tools.files import write_json
from cdvae.tools.progress import Progress

BASE = "as tuned"  # the setting's name where nothing is changed
KEPT = ("best_error", "variance", "energy_score")
EXAMPLES = (9, 3)  # of the "scattered data" curve: a ninth, a third, before all


class Variant(NamedTuple):
    """One change: what it is about, its value as shown, the method, the settings that differ."""

    group: str
    setting: str
    method: str
    changes: dict


def own(task: str, name: str, changes: dict) -> dict:
    """Changes to a profile that are for one method on one task alone, above all that it has."""
    return {"by_task": {task: {"by_method": {name: changes}}}}


def variants(task: str, profile: Profile, n_train: int) -> list[Variant]:
    """The ablations of a profile; the unchanged methods come first, as group "base"."""
    gauss, mdn, space = (profile.of(task, n) for n in ("gauss", "mdn12", "cdvae-spatial"))
    size, tie = gauss.network.latents[-1], gauss.tie

    def change(name: str, table: str, **values) -> dict:
        return own(task, name, {table: values})

    def as_base(name: str) -> dict:
        """What the profile has for the method that a variant is compared with."""
        one, of_task = method(name).variant_of, profile.by_task.get(task, {})
        mine = merged(profile.by_method.get(one, {}), of_task.get("by_method", {}).get(one, {}))
        return own(task, name, mine)

    base = [name for name in of_kind("paper", "extension") if name in profile.methods]
    base = [name for name in base if method(name).serves(task)]
    found = [Variant("base", BASE, name, {}) for name in base]
    for name in ("gauss", "mdn12"):
        off = change(name, "training", guidance_start=0.0)
        found.append(Variant("guidance", "off", name, off))
    for depth in (1, 2, 5):
        latents = change("gauss", "network", latents=[size] * depth)
        found.append(Variant("depth", str(depth), "gauss", latents))
    found.append(Variant("components", "1", "mdn1", as_base("mdn1")))
    found.append(Variant("tied layers", "all", "gauss_all", as_base("gauss_all")))
    exact = "paper's" if tie.exact else "exact"
    found.append(
        Variant("conditional", exact, "gauss", change("gauss", "tie", exact=not tie.exact))
    )
    printed = "as printed" if mdn.tie.mdn_normalised else "normalised"
    changed = change("mdn12", "tie", mdn_normalised=not mdn.tie.mdn_normalised)
    found.append(Variant("mixture", printed, "mdn12", changed))
    for sigma in (0.1, 0.25, 0.5, 1.0):
        if sigma != tie.sigma:
            found.append(
                Variant("sigma_t", str(sigma), "gauss", change("gauss", "tie", sigma=sigma))
            )
    for share in (0.0, 0.5, 1.0):  # at 0 one component is left (`GaussianTie`)
        changed = change("gauss", "tie", share=share)
        found.append(Variant("share tied", f"{share:.0%}", "gauss", changed))
    for part in EXAMPLES:
        some = {"n_used": n_train // part}
        found += [Variant("examples", f"1/{part}", name, some) for name in ("nn", "cvae", "mdn12")]
    net = space.spatial
    maps = [0] * (len(net.widths) - 1) + [2, net.codes_g[-1]]
    for setting, value in (
        ("no energy score", {"energy": 0.0}),
        ("x_c not modelled", {"weight_c": 0.0}),
        ("codes at 4 × 4 as well", {"codes_g": maps}),
        ("weights not averaged", {"averaging": 0.0}),
    ):
        changes = change("cdvae-spatial", "spatial", **value)
        found.append(Variant("spatial", setting, "cdvae-spatial", changes))
    return found


def table(
    profile_name: str,
    data: str,
    root: str | None,
    task: str,
    seeds: list[int] | None = None,
    device: str = "auto",
    cluster: Crew | None = None,
) -> tuple[pd.DataFrame, dict]:
    """Train and score what is missing, by default with the profile's first seed.

    Returns the rows and the provenance of each variant's runs.
    """
    plain = load_profile(profile_name)
    n_train = len(Experiment(plain, data, root).fields(task)["train"])
    asked = []
    for variant in variants(task, plain, n_train):
        experiment = Experiment(load_profile(profile_name, **variant.changes), data, root, device)
        for seed in seeds or plain.seeds[:1]:
            asked.append((variant, experiment, Run(task, variant.method, seed)))
    missing = [(experiment, run) for _, experiment, run in asked if experiment.steps(run)]
    progress = Progress(sum(experiment.steps(run) for experiment, run in missing))
    score_pairs(missing, progress, cluster)
    progress.close()
    rows, about = [], {}
    for variant, experiment, run in asked:
        scored = experiment.scores(run)
        about["/".join((variant.group, variant.setting, str(run)))] = scored["provenance"]
        rows += tidy(variant, run, scored)
    return pd.DataFrame(rows), about


def tidy(variant: Variant, run: Run, scored: dict) -> list[dict]:
    """The rows of one run that the table keeps."""
    place = {"group": variant.group, "setting": variant.setting} | asdict(run)
    sizes = {"n_train": scored["sizes"]["train"], "n_test": scored["sizes"]["test"]}
    return [
        place | {"metric": metric, "n_samples": n, "value": value, "unit": unit} | sizes
        for metric, n, value, unit in scored["rows"]
        if metric in KEPT
    ]


def run(
    profile: str,
    data: str,
    root: str | None,
    seeds: list[int] | None,
    device: str,
    cluster: Crew | None = None,
) -> Path:
    """Train and score every variant on the data's first task; returns the file that is written."""
    found, about = table(profile, data, root, data_set(data).tasks[0], seeds, device, cluster)
    path = results_folder(profile, data) / "ablations.csv"
    write_csv(found, path)
    write_json(path.with_suffix(".json"), {"profile": profile, "runs": about})
    return path
