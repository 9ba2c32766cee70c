"""The checkpoints that come with the project: sizes, hashes, cards, and how they are made."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import cdvae
from cdvae import checkpoints
from cdvae.explore import pages
from cdvae.methods import method
from cdvae.methods.registry import Method
from cdvae.model import Model
from cdvae.networks import Standard
from cdvae.postprocess import own as subjects
from cdvae.release import models
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools import registry
from cdvae.tools.files import InputError, sha256

ROOT = Path(__file__).parents[1]
KEPT = sorted(models.published())


def card_of(name: str) -> dict:
    return json.loads((ROOT / "results/checkpoints" / f"{name}.json").read_text(encoding="utf-8"))


def test_sizes():
    assert checkpoints.names() == KEPT
    sizes = {path.name: path.stat().st_size for path in (ROOT / "results").rglob("*.safetensors")}
    weights = {name: size for name, size in sizes.items() if not name.startswith("shown-")}
    assert max(weights.values()) <= models.LARGEST
    assert sum(weights.values()) <= models.IN_ALL


@pytest.mark.parametrize("name", KEPT)
def test_each_loads_and_samples(name):
    found = cdvae.load(name)
    x_c = torch.rand(2, found.task.channels_c, 32, 32)
    samples = found.sample(x_c, 3, seed=1)
    assert samples.shape == (2, 3, found.task.channels_g, 32, 32)
    assert samples.isfinite().all() and torch.equal(samples, found.sample(x_c, 3, seed=1))
    card = card_of(name)
    assert card["sha256"] == sha256(ROOT / "results/checkpoints" / f"{name}.safetensors")
    rounded = card["rounding"]
    for score, value in rounded["scores"].items():
        assert rounded["scores_rounded"][score] == pytest.approx(value, rel=0.01), score


@pytest.mark.parametrize("name", KEPT)
def test_cards_state_the_scores_and_the_settings_of_the_results(name):
    card = card_of(name)
    scores = pd.read_csv(ROOT / card["scores_from"])
    mine = scores[(scores.task == card["task"]) & (scores.method == card["method"])]
    mine = mine[mine.seed == card["seed"]]
    assert len(card["scores"]) == len(mine) > 0
    for row, expected in zip(card["scores"], mine.itertuples(), strict=True):
        assert (row["metric"], row["n_samples"]) == (expected.metric, expected.n_samples)
        assert row["value"] == pytest.approx(expected.value, rel=1e-12)
    place = ROOT / "results" / card["profile"] / card["data"] / "provenance.json"
    run = json.loads(place.read_text())["runs"][f"{card['task']}/{card['method']}/{card['seed']}"]
    assert run["checkpoint_sha256"] == card["trained"]["checkpoint_sha256"]
    entry = method(card["method"])
    profile = load_profile(card["profile"]).of(card["task"], card["method"])
    now = json.loads(json.dumps(entry.settings(profile)))
    for settings in (now, card["settings"]):  # crossconv's own number of steps, in either place
        settings["training"]["steps"] = entry.own(profile, "steps", settings["training"]["steps"])
    assert card["settings"] == now  # made again since settings changed
    assert card["limits"] and card["made_by"]


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="no checkpoint 'resaturation-gan-coco'.*mdn12-coco"):
        cdvae.load("resaturation-gan-coco")


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    name = KEPT[0]
    for suffix in (".safetensors", ".json"):
        shutil.copy(checkpoints.folder() / f"{name}{suffix}", tmp_path)
    with open(tmp_path / f"{name}.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\0" if file.read(1) != b"\0" else b"\1")
    monkeypatch.setattr(checkpoints, "folder", lambda: tmp_path)
    checkpoints.load.cache_clear()
    with pytest.raises(InputError, match="not the file that its card describes"):
        checkpoints.load(name)
    (tmp_path / f"{name}.json").unlink()
    with pytest.raises(InputError, match="is missing"):
        checkpoints.load(name)


def test_made_from_a_scored_model(reproduced, tmp_path, monkeypatch):
    experiment = Experiment(load_profile("smoke"), "scenes", None, "cpu")
    path = models.make(experiment, Run("relighting", "mdn4", 0), tmp_path)
    monkeypatch.setattr(checkpoints, "folder", lambda: tmp_path)
    checkpoints.load.cache_clear()
    found = checkpoints.load(path.stem)
    whole = experiment.model(Run("relighting", "mdn4", 0))
    for name, value in found.model.state_dict().items():
        if not value.is_floating_point():
            continue  # how many batches were seen: no answer hangs on it
        if value.isfinite().all():
            most = whole.state_dict()[name].abs().max()
            assert (value - whole.state_dict()[name]).abs().max() <= most / 250, name
        else:
            assert value.isnan().all() and name.startswith("dvae_c."), name
    rounding = found.card["rounding"]
    assert rounding["left_out"] == [
        *("dvae_c.down", "dvae_c.p_head", "dvae_c.decoder")  # what no sample reads
    ]
    for score, value in rounding["scores"].items():
        assert rounding["scores_rounded"][score] == pytest.approx(value, rel=0.005), score
    assert set(rounding["scores"]) == {"best_error", "variance", "energy_score"}
    # samples of a model of six steps hardly spread: those of published ones do, 200 times as much
    assert 0 < rounding["middle_change"] < 0.06 * rounding["spread_of_samples"]
    assert checkpoints.overview()[0]["largest change of a score by rounding, %"] < 0.5
    assert found.card["scores_from"] == "results/smoke/scenes/scores.csv"
    assert found.card["profile"] == "smoke"
    assert found.card["made_by"] == "cdvae models make --data scenes --profile smoke"


def test_only_data_with_published_methods_is_made(tmp_path):
    photos = Experiment(load_profile("smoke"), "folder", str(tmp_path), "cpu")
    with pytest.raises(InputError, match="no checkpoints are kept of --data folder.*ucf101"):
        models.make_all(photos, tmp_path)
    assert models.command("coco", "quick") == "cdvae models make --data coco --root DIR"


def test_stale_checkpoints_of_a_data_set_go_and_no_others(tmp_path):
    for name, data in (("motion-a-coco", "coco"), ("motion-b-coco", "coco"), ("c-coco", "my-coco")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"data": data}))
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    models.remove_others("coco", [tmp_path / "motion-a-coco.safetensors"], tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"motion-a-coco", "c-coco"}
    assert len(list(tmp_path.iterdir())) == 4


class Shifted(Model):
    """A model of one's own: the value, shifted by a learned number, and noise."""

    def __init__(self):
        super().__init__()
        self.standard_c, self.standard_g = Standard(1), Standard(1)
        self.shift = torch.nn.Parameter(torch.zeros(()))

    def loss(self, batch):
        return {"loss": (batch.x_g - batch.x_c - self.shift).square().sum((1, 2, 3)).mean()}

    @torch.no_grad()
    def sample(self, x_c, n, generator=None):
        noise = torch.randn(len(x_c), n, 1, 32, 32, generator=generator)
        return x_c[:, None] + self.shift + 0.1 * noise


