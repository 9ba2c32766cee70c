"""Clips to motion fields: UCF101's layout and any folder, with hostile files among good ones."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from made_videos import coded, moving, write_video

from cdvae.data import sources, splits
from cdvae.data.clips import clips, frames
from cdvae.data.clips import ucf101 as ucf101_module
from cdvae.data.clips.clips import make_clips, still
from cdvae.data.fields import TASKS
from cdvae.data.registry import Request
from cdvae.data.report import Report
from cdvae.data.sources import Source
from cdvae.dynamics import clip_results
from cdvae.tools.files import InputError, project_root

SHARED = Path(os.environ.get("CDVAE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
ALL = 10**6  # more pairs than any folder here has


@pytest.fixture
def load_clips(tmp_path, monkeypatch):
    """The fields of a split, still pairs among them, and the account of it."""
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(clips, "still", lambda fields: torch.zeros(len(fields), dtype=torch.bool))

    def load(root: Path, split: str, n: int = ALL, seed: int = 0):
        sizes = dict.fromkeys(splits.SPLITS, n)
        request = Request(root, TASKS["motion"], sizes, seed, tmp_path / "account")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fields = make_clips(frames.listed, request, split)
        return fields, Report.load(tmp_path / "account" / f"report-{split}.json")

    return load


@pytest.fixture
def ucf101(tmp_path) -> Path:
    """UCF101's layout: two classes, good clips and every kind of bad one."""
    root = tmp_path / "ucf"
    folder = root / "UCF-101"
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    train = [f"Walk/v_Walk_g{g:02d}_c01.avi 2" for g in range(11, 17)]
    for line in train:
        write_video(folder / line.split()[0], 30, 10, moving(10, (20, -10)))
    write_video(folder / "Stand/v_Stand_g01_c01.avi", 30, 10, moving(10, (0, 0)))
    write_video(folder / "Stand/v_Stand_g02_c01.avi", 5, 10)
    (folder / "Stand/v_Stand_g03_c01.avi").write_text("not a video\n" * 100)
    (folder / "Stand/v_Stand_g04_c01.avi").touch()
    write_video(folder / "Stand/v_Stand_g05_c01.avi", 0, 10)
    train += [f"Stand/v_Stand_g0{g}_c01.avi 1" for g in range(1, 7)]
    train += ["Dance/v_Dance_g01_c01.avi 3", "../../secret.avi 1"]
    write_video(folder / "Walk/v_Walk_g09_c01.avi", 30, 10, moving(10, (20, -10)))
    (lists / "classInd.txt").write_text("1 Stand\r\n2 Walk\r\n")
    (lists / "trainlist01.txt").write_text("\r\n".join(train) + "\r\n")
    (lists / "testlist01.txt").write_text("Walk/v_Walk_g09_c01.avi\n")
    return root


def test_ucf101_with_hostile_files(ucf101, load_clips, monkeypatch):
    monkeypatch.setattr(ucf101_module, "split_training", lambda names, side: names)
    fields, report = load_clips(ucf101, "train")
    good = [f"Walk/v_Walk_g{g}_c01" for g in range(11, 17)] + ["Stand/v_Stand_g01_c01"]
    assert set(fields.ids) == {f"{clip}#{k}" for clip in good for k in range(8)}
    skipped = report.skipped
    assert skipped == {
        "Stand/v_Stand_g02_c01.avi": "shorter than a second",
        "Stand/v_Stand_g03_c01.avi": "not a readable video",
        "Stand/v_Stand_g04_c01.avi": "an empty file",
        "Stand/v_Stand_g05_c01.avi": skipped["Stand/v_Stand_g05_c01.avi"],
        "Stand/v_Stand_g06_c01.avi": "listed, but not there",
        "Dance/v_Dance_g01_c01.avi": "listed under a class that classInd.txt does not have",
        "../../secret.avi": "listed, but outside the folder",
    }
    assert skipped["Stand/v_Stand_g05_c01.avi"] in ("no frames", "not a readable video")
    assert (report.n_found, report.n_used) == (14, 7)


def test_fields_of_clips(ucf101, load_clips):
    fields, report = load_clips(ucf101, "test")
    assert fields.task.name == "motion" and len(fields) == 8 and fields.n_labels == 2
    assert fields.x_c.shape == (8, 3, 32, 32) and fields.x_g.shape == (8, 2, 32, 32)
    assert fields.x_c.dtype == fields.x_g.dtype == torch.float32
    assert 0 <= fields.x_c.min() and 0.3 < fields.x_c.max() <= 1
    assert torch.equal(fields.semantics, torch.tensor([[0.0, 1.0]]).expand(8, 2))  # Walk
    middle = fields.x_g[:, :, 8:24, 8:24].mean((0, 2, 3))
    assert torch.allclose(middle, torch.tensor([20 * 32 / 160, -10 * 32 / 120]), atol=0.1)
    assert not still(fields).any()
    assert report.counts["pairs"] == 8 and report.counts["still_pairs"] == 0


def test_pictures_are_in_rgb(tmp_path, load_clips):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    for name in ("a.avi", "b.avi", "c.avi"):
        write_video(tmp_path / "clips" / name, 15, 10, lambda index: red)
    fields, _ = load_clips(tmp_path / "clips", "train")
    assert fields.x_c[:, 0].min() > 0.9 and fields.x_c[:, 1:].max() < 0.1
    assert still(fields).all()


