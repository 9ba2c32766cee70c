"""Letters of the notebooks' plots, at the size at which a page of 1,000 pixels shows them."""

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cdvae.dynamics import plots
from cdvae.figures import idea, scores, studies, verdict_map
from cdvae.report import chapters, size_verdicts
from cdvae.runs.settings import load_profile
from cdvae.tools.files import project_root

COLUMN = 870  # CSS pixels for an output: what is wider is made smaller
PIXEL = 72 / 96  # points of a CSS pixel
LEAST = 8  # points

RESULTS = project_root() / "results"
TUNED = chapters.committed("tuned", "coco")
SCORES = pd.read_csv(RESULTS / "quick/scenes/scores.csv")
SHAPES = RESULTS / "quick/shapes"
SIZED = pd.read_csv(RESULTS / "tuned/tiny-imagenet/size_verdicts.csv")
SEARCHED = chapters.searched("tuned", chapters.committed)
OTHERS = SIZED[SIZED.n_train == "4500"].assign(data="coco")
WIDE = [each.assign(task=t) for each in (SIZED, OTHERS) for t in ("relighting", "resaturation")]
PLOTS = {
    "idea": lambda: idea.idea(),
    "standing": lambda: studies.standing(TUNED, ("best_error", "energy_score")),
    "pairs": lambda: studies.forest(TUNED, ("best_error", "energy_score")),
    "ablations": lambda: studies.ablations(TUNED.read("ablations"), "photos"),
    "scattered": lambda: studies.scattered(TUNED.read("ablations")),
    "verdicts": lambda: verdict_map.verdict_map(size_verdicts.shown(WIDE)),
    "trials": lambda: studies.trials(SEARCHED),
    "figure 4": lambda: scores.figure4(SCORES),
    "curves": lambda: scores.best_error_curves(SCORES),
    "network": lambda: plots.network(load_profile("quick").dynamics.network, fine=True),
    "network of the paper": lambda: plots.network(load_profile("paper").dynamics.network),
    "motions": lambda: plots.motion_histograms(pd.read_csv(SHAPES / "histograms.csv")),
    "kl": lambda: plots.kl_bars(pd.read_csv(SHAPES / "table_kl.csv")),
}


def letters(figure: Figure) -> dict[str, float]:
    """Points of each text as shown."""
    figure.canvas.draw()
    wide = figure.get_figwidth() * figure.dpi
    scale = figure.dpi / 72 * PIXEL * min(1, COLUMN / wide)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    return {text.get_text(): text.get_fontsize() * scale for text in texts}


@pytest.mark.parametrize("name", PLOTS)
def test_letters_have_eight_points_at_the_size_shown(name):
    found = letters(PLOTS[name]())
    small = {text: round(size, 1) for text, size in found.items() if size < LEAST}
    assert found and not small


def test_small_letters_are_found():
    figure = Figure((3, 2), dpi=100)
    figure.text(0.5, 0.5, "small", fontsize=7)
    assert letters(figure)["small"] < LEAST
    wide = Figure((12, 2), dpi=100)
    wide.text(0.5, 0.5, "large", fontsize=9)
    assert letters(wide)["large"] < LEAST  # 1,200 pixels on a page of 1,000
