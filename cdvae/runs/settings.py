"""Profiles: every setting of a run as one frozen value.

A method's settings and their defaults stand beside its class, in the tables that its entry names;
those defaults are the quick profile's. profiles.toml states the rest, and what other profiles have
that differs.
"""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from cdvae.guidance import Guidance
from cdvae.likelihood import Likelihood
from cdvae.methods import method, methods
from cdvae.methods.registry import Table
from cdvae.tools.files import InputError
from cdvae.tools.registry import entries
from cdvae.training import Training

COMMON = {  # tables that belong to no method
    "training": Training,
    "likelihood": Likelihood,
    "guidance": Guidance,
}


@dataclass(frozen=True)
class Profile:
    """All settings; `profile.cvae` is the table of settings of that name."""

    name: str
    seeds: tuple  # of the runs of each method
    methods: tuple  # the rows that are made unless others are asked for
    data_seed: int  # of drawn data, and of the order of files
    n_train: int  # examples at the most …
    n_valid: int
    n_test: int
    flips: bool  # train on every example's mirror image as well
    n_used: int  # train on the first so many of the n_train; 0: on all
    steps_of: dict  # steps of methods whose training is longer or shorter: steps_of.cvae = …
    half: str  # of the test examples that is scored, "A" or "B" (data/halves.py); "": all
    by_method: dict  # settings of a method that differ: by_method.mdn12.network.hidden = …
    by_task: dict  # settings of a task that differ: by_task.motion.cvae.sigma = …
    tables: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        tables = self.__dict__.get("tables", {})
        if name in tables:
            return tables[name]
        raise AttributeError(f"profile {self.__dict__.get('name')} has no setting '{name}'")

    def values(self) -> dict[str, Any]:
        """The settings as plain nested dicts, as profiles.toml has them."""
        found = asdict(self)
        return found | found.pop("tables")

    def of(self, task: str, name: str = "") -> "Profile":
        """The settings for one task, and for one method if it is named.

        What `by_task` says of the task is laid over the others, then what `by_method` says of the
        method, then what makes it that row (`Method.fixed`).
        """
        changes = [self.by_task.get(task, {})]
        whole = merged(self.values(), changes[0])
        if name:
            changes += [whole["by_method"].get(name, {}), dict(method(name).fixed)]
        if not any(changes):
            return self
        for each in changes[1:]:
            whole = merged(whole, each)
        return profile_from(whole, f"profile {self.name}, {task}")


def kinds() -> dict[str, type]:
    """The dataclass of each table of settings, by its name."""
    found = dict(COMMON)
    for each in methods().values():
        found |= each.tables
    return found | {name: table.kind for name, table in entries(Table).items()}


def profile_names() -> list[str]:
    return list(all_profiles())


@cache
def all_profiles() -> dict[str, dict]:
    """profiles.toml as it stands."""
    path = Path(__file__).parents[1] / "profiles.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def load_profile(name: str, **changes: Any) -> Profile:
    """The profile of that name, with `changes` (nested dicts) on top.

    Raises InputError for an unknown profile, an unknown setting or one of the wrong type.
    """
    profiles = all_profiles()
    if name not in profiles:
        raise InputError(f"unknown profile '{name}': choose from {', '.join(profiles)}")
    settings = {table: asdict(kind()) for table, kind in kinds().items()}
    for layer in (profiles["quick"], profiles[name] if name != "quick" else {}, changes):
        settings = merged(settings, layer)
    return profile_from(settings | {"name": name}, f"profile {name}")


def profile_from(values: dict, where: str) -> Profile:
    """A profile from plain nested dicts, each table as its dataclass."""
    known = kinds()
    tables = {
        name: coerce(known[name], values[name], f"{where}, {name}")
        for name in values
        if name in known
    }
    rest = {name: value for name, value in values.items() if name not in tables}
    return build(Profile, rest | {"tables": tables}, where)


def merged(base: dict, changes: dict) -> dict:
    """`base` with `changes` laid over it, table by table."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def build(kind: type, values: dict, where: str) -> Any:
    """A dataclass from a table; unknown, missing and mistyped settings are named."""
    known = {each.name for each in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise InputError(f"{where}: unknown setting '{unknown[0]}': known are {sorted(known)}")
    if missing := sorted(known - set(values)):
        raise InputError(f"{where}: setting '{missing[0]}' is missing")
    types = get_type_hints(kind)
    return kind(**{name: coerce(types[name], values[name], f"{where}, {name}") for name in values})


def coerce(kind: Any, value: Any, where: str) -> Any:
    """`value` as the type that the setting has."""
    kind = getattr(kind, "__origin__", kind)  # dict of dict[str, Any]
    if is_dataclass(kind) and isinstance(value, dict):
        return build(kind, value, where)
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise InputError(f"{where}: {value!r} is not a {kind.__name__}")