def test_clips_in_which_nothing_moves_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    for name in ("a.avi", "b.avi", "c.avi"):
        write_video(tmp_path / "clips" / name, 15, 10, lambda index: coded(0))
    source = Source("folder", tmp_path / "clips", 20, 20, 20, 0)
    with pytest.raises(InputError, match="nothing moves in the train clips of .*: give others"):
        sources.load(sources.plan(source, TASKS["motion"]))


def test_a_limit_takes_pairs_from_many_clips_in_a_seeded_order(ucf101, load_clips):
    whole, _ = load_clips(ucf101, "train")
    few, report = load_clips(ucf101, "train", n=4)
    assert len(few) == 4 and set(few.ids) < set(whole.ids)
    assert len({pair.split("#")[0] for pair in few.ids}) >= 3 and report.counts["pairs"] == 4
    again, _ = load_clips(ucf101, "train", n=4)
    assert again.ids == few.ids and torch.equal(again.x_g, few.x_g)
    at = [whole.ids.index(pair) for pair in few.ids]
    assert torch.equal(whole.x_c[at], few.x_c) and torch.equal(whole.x_g[at], few.x_g)
    others, _ = load_clips(ucf101, "train", seed=1)
    assert set(others.ids) == set(whole.ids) and others.ids != whole.ids


def test_any_folder_is_split_by_source():
    names = [f"{a}/v_Run_g{g:02d}_c{c:02d}.avi" for a in "ab" for g in range(20) for c in (1, 2)]
    names += [f"phone/clip {k}.MP4" for k in range(40)]
    sides = {split: splits.split_names(names, split) for split in splits.SPLITS}
    assert sorted(name for side in sides.values() for name in side) == sorted(names)
    of = {split: {splits.source_of(name) for name in side} for split, side in sides.items()}
    assert not (of["train"] & of["test"] or of["train"] & of["valid"] or of["valid"] & of["test"])
    assert len(of["test"]) == 16 and len(of["valid"]) == 7  # of 80 sources, then of 64
    assert sides["test"] == splits.split_names(names[::-1], "test")
    assert [len(splits.split_names(["a.mp4", "b.mp4"], split)) for split in ("train", "test")] == [
        1,
        1,
    ]


def test_a_folder_of_clips_without_lists(tmp_path, load_clips):
    for name in ("x/a.avi", "y/deep/b.avi", "c.avi", ".hidden.avi"):
        write_video(tmp_path / "mine" / name, 15, 10, moving(10, (20, 0)))
    (tmp_path / "mine" / "notes.txt").write_text("hello")
    ids = set()
    for split in splits.SPLITS:
        fields, _ = load_clips(tmp_path / "mine", split)
        assert fields.n_labels == 0 and fields.semantics.shape == (len(fields), 0)
        ids |= {pair.split("#")[0] for pair in fields.ids}
    assert ids == {"x/a.avi", "y/deep/b.avi", "c.avi"}


def test_bad_folders_and_settings_get_one_sentence(ucf101, tmp_path, load_clips):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no clips in .*: it holds no visible file; photos like"):
        load_clips(tmp_path / "empty", "train")
    (tmp_path / "bad").mkdir()
    for name in "abc":
        (tmp_path / "bad" / f"{name}.mp4").touch()
    with pytest.raises(InputError, match="no clip for train .* can be used .*an empty file"):
        load_clips(tmp_path / "bad", "train")
    (tmp_path / "bad" / "c.mp4").unlink()
    with pytest.raises(InputError, match="holds 2 clips, none for valid: .* need at least 3"):
        load_clips(tmp_path / "bad", "train")
    (ucf101 / "ucfTrainTestlist" / "testlist01.txt").unlink()
    with pytest.raises(InputError, match="testlist01.txt is missing"):
        load_clips(ucf101, "test")
    (ucf101 / "ucfTrainTestlist" / "classInd.txt").write_text("Walk\n")
    with pytest.raises(InputError, match="does not list classes"):
        load_clips(ucf101, "train")
    for twice, told in (("1 Walk\n2 Walk\n", "Walk"), ("1 Walk\n1 Run\n", "1")):
        (ucf101 / "ucfTrainTestlist" / "classInd.txt").write_text(twice)
        with pytest.raises(InputError, match=f"classInd.txt has {told} twice: restore it"):
            load_clips(ucf101, "train")
    with pytest.raises(InputError, match="no folder ucfTrainTestlist in .* --data folder"):
        sources.plan(Source("ucf101", tmp_path / "bad", 1, 1, 1, 0), TASKS["motion"])


@pytest.mark.skipif(not (SHARED / "data" / "clips").is_dir(), reason="needs the shared clips")
def test_real_clips(load_clips):
    fields, report = load_clips(SHARED / "data" / "clips", "test", n=24)
    assert len(fields) == 24 and report.n_found == 338 and fields.n_labels == 9
    assert torch.isfinite(fields.x_g).all() and clips.lengths(fields.x_g).max() < 32
    assert (fields.semantics.sum(1) == 1).all()


def test_results_made_here_come_before_those_of_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    project = project_root() / "results/quick/ucf101"
    assert clip_results.places("quick")[0] == project
    with pytest.raises(InputError, match="no results of profile smoke on clips: run cdvae"):
        clip_results.places("smoke")
    made = tmp_path / "results/smoke/ucf101"
    made.mkdir(parents=True)
    (made / clip_results.COMPARISONS).touch()
    assert clip_results.places("smoke") == (made, tmp_path / "figures/smoke/ucf101")
