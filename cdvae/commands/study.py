"""`cdvae study`: what the pages about verdicts rest on, each written to its results folder."""

import argparse
from pathlib import Path

from cdvae.commands.options import compute, crew, place, skipped, spread


def add_to(commands) -> None:
    """Add these commands."""
    command = commands.add_parser("study", help="search, ablations, limits, cost, scaling, …")
    actions = command.add_subparsers(required=True, metavar="study")
    one = actions.add_parser("search", help="every trial of the search, on validation examples")
    one.add_argument("--data", required=True, help="tiny-imagenet, ucf101, …")
    one.add_argument("--root", help="the folder that holds the photos or clips")
    one.add_argument("--tasks", nargs="+", help="default: all that the data have")
    one.add_argument(
        "--method", nargs="+", help="run these methods' trials alone, keep the others' rows"
    )
    spread(one)
    one.add_argument(
        "--storage", metavar="URL", help="of Optuna's: calls that name it share the trials"
    )
    one.set_defaults(action=search)
    one = actions.add_parser("sizes", help="what more training examples change; verdicts by size")
    place(one, "tuned")
    compute(one)
    one.add_argument("--tasks", nargs="+", help="default: all that the data have")
    one.add_argument("--n", nargs="+", type=int, help="training examples; default: 1000 to 32000")
    one.add_argument("--methods", nargs="+", help="rows of the tables, by name")
    one.add_argument("--seeds", nargs="+", type=int, help="default: those of the profile")
    one.add_argument(
        "--half", choices=("A", "B"), help="of the test examples; default: the profile's, A"
    )
    spread(one)
    one.set_defaults(action=sizes)
    one = actions.add_parser("ablations", help="what each part of the method earns")
    place(one, "tuned")
    compute(one)
    one.add_argument("--seeds", type=int, nargs="+", help="default: the profile's first")
    spread(one)
    one.set_defaults(action=ablations)
    one = actions.add_parser(
        "clips", help="what each part of Visual Dynamics' network on clips earns"
    )
    one.add_argument("--root", required=True, metavar="DIR", help="the folder that holds UCF101")
    one.add_argument("--profile", default="quick", help="default: quick; see RUNNING.md")
    compute(one)
    one.add_argument("--seeds", type=int, nargs="+", help="default: the profile's first")
    one.add_argument(
        "--variants", nargs="+", metavar="NAME", help="make these, keep the others' rows"
    )
    one.set_defaults(action=clips)
    one = actions.add_parser("a2", help="Visual Dynamics at its own size, for some minutes")
    one.add_argument("--profile", default="paper", help="default: paper; see RUNNING.md")
    one.add_argument("--minutes", type=float, default=30, help="of this call; default: 30")
    compute(one)
    one.set_defaults(action=a2)
    one = actions.add_parser("limits", help="what keeps the best of 100 samples from the truth")
    place(one, "tuned")
    one.set_defaults(action=limits)
    one = actions.add_parser("cost", help="parameters, and the time of a hundred samples")
    place(one, "tuned")
    one.set_defaults(action=cost)
    one = actions.add_parser("evaluations", help="flow matching by evaluations of its network")
    place(one, "tuned")
    one.add_argument("--tasks", nargs="+", help="default: all that the data have")
    one.set_defaults(action=evaluations)
    one = actions.add_parser("answers", help="how much four answers differ, and what of them clips")
    place(one, "tuned")
    one.set_defaults(action=answers)
    one = actions.add_parser("scaling", help="the measured runs on 10, 100 and 1,000 workers")
    one.set_defaults(action=scaling)
    one = actions.add_parser("upsampling", help="ways of upsampling, on photos")
    one.add_argument("--root", required=True, nargs="+", help="hold train2014/ and val2014/")
    one.set_defaults(action=upsampling)
    one = actions.add_parser("mit", help="intrinsic images on the MIT set")
    one.add_argument("--root", required=True, metavar="DIR", help="the MIT intrinsic images")
    one.add_argument("--out", help="default: results/mit-intrinsic")
    one.set_defaults(action=mit)


def show(path: Path) -> None:
    """Print a table that was written, and where."""
    import pandas as pd

    print(pd.read_csv(path).to_string(index=False))
    print(path)


def search(options: argparse.Namespace) -> None:
    from cdvae.studies import search

    asked = (options.data, options.root, options.tasks, options.method)
    with crew(options) as cluster:
        print_best(search.run(*asked, cluster, options.storage))


def print_best(path: Path) -> None:
    """Print the best trial of each method, and where all of them are."""
    import pandas as pd

    from cdvae.report.chapters import best_trials

    trials = pd.read_csv(path)
    for task, mine in trials.groupby("task", sort=False):
        print(f"{task}\n{best_trials(mine).to_string(index=False)}")
    print(path)


def sizes(options: argparse.Namespace) -> int:
    from cdvae.report.size_verdicts import NAME
    from cdvae.studies import sizes

    place = (options.profile, options.data, options.root)
    which = (options.tasks, options.n, options.methods, options.seeds, options.half)
    asked = sizes.Asked(*place, *which, options.device)
    with crew(options) as cluster:
        path = sizes.run(asked, cluster)
    print(path)
    print(path.with_name(NAME))
    return skipped(sizes.experiment(asked, 0), sizes.tasks_of(asked))


def ablations(options: argparse.Namespace) -> None:
    from cdvae.studies import ablations

    place = (options.profile, options.data, options.root)
    with crew(options) as cluster:
        print(ablations.run(*place, options.seeds, options.device, cluster))


def clips(options: argparse.Namespace) -> None:
    from cdvae.studies import clips

    given = (options.seeds, options.variants, options.device)
    show(clips.run(options.profile, options.root, *given))


def a2(options: argparse.Namespace) -> None:
    from cdvae.studies import a2

    show(a2.run(options.minutes, options.profile, options.device))


def limits(options: argparse.Namespace) -> None:
    from cdvae.studies import limits

    print(limits.run(options.profile, options.data, options.root))


def cost(options: argparse.Namespace) -> None:
    from cdvae.studies import cost

    show(cost.run(options.profile, options.data))


def evaluations(options: argparse.Namespace) -> None:
    from cdvae.studies import evaluations

    show(evaluations.run(options.profile, options.data, options.root, options.tasks))


def answers(options: argparse.Namespace) -> None:
    from cdvae.studies import answers

    show(answers.run(options.profile, options.data, options.root))


def scaling(options: argparse.Namespace) -> None:
    from cdvae.studies import scaling

    show(scaling.run())


def upsampling(options: argparse.Namespace) -> None:
    from cdvae.studies import upsampling

    show(upsampling.run(options.root))


def mit(options: argparse.Namespace) -> None:
    from cdvae.studies import mit

    show(mit.run(options.root, options.out))
