"""`cdvae models`: the small trained models that come with the project."""

import argparse
from pathlib import Path

from cdvae.commands.options import place


def add_to(commands) -> None:
    """Add these commands."""
    command = commands.add_parser("models", help="list the trained models, or make them again")
    actions = command.add_subparsers(required=True, metavar="action")
    one = actions.add_parser("list", help="what there is, with its scores")
    one.set_defaults(action=list_models)
    one = actions.add_parser("make", help="train, score and write those of a data set, with cards")
    place(one)
    one.set_defaults(action=make_models)
    one = actions.add_parser("export", help="write models as ONNX, with cards")
    one.add_argument("names", nargs="*", metavar="NAME", help="as `list` has them; default: all")
    one.add_argument("--to", default="onnx", type=Path, help="the folder (default: onnx)")
    one.set_defaults(action=export_models)


def list_models(options: argparse.Namespace) -> None:
    import pandas as pd

    from cdvae.checkpoints import overview

    print(pd.DataFrame(overview()).to_string(index=False, float_format="{:.2f}".format))


def make_models(options: argparse.Namespace) -> None:
    from cdvae.checkpoints import folder
    from cdvae.release.models import make_all
    from cdvae.runs.experiment import Experiment
    from cdvae.runs.settings import load_profile

    profile = load_profile(options.profile)
    for path in make_all(Experiment(profile, options.data, options.root, "cpu"), folder()):
        print(path)


def export_models(options: argparse.Namespace) -> None:
    from cdvae import checkpoints
    from cdvae.release.export import export

    for name in options.names or checkpoints.names():
        print(export(checkpoints.load(name), options.to))
