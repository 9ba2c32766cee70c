"""The `cdvae` command: the one door to all that the package does."""

import argparse
import sys
import warnings

from cdvae import __version__
from cdvae.commands import bench, data, models, release, reproduce, study, train
from cdvae.tools import plugins
from cdvae.tools.errors import Failed, InputError

CODES = "exit codes: 0 all well; 1 something was skipped or failed, and is named; 2 cannot be done"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; what cannot be served gives one sentence and exit code 2."""
    warnings.showwarning = lambda message, *_, **__: print(f"note: {message}", file=sys.stderr)
    options = parser().parse_args(arguments)
    try:
        for path in getattr(options, "use", None) or []:
            plugins.use(path)
        return options.action(options) or 0
    except InputError as error:
        return said(error, 2)
    except Failed as error:
        return said(error, 1)
    except OSError as error:
        return said(f"{error.filename or 'a file'}: {error.strerror or error}", 2)
    except KeyboardInterrupt:
        print("\ncdvae: interrupted; the next call goes on from what is finished", file=sys.stderr)
        return 130


def said(error: object, code: int) -> int:
    """Say what is wrong; returns the exit code."""
    print(f"cdvae: {error}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="cdvae",
        description="Reproduce CDVAE: train every method of the paper's tables, score, and draw.",
        epilog=CODES,
    )
    commands = top.add_subparsers(required=True, metavar="command")
    for each in (reproduce, train, data, models, study, bench, release):
        each.add_to(commands)
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(action=lambda options: print(__version__))
    return top


if __name__ == "__main__":
    sys.exit(main())
