"""The trials of a search: points of a space, a round at a time, each round nearer to the best.

A round is the points of a scrambled Sobol sequence in a box: the whole space at first, then a box
half as large around the best trial so far. Boxes may leave the space, so that an optimum at an edge
is followed (`spaces.toml` says what cannot be left). A round is known before its first trial is
made: any number of machines can share it, and its trials are the same whenever it is taken up.
"""

import math
import tomllib
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import qmc

ROUNDS = (8, 4, 4)  # trials of each round: 16 in all …
MORE, MOST_ROUNDS = 4, 5  # … and so many in each round more while the best is at an edge
EDGE = 1 / 8  # of the range that was covered: the best should lie further inside


@dataclass(frozen=True)
class Axis:
    """A setting by its name in a profile, and its range or its choices (in rising order).

    A place on it is a number that runs from 0 to 1 over the range; outside lies what is beyond.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    linear: bool = False
    least: float = 0.0
    most: float = math.inf
    choices: tuple = ()
    times: int = 0

    def at(self, place: float) -> Any:
        """The setting's value at a place, to three digits."""
        if self.choices:
            index = min(max(int(place * len(self.choices)), 0), len(self.choices) - 1)
            value = self.choices[index]
        elif self.linear:
            value = self.low + place * (self.high - self.low)
        else:
            value = self.low * (self.high / self.low) ** place
        if not self.choices:
            value = float(f"{min(max(value, self.least), self.most):.3g}")
        return [value] * self.times if self.times else value


class Box(NamedTuple):
    """The least and the largest place on each axis."""

    low: np.ndarray
    high: np.ndarray


class Point(NamedTuple):
    """A trial: the round it is of, its places and the settings that they are."""

    number: int
    places: np.ndarray
    changes: dict


@cache
def read() -> dict[str, dict]:
    """spaces.toml as it stands."""
    return tomllib.loads(Path(__file__).with_name("spaces.toml").read_text(encoding="utf-8"))


def searched() -> list[str]:
    """The methods that have a space."""
    return list(read()["spaces"])


def follows() -> dict[str, str]:
    """Methods that are not searched, and those whose settings they take."""
    return dict(read()["follows"])


def axes(method: str) -> list[Axis]:
    """What is searched for a method."""
    listed = read()["spaces"][method]
    return [
        Axis(name, **{key: tuple(v) if key == "choices" else v for key, v in about.items()})
        for name, about in listed.items()
    ]


def box(space: list[Axis], number: int, best: np.ndarray | None) -> Box:
    """Where the points of a round lie, counted from 0: of choices all can be taken in each."""
    n = len(space)
    if best is None:
        return Box(np.zeros(n), np.ones(n))
    half = 0.5 ** (min(number, len(ROUNDS) - 1) + 1)
    free = np.array([bool(axis.choices) for axis in space])
    return Box(np.where(free, 0.0, best - half), np.where(free, 1.0, best + half))


def points(method: str, number: int, best: np.ndarray | None = None) -> list[Point]:
    """The trials of a round, given the places of the best trial of those before."""
    space = axes(method)
    n = ROUNDS[number] if number < len(ROUNDS) else MORE
    seed = zlib.crc32(f"{method} {number}".encode())
    sequence = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed))
    low, high = box(space, number, best)
    places = low + sequence.random(n) * (high - low)
    return [Point(number, each, changes_at(space, each)) for each in places]


def changes_at(space: list[Axis], places: np.ndarray) -> dict:
    """The settings at some places, as nested tables."""
    changes: dict = {}
    for axis, place in zip(space, places, strict=True):
        table, _, name = axis.name.partition(".")
        changes.setdefault(table, {})[name] = axis.at(float(place))
    return changes


def at_edge(method: str, tried: list[Point], best: Point) -> list[str]:
    """The axes on which the best trial lies in the outer eighth of what was covered.

    Choices have no beyond, and a range that ends where its settings end is not left.
    """
    found = []
    every = np.array([point.places for point in tried])
    for k, axis in enumerate(axes(method)):
        low, high = min(0.0, every[:, k].min()), max(1.0, every[:, k].max())
        place = (best.places[k] - low) / (high - low)
        ends = axis.at(best.places[k]) in (axis.least, axis.most)
        if not axis.choices and not ends and not EDGE <= place <= 1 - EDGE:
            found.append(axis.name)
    return found
