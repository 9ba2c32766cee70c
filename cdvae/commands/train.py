"""`cdvae train` and `cdvae evaluate`: one method on one task; needs no Jupyter."""

import argparse

from cdvae.commands.options import REGISTERED, compute, place, skipped
from cdvae.tools.errors import InputError


def add_to(commands) -> None:
    """Add these commands."""
    for name, about, action in (
        ("train", "train one method on one task", train),
        ("evaluate", "score one method on one task (trains if needed)", evaluate),
    ):
        one = commands.add_parser(name, help=about, **REGISTERED)
        place(one)
        compute(one)
        one.add_argument("--task", required=True, help="relighting, resaturation or motion")
        one.add_argument("--method", required=True, help="a row of the tables; see below")
        one.add_argument("--seed", type=int, default=0)
        one.set_defaults(action=action)


def one_run(options: argparse.Namespace):
    """The experiment and the one run that the options ask for."""
    from cdvae.runs.experiment import open_runs

    chosen = {"tasks": [options.task], "methods": [options.method], "seeds": [options.seed]}
    common = (options.profile, options.data, options.root)
    experiment, (run,) = open_runs(*common, **chosen, device=options.device)
    return experiment, run


def train(options: argparse.Namespace) -> int:
    from cdvae.methods import learned
    from cdvae.tools.progress import Progress

    experiment, run = one_run(options)
    if not experiment.is_learned(run):
        known = ", ".join(learned())
        raise InputError(f"'{run.method}' has nothing to train: choose from {known}")
    progress = Progress(experiment.steps(run))
    experiment.ensure_trained(run, progress)
    progress.close()
    print(experiment.checkpoint(run))
    return skipped(experiment, [run.task])


def evaluate(options: argparse.Namespace) -> int:
    from cdvae.report import results

    experiment, run = one_run(options)
    scores = results.finish(experiment, [run])
    print(scores[["metric", "n_samples", "value", "unit"]].to_string(index=False))
    return skipped(experiment, [run.task])
