"""Profiles: every setting of a run as one frozen value, read from profiles.toml."""

import tomllib
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from cdvae.methods.crossconv import Sizes
from cdvae.methods.energy_unet import NoiseUNet
from cdvae.methods.flow_matching import Flow
from cdvae.methods.jmvae import SharedCode
from cdvae.methods.spatial import Spatial
from cdvae.tools.files import InputError
from cdvae.training import Training


@dataclass(frozen=True)
class Network:
    stem: tuple
    hidden: int
    latents: tuple
    shallow: int
    noise_floor: float


@dataclass(frozen=True)
class Tie:
    sigma: float
    share: float
    exact: bool
    mdn_hidden: int
    mdn_sigma_min: float
    mdn_normalised: bool


@dataclass(frozen=True)
class Guidance:
    semantic_weight: float


@dataclass(frozen=True)
class Cvae:
    width: int
    code: int
    sigma: float


@dataclass(frozen=True)
class Nearest:
    sigmas: tuple


@dataclass(frozen=True)
class Likelihood:
    n_test: int
    n_samples: int


@dataclass(frozen=True)
class FlowNetwork:
    steps: int
    sigma: float
    network: Sizes


@dataclass(frozen=True)
class Extension:
    steps: int
    network: Spatial


@dataclass(frozen=True)
class JointCode:
    steps: int
    network: SharedCode


@dataclass(frozen=True)
class FlowMatcher:
    steps: int
    n_test: int
    network: Flow


@dataclass(frozen=True)
class NoiseRegressor:
    steps: int
    network: NoiseUNet


@dataclass(frozen=True)
class Dynamics:
    n_train: int
    n_valid: int
    n_test: int
    n_samples: int
    clip_steps: int
    size: int
    sigma: float
    network: Sizes
    training: Training


@dataclass(frozen=True)
class Profile:
    """All settings; profiles.toml says what each one means."""

    name: str
    seeds: tuple
    methods: tuple
    data_seed: int
    n_train: int
    n_valid: int
    n_test: int
    flips: bool
    n_used: int
    spaces: tuple
    network: Network
    tie: Tie
    guidance: Guidance
    cvae: Cvae
    nearest: Nearest
    likelihood: Likelihood
    training: Training
    crossconv: FlowNetwork
    spatial: Extension
    jmvae: JointCode
    fm: FlowMatcher
    unet: NoiseRegressor
    dynamics: Dynamics
    steps_of: dict
    by_task: dict

    def of(self, task: str) -> "Profile":
        """The settings for one task: what `by_task` says of it, laid over the others."""
        changes = self.by_task.get(task, {})
        return build(Profile, merged(asdict(self), changes), f"profile {self.name}, {task}")


def profile_names() -> list[str]:
    return list(all_profiles())


def all_profiles() -> dict[str, dict]:
    path = Path(__file__).parents[1] / "profiles.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def load_profile(name: str, **changes: Any) -> Profile:
    """The profile of that name, with `changes` (nested dicts) on top.

    Raises InputError for an unknown profile, an unknown setting or one of the wrong type.
    """
    profiles = all_profiles()
    if name not in profiles:
        raise InputError(f"unknown profile '{name}': choose from {', '.join(profiles)}")
    settings = merged(profiles["quick"], profiles[name] if name != "quick" else {})
    return build(Profile, merged(settings, changes) | {"name": name}, f"profile {name}")


def merged(base: dict, changes: dict) -> dict:
    """`base` with `changes` laid over it, table by table."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def build(kind: type, values: dict, where: str) -> Any:
    """A dataclass from a table; unknown, missing and mistyped settings are named."""
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise InputError(f"{where}: unknown setting '{unknown[0]}': known are {sorted(known)}")
    types, settings = get_type_hints(kind), {}
    for name in values:
        settings[name] = coerce(types[name], values[name], f"{where}, {name}")
    required = {field.name for field in fields(kind)} - set(settings)
    if required:
        raise InputError(f"{where}: setting '{sorted(required)[0]}' is missing")
    return kind(**settings)


def coerce(kind: type, value: Any, where: str) -> Any:
    """`value` as the type that the setting has."""
    if is_dataclass(kind) and isinstance(value, dict):
        return build(kind, value, where)
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise InputError(f"{where}: {value!r} is not a {kind.__name__}")
