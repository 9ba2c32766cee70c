"""`cdvae data`: fetch a data set, or look at a folder."""

import argparse


def add_to(commands) -> None:
    """Add these commands."""
    command = commands.add_parser("data", help="fetch or check a data set")
    actions = command.add_subparsers(required=True, metavar="action")
    one = actions.add_parser("fetch", help="download from the official source, hash-checked")
    one.add_argument(
        "name",
        help="coco (about 40 GB while unpacking), tiny-imagenet (0.8 GB) or ucf101 (14 GB)",
    )
    one.add_argument("--root", default="data", help="the folder to fill (default: data)")
    one.add_argument(
        "--kept",
        action="store_true",
        help="of tiny-imagenet the 36,000 photos alone that the results kept here are of",
    )
    one.set_defaults(action=fetch_data)
    one = actions.add_parser("check", help="what is there, what is missing, what is corrupt")
    one.add_argument("root", metavar="DIR")
    one.set_defaults(action=check_folder)


def fetch_data(options: argparse.Namespace) -> None:
    from cdvae.data.fetch.download import fetch
    from cdvae.tools.files import path_of

    fetch(options.name, path_of(options.root), kept=options.kept)


def check_folder(options: argparse.Namespace) -> int:
    """Exit code 1 if anything is missing or damaged."""
    from cdvae.data.fetch.check import check
    from cdvae.tools.files import path_of

    reports = check(path_of(options.root))
    for report in reports:
        print("\n".join(report.lines()))
    return int(not all(report.is_good for report in reports))
