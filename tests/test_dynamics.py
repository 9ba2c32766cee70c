"""Visual Dynamics as an experiment: baselines, frames of clips, analyses, files (smoke profile)."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from test_clips import write_video

from cdvae import cli
from cdvae.data.clips import frames
from cdvae.data.drawn import shapes
from cdvae.dynamics import analysis as dynamics_analysis
from cdvae.dynamics.motions import COLUMNS
from cdvae.dynamics.pairs import FramePairs
from cdvae.dynamics.results import finish, is_current, open_dynamics
from cdvae.dynamics.rows import rows
from cdvae.methods.crossconv import CrossConv
from cdvae.runs import parallel
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError


def test_pairs_become_pictures_and_differences_in_range():
    pairs = shapes.load("test", 8, 0)
    batch = FramePairs(pairs.first, pairs.second).batch(slice(2, 5), 0.25)
    assert batch.x_c.shape == (3, 3, 64, 64) and batch.kl_weight == 0.25
    assert 0 <= batch.x_c.min() and batch.x_c.max() <= 1
    assert torch.equal(((batch.x_c + batch.x_g) * 255).round().to(torch.uint8), pairs.second[2:5])


def test_the_pairs_of_a_clip_lie_a_step_apart(tmp_path):
    def grey(index: int) -> np.ndarray:
        return np.full((64, 64, 3), 4 * index, np.uint8)

    write_video(tmp_path / "clip.avi", 60, 25.0, grey)
    found = frames.clip_frames(tmp_path, 32, 1 / 5, 48, "clip.avi")
    assert found["first"].shape == found["second"].shape == (48, 3, 32, 32)
    apart = (found["second"].mean((1, 2, 3)) - found["first"].mean((1, 2, 3))) / 4
    assert np.allclose(apart, 5, atol=0.6)  # frames, of 1/25 s; the codec is not exact
    assert np.allclose(found["change"], (apart * 4 / 255) ** 2, rtol=0.02)


def test_partners_are_the_nearest_frames_and_never_far():
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 1.0, 1.1])
    assert frames.pairs_apart(times, 0.2, 99) == [(0, 2), (1, 3), (2, 4)]
    assert frames.pairs_apart(times, 0.2, 2) == [(0, 2), (2, 4)]
    with pytest.raises(ValueError, match="seconds apart"):
        frames.pairs_apart(times, 5.0, 9)


def test_every_clip_comes_once_before_any_comes_twice():
    clips = np.array(["a"] * 5 + ["b"] * 2 + ["c"] * 3)
    order = frames.spread_out(clips, 0)
    assert sorted(order) == list(range(10))
    assert set(clips[order[:3]]) == set(clips[order[3:6]]) == set("abc")
    assert set(clips[order[6:8]]) == {"a", "c"} and set(clips[order[8:]]) == {"a"}


class Puppet:
    """A stand-in for a network whose kernels follow the steps of the shapes by a known rule."""

    def __init__(self, pairs: shapes.Pairs):
        step = (pairs.motion * shapes.AXES).sum(2)
        self.made = 0.1 * torch.randn(len(step), 2, 4, 5, 5, generator=torch.manual_seed(0))
        for kind, (scale, number) in enumerate(((0, 1), (1, 3), (1, 0))):
            self.made[:, scale, number, kind, 2] += step[:, kind]

    def q_z_given_x(self, x_c, x_g):
        return x_c, x_g

    def kernels(self, z):
        return self.made


def test_the_kernels_that_answer_to_each_shape_are_found():
    pairs = shapes.load("test", 300, 1)
    pairs = pairs._replace(motion=shapes.draw_motion(300, torch.Generator().manual_seed(5)))
    pairs.motion[:, 2] *= pairs.motion[:, 2].sign() * (torch.rand(300, 1) - 0.5).sign()  # unpaired
    found = dynamics_analysis.responses(Puppet(pairs), pairs)
    assert [(f.scale, f.map) for f in found] == [(0, 1), (1, 3), (1, 0)]
    for kind, answer in enumerate(found):
        assert answer.share > 0.9
        change = (answer.kernels[2] - answer.kernels[0]) / 8
        assert change[kind, 2] == pytest.approx(1, abs=0.1)


def test_transfer_and_traversal_give_frames_for_every_picture():
    torch.manual_seed(0)
    model = CrossConv(3, 3, load_profile("smoke").dynamics.network, 0.1).eval()
    pairs = shapes.load("test", 6, 0)
    source = shapes.Pairs(pairs.first[:2], pairs.second[:2])
    x_c = pairs.first[2:].float() / 255
    moved = dynamics_analysis.transfer(model, source, x_c)
    assert moved.shape == (2, 4, 3, 64, 64) and 0 <= moved.min() and moved.max() <= 1
    with torch.no_grad():
        z, _ = model.q_z_given_x(*FramePairs(*source[:2]).batch(slice(0, 2))[:2])
    alone = (x_c[3] + model.sample_given_z(x_c[3:], z[None, 1:])[0, 0]).clamp(0, 1)
    assert torch.allclose(moved[1, 3], alone, atol=1e-5)
    values = torch.tensor([-1.0, 0.0, 1.0])
    assert dynamics_analysis.traverse(model, x_c, 0, values).shape == (4, 3, 3, 64, 64)


@pytest.fixture(scope="module")
def here():
    """Runs are made in this process: workers would import all anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def finished(output, here):
    dynamics = open_dynamics("smoke")
    return dynamics, finish(dynamics, quiet=True)


