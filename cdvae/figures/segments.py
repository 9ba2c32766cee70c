"""What the segments of Sec. 4.2 do to a photo's saturation: a crop with them and without."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.data.photos.originals import grey_of, saturation_of
from cdvae.figures.style import STYLE, finished, panels
from cdvae.postprocess.upsample import Upsampler, downsample

PART = 4  # a crop's side is this part of the photo's


def largest(difference: np.ndarray, side: int) -> tuple[slice, slice]:
    """Of all crops of that side, on a grid of half of it, the one with the largest mean."""
    starts = range(0, len(difference) - side + 1, side // 2)
    crops = [(slice(y, y + side), slice(x, x + side)) for y in starts for x in starts]
    return max(crops, key=lambda crop: difference[crop].mean())


def crop(colours: np.ndarray, with_segments: Upsampler) -> Figure:
    """A photo (H, H, 3) in [0, 1], its true saturation, and what comes back from 32 × 32."""
    truth = saturation_of(colours)
    coarse = downsample(truth[None])
    without = Upsampler(grey_of(colours), np.zeros(truth.shape, int))
    made = {"with segments": with_segments(coarse)[0], "one segment": without(coarse)[0]}
    where = largest(np.abs(made["with segments"] - made["one segment"]), len(truth) // PART)
    fields = {"true saturation": truth} | made
    most = max(field[where].max() for field in fields.values())
    with plt.rc_context(STYLE):
        figure, axes = panels(1, 1 + len(fields), 1.75, 1.9)
        axes[0, 0].imshow(colours[where].clip(0, 1))
        axes[0, 0].set_title("picture")
        for axis, (title, field) in zip(axes[0, 1:], fields.items(), strict=True):
            drawn = axis.imshow(field[where], vmin=0, vmax=most, cmap="cividis")
            error = np.sqrt(np.mean((field[where] - truth[where]) ** 2))
            axis.set_title(title if field is truth else f"{title}\nerror {error:.3f}")
        figure.colorbar(drawn, ax=axes[0, -1], shrink=0.8)
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
    return finished(figure)
