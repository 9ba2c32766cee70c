"""Figures of Visual Dynamics on clips: futures beside what came, and futures that move.

Shown are the first test pair and those whose energy scores are the median, the best and the worst
among pairs that change by MOVING or more: in a pair that hardly moves there is nothing to see.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cdvae.data.drawn.shapes import Pairs
from cdvae.dynamics import plots
from cdvae.dynamics.clips import ClipExperiment
from cdvae.dynamics.rows import OURS
from cdvae.figures.style import save
from cdvae.methods.crossconv import future
from cdvae.runs.store import Run
from cdvae.tools.files import atomic

SAMPLES = 4  # futures of each pair
MOVING = 2e-3  # mean squared difference, unit²; about two thirds of the nine classes' pairs
SEED = 0  # of the draws
SCALE, GAP = 3, 6  # of the moving picture: screen pixels to a pixel, and between its tiles
HOLD = 450  # milliseconds that each of its two frames stays


def draw(experiment: ClipExperiment) -> list[Path]:
    """Write both figures from finished runs; returns their paths."""
    run = next(run for run in experiment.runs() if run.method == OURS)
    energies = np.array(experiment.scores(run)["each"][OURS])
    test = experiment.pairs("test")
    chosen = by_rule(energies, changes(test))
    pairs = Pairs(*(x[list(chosen.values())] for x in test[:2]))
    v = futures(experiment, run, pairs)
    figure = plots.futures(pairs, v, list(chosen))
    paths = save(figure, experiment.figure("futures"), photos=True, pdf=False)
    moving = experiment.figure("futures").with_suffix(".gif")
    animate(pairs, v, list(chosen).index("median"), moving)
    return [*paths, moving]


def changes(pairs: Pairs) -> np.ndarray:
    """Mean squared difference of each pair, unit²: (N,)."""
    parts = zip(*(x.split(500) for x in pairs[:2]), strict=True)
    found = [((a.float() - b.float()) / 255).square().flatten(1).mean(1) for a, b in parts]
    return torch.cat(found).numpy()


def by_rule(energies: np.ndarray, change: np.ndarray) -> dict[str, int]:
    """The pairs that are shown, by why: of those that move the first, and by energy score."""
    moving = np.flatnonzero(change >= MOVING)
    moving = moving if len(moving) else np.arange(len(change))
    order = moving[np.argsort(energies[moving], kind="stable")]
    middle = order[len(order) // 2]
    return {"first": moving[0], "median": middle, "best": order[0], "worst": order[-1]}


def futures(experiment: ClipExperiment, run: Run, pairs: Pairs) -> Tensor:
    """Sampled differences of each pair, without noise, the first drawn: (N, SAMPLES, 3, H, W)."""
    model = experiment.model(run)
    generator = torch.Generator(experiment.device).manual_seed(SEED)
    return model.sample(pairs.first.to(experiment.device).float() / 255, SAMPLES, generator).cpu()


def animate(pairs: Pairs, v: Tensor, k: int, path: Path) -> None:
    """A GIF of two frames: the picture five times; then what came, and four futures, framed."""
    first, second = (x[k].float() / 255 for x in pairs[:2])
    before = [first] * (1 + SAMPLES)
    after = [second, *future(first, v[k])]
    frames = [Image.fromarray(strip(tiles)) for tiles in (before, after)]
    with atomic(path) as temporary:
        frames[0].save(
            temporary, "GIF", save_all=True, append_images=frames[1:], duration=HOLD, loop=0
        )


def strip(tiles: list[Tensor]) -> np.ndarray:
    """Pictures (3, H, W) in [0, 1] in a row on white: (H', W', 3) uint8."""
    large = [np.kron(bytes_of(tile), np.ones((SCALE, SCALE, 1), np.uint8)) for tile in tiles]
    gap = np.full((large[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for tile in large for part in (tile, gap)][:-1], 1)


def bytes_of(picture: Tensor) -> np.ndarray:
    return (picture.permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
