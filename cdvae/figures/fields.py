"""Pictures of fields: layers side by side, Figure 3, and the embedding with thumbnails."""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from cdvae.data.fields import GRID, Fields
from cdvae.figures.style import STYLE, finished
from cdvae.postprocess.colours import as_picture, colour_wheel, flow_colours


def as_jpeg(path: Path, width: int) -> bytes:
    """A picture file as JPEG, at most that wide, light enough to stand in a notebook."""
    from PIL import Image

    image = Image.open(path).convert("RGB")
    width = min(width, image.width)
    image = image.resize((width, round(image.height * width / image.width)))
    data = BytesIO()
    image.save(data, "JPEG", quality=80)
    return data.getvalue()


def layers_page(
    splits: dict[str, Fields], pictures: dict[str, list[np.ndarray]], n: int = 8
) -> Figure:
    """The first n test examples of each task: the picture (H, W, 3) if known, x_c and x_g."""
    lines = [
        (task, what)
        for task in splits
        for what in ("picture", "c", "g")
        if what != "picture" or task in pictures
    ]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(lines), n, figsize=(0.9 * n, 0.93 * len(lines)), squeeze=False, layout="constrained"
        )
        for line, (task, what) in zip(axes, lines, strict=True):
            fields = splits[task]
            for k, axis in enumerate(line):
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
                if k < len(fields):
                    here = pictures[task][k] if what == "picture" else as_picture(fields, what, k)
                    axis.imshow(here, aspect="auto" if what == "picture" else "equal")
            label = (
                f"$x_{what}$\n{getattr(fields.task, f'layer_{what}')}" if len(what) == 1 else what
            )
            line[0].set_ylabel(label, rotation=0, ha="right", va="center")
        if "motion" in splits:
            wheel = axes[-1, -1].inset_axes((0.68, 0.02, 0.3, 0.3))
            wheel.imshow(flow_colours(colour_wheel(), 1.0))
            wheel.axis("off")
    return finished(figure)


def neighbours_page(fields: Fields, nearest: dict[str, torch.Tensor]) -> Figure:
    """Queries and their neighbours: a line for each query and way to compare, x_c of each.

    nearest: by the way to compare (Q, 1 + k) numbers of examples, the query itself first.
    """
    ways = list(nearest)
    n_queries, n = nearest[ways[0]].shape
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            *(n_queries * len(ways), n),
            figsize=(0.95 * n, 0.97 * n_queries * len(ways)),
            squeeze=False,
            layout="constrained",
        )
        for row, line in enumerate(axes):
            query, way = divmod(row, len(ways))
            for axis, k in zip(line, nearest[ways[way]][query].tolist(), strict=True):
                axis.imshow(as_picture(fields, "c", k))
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            line[0].set_ylabel(f"alike in\n{ways[way]}", rotation=0, ha="right", va="center")
        axes[0, 0].set_title("query")
        for k, axis in enumerate(axes[0, 1:], start=1):
            axis.set_title(f"nearest {k}")
    return finished(figure)


def figure3(fields: Fields, k: int, names: tuple[str, ...]) -> Figure:
    """Figure 3: the feature vector of one annotated example, part by part."""
    labels = fields.semantics[k, : fields.n_labels]
    layout = fields.semantics[k, fields.n_labels :].reshape(fields.n_labels, GRID, GRID)
    present = torch.nonzero(labels)[:, 0].tolist()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, 3 + len(present), figsize=(4.2 + 1.1 * len(present), 1.8), layout="constrained"
        )
        axes[0].imshow(as_picture(fields, "c", k))
        axes[0].set_title(f"$x_c$: {fields.task.layer_c}")
        axes[1].barh([names[c] for c in present], labels[present], color="#0072B2")
        axes[1].set(title="label distribution", xlabel="share", xlim=(0, 1))
        axes[1].invert_yaxis()
        for axis, c in zip(axes[2:], present, strict=False):
            drawn = axis.imshow(layout[c], vmin=0, vmax=1, cmap="cividis")
            axis.set_title(names[c])
        figure.colorbar(drawn, ax=axes[2:-1], label="coverage", shrink=0.8)
        axes[-1].imshow(as_picture(fields, "c", k), interpolation="nearest")
        axes[-1].set_title("32 × 32 pixels")
        for axis in (axes[0], *axes[2:]):
            axis.set(xticks=[], yticks=[])
    return finished(figure)
