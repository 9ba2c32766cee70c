"""The `cdvae` command: the one door to all that the package does."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator

from cdvae import __version__
from cdvae.commands import bench, data, models, pack, release, reproduce, site, study, train
from cdvae.commands.options import CODES
from cdvae.tools import plugins
from cdvae.tools.errors import Failed, InputError
from cdvae.tools.files import sweep_all

INTERRUPTED, CLOSED = 130, 141  # as shells count the signals SIGINT and SIGPIPE


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what cannot be served gives one sentence and exit code 2."""
    warnings.showwarning = lambda message, *_, **__: print(f"note: {message}", file=sys.stderr)
    show_all_letters()
    try:
        try:
            return served(parser().parse_args(arguments))
        finally:
            sys.stdout.flush()
    except InputError as error:
        return said(error, 2)
    except Failed as error:
        return said(error, 1)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except OSError as error:
        return said(f"{error.filename or 'a file'}: {error.strerror or error}", 2)
    except KeyboardInterrupt:
        print("\ncdvae: interrupted; the next call goes on from what is finished", file=sys.stderr)
        return INTERRUPTED


def served(options: argparse.Namespace) -> int:
    """Do what was asked for; returns the exit code."""
    sweep_all()
    for path in getattr(options, "use", None) or []:
        plugins.use(path)
    return options.action(options) or 0


def show_all_letters() -> None:
    """Where output is ASCII or the like, "×" is shown as an escape instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def said(error: object, code: int) -> int:
    """Say what is wrong; returns the exit code."""
    print(f"cdvae: {error}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="cdvae",
        description="Reproduce CDVAE: train every method of the paper's tables, score, and draw.",
    )
    commands = top.add_subparsers(required=True, metavar="command")
    for each in (reproduce, train, data, pack, models, study, bench, release, site):
        each.add_to(commands)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(action=lambda options: print(__version__))
    for each in every(top):
        each.epilog = each.epilog or CODES
    return top


def every(one: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A command and all commands below it."""
    yield one
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from every(below)


if __name__ == "__main__":
    sys.exit(main())