def shifted(task, profile) -> Shifted:
    return Shifted()


def test_a_run_of_one_s_own_method_can_be_explored(monkeypatch):
    mine = Method("shifted", "Shifted", model=Shifted, build=shifted, tasks=("resaturation",))
    monkeypatch.setitem(registry._ENTRIES[Method], "shifted", (mine, __name__))
    experiment = Experiment(load_profile("smoke"), "scenes", None, "cpu")
    found = checkpoints.of_run(experiment, Run("resaturation", "shifted", 0))
    assert found.name == "resaturation-shifted-scenes" and not found.model.training
    assert found.card["settings"]["training"]["steps"] == 6 and found.card["seed"] == 0
    assert float(found.model.shift) != 0  # it was trained
    subject = subjects.scene("resaturation", 0)
    pages.render(found, subject, pages.Choices(view="summary", finish="details"))
    assert pages.title(found, subject, pages.Choices()).startswith("resaturation · Shifted · ")
    with pytest.raises(InputError, match="'nn' has nothing to train: choose from"):
        checkpoints.of_run(experiment, Run("resaturation", "nn", 0))


def test_a_card_has_the_settings_that_the_method_was_given():
    """Where a profile has some for one method alone: the model is built of its card again."""
    changes = {"by_method": {"cvae": {"cvae": {"code": 3}}}}
    experiment = Experiment(load_profile("smoke", **changes), "scenes", None, "cpu")
    found = checkpoints.of_run(experiment, Run("relighting", "cvae", 0))
    again = load_profile("smoke", **found.card["settings"])
    model = method("cvae").build(found.task, again)
    assert model.n_code == found.model.n_code == 3 != load_profile("smoke").cvae.code


