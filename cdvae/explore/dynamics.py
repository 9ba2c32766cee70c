"""The explorer's pages of Visual Dynamics: futures, one dimension of the code, motion transfer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from matplotlib.figure import Figure
from safetensors import safe_open
from torch import Tensor

from cdvae import gaussian
from cdvae.data.drawn import shapes
from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics.analysis import transfer, traverse
from cdvae.dynamics.experiment import CODES
from cdvae.dynamics.pairs import FramePairs, build_network
from cdvae.explore.pages import LEFT, MOST, RIGHT
from cdvae.explore.sheet import Area, Sheet, Tile
from cdvae.methods.crossconv import CrossConv, future
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError, project_root

VALUES = torch.linspace(-2, 2, 9)  # of a dimension that is traversed
SHOWN = 8  # dimensions of the code to choose from
PAIRS = 100  # test pairs to choose from
PICTURES = 5  # that the motion of another pair is moved over to


@dataclass(frozen=True)
class Choices:
    """What a reader has chosen; example, pair and dimension are counted from 1.

    dimension: by what they hold, the largest KL first.
    """

    view: str = "samples"
    example: int = 1
    n: int = 4
    seed: int = 0
    dimension: int = 1
    pair: int = 2


Pictures = tuple[Tensor, list[str]]  # (n, 3, H, W) in [0, 1], and a title for each


@dataclass(frozen=True)
class View:
    """One way to look at the network.

    label: in the picker. said: what the page shows. pictures: its pictures with their titles.
    uses: which of n, seed, dimension and pair change it.
    """

    label: str
    said: Callable[[Choices], str]
    pictures: Callable[[CrossConv, Pairs, Choices], Pictures]
    uses: tuple[str, ...]


@lru_cache(1)
def network() -> CrossConv:
    """The trained network that came with the project; InputError if it is not there."""
    path = project_root() / "results" / "quick" / "shapes" / "crossconv.safetensors"
    remedy = "cdvae reproduce --data shapes makes it"
    if not path.is_file():
        raise InputError(f"no {path}: {remedy}")
    with torch.random.fork_rng(devices=()):
        model = build_network(load_profile("quick").dynamics, True, torch.device("cpu"))
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in set(file.keys()) - {CODES}}
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise InputError(f"{path} is of other settings than the present ones: {remedy}") from None
    return model.eval().requires_grad_(False)


@lru_cache(1)
def pairs() -> Pairs:
    """The first test pairs; they are those of notebook 08."""
    profile = load_profile("quick")
    s = profile.dynamics
    every = shapes.load("test", s.n_test, profile.data_seed, s.size)
    return Pairs(every.first[:PAIRS], every.second[:PAIRS])


@lru_cache(1)
def dimensions() -> list[int]:
    """The SHOWN dimensions of the code that hold most, by their mean KL over the test pairs."""
    every = pairs()
    batch = FramePairs(every.first, every.second).batch(slice(None))
    with torch.no_grad():
        mu, log_var = network().q_z_given_x(batch.x_c, batch.x_g)
    kl = gaussian.kl(mu, log_var, torch.zeros_like(mu), torch.zeros_like(mu)).mean(0)
    return kl.argsort(descending=True)[:SHOWN].tolist()


def check(choices: Choices) -> None:
    """Raise InputError for a choice that there is not."""
    if choices.view not in VIEWS:
        raise InputError(f"unknown view '{choices.view}': choose from {', '.join(VIEWS)}")
    limits = {"n": MOST, "example": PAIRS, "pair": PAIRS, "dimension": SHOWN}
    for name, most in limits.items():
        if not 1 <= getattr(choices, name) <= most:
            raise InputError(f"{name} is {getattr(choices, name)}: choose 1 to {most}")


def describe(choices: Choices) -> str:
    """The page in words."""
    said = VIEWS[choices.view].said(choices)
    return f"Visual Dynamics · test picture {choices.example} · {said}"


def render(model: CrossConv, every: Pairs, choices: Choices) -> Figure:
    """The page for these choices; InputError for one that there is not."""
    check(choices)
    k, page = choices.example - 1, Sheet()
    shown = choices.pair - 1 if choices.view == "transfer" else k
    for row, (frames, text) in enumerate(zip(every[:2], ("first frame", "what came"), strict=True)):
        which = f"pair {choices.pair}: " * (choices.view == "transfer")
        tile = Tile(as_picture(frames[shown].float() / 255), which + text)
        page.tile(tile, LEFT.x, 4 + row * (LEFT.width + 22), LEFT.width)
    page.text(RIGHT.x, 20, describe(choices), fontsize=10)
    pictures, titles = VIEWS[choices.view].pictures(model, every, choices)
    tiles = [Tile(as_picture(p), text) for p, text in zip(pictures, titles, strict=True)]
    if choices.view == "transfer":
        before = every.first[k : k + PICTURES].float() / 255
        half = Area(RIGHT.x, RIGHT.y, RIGHT.width, RIGHT.height / 2)
        page.grid([Tile(as_picture(p), f"picture {k + i + 1}") for i, p in enumerate(before)], half)
        page.grid(tiles, Area(half.x, half.y + half.height, half.width, half.height))
    else:
        page.grid(tiles, RIGHT)
    return page.figure


def as_picture(picture: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] as (H, W, 3)."""
    return picture.permute(1, 2, 0).clamp(0, 1).numpy()


def future_pictures(model: CrossConv, every: Pairs, choices: Choices) -> Pictures:
    """The first n futures of a picture."""
    x_c = every.first[choices.example - 1][None].float() / 255
    generator = torch.Generator().manual_seed(choices.seed)
    v = model.sample(x_c, MOST, generator)[0, : choices.n]  # one more leaves the others alone
    return future(x_c, v), [f"future {i + 1}" for i in range(choices.n)]


def traversal_pictures(model: CrossConv, every: Pairs, choices: Choices) -> Pictures:
    """What one dimension of the code does at each of VALUES."""
    x_c = every.first[choices.example - 1][None].float() / 255
    moved = traverse(model, x_c, dimensions()[choices.dimension - 1], VALUES)[0]
    return moved, [f"z = {value:+.1f}".replace("-", "−") for value in VALUES]


def transfer_pictures(model: CrossConv, every: Pairs, choices: Choices) -> Pictures:
    """What happened in one pair, happening to PICTURES pictures."""
    source = Pairs(*(x[choices.pair - 1][None] for x in every[:2]))
    k = choices.example - 1
    x_c = every.first[k : k + PICTURES].float() / 255
    return transfer(model, source, x_c)[0], [f"{k + i + 1} moved" for i in range(len(x_c))]


VIEWS = {
    "samples": View(
        "futures",
        lambda c: f"{c.n} futures, codes drawn from N(0, I), seed {c.seed}",
        future_pictures,
        ("n", "seed"),
    ),
    "traversal": View(
        "one dimension of the code",
        lambda c: (
            f"dimension {c.dimension} of the code, by what it holds, from −2 to 2, the others 0"
        ),
        traversal_pictures,
        ("dimension",),
    ),
    "transfer": View(
        "motion of another pair",
        lambda c: f"what happened in pair {c.pair} (left), happening to other pictures",
        transfer_pictures,
        ("pair",),
    ),
}
