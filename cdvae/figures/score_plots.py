"""Pictures of scores that the paper does not have: calibration, and bounds that tighten."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from cdvae.figures.scores import LOOKS, STYLE, finished, panels
from cdvae.report.results import NAMES


def rank_histograms(ranks: dict[str, np.ndarray], n: int, bins: int = 20) -> Figure:
    """Where the truth ranks among n draws, {method: ranks (N, points)}; calibrated is flat."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(ranks), 1.1, 1.7)
        for axis, (method, rank) in zip(axes[0], ranks.items(), strict=True):
            share = np.histogram(rank, bins, (0, n))[0] / rank.size * bins
            axis.bar(np.arange(bins) + 0.5, share, 1.0, color=LOOKS[method][0])
            axis.axhline(1, color="black", lw=0.6)
            axis.set(title=NAMES[method], xticks=[0, bins], xticklabels=[0, n], ylim=(0, 4))
            axis.set_yticks([0, 1, 2, 3, 4], [] if axis is not axes[0, 0] else None)
        axes[0, 0].set_ylabel("density (1 = calibrated)")
        figure.supxlabel("rank of the truth among the draws", fontsize=8)
    return finished(figure)


def tightening(estimates: dict[str, dict[int, tuple[float, float]]]) -> Figure:
    """−log p by number of draws, {name: {K: (mean, standard error)}}, in nats per example."""
    with plt.rc_context(STYLE):
        figure, axes = panels(1, len(estimates), 2.8, 2.2)
        for axis, (name, curve) in zip(axes[0], estimates.items(), strict=True):
            mean, error = zip(*curve.values(), strict=True)
            axis.errorbar(list(curve), mean, error, color="#0072B2", marker="o", ms=3, capsize=2)
            axis.set(title=name, xscale="log", xlabel="draws K", ylabel="nats per example")
    return finished(figure)
