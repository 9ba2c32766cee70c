"""`cdvae site`: the companion as static pages, with the explorer in the page."""

import argparse
from pathlib import Path


def add_to(commands) -> None:
    """Add this command."""
    one = commands.add_parser(
        "site",
        help="build the static site",
        description="Build the static site from what is committed; nothing is executed or trained. "
        "Needs pip install -e '.[site]', and npm for the scripts that are put into it.",
    )
    one.add_argument("--out", default="site", type=Path, help="the folder to make (default: site)")
    one.set_defaults(action=site)


def site(options: argparse.Namespace) -> None:
    from cdvae.site.build import build

    build(options.out)
