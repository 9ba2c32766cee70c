"""`cdvae reproduce`: every run of a profile, its tables, its notebooks; and `cdvae figures`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cdvae.commands.options import REGISTERED, compute, crew, place, skipped, spread

if TYPE_CHECKING:
    from cdvae.runs.cluster import Cluster


def add_to(commands) -> None:
    """Add these commands."""
    whole = commands.add_parser(
        "reproduce", help="train and score all, run the notebooks", **REGISTERED
    )
    place(whole)
    compute(whole)
    spread(whole)
    whole.add_argument("--tasks", nargs="+", help="relighting, resaturation, motion (default: all)")
    whole.add_argument("--methods", nargs="+", help="rows of the tables, by name; see below")
    whole.add_argument("--seeds", nargs="+", type=int, help="default: those of the profile")
    whole.add_argument(
        "--dry-run", action="store_true", help="list what would be made, with its time and memory"
    )
    whole.set_defaults(action=reproduce)
    drawn = commands.add_parser("figures", help="draw the figures anew from results; no training")
    place(drawn)
    drawn.set_defaults(action=draw_figures)


def reproduce(options: argparse.Namespace) -> int:
    """Train and score, draw what is shown, then run the notebooks on the finished results."""
    from cdvae.release import notebooks
    from cdvae.report.results import figures_folder, results_folder
    from cdvae.runs.parameters import PARAMETERS, checked
    from cdvae.tools.progress import Progress

    parameters = checked({name: getattr(options, name) for name in PARAMETERS})
    if options.dry_run:
        return dry_run(parameters)
    with crew(options) as cluster:
        code = make_results(parameters, cluster)
    folder = results_folder(options.profile, options.data)
    waiting = left(parameters)
    progress, failed = Progress(len(waiting)), []
    jobs = [(path, folder / "notebooks" / path.name, parameters) for path in waiting]
    for path, error in notebooks.run_each(jobs):
        failed += [(path, error)] * bool(error)  # the others do not hang on it
        progress.step(f"{path.name} failed" if error else f"ran {path.name}")
    progress.close()
    for path, why in notebooks.left_out(options.data).items():
        print(f"cdvae: {path.name} is left out, {why}", file=sys.stderr)
        code = 1
    print_tables(options.profile, options.data)
    print(f"\nresults: {folder}")
    for figure in sorted(figures_folder(options.profile, options.data).glob("*.[jp][pn]g")):
        print(f"figure:  {figure}", flush=True)
    for _, error in sorted(failed, key=lambda pair: pair[0]):
        print(f"cdvae: {error}", file=sys.stderr)
    return 1 if failed else code


def make_results(parameters: dict, cluster: "Cluster | None" = None) -> int:
    """Train and score what is missing, of the tables and of Visual Dynamics, on a cluster if there
    is one; returns 1 where data were skipped."""
    from cdvae.dynamics import clip_figures
    from cdvae.dynamics import results as frames
    from cdvae.dynamics.rows import DATA
    from cdvae.figures import shown
    from cdvae.report import verdicts
    from cdvae.report.results import results_folder
    from cdvae.runs.experiment import open_runs

    profile, data, code = parameters["profile"], parameters["data"], 0
    if has_tables(data):
        experiment, runs = open_runs(**parameters)
        verdicts.finish(experiment, runs, cluster=cluster)
        shown.update(experiment, runs, results_folder(profile, data))
        code = skipped(experiment, [run.task for run in runs])
    if data in DATA and not parameters["methods"]:
        place = (profile, data, parameters["root"], parameters["device"], parameters["seeds"])
        opened = frames.open_dynamics(*place)
        frames.finish(opened, cluster=cluster)
        if data != "shapes":
            clip_figures.draw(opened)
    return code


def has_tables(data: str) -> bool:
    """Whether Tables 1–4 have rows of these data, which all have but moving shapes; an unknown
    name is refused as its runs are opened."""
    from cdvae.data.sources import data_sets
    from cdvae.dynamics.rows import DATA

    return data in data_sets() or data not in DATA


def print_tables(profile: str, data: str) -> None:
    """The tables of a results folder."""
    from cdvae.dynamics import results as frames
    from cdvae.report import results

    tables = [each.printed(profile, data) for each in (results, frames)]
    print("\n" + "\n\n".join(filter(None, tables)))


def left(parameters: dict) -> list[Path]:
    """The notebooks that are not what running them now would give."""
    from cdvae.release import notebooks
    from cdvae.report.results import results_folder

    folder = results_folder(parameters["profile"], parameters["data"]) / "notebooks"
    without, every = notebooks.left_out(parameters["data"]), notebooks.numbered(parameters["data"])
    able = [path for path in every if path not in without]
    return [p for p in able if not notebooks.is_current(folder / p.name, p, parameters)]


def dry_run(parameters: dict) -> int:
    """Say what would be made, with its time and memory as a few steps here let one expect."""
    from cdvae.runs.estimate import estimates, report
    from cdvae.runs.experiment import open_runs
    from cdvae.tools.chunks import cores

    if has_tables(parameters["data"]):
        print(report(estimates(*open_runs(**parameters)), cores()))
    names = ", ".join(path.stem for path in left(parameters))
    print(f"notebooks to run: {names or 'none'}")
    return 0


def draw_figures(options: argparse.Namespace) -> None:
    """Every figure of a data set from its results folder, and those of README's first screen."""
    from cdvae.figures import front, samples
    from cdvae.figures.scores import figure4
    from cdvae.figures.style import save
    from cdvae.report.results import figures_folder, read_scores

    place = (options.profile, options.data)
    folder = figures_folder(*place)
    drawn = samples.draw(options.profile, samples.galleries_of(*place, options.root), pdf=True)
    scores = read_scores(*place)
    if len(scores):
        save(figure4(scores), folder / "figure4")
    print(f"{len(drawn)} figures in {folder}, {len(front.draw())} in {folder.parents[1]}")
