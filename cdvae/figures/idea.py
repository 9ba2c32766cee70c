"""The idea in one picture: many answers are right, data show one, similar inputs share theirs."""

from itertools import product

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from torch import Tensor

from cdvae.data.drawn.closeup import finely
from cdvae.data.drawn.world import Hidden, Scenes, draw_hidden
from cdvae.figures.style import STYLE, finished
from cdvae.postprocess.details import to_srgb

N = 4  # the picture that is asked about, and three like it
ORANGE = "#D55E00"
LARGE, SMALL = 0.98, 0.64  # inches, the sides of the pictures
STYLES = (1, 0, 2, 2)  # the answers that are shown: vivid, muted, mixed in two ways
HIGH = ((1, 1, 1, 1), (0, 0, 0, 0), (0, 1, 0, 1), (1, 0, 1, 0))  # of backdrop and objects


def scenes() -> Scenes:
    """Four rooms with a ball, a box and a tent: the first, and three in which things differ."""
    move = torch.tensor([[[0.0, 0.0]] * 3, [[2, 1], [-1, 0], [0, 1]], [[-1, 2], [1, -1], [-2, 0]]])
    move = torch.cat([move, torch.tensor([[[1.0, -2], [-2, 1], [1, 2]]])])
    turn = torch.tensor([[0.0], [0.05], [-0.05], [0.03]])
    centre = torch.tensor([[9.0, 20], [23, 22], [19, 9]]) + move
    none = torch.zeros(N, 3)
    return Scenes(
        category=torch.tensor([0, 4, 6, -1, -1, -1]).expand(N, -1),
        centre=torch.cat([centre, torch.zeros(N, 3, 2)], 1),
        radius=torch.cat([torch.tensor([6.5, 6.0, 5.0]).expand(N, -1), none + 4], 1),
        angle=torch.cat([turn.expand(-1, 3), none], 1),
        value=torch.cat([torch.tensor([0.95, 0.9, 0.85]).expand(N, -1), none + 0.5], 1),
        hue=(torch.tensor([0.60, 0.02, 0.13, 0.40, 0, 0, 0]) + turn).remainder(1),
        backdrop=torch.zeros(N, dtype=torch.long),
        backdrop_value=torch.full((N,), 0.75),
        phase=torch.zeros(N, 2),
        horizon=torch.full((N,), 18.0),
        window=torch.zeros(N, dtype=torch.long),
        lamp=torch.full((N, 2), -1.0),
    )


def colours(seen: Scenes, rows: Tensor, answers: Tensor) -> np.ndarray:
    """The scenes of these rows in the colours of these answers, (n, 224, 224, 3) sRGB."""
    shown = seen.rows(rows)
    drawn = draw_hidden(shown, torch.Generator().manual_seed(0))
    high = torch.tensor(HIGH, dtype=torch.bool)[answers]
    saturation = drawn.saturation.clone()
    saturation[:, :4] = torch.where(high, 0.85, 0.1)
    daylight = torch.full_like(drawn.light, 3)
    found: Hidden = drawn._replace(
        light=daylight,
        intensity=torch.ones(len(rows)),
        style=torch.tensor(STYLES)[answers],
        saturation=saturation,
    )
    return to_srgb(finely(shown, found).clip(0, 1))


def grey(pictures: np.ndarray) -> np.ndarray:
    """Value alone: the largest of the three colours, as HSV has it."""
    return pictures.max(-1, keepdims=True).repeat(3, -1)


def idea() -> Figure:
    """A grey picture, its answers, similar pictures with one answer each, and what is shared."""
    seen, every = scenes(), torch.arange(N)
    answers, own = colours(seen, torch.zeros_like(every), every), colours(seen, every, every)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(7.9, 2.9), dpi=200)
        page = figure.add_axes((0, 0, 1, 1), xlim=(0, 7.9), ylim=(0, 2.9))
        page.axis("off")
        picture(figure, grey(own)[0], 0.12, 0.95, LARGE)
        square(figure, answers, 1.55, is_data=(True, False, False, False))
        for row in range(1, N):
            y = 2.5 - row * (SMALL + 0.05)
            picture(figure, grey(own)[row], 4.1, y, SMALL)
            picture(figure, own[row], 4.1 + SMALL + 0.06, y, SMALL, ORANGE)
        square(figure, answers, 5.85, is_data=(False,) * N, faded=False)
        for start in (1.15, 5.47):
            arrow(page, start, start + 0.3)
        for x, head, below in (
            (0.12 + LARGE / 2, "a grey picture", "which colours\ndid it have?"),
            (
                1.55 + LARGE + 0.03,
                "many answers are right",
                "the data show one of them\n(orange frame)",
            ),
            (4.1 + SMALL + 0.03, "similar pictures", "each is shown\nwith one answer, too"),
            (5.85 + LARGE + 0.03, "what CDVAE aims at", "similar pictures\nshare their answers"),
        ):
            page.text(x, 2.62, head, ha="center", fontsize=10, weight="bold")
            page.text(x, 0.2, below, ha="center", va="center", fontsize=9)
    return finished(figure)


def square(figure: Figure, pictures: np.ndarray, x: float, is_data, faded: bool = True) -> None:
    """Four pictures, two by two; those that the data do not show are pale."""
    for k, (down, right) in enumerate(product((1, 0), (0, 1))):
        place = x + right * (LARGE + 0.06), 0.42 + down * (LARGE + 0.06)
        shown = pictures[k] if is_data[k] or not faded else 0.45 * pictures[k] + 0.55
        picture(figure, shown, *place, LARGE, ORANGE if is_data[k] else None)


def picture(
    figure: Figure, shown: np.ndarray, x: float, y: float, side: float, frame: str | None = None
) -> Axes:
    """One picture at (x, y) inches, framed where it is in the data."""
    width, height = figure.get_size_inches()
    axis = figure.add_axes((x / width, y / height, side / width, side / height))
    axis.imshow(shown)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=frame is not None, color=frame, linewidth=2.5)
    return axis


def arrow(axis: Axes, start: float, end: float) -> None:
    """From what is given to what is sought."""
    ends = (start, 1.44), (end, 1.44)
    axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=12, color="#555555"))
