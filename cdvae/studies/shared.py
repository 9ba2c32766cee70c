"""A search that several calls share, on any number of machines: Optuna's storage says who makes
which trial, and holds what was found.

The trials are the listed ones, as points of a grid (`GridSampler`): a call asks for as many as it
has workers, makes them, and tells their scores; who asks next is given others. A trial whose call
has ended before it told is given out again after all others.
"""

import json
import warnings
from collections.abc import Callable
from typing import Any

from cdvae.runs.store import Run, Store
from cdvae.tools.errors import InputError
from cdvae.tools.files import key_of, write_json

GOALS = ("best_error_100", "energy_score")  # that Optuna's pages show; both are better small
MISSING = "--storage needs Optuna: pip install 'cdvae[search]'"
FOUND = "found"  # a trial's attribute that holds its scores

Pair = tuple[Store, Run]


def make(
    pairs: list[Pair], storage: str, name: str, at_once: int, score: Callable[[list[Pair]], Any]
) -> None:
    """Have every trial's scores in this cache, made here by `score` or by another call.

    storage: an address as Optuna takes it, sqlite:///FILE or that of a database server.
    """
    study = opened(pairs, storage, name)
    fetch(study, pairs)
    while any(store.steps(run) for store, run in pairs):
        points = list(range(len(pairs)))
        asked = [study.ask() for _ in range(at_once)]
        chosen = {each.suggest_categorical("trial", points): each for each in asked}
        score([pairs[k] for k in chosen if pairs[k][0].steps(pairs[k][1])])
        for k, trial in chosen.items():
            store, run = pairs[k]
            found = store.scores(run)
            trial.set_user_attr(FOUND, json.dumps(found))
            study.tell(trial, [found[goal] for goal in GOALS])
        fetch(study, pairs)


def opened(pairs: list[Pair], storage: str, name: str) -> Any:
    """The study of these trials in a storage, made if it is not there."""
    try:
        import optuna
    except ImportError:
        raise InputError(MISSING) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna", message=".*experimental.*")
    sampler = optuna.samplers.GridSampler({"trial": list(range(len(pairs)))})
    sampler.after_trial = lambda *_: None  # it would stop `optimize`, by which we do not go
    trials = key_of([store.score_key(run) for store, run in pairs])
    given = {"directions": ["minimize"] * len(GOALS), "load_if_exists": True}
    try:
        return optuna.create_study(
            storage=storage, study_name=f"{name} {trials}", sampler=sampler, **given
        )
    except Exception as error:  # of the database's own library
        why = str(error).splitlines()[0]
        raise InputError(f"--storage {storage} cannot be used ({why})") from error


def fetch(study: Any, pairs: list[Pair]) -> None:
    """Take what other calls have told into this cache."""
    for trial in study.get_trials(deepcopy=False):
        if FOUND in trial.user_attrs:
            store, run = pairs[trial.params["trial"]]
            if not store.is_scored(run):
                write_json(store.score_file(run), json.loads(trial.user_attrs[FOUND]))
