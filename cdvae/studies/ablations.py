"""What each part of the method earns: one change at a time to the settings of a profile.

    python -m cdvae.ablations --data coco --root DIR

trains and scores each variant on one task and writes `ablations.csv` and, with their provenance,
`ablations.json` to `results/<profile>/<data>/`. Nothing is chosen by these scores.
"""

import argparse
import sys
from dataclasses import asdict
from typing import NamedTuple

import pandas as pd

from cdvae.report.results import results_folder, write_csv
from cdvae.runs.experiment import Experiment, Run
from cdvae.runs.parallel import score_pairs
from cdvae.runs.settings import Profile, load_profile
from cdvae.tools.files import InputError, write_json
from cdvae.tools.progress import Progress

BASE = "as tuned"  # the setting's name where nothing is changed
TASK = {"coco": "relighting", "scenes": "relighting", "ucf101": "motion"}
KEPT = ("best_error", "variance", "energy_score")
EXAMPLES = (9, 3)  # of the "scattered data" curve: a ninth, a third, before all


class Variant(NamedTuple):
    """One change: what it is about, its value as shown, the method, the settings that differ."""

    group: str
    setting: str
    method: str
    changes: dict


def variants(task: str, profile: Profile, n_train: int) -> list[Variant]:
    """The ablations of a profile; the unchanged methods come first, as group "base"."""
    settings = profile.of(task)
    size, tie = settings.network.latents[-1], settings.tie

    def change(table: str, **values) -> dict:
        return {"by_task": {task: {table: values}}}

    base = ("nn", "cvae", "shallow", "gauss", "mdn4", "mdn12", "cdvae-spatial")
    found = [Variant("base", BASE, method, {}) for method in base]
    off = change("training", guidance_start=0.0)
    found += [Variant("guidance", "off", method, off) for method in ("gauss", "mdn12")]
    for depth in (1, 2, 5):
        latents = change("network", latents=[size] * depth)
        found.append(Variant("depth", str(depth), "gauss", latents))
    found.append(Variant("components", "1", "mdn1", {}))
    found.append(Variant("tied layers", "all", "gauss_all", {}))
    exact = "paper's" if tie.exact else "exact"
    found.append(Variant("conditional", exact, "gauss", change("tie", exact=not tie.exact)))
    printed = "as printed" if tie.mdn_normalised else "normalised"
    changed = change("tie", mdn_normalised=not tie.mdn_normalised)
    found.append(Variant("mixture", printed, "mdn12", changed))
    for sigma in (0.1, 0.25, 0.5, 1.0):
        if sigma != tie.sigma:
            found.append(Variant("sigma_t", str(sigma), "gauss", change("tie", sigma=sigma)))
    for share in (0.0, 0.5, 1.0):  # at 0 one component is left (`GaussianTie`)
        found.append(Variant("share tied", f"{share:.0%}", "gauss", change("tie", share=share)))
    for part in EXAMPLES:
        some = {"n_used": n_train // part}
        found += [
            Variant("examples", f"1/{part}", method, some) for method in ("nn", "cvae", "mdn12")
        ]
    net = settings.spatial.network
    maps = [0] * (len(net.widths) - 1) + [2, net.codes_g[-1]]
    for setting, value in (
        ("no energy score", {"energy": 0.0}),
        ("x_c not modelled", {"weight_c": 0.0}),
        ("codes at 4 × 4 as well", {"codes_g": maps}),
    ):
        changes = change("spatial", network=value)
        found.append(Variant("spatial", setting, "cdvae-spatial", changes))
    return found


def table(
    profile_name: str,
    data: str,
    root: str | None,
    task: str,
    seeds: list[int] | None = None,
    device: str = "auto",
) -> tuple[pd.DataFrame, dict]:
    """Train and score what is missing, by default with the profile's first seed.

    Returns the rows and the provenance of each variant's runs.
    """
    plain = load_profile(profile_name)
    n_train = Experiment(plain, data, root).n_train(task)
    asked = []
    for variant in variants(task, plain, n_train):
        experiment = Experiment(load_profile(profile_name, **variant.changes), data, root, device)
        for seed in seeds or plain.seeds[:1]:
            asked.append((variant, experiment, Run(task, variant.method, seed)))
    missing = [(experiment, run) for _, experiment, run in asked if experiment.steps(run)]
    progress = Progress(sum(experiment.steps(run) for experiment, run in missing))
    score_pairs(missing, progress)
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cdvae.ablations", description=__doc__)
    parser.add_argument("--data", default="scenes", help=", ".join(TASK))
    parser.add_argument("--root", help="the folder that holds the photos or clips")
    parser.add_argument("--profile", default="tuned")
    parser.add_argument("--seeds", type=int, nargs="+", help="default: the profile's first")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    try:
        if options.data not in TASK:
            raise InputError(
                f"no ablations of --data {options.data}: choose from {', '.join(TASK)}"
            )
        task = TASK[options.data]
        place = (options.profile, options.data, options.root, task)
        found, about = table(*place, options.seeds, options.device)
    except InputError as error:
        sys.exit(f"cdvae: {error}")
    folder = results_folder(options.profile, options.data)
    write_csv(found, folder / "ablations.csv")
    write_json(folder / "ablations.json", {"profile": options.profile, "runs": about})


if __name__ == "__main__":
    main()
