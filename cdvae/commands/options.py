"""Options that several commands share, with help texts made from the registries."""

import argparse


def place(command: argparse.ArgumentParser, profile: str = "quick") -> None:
    """Which profile, and which data where."""
    command.add_argument("--profile", default=profile, help=f"default: {profile}; see README")
    command.add_argument("--data", default="scenes", help="scenes (built in, default), coco, …")
    command.add_argument("--root", help="the folder that holds the photos or clips")


def compute(command: argparse.ArgumentParser) -> None:
    """On which device, and with whose code."""
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, …")
    command.add_argument(
        "--use",
        action="append",
        metavar="FILE",
        help="a Python file that registers methods, ties or data sets of your own",
    )


def listed() -> str:
    """The methods and data sets that there are, for the foot of a help text."""
    from cdvae.data.sources import data_sets
    from cdvae.methods import rows

    methods = "\n".join(f"  {name:14s} {each.about or each.label}" for name, each in rows().items())
    data = "\n".join(f"  {name:14s} {each.title}" for name, each in data_sets().items())
    return f"methods:\n{methods}\n\ndata:\n{data}"


class Registered(argparse.HelpFormatter):
    """Help whose foot lists what is registered, looked up when help is asked for."""

    def add_text(self, text: str | None) -> None:
        if text == "registered":
            self._add_item(lambda each: f"{each}\n", [listed()])
        else:
            super().add_text(text)


REGISTERED = {"formatter_class": Registered, "epilog": "registered"}
