"""The built-in world as a data set: fields of the three tasks and their exact conditionals."""

from dataclasses import dataclass

import torch
from torch import Tensor

from cdvae.data.drawn import render, world
from cdvae.data.drawn.world import CATEGORIES, Scenes
from cdvae.data.fields import GRID, SIZE, Fields, Task
from cdvae.data.registry import DataSet, Request, register

CHUNK = 250  # scenes rendered at a time, so that they stay in the processor's cache
SPLIT_SEEDS = {"train": 0, "valid": 1, "test": 2}


def conditional_draws(
    truth: "SceneTruth", index: Tensor, n: int, generator: torch.Generator
) -> Tensor:
    """n draws of x_g for each scene at `index`: (batch, n, C_g, 32, 32)."""
    scenes = truth.scenes.rows(index)
    rows = torch.arange(len(index), device=index.device).repeat_interleave(n)
    g = render.Geometry(*(part[rows] for part in render.geometry(scenes)))
    repeated = scenes.rows(rows)
    hidden = world.draw_hidden(repeated, generator)
    return generated_layer(truth.task, repeated, g, hidden).unflatten(0, (len(index), n))


@dataclass(frozen=True)
class SceneTruth:
    """Draws from the exact P(x_g | x_c) of a list of scenes."""

    task: str
    scenes: Scenes

    sample = conditional_draws  # not a plain method, so that it is part of what the class means

    def to(self, device: torch.device) -> "SceneTruth":
        """The same conditional on another device."""
        return SceneTruth(self.task, Scenes(*(part.to(device) for part in self.scenes)))

    def of_examples(self, index: Tensor) -> "SceneTruth":
        """The conditional of the examples at `index` alone."""
        return SceneTruth(self.task, self.scenes.rows(index))


def generated_layer(task: str, scenes: Scenes, g: render.Geometry, hidden: world.Hidden) -> Tensor:
    """x_g of the task: shading, saturation or flow."""
    if task == "relighting":
        return render.shading(scenes, g, hidden)
    return render.saturation(g, hidden) if task == "resaturation" else render.flow(g, hidden)


def layers(task: str, scenes: Scenes, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """x_c, x_g and the semantics of one draw for each scene."""
    g = render.geometry(scenes)
    hidden = world.draw_hidden(scenes, generator)
    albedo = render.hsv_to_rgb(g.hue, render.saturation(g, hidden)[:, 0], g.value)
    light = render.shading(scenes, g, hidden)
    given = {
        "relighting": albedo,
        "resaturation": g.value[:, None] * light,  # the HSV value of albedo × shading
        "motion": albedo * light,
    }[task]
    return given, generated_layer(task, scenes, g, hidden), semantics(scenes, g)


def semantics(scenes: Scenes, g: render.Geometry) -> Tensor:
    """Label distribution, then 5 × 5 coverage by bounding boxes, of what can be seen (N, D)."""
    n, n_labels = len(scenes.window), len(CATEGORIES)
    box, seen = render.boxes(g)
    box, seen = box[:, 1:], seen[:, 1:]  # the background is no object
    fixed = torch.tensor([world.WINDOW, world.LAMP]).expand(n, -1)
    category = torch.cat([scenes.category.clamp_min(0), fixed], 1)
    one_hot = torch.nn.functional.one_hot(category, n_labels) * seen[..., None]
    labels = one_hot.sum(1).float()
    labels = labels / labels.sum(1, keepdim=True).clamp_min(1)
    line = torch.arange(SIZE)
    in_x = (line >= box[..., 0, None]) & (line < box[..., 2, None])
    in_y = (line >= box[..., 1, None]) & (line < box[..., 3, None])
    raster = (in_y[..., None] & in_x[..., None, :] & seen[..., None, None]).float()
    covered = torch.einsum("nmc,nmyx->ncyx", one_hot.float(), raster).clamp_max(1)
    cells = cell_weights()
    layout = cells @ covered @ cells.T
    return torch.cat([labels, layout.flatten(1)], 1)


def cell_weights() -> Tensor:
    """(GRID, SIZE) share of each pixel's line in each grid cell, as a mean over the cell."""
    edge = torch.arange(GRID + 1) * SIZE / GRID
    line = torch.arange(SIZE)
    overlap = torch.minimum(edge[1:, None], line + 1.0) - torch.maximum(edge[:-1, None], line * 1.0)
    return overlap.clamp_min(0) * GRID / SIZE


def draw(split: str, n: int, seed: int) -> tuple[Scenes, torch.Generator]:
    """The scenes of a split, and the generator that draws what is hidden in them."""
    generator = torch.Generator().manual_seed(3 * seed + SPLIT_SEEDS[split])
    return world.draw_scenes(n, generator), generator


def load(task: Task, split: str, n: int, seed: int) -> Fields:
    """n scenes of one split; the same arguments give the same bytes.

    The three tasks show the same scenes. The splits are drawn apart, each from its own seed.
    """
    scenes, generator = draw(split, n, seed)
    whole: tuple[Tensor, ...] = ()  # filled in place: parts and their sum would be twice as much
    for rows in torch.arange(n).split(CHUNK):
        part = layers(task.name, scenes.rows(rows), generator)
        whole = whole or tuple(each.new_empty(n, *each.shape[1:]) for each in part)
        for each, made in zip(whole, part, strict=True):
            each[rows] = made
    x_c, x_g, named = whole
    ids = tuple(f"{split}-{seed}-{k}" for k in range(n))
    truth = SceneTruth(task.name, scenes)
    return Fields(task, x_c, x_g, named, len(CATEGORIES), ids, truth)


def make(request: Request, split: str) -> Fields:
    """As many scenes of a split as are asked for."""
    return load(request.task, split, request.size(split), request.seed)


def truth(request: Request, split: str, n: int) -> SceneTruth:
    """The exact conditional of a split's n scenes."""
    return SceneTruth(request.task.name, draw(split, n, request.seed)[0])


def label_names(request: Request) -> tuple[str, ...]:
    """The categories of objects, windows and lamps."""
    return CATEGORIES


SCENES = register(
    DataSet(
        name="scenes",
        title="the built-in world",
        tasks=("relighting", "resaturation", "motion"),
        make=make,
        label_names=label_names,
        truth=truth,
        needs_root=False,
    )
)
