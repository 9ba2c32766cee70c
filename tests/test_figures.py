"""The figures of samples: kept examples, same bytes, captions, bad input."""

import json
import re

import numpy as np
import pytest
import torch

from cdvae import cli
from cdvae.data.clips.ucf101 import clip_path
from cdvae.data.drawn import scenes
from cdvae.data.fields import TASKS, Fields
from cdvae.data.photos.originals import photo
from cdvae.data.sources import original
from cdvae.figures import captions, shown
from cdvae.figures import samples as figures
from cdvae.figures.gallery import Gallery, drawn_pictures
from cdvae.figures.style import save
from cdvae.postprocess.details import NEWLY_WHITE
from cdvae.report.results import figures_folder, finish, results_folder
from cdvae.runs import parallel
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError, sha256


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Smoke runs of two methods on two tasks, and the samples that are shown of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDVAE_OUTPUT", str(tmp_path_factory.mktemp("figures")))  # no others' results
        patch.setattr(parallel, "cores", lambda: 1)  # here: workers would import all anew
        experiment = Experiment(load_profile("smoke"))
        runs = experiment.runs(["resaturation", "motion"], ["nn", "gauss"], [0])
        finish(experiment, runs, quiet=True)
        folder = results_folder("smoke", "scenes")
        shown.update(experiment, runs, folder)
        yield experiment, runs, folder


def test_what_is_shown_are_the_first_examples_and_the_first_samples(kept):
    experiment, runs, folder = kept
    found = shown.load(shown.path_of(folder, "resaturation"))
    test = experiment.fields("resaturation")["test"]
    assert found.ids == list(test.ids[: shown.PAGE]) and found.main == "gauss"
    assert np.allclose(found.x_g, test.x_g[: shown.PAGE], atol=1e-3)
    gauss = next(run for run in runs if run.task == "resaturation" and run.method == "gauss")
    draw, _ = experiment.sampler(gauss, "test")
    assert np.allclose(found.samples["gauss"][0], draw(slice(0, 1), 4)[0], atol=2e-3)
    assert found.samples["nn"].shape == (shown.N_COMPARED, shown.N_EACH, 1, 32, 32)
    assert found.spread["nn"].shape == (shown.N_COMPARED, 32, 32) and found.spread["nn"].min() > 0
    for about in found.runs.values():
        assert about["inputs"] > 1 and about["measures"]["between"] <= 1
        assert len(about["by_window"]) == 4


def test_the_nearest_neighbour_shown_is_the_one_that_was_scored(kept):
    experiment, runs, folder = kept
    found = shown.load(shown.path_of(folder, "resaturation"))
    run = next(run for run in runs if run.task == "resaturation" and run.method == "nn")
    draw, about = experiment.sampler(run, "test")
    assert found.runs["nn"]["smoothing_px"] == about["smoothing_px"]
    assert np.allclose(found.samples["nn"][0], draw(slice(0, 1), 3)[0], atol=1e-3)


def test_a_second_update_changes_nothing_and_fewer_methods_lose_nothing(kept):
    experiment, runs, folder = kept
    path = shown.path_of(folder, "resaturation")
    before = sha256(path), path.stat().st_mtime_ns
    shown.update(experiment, runs, folder)
    shown.update(experiment, [run for run in runs if run.method == "gauss"], folder)
    assert (sha256(path), path.stat().st_mtime_ns) == before


def pairs_of(speeds: dict[str, float]) -> Fields:
    """Pairs of frames that move by so many pixels a second everywhere."""
    x_g = torch.tensor(list(speeds.values()))[:, None, None, None].repeat(1, 2, 32, 32)
    rest = torch.zeros(len(speeds), 0)
    return Fields(TASKS["motion"], torch.zeros(len(speeds), 3, 32, 32), x_g, rest, 0, tuple(speeds))


def test_clips_take_turns_by_class_those_that_move_most_ahead():
    speeds = {"b/x#3": 0.0, "b/x#0": 1.0, "a/y#1": 9.0, "b/z#1": 1.0, "c/u#2": 0.0, "a/v#0": 8.0}
    fields = pairs_of(speeds)
    assert shown.rows_shown(fields, 9) == [2, 1, 5, 3, 4]
    assert shown.rows_shown(fields, 2) == [2, 1]
    photos = pairs_of({"b.png": 0.0, "a.png": 1.0})
    assert shown.rows_shown(photos, 1) == [0]


def test_on_scenes_the_picture_belongs_to_the_fields(kept):
    """Its HSV saturation is the task's x_g, in linear light."""
    found = shown.load(shown.path_of(kept[2], "resaturation"))
    value, least = found.image.max(1), found.image.min(1)
    assert np.abs((value - least) / value - found.x_g[:, 0]).max() < 0.02  # half precision


def test_figures_have_the_same_bytes_twice(kept, tmp_path):
    galleries = figures.galleries_of("smoke", "scenes", None)
    for name in ("figure5", "figure7b", "figure8"):  # one of each kind
        page, _ = figures.plates(galleries)[name]
        pairs = [save(page(), tmp_path / run / name, photos=True) for run in ("one", "two")]
        for first, second in zip(*pairs, strict=True):
            assert sha256(first) == sha256(second), first.name
            assert b"CreationDate" not in first.read_bytes()