def test_scores_of_another_model_are_refused(reproduced, tmp_path):
    experiment = Experiment(load_profile("smoke"), "scenes", None, "cpu")
    other = experiment.checkpoint(Run("relighting", "mdn4", 0))
    experiment.checkpoint = lambda run: other  # not the model of the run
    with pytest.raises(InputError, match="has no scores of this model of relighting/gauss/0"):
        models.scored(experiment, Run("relighting", "gauss", 0))


def test_only_torch_numpy_and_scipy_are_needed_to_import():
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "matplotlib", "cv2", "sklearn", "PIL", "IPython",
                                      "ipywidgets", "safetensors", "papermill", "skimage"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import cdvae
assert "load" in dir(cdvae) and "torch" not in sys.modules  # each name is loaded when it is used
assert all([cdvae.CDVAE, cdvae.DVAE, cdvae.MDNTie, cdvae.Model, cdvae.Standard, cdvae.fit])
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def synthetic_photo(path: Path) -> None:
    y, x = np.mgrid[:300, :400] / 300
    colours = np.stack([x / 1.4, y, 0.5 + 0.4 * np.sin(9 * x * y)], 2)
    Image.fromarray((255 * colours).astype(np.uint8)).save(path)


def test_the_first_example_of_the_readme(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 5
    synthetic_photo(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    checkpoints.load.cache_clear()
    exec(compile(code, "README.md", "exec"), {})
    made = [np.asarray(Image.open(path), float) for path in sorted(tmp_path.glob("*.png"))]
    assert [picture.shape for picture in made] == [(512, 512, 3)] * 4
    for k, picture in enumerate(made):  # value is kept, and no two are alike
        first = made[k - 1]
        assert np.abs(picture.max(2) - first.max(2)).max() <= 1
        assert np.abs(picture - first).mean() > 0.5


def test_pictures_of_a_bad_file_are_refused_in_one_sentence(tmp_path):
    model = cdvae.load("resaturation-mdn12-coco")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="broken.png cannot be read as a photo"):
        model.pictures(tmp_path / "broken.png", 1)
    with pytest.raises(InputError, match="no file"):
        model.pictures(tmp_path / "absent.png", 1)
    with pytest.raises(InputError, match="predicts motion"):
        cdvae.load("motion-gauss-ucf101").pictures(tmp_path / "broken.png", 1)


def test_a_photo_without_hue_is_said_to_stay_as_it_is(tmp_path):
    grey = np.repeat(np.linspace(0, 255, 64 * 64).reshape(64, 64, 1), 3, 2).astype(np.uint8)
    grey[:16, :, 0] = 255 - grey[:16, :, 0]  # a quarter has a hue
    Image.fromarray(grey).save(tmp_path / "grey.png")
    model = cdvae.load("resaturation-mdn12-coco")
    with pytest.warns(UserWarning, match=r"grey.png: 7\d% has no hue and stays as it is"):
        (made,) = model.pictures(tmp_path / "grey.png", 1)
    assert np.ptp(np.asarray(made).astype(int)[200:], axis=2).max() <= 1
