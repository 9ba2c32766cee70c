"""Options that several commands share, with help texts made from the registries."""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from cdvae.tools.errors import InputError

if TYPE_CHECKING:
    from cdvae.runs.cluster import Cluster
    from cdvae.runs.experiment import Experiment

CODES = "exit codes: 0 all well; 1 something was skipped or failed, and is named; 2 cannot be done"


def place(command: argparse.ArgumentParser, profile: str = "quick") -> None:
    """Which profile, and which data where."""
    command.add_argument("--profile", default=profile, help=f"default: {profile}; see RUNNING.md")
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


def spread(command: argparse.ArgumentParser) -> None:
    """On whose workers."""
    command.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a Dask cluster: tcp://HOST:PORT, tls://HOST:PORT"
    )
    command.add_argument(
        "--workers", type=int, metavar="N", help="a Dask cluster of N workers on this machine"
    )


def crew(options: argparse.Namespace) -> AbstractContextManager["Cluster | None"]:
    """The cluster that is asked for; None stands for processes of this machine."""
    if options.scheduler and options.workers is not None:
        raise InputError("--scheduler and --workers exclude each other: give one")
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers}: give 1 or more")
    if not options.scheduler and not options.workers:
        return nullcontext()
    from cdvae.runs.cluster import Cluster

    return Cluster(options.scheduler, options.workers or 0)


def listed() -> str:
    """The methods and data sets that there are, for the foot of a help text."""
    from cdvae.data.sources import data_sets
    from cdvae.methods import rows

    methods = "\n".join(f"  {name:14s} {each.about or each.label}" for name, each in rows().items())
    data = "\n".join(f"  {name:14s} {each.title}" for name, each in data_sets().items())
    return f"methods:\n{methods}\n\ndata:\n{data}\n\n{CODES}"


def skipped(experiment: "Experiment", tasks: list[str]) -> int:
    """Say what of the data was skipped, now or when it was read; returns the exit code."""
    from cdvae.data.report import Report

    code = 0
    for task in dict.fromkeys(tasks):
        for path in sorted(experiment.plan(task).folder().glob("report-*.json")):
            report = Report.load(path)
            if count := len(report.skipped):
                used = f"{report.n_used:,} of {report.n_found:,} {report.unit} used"
                files = f"{count:,} {'file or record' if count == 1 else 'files or records'}"
                said = f"{used}, {files} left out: named in {path}"
                print(f"cdvae: {report.source}, {task}: {said}", file=sys.stderr)
                code = 1
    return code


class Registered(argparse.HelpFormatter):
    """Help whose foot lists what is registered, looked up when help is asked for."""

    def add_text(self, text: str | None) -> None:
        if text == "registered":
            self._add_item(lambda each: f"{each}\n", [listed()])
        else:
            super().add_text(text)


REGISTERED = {"formatter_class": Registered, "epilog": "registered"}