def test_the_command_draws_all_and_says_what_each_shows(kept, capsys):
    assert cli.main(["figures", "--profile", "smoke"]) == 0
    folder = figures_folder("smoke", "scenes")
    names = ["figure1", "figure5", "figure7", "figure7b", "figure7d", "figure8", "figure8b"]
    for name in names:
        assert (folder / f"{name}.jpg").exists() and (folder / f"{name}.pdf").exists()
        assert captions.of(folder / f"{name}.jpg").startswith(f"**Figure {name[6:]}.**")
    before = (folder / captions.FILE).read_text()
    figures.draw("smoke", figures.galleries_of("smoke", "scenes", None), ["figure7"])
    assert (folder / captions.FILE).read_text() == before
    numbers = re.findall(r"\*\*Figure (\w+)\.", before)
    assert numbers == ["1", "5", "7", "7b", "7d", "8", "8b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "smoke", "--data", "folder", "--root", "."], "run cdvae reproduce"),
        (["--profile", "none"], "no samples in"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, capsys):
    assert cli.main(["figures", *arguments]) == 2
    assert message in capsys.readouterr().err


def relighting_of_scenes(change: float) -> Gallery:
    """A gallery without a model: shadings given back as they are, samples that much brighter."""
    n = load_profile("smoke").n_test
    test, pictures = (scenes.load(TASKS[task], "test", n, 0) for task in ("relighting", "motion"))
    x_g, image = test.x_g[:2].numpy(), pictures.x_c[:2].numpy()
    samples = {"gauss": np.stack([x_g, x_g + np.float32(change)], 1)}
    made = shown.Shown(
        "relighting", test.ids[:2], x_g, image, samples, {"gauss": x_g}, {}, {"gauss": {}}
    )
    return Gallery(made, "scenes", None, drawn_pictures("smoke", "scenes", made))


def test_pictures_are_the_originals_where_z_g_is_z_o_and_darker_where_it_is_darker():
    gallery = relighting_of_scenes(-0.2)
    for k in range(2):
        for as_printed in (False, True):
            (same, darker), (none, some) = gallery.made(k, "gauss", as_printed)
            assert np.abs(same.astype(int) - gallery.original(k)).max() <= 1 and none == 0
            assert darker.mean() < gallery.original(k).mean()
            assert (some > 0) == as_printed  # Eq. 10 as printed leaves shadows without light


def test_clipped_pixels_are_where_light_is_beyond_white():
    gallery = relighting_of_scenes(3.0)  # so bright that white paint is beyond white
    ((_, made), (none, some)) = gallery.made(0, "gauss")
    assert none == 0 and not gallery.beyond(0, 0).any()
    where = gallery.beyond(0, 1)
    assert where.mean() == pytest.approx(some, abs=0.02) and 0.5 * NEWLY_WHITE < some <= NEWLY_WHITE
    assert (made[where].max(1) >= 220).mean() > 0.95  # means of pixels, at the display's size


def test_scenes_that_are_not_the_profiles_are_refused():
    gallery = relighting_of_scenes(0.1)
    gallery.shown.image[:] = 0.5
    with pytest.raises(InputError, match="are old"):
        drawn_pictures("smoke", "scenes", gallery.shown)


def test_photos_need_their_root(kept):
    found = shown.load(shown.path_of(kept[2], "resaturation"))
    with pytest.raises(InputError, match="need --root"):
        Gallery(found, "coco", None)
    with pytest.raises(InputError, match="no photo"):
        Gallery(found, "folder", ".").original(0)


def test_photos_are_squares_in_range(tmp_path):
    from PIL import Image

    Image.new("RGB", (100, 70), (255, 128, 0)).save(tmp_path / "a.png")
    assert original("folder", tmp_path, "relighting", "a.png").shape == (512, 512, 3)
    small = photo(tmp_path / "a.png", side=None)
    assert small.shape == (64, 64, 3)
    assert np.allclose(small[0, 0], [1, 128 / 255, 0], atol=0.01)


def test_clips_are_found_by_their_ids(tmp_path):
    (tmp_path / "UCF-101" / "Archery").mkdir(parents=True)
    (tmp_path / "ucfTrainTestlist").mkdir()
    path = tmp_path / "UCF-101" / "Archery" / "v_Archery_g01_c01.avi"
    path.touch()
    assert clip_path(tmp_path, "Archery/v_Archery_g01_c01") == path
    with pytest.raises(InputError, match="no clip"):
        clip_path(tmp_path, "Archery/v_Archery_g01_c02")


def test_a_frame_is_the_one_whose_flow_was_measured(shared):
    """Shrunk to the grid it is the example's x_c."""
    from cdvae.data.clips.video import clip_pairs, small

    root = shared / "data" / "clips"
    path = root / "UCF-101" / "Archery" / "v_Archery_g01_c01.avi"
    found = clip_pairs(path.parent, 8, "dis", path.name)
    picture = original("ucf101", root, "motion", f"Archery/{path.stem}#{int(found['slot'][1])}")
    frame = (picture * 255).round().astype(np.uint8)
    assert np.array_equal(small(frame).transpose(2, 0, 1), found["x_c"][1])


def test_reproduced_is_near_the_original_only_as_far_as_the_model_is_good(kept):
    """z_o is a code of the original: it gives it back better than another example's does."""
    found = shown.load(shown.path_of(kept[2], "resaturation"))
    mine = ((found.reproduced["nn"][0] - found.x_g[0]) ** 2).mean()
    other = ((found.reproduced["nn"][0] - found.x_g[1]) ** 2).mean()
    assert mine < other
    assert torch.isfinite(torch.from_numpy(found.reproduced["gauss"])).all()
    json.dumps(found.runs)  # provenance is plain
