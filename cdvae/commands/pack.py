"""`cdvae pack`: the fields of a profile in one small file, for a machine that has no photos."""

import argparse
from pathlib import Path

from cdvae.commands.options import place, skipped

MB = 60  # what is easily sent along


def add_to(commands) -> None:
    """Add this command."""
    one = commands.add_parser("pack", help="all fields of a profile in one file, for --data packed")
    place(one)
    one.add_argument("--tasks", nargs="+", help="relighting, resaturation, motion (default: all)")
    one.add_argument("--out", required=True, metavar="FILE", help="the file to write")
    about = f"size of the file at most; fewer training examples are packed (default: {MB})"
    one.add_argument("--mb", type=float, default=MB, help=about)
    one.set_defaults(action=pack)


def pack(options: argparse.Namespace) -> int:
    """Write the file and say what it holds."""
    from cdvae.data import packed, packing
    from cdvae.runs.experiment import Experiment
    from cdvae.runs.settings import load_profile

    experiment = Experiment(load_profile(options.profile), options.data, options.root, "cpu")
    tasks = options.tasks or list(experiment.source.tasks())
    plans = [experiment.plan(task) for task in tasks]
    path = Path(options.out)
    for line in packing.pack(plans, path, options.profile, options.mb):
        print(line)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; use --data packed --root {path}")
    return skipped(experiment, packed.tasks_at(path))
