"""Keys of Visual Dynamics' runs: what changes a model or a score changes its key, and nothing else.

Code is changed in the text that keys are made of, not in the files.
"""

import inspect
from dataclasses import replace

import pytest

from cdvae.data.drawn import shapes
from cdvae.dynamics.experiment import FrameExperiment
from cdvae.runs.settings import load_profile
from cdvae.tools import definitions, parsing

RENDER, SHAPES = "cdvae.data.drawn.render", "cdvae.data.drawn.shapes"
LAYERS, DYNAMICS = "cdvae.methods.crossconv_layers", "cdvae.dynamics"


def keys(**changes) -> dict[str, tuple[str, str]]:
    """The keys of each method's model and scores, with some settings changed."""
    experiment = FrameExperiment(load_profile("smoke"), device="cpu")
    experiment.settings = replace(experiment.settings, **changes)
    return {
        run.method: (experiment.model_key(run), experiment.score_key(run))
        for run in experiment.runs()
    }


def changed(before: dict, after: dict) -> tuple[set[str], set[str]]:
    """The methods whose models, and those whose scores, have other keys."""
    models, scores = ({m for m in before if before[m][k] != after[m][k]} for k in (0, 1))
    return models, scores


@pytest.fixture
def edit(monkeypatch):
    """Changes the text of a module for the rest of a test.

    What is remembered of a definition holds while no other text changes, as none does in a run.
    """

    def change(module: str, old: str, new: str) -> None:
        read = parsing.file_text
        text = read(module)
        assert text.count(old) == 1
        other = text.replace(old, new)
        monkeypatch.setattr(parsing, "file_text", lambda m: other if m == module else read(m))
        definitions.pieces_in.cache_clear()

    yield change
    definitions.pieces_in.cache_clear()


EVERY, NETWORKS = {"crossconv", "ae", "flow", "truth"}, {"crossconv", "ae"}


@pytest.mark.parametrize(
    ("module", "old", "new", "models", "scores"),
    [
        (SHAPES, "SPEED = (1.5, 5.0)", "SPEED = (1.5, 6.0)", EVERY, EVERY),
        (RENDER, "def hsv_to_rgb(", "def hsv_to_rgb(unused, ", EVERY, EVERY),
        (LAYERS, "padding=side // 2, groups", "padding=1, groups", NETWORKS, NETWORKS),
        (f"{DYNAMICS}.pairs", "SCALE = 2000", "SCALE = 200", NETWORKS, NETWORKS),
        ("cdvae.gaussian", "def kl(", "def kl(unused, ", NETWORKS, EVERY),
        (f"{DYNAMICS}.motions", "REACH = 8", "REACH = 9", set(), EVERY),
        (f"{DYNAMICS}.flow_copy", "KEYS = 32", "KEYS = 16", set(), {"flow"}),
        (f"{DYNAMICS}.pairs", "BANK = 1000", "BANK = 1000  # or so", set(), set()),
        (f"{DYNAMICS}.scoring", "PART = 25", "PART = 25\nOTHER = 3", set(), set()),
    ],
)
def test_code_changes_the_keys_of_what_hangs_on_it(edit, module, old, new, models, scores):
    before = keys()
    edit(module, old, new)
    assert changed(before, keys()) == (models, scores)


def test_moving_code_changes_no_key(edit):
    """The drawing of motions, moved to another file and imported from there."""
    before, moved = keys(), inspect.getsource(shapes.draw_motion)
    edit(SHAPES, moved, "from cdvae.data.drawn.render import draw_motion\n\n\n")
    head = "import torch\n"
    names = "SPEED, FOLLOW, AXES, uniform"
    edit(RENDER, head, f"{head}from cdvae.data.drawn.shapes import {names}\n\n\n{moved}\n\n")
    assert keys() == before
    edit(RENDER, "2 * torch.randint", "3 * torch.randint")
    assert changed(before, keys()) == (EVERY, EVERY)


def test_settings_change_the_keys_of_what_they_shape():
    base, before = load_profile("smoke").dynamics, keys()
    for other in (
        {"fine": False},
        {"sigma": 0.3},
        {"network": replace(base.network, code=4)},
        {"training": replace(base.training, steps=7)},
        {"n_valid": 30},
    ):
        assert changed(before, keys(**other)) == (NETWORKS, NETWORKS)
    assert changed(before, keys(n_samples=5)) == (set(), EVERY)
    assert changed(before, keys(n_train=150)) == (EVERY, EVERY)
