"""The `cdvae` command."""

import argparse
import sys
import warnings

from cdvae import __version__
from cdvae.tools.files import InputError
from cdvae.training import NotFinite


def main(arguments: list[str] | None = None) -> int:
    """Run the command; bad input gives one sentence and exit code 2."""
    warnings.showwarning = lambda message, *_, **__: print(f"note: {message}", file=sys.stderr)
    options = parser().parse_args(arguments)
    try:
        return options.action(options) or 0
    except InputError as error:
        print(f"cdvae: {error}", file=sys.stderr)
        return 2
    except NotFinite as error:
        print(f"cdvae: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ncdvae: interrupted; the next call goes on from what is finished", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="cdvae",
        description="Reproduce CDVAE: train every method of the paper's tables, score, and draw.",
    )
    commands = top.add_subparsers(required=True, metavar="command")
    whole = commands.add_parser("reproduce", help="train and score all, run the notebooks")
    several(whole)
    whole.set_defaults(action=reproduce)
    one = commands.add_parser("train", help="train one method on one task; needs no Jupyter")
    single(one)
    one.set_defaults(action=train)
    one = commands.add_parser("evaluate", help="score one method on one task (trains if needed)")
    single(one)
    one.set_defaults(action=evaluate)
    data_commands(commands.add_parser("data", help="fetch or check a data set"))
    bench_commands(commands.add_parser("bench", help="measure speed on this machine"))
    version = commands.add_parser("version", help="print the version")
    version.set_defaults(action=lambda options: print(__version__))
    return top


def data_commands(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(required=True, metavar="action")
    one = actions.add_parser("fetch", help="download from the official source, hash-checked")
    one.add_argument("name", help="coco (about 40 GB while unpacking) or ucf101 (about 14 GB)")
    one.add_argument("--root", default="data", help="the folder to fill (default: data)")
    one.set_defaults(action=fetch)
    one = actions.add_parser("check", help="what is there, what is missing, what is corrupt")
    one.add_argument("root", metavar="DIR")
    one.set_defaults(action=check)


def bench_commands(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(required=True, metavar="what")
    one = actions.add_parser("training", help="training images per second")
    one.add_argument("--profile", default="quick", help="smoke, quick (default) or paper")
    one.add_argument("--device", default="auto", help="auto (default), cpu, cuda, …")
    one.set_defaults(action=bench_training)
    one = actions.add_parser("data", help="photos, intrinsic images and frame pairs per second")
    one.set_defaults(action=bench_data)
    one = actions.add_parser("explore", help="how fast the explorer opens and draws again")
    one.set_defaults(action=bench_explore)


def common(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--profile", default="quick", help="smoke, quick (default), tuned or paper"
    )
    command.add_argument(
        "--data", default="scenes", help="scenes (built in, default), coco, ucf101, folder, shapes"
    )
    command.add_argument("--root", help="the folder that holds the photos or clips")
    command.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, …")


def several(command: argparse.ArgumentParser) -> None:
    common(command)
    command.add_argument(
        "--tasks", nargs="+", help="relighting, resaturation, motion (default: all)"
    )
    command.add_argument(
        "--methods",
        nargs="+",
        help="nn, cvae, shallow, gauss, mdn4, mdn12, cdvae-spatial, jmvae, fm, unet, truth, …",
    )
    command.add_argument("--seeds", nargs="+", type=int, help="by default those of the profile")


def single(command: argparse.ArgumentParser) -> None:
    common(command)
    command.add_argument("--task", required=True, help="relighting, resaturation or motion")
    command.add_argument("--method", required=True, help="cvae, shallow, gauss, mdn4, mdn12, …")
    command.add_argument("--seed", type=int, default=0)


def open_one(options: argparse.Namespace):
    """The experiment and the one run that the options of `train` and `evaluate` ask for."""
    from cdvae.runs.experiment import open_runs

    chosen = {"tasks": [options.task], "methods": [options.method], "seeds": [options.seed]}
    common = (options.profile, options.data, options.root)
    experiment, (run,) = open_runs(*common, **chosen, device=options.device)
    return experiment, run


def reproduce(options: argparse.Namespace) -> None:
    """Train and score in this process, then run the notebooks on the finished results."""
    from cdvae.dynamics import results as dynamics_results
    from cdvae.dynamics.experiment import DATA
    from cdvae.figures import shown
    from cdvae.release import notebooks
    from cdvae.report import results, verdicts
    from cdvae.runs.experiment import open_runs

    parameters = {name: getattr(options, name) for name in notebooks.PARAMETERS}
    folder = results.results_folder(options.profile, options.data)
    if options.data != "shapes":
        experiment, runs = open_runs(**parameters)
        results.finish(experiment, runs)
        verdicts.update(experiment, runs)
        shown.update(experiment, runs, folder)
    if options.data in DATA and not options.methods:
        common = (options.profile, options.data, options.root, options.device)
        dynamics_results.finish(dynamics_results.open_dynamics(*common))
    for path in notebooks.numbered(options.data):
        output = folder / "notebooks" / path.name
        if notebooks.is_current(output, path, parameters):
            continue
        print(f"running {path.name}", flush=True)
        notebooks.run(path, output, parameters)
    tables = [each.printed(options.profile, options.data) for each in (results, dynamics_results)]
    print("\n" + "\n\n".join(filter(None, tables)))
    print(f"\nresults: {folder}")
    for figure in sorted(results.figures_folder(options.profile, options.data).glob("*.png")):
        print(f"figure:  {figure}")


def train(options: argparse.Namespace) -> None:
    from cdvae.methods.registry import LEARNED
    from cdvae.tools.progress import Progress

    experiment, run = open_one(options)
    if run.method not in LEARNED:
        raise InputError(f"'{run.method}' has nothing to train: choose from {', '.join(LEARNED)}")
    progress = Progress(experiment.steps(run))
    experiment.model(run, progress)
    progress.close()
    print(experiment.checkpoint(run))


def evaluate(options: argparse.Namespace) -> None:
    from cdvae.report import results

    experiment, run = open_one(options)
    scores = results.finish(experiment, [run])
    print(scores[["metric", "n_samples", "value", "unit"]].to_string(index=False))


def bench_training(options: argparse.Namespace) -> None:
    from cdvae.runs.experiment import pick_device
    from cdvae.runs.settings import load_profile
    from cdvae.studies.speed import training_report

    print(training_report(load_profile(options.profile), pick_device(options.device)))


def bench_data(options: argparse.Namespace) -> None:
    from cdvae.studies.data_speed import report

    print(report())


def bench_explore(options: argparse.Namespace) -> None:
    from cdvae.studies.explore_speed import report

    print(report())


def fetch(options: argparse.Namespace) -> None:
    from pathlib import Path

    from cdvae.data.fetch.download import fetch

    fetch(options.name, Path(options.root))


def check(options: argparse.Namespace) -> int:
    """Exit code 1 if anything is missing or damaged."""
    from pathlib import Path

    from cdvae.data.fetch.check import check

    reports = check(Path(options.root))
    for report in reports:
        print("\n".join(report.lines()))
    return int(any(report.skipped for report in reports))


if __name__ == "__main__":
    sys.exit(main())