def test_scores_of_every_method_are_tidy(finished):
    dynamics, scores = finished
    folder = dynamics.folder()
    read = pd.read_csv(folder / "scores.csv")
    expected = "profile,data,task,method,seed,metric,n_samples,value,unit,n_train,n_test"
    assert ",".join(read.columns) == expected and len(read) == len(scores)
    assert set(read.method) == {row.name for row in rows("shapes")}
    for column in COLUMNS:
        assert set(read[read.metric == f"kl_{column}"].method) == set(read.method)
    assert {"code_kl", "active_dimensions"} <= set(read[read.method == "crossconv"].metric)
    table = pd.read_csv(folder / "table_kl.csv")
    assert list(table.method) == [
        "Flow",
        "AE, Gaussian of training codes",
        "AE, mixture fitted to training codes",
        "AE, training codes",
        "Cross convolution, N(0, I)",
        "Cross convolution, mixture fitted to training codes",
        "Cross convolution, training codes",
        "(truth)",
    ]
    assert {f"{column}_paper_unverified" for column in COLUMNS} <= set(table.columns)
    about = json.loads((folder / "provenance.json").read_text())
    assert {"seconds", "key", "circumstances"} <= set(about["runs"]["motion/crossconv/0"])


def test_the_world_scored_as_a_method_is_nearly_perfect(finished):
    value = finished[1].set_index(["method", "metric"]).value
    for kind in COLUMNS[:3]:
        assert value["truth", f"axis_{kind}"] > 0.98 and value["truth", f"moves_{kind}"] > 0.99
        assert value["truth", f"measuring_error_{kind}"] < 0.2


def test_results_and_checkpoint_serve_a_clone_without_a_cache(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path))
    dynamics = open_dynamics("smoke")
    scores = finish(dynamics, quiet=True)
    model = dynamics.model(dynamics.runs()[0])
    assert len(scores) == len(finished[1]) and not any(tmp_path.iterdir())
    again = finished[0].model(finished[0].runs()[0])
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_results_of_more_seeds_serve_whoever_asks_for_fewer(finished):
    dynamics, runs = finished[0], finished[0].runs()
    assert is_current(dynamics, runs) and is_current(dynamics, runs[:2])
    more = open_dynamics("smoke", seeds=[0, 5])
    assert {run.seed for run in more.runs()} == {0, 5}
    assert is_current(more, [run for run in more.runs() if run.seed == 0])
    assert not is_current(more, more.runs())


def test_clips_are_scored_by_their_differences(output, here, tmp_path):
    """Twelve clips in which a square goes right: nothing is known of them but their frames."""

    def scene(index: int) -> np.ndarray:
        picture = np.full((64, 64, 3), 40, np.uint8)
        picture[20:40, index // 2 : index // 2 + 20] = 200
        return picture

    for k in range(12):
        write_video(tmp_path / f"clip{k}.avi", 60, 25.0, scene)
    dynamics = open_dynamics("smoke", "ucf101", str(tmp_path))
    scores = finish(dynamics, quiet=True)
    assert set(scores.method) == {row.name for row in rows("ucf101")}
    assert not scores.metric.str.startswith("kl_").any()
    error = scores[scores.metric == "difference_error"].set_index("method").value
    assert 0 < error["flow"] < 0.5 * error["still"]  # which other clips share
    explained = scores[scores.metric == "explained"].set_index("method").value
    left = 1 - error["crossconv_encoded"] / error["still"]
    assert explained["crossconv_encoded"] == pytest.approx(left, abs=1e-6)
    apart = pd.read_csv(dynamics.folder() / "dynamics_comparisons.csv").fillna("")
    energy = scores[scores.metric == "energy_score"].set_index("method").value
    for line in apart.itertuples():
        exact = energy[line.method] - energy[line.rival] if line.rival else explained[line.method]
        assert line.difference == pytest.approx(exact, abs=1e-5)
        assert line.low <= line.difference <= line.high
    assert (dynamics.folder() / "dynamics.json").exists()
    assert not dynamics.committed(dynamics.runs()[0]).exists()  # other people's clips


def test_bad_data_are_named(capsys):
    with pytest.raises(InputError, match="not on 'coco'"):
        open_dynamics("smoke", "coco")
    with pytest.raises(InputError, match="needs --root"):
        open_dynamics("smoke", "ucf101")
    with pytest.raises(InputError, match="no folder"):
        open_dynamics("smoke", "ucf101", "no/such/folder")
    assert cli.main(["reproduce", "--tasks", "relighting", "--methods", "crossconv"]) == 2
    assert "predicts motion only" in capsys.readouterr().err


def test_the_row_of_table_4_is_for_motion_alone():
    runs = Experiment(load_profile("smoke")).runs()
    assert [run.task for run in runs if run.method == "crossconv"] == ["motion"]
