"""Pictures of fields: layers side by side, Figure 3, and the embedding with thumbnails."""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

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


def layers_page(splits: dict[str, Fields], n: int = 8) -> Figure:
    """The first n test examples of each task: x_c above x_g."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            2 * len(splits), n, figsize=(n, 2.3 * len(splits)), squeeze=False, layout="constrained"
        )
        for row, fields in enumerate(splits.values()):
            for below, which in enumerate("cg"):
                line = axes[2 * row + below]
                for k, axis in enumerate(line[: len(fields)]):
                    axis.imshow(as_picture(fields, which, k))
                    axis.set(xticks=[], yticks=[])
                    axis.spines[:].set_visible(False)
                label = f"$x_{which}$\n{getattr(fields.task, f'layer_{which}')}"
                line[0].set_ylabel(label, rotation=0, ha="right", va="center")
        if "motion" in splits:
            wheel = axes[-1, -1].inset_axes((0.68, 0.02, 0.3, 0.3))
            wheel.imshow(flow_colours(colour_wheel(), 1.0))
            wheel.axis("off")
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


def embedding_map(p: np.ndarray, fields: Fields, n: int = 150) -> Figure:
    """The first two dimensions of an embedding p (N, D), the first n examples as thumbnails."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.5, 5), layout="constrained")
        axis.scatter(p[:, 0], p[:, 1], s=1, color="#BBBBBB")
        for k in range(min(n, len(fields))):
            picture = as_picture(fields, "c", k)
            box = AnnotationBbox(OffsetImage(picture, zoom=0.55), p[k, :2], frameon=False)
            axis.add_artist(box)
        axis.set(xlabel="first dimension of p", ylabel="second dimension of p")
    return finished(figure)
