"""`cdvae release`: what is committed of a run, made again: README's tables, notebooks."""

import argparse

from cdvae.tools.errors import InputError
from cdvae.tools.files import checkout


def add_to(commands) -> None:
    """Add these commands."""
    command = commands.add_parser("release", help="bring README and committed notebooks up to date")
    actions = command.add_subparsers(required=True, metavar="what")
    one = actions.add_parser("readme", help="the hero figure and the tables, from results")
    one.set_defaults(action=readme)
    one = actions.add_parser("notebooks", help="execute committed notebooks in place")
    one.add_argument("names", nargs="*", metavar="NAME", help="such as 03_training; default: all")
    one.set_defaults(action=notebooks)


def needs_checkout() -> None:
    """Raise InputError where there is nothing that could be committed."""
    if checkout() is None:
        raise InputError("no checkout here: clone the project and `pip install -e .` in it")


def readme(options: argparse.Namespace) -> None:
    from cdvae.release.readme import update

    needs_checkout()
    update()


def notebooks(options: argparse.Namespace) -> None:
    from cdvae.release.notebooks import refresh

    needs_checkout()
    refresh(options.names)
