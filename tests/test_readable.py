"""Tables and crops for reading: what stands in them is what the scores say."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from test_dynamics_claims import table

from cdvae.data.fields import TASKS, Fields
from cdvae.data.photos.originals import saturation_of
from cdvae.dynamics import readable
from cdvae.dynamics.motions import COLUMNS
from cdvae.figures import segments
from cdvae.report import results, tables
from cdvae.runs.store import Run
from cdvae.studies import statistics, upsampling
from cdvae.tools.files import project_root


def test_claims_of_visual_dynamics_by_method():
    ways = readable.ways(table({("crossconv", "moves_square"): 0.6})).set_index("method")
    ours = ways.loc["Cross convolution, N(0, I)"]
    assert ours["of the moving circles, up"] == "0.52 ✓" and ours["squares left"] == "0.31 ✗"
    assert len(ways) == 3


def test_what_both_networks_lose_when_they_are_given_the_answer_is_the_mean_of_seeds():
    kl = {("crossconv_encoded", "a"): (0.3, 0.5), ("ae_encoded", "a"): (0.2, 0.2)}
    kl |= {("crossconv_empirical", "a"): (0.1, 0.1), ("ae_empirical", "a"): (0.3, 0.1)}
    rows = [
        (method, f"kl_{column}", seed, value)
        for (method, _), both in kl.items()
        for seed, value in enumerate(both)
        for column in COLUMNS
    ]
    heads = ["method", "metric", "seed", "value"]
    given, drawn = readable.kl_given(pd.DataFrame(rows, columns=heads)).to_numpy()[:, 1:]
    assert set(given) == {"+0.20"} and set(drawn) == {"-0.10"}


def test_comparisons_of_divergences_are_marked_where_they_are_certain():
    places = [("crossconv", "ae", column) for column in COLUMNS]
    values = [(-0.5, -0.6, -0.4), (0.1, -0.1, 0.2), (0.5, 0.4, 0.6), (0.0, -0.1, 0.1)]
    lines = [(*place, *value) for place, value in zip(places, values, strict=True)]
    heads = ["method", "rival", "motion", "difference", "low", "high"]
    found = readable.kl_against(pd.DataFrame(lines, columns=heads)).iloc[0]
    assert found.against == "AE, Gaussian of training codes"
    assert list(found)[2:] == [
        "-0.50 (-0.60 to -0.40) ✓",
        "+0.10 (-0.10 to +0.20)",
        "+0.50 (+0.40 to +0.60) ✗",
        "+0.00 (-0.10 to +0.10)",
    ]


def test_parts_of_the_network_on_clips_are_read_by_training():
    heads = "label explained code_nats energy_score energy_difference low high".split()
    lines = [
        ("as it is", 0.48, 160, 6.0, 0, 0, 0),
        ("as it is", 0.5, 150, 5.9, 0, 0, 0),
        ("no prior", 0.3, 99.6, 6.125, 0.125, -0.05, 0.3),
    ]
    found = readable.parts(pd.DataFrame(lines, columns=heads)).to_numpy().tolist()
    assert found == [
        ["as it is", "49.0% (48.0% to 50.0%)", "155 (150 to 160)", "5.95 (5.90 to 6.00)", "–"],
        ["no prior", "30.0%", "100", "6.12", "+0.12 (-0.05 to +0.30)"],
    ]


def test_difference_images_name_the_nearest_once_a_column():
    path = project_root() / "results" / "quick" / "shapes" / "scores.csv"
    found = readable.differences(pd.read_csv(path), "shapes").set_index("method")
    for column in found:
        assert found[column].str.contains("←").sum() == 1
    given = found.index.str.endswith("given the answer")
    assert given.any() and not found[given].map(lambda cell: "←" in cell).any(axis=None)
    assert list(given) == sorted(given)  # they stand last


def test_what_segments_are_worth_is_read_from_the_table():
    columns = ["photos", "input", "method", "psnr_db", "edge_rmse"]
    rows = [
        ("a", "x", "ours", 20.0, 0.2),
        ("a", "x", "ours, one segment", 20.5, 0.21),
        ("b", "x", "ours", 21.0, 0.3),
        ("b", "x", "ours, one segment", 20.9, 0.29),
    ]
    found = upsampling.finding(pd.DataFrame(rows, columns=columns))
    assert "1 of 2 columns of PSNR (dB) (-0.100 to +0.500)" in found
    assert "1 of 2 columns of edge error (-0.010 to +0.010)" in found


def test_the_crop_is_the_one_that_differs_most():
    difference = np.zeros((64, 64))
    difference[33:47, 20:30] = 1
    assert segments.largest(difference, 16) == (slice(32, 48), slice(16, 32))
    colours = np.array([[[0.5, 0.25, 0.5], [0, 0, 0]]])
    assert saturation_of(colours).tolist() == [[0.5, 0.0]]


def test_neighbours_in_an_embedding_that_knows_the_answer_leave_nothing():
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(200) % 4
    x_c = torch.rand(200, 1, 32, 32, generator=generator)  # says nothing
    x_g = kinds[:, None, None, None].float().expand(-1, 1, 32, 32)
    rest = torch.zeros(200, 0)
    fields = Fields(TASKS["resaturation"], x_c, x_g, rest, 0, tuple(map(str, range(200))))
    found = statistics.ambiguity(fields, p=kinds[:, None].float())
    assert found["embedded"] == 0 and found["neighbours"] == pytest.approx(1, abs=0.15)
    sentence = statistics.reading("resaturation", found)
    assert "in the embedding, by 0%" in sentence and "rules" not in sentence


def test_likelihoods_have_a_row_a_method_and_a_column_a_layer():
    columns = ["layer", "method", "nats", "draws"]
    lines = [("shading", "Gauss", -1234.4, 2.0), ("flow", "CVAE", 10.0, 3.14)]
    found = tables.by_layer(pd.DataFrame(lines, columns=columns), "nats", "draws")
    assert list(found.columns) == ["method", "shading", "flow"]
    assert found.to_numpy().tolist() == [["Gauss", "−1,234 (2.0)", "–"], ["CVAE", "–", "10 (3.1)"]]
    none = pd.DataFrame([("shading", "CVAE", None)], columns=columns[:3]).astype({"nats": float})
    assert len(tables.by_layer(none, "nats")) == 0  # it has no such likelihood


def test_seconds_of_training_are_those_of_the_provenance(tmp_path):
    made = {"runs": {"relighting/gauss/0": {"seconds": 61.0}, "motion/cvae/0": {"seconds": 7.0}}}
    (tmp_path / "provenance.json").write_text(json.dumps(made))
    runs = [Run("relighting", "gauss", 0), Run("motion", "cvae", 0)]
    found = results.training_seconds(tmp_path, runs)
    assert list(found.index) == ["Gauss", "CVAE"] and list(found) == ["relighting", "motion"]
    assert found.loc["Gauss", "relighting"] == 61 and np.isnan(found.loc["CVAE", "relighting"])
