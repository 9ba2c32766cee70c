"""Plots of effects and of what samples depend on: every number stands where it belongs."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from cdvae.figures import captions, dependence
from cdvae.figures.forest import forest
from cdvae.figures.shown import Shown
from cdvae.report.tables import EFFECTS

ROWS = [
    ("relighting", "gauss", "nn", "Gauss against NN", 5.0, 3.0, 8.0, "worse"),
    ("relighting", "mdn4", "nn", "MDN4 against NN", -5.0, -6.0, -4.0, "better"),
    ("motion", "gauss", "nn", "Gauss against NN", 1.0, -1.0, 2.0, "undecided"),
]


def test_a_forest_has_a_panel_for_each_task_and_a_line_for_each_comparison():
    figure = forest(pd.DataFrame(ROWS, columns=EFFECTS), "%")
    first, second = figure.axes
    assert [first.get_title(), second.get_title()] == ["relighting", "motion"]
    texts = [text.get_text() for text in first.get_yticklabels()]
    assert texts == ["Gauss against NN", "MDN4 against NN"]
    points = {bar.get_label(): bar.lines[0].get_xydata()[0].tolist() for bar in first.containers}
    assert points == {"worse": [5, 0], "better": [-5, 1]}
    (bar,) = second.containers
    assert bar.lines[0].get_xydata().tolist() == [[1, 0]]
    ((start, end),) = bar.lines[2][0].get_segments()
    assert [start[0], end[0]] == [-1, 2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["better", "worse", "undecided"]
    assert not plt.get_fignums()


def shown(task: str, **between: float) -> Shown:
    """A file of samples of which only the measures count."""
    windows = [[0.25] * 4, [0.1, 0.7, 0.1, 0.1], [0.1, 0.1, 0.8, 0.0], [0.1, 0.0, 0.0, 0.9]]
    runs = {
        name: {
            "inputs": 200,
            "draws": 8,
            "measures": {"between": b, "layout": 0.1, "edges": 0.05, "edges_of_truth": 0.3},
            "by_window": windows if task == "relighting" else None,
        }
        for name, b in between.items()
    }
    return Shown(task, [], np.zeros(0), None, {}, {}, {}, runs)


def test_bars_are_the_measures_and_the_sentence_says_them():
    kept = {"relighting": shown("relighting", mdn4=0.25, marginal=-0.02, truth=0.5)}
    figure = dependence.dependence(kept)
    bars = [[bar.get_width() for bar in axis.patches] for axis in figure.axes]
    assert bars == [[0.25, -0.02, 0.5], [0.1] * 3, [0.05] * 3]
    caption = dependence.dependence_caption(kept)
    assert "25 % of the variance of MDN4's" in caption and "50 % of draws of the truth" in caption
    assert "0 % of a sampler that is blind" in caption and "200 test pictures" in caption


def test_light_from_windows_is_the_mean_of_the_diagonal():
    made = shown("relighting", mdn4=0.2)
    assert dependence.has_windows(made) and not dependence.has_windows(shown("motion", gauss=0.1))
    assert "80% of the samples of MDN4" in dependence.window_sentence(made)
    (axis,) = dependence.by_window(made).axes
    assert [text.get_text() for text in axis.texts][4:8] == ["10%", "70%", "10%", "10%"]


@pytest.mark.parametrize("most", [10, 250])
def test_a_screen_reader_hears_whole_sentences_without_marks(most):
    text = "**Figure 7.** The *sample* of $x_g$. <!-- n: 1 -->Two."
    expected = {10: "Figure 7. The sample of x_g.", 250: "Figure 7. The sample of x_g. Two."}
    assert captions.plain(text, most) == expected[most]
