"""What is said of the data is counted from the examples."""

import json

import numpy as np
import torch

from cdvae.data.fields import MOTION, Fields
from cdvae.figures.idea import N, colours, grey, scenes
from cdvae.release.models import seen
from cdvae.report import data_facts


def clips() -> Fields:
    """Four pairs of three clips, of which two were cut from one video; one has no label."""
    names = ("Run/v_Run_g01_c01#0", "Run/v_Run_g01_c01#1", "Run/v_Run_g01_c02#0", "a/b#0")
    labels = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    x_c, x_g = torch.zeros(4, 3, 32, 32), torch.zeros(4, 2, 32, 32)
    return Fields(MOTION, x_c, x_g, labels, 3, names)


def test_counts_of_a_split():
    found = data_facts.facts(clips())
    counts = {"examples": 4, "files": 3, "sources": 2, "annotated": 3, "categories": 2}
    assert found == counts


class Made:
    """An experiment with the data above."""

    class profile:
        name = "smoke"

    class source:
        name = "made-up"

    class plan:
        key = "k1"

        def __init__(self, task: str):
            pass

    reads = 0

    def fields(self, task: str) -> dict[str, Fields]:
        self.reads += 1
        return {"train": clips()}

    labelled = fields


def test_they_are_written_once_for_each_key(monkeypatch, tmp_path):
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    made = Made()
    data_facts.update(made, ["motion"])
    data_facts.update(made, ["motion"])
    text = (tmp_path / "results/smoke/made-up/data.json").read_text(encoding="utf-8")
    assert made.reads == 1 and json.loads(text)["motion"]["key"] == "k1"
    assert json.loads(text)["motion"]["train"] == data_facts.facts(clips())


def test_a_card_says_what_its_model_has_seen():
    said = seen(Made(), "motion")
    assert (
        said == "It was trained on 4 examples of 3 clips; 3 of them have labels, of 2 categories."
    )


def test_the_pictures_of_the_idea_differ_in_saturation_alone():
    every = torch.arange(N)
    answers = colours(scenes(), torch.zeros_like(every), every)
    assert answers.shape == (N, 224, 224, 3)
    assert np.allclose(grey(answers), grey(answers)[:1], atol=1e-3)  # one grey picture
    spread = answers.max(-1) - answers.min(-1)
    assert spread[0].mean() > spread[2].mean() > spread[1].mean()  # vivid, mixed, muted
