"""`cdvae bench`: speed on this machine."""

import argparse


def add_to(commands) -> None:
    """Add these commands."""
    command = commands.add_parser("bench", help="measure speed on this machine")
    actions = command.add_subparsers(required=True, metavar="what")
    one = actions.add_parser("training", help="training images per second")
    one.add_argument("--profile", default="quick", help="default: quick")
    one.add_argument("--device", default="auto", help="auto (default), cpu, cuda, …")
    one.set_defaults(action=training)
    one = actions.add_parser("data", help="photos, intrinsic images and frame pairs per second")
    one.set_defaults(action=data)
    one = actions.add_parser("explore", help="how fast the explorer opens and draws again")
    one.set_defaults(action=explore)
    one = actions.add_parser("all", help="every speed that is stated: results/speed.csv")
    one.add_argument("--against", default="b3b4961", help="a commit to compare with")
    one.add_argument("--parts", nargs="+", help="these alone; see cdvae/studies/speed_all.py")
    one.set_defaults(action=everything)


def training(options: argparse.Namespace) -> None:
    from cdvae.runs.settings import load_profile
    from cdvae.studies.speed import training_report
    from cdvae.tools.device import pick_device

    print(training_report(load_profile(options.profile), pick_device(options.device)))


def data(options: argparse.Namespace) -> None:
    from cdvae.studies.speed_of_data import report

    print(report())


def explore(options: argparse.Namespace) -> None:
    from cdvae.studies.speed_of_explorer import report

    print(report())


def everything(options: argparse.Namespace) -> None:
    from cdvae.studies.speed_all import PARTS, run
    from cdvae.tools.errors import InputError

    if unknown := set(options.parts or ()) - set(PARTS):
        raise InputError(f"--parts {min(unknown)}: choose from {', '.join(PARTS)}")
    print(run(options.against, options.parts))
