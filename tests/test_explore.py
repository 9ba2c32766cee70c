"""The explorer without a browser: its pages, its subjects, its controls, its notebook."""

import asyncio
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import cdvae
from cdvae import checkpoints
from cdvae.checkpoints import Checkpoint
from cdvae.data.drawn import scenes
from cdvae.data.fields import TASKS
from cdvae.data.photos.layers import value_saturation
from cdvae.explore import controls, panel, sheet
from cdvae.explore import dynamics as explore_dynamics
from cdvae.explore import pages as explore
from cdvae.explore.pages import Choices
from cdvae.explore.panel import DYNAMICS, OWN, SCENES, Panel
from cdvae.explore.tiles import FINISHES
from cdvae.explore.views import VIEWS, summary_rows
from cdvae.metrics import squared_errors
from cdvae.model import Model
from cdvae.postprocess import own as subjects
from cdvae.release import notebooks
from cdvae.runs.settings import load_profile
from cdvae.ties import GaussianTie
from cdvae.tools.files import InputError

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / f"{notebooks.EXPLORER}.ipynb"


def save_photo(path: Path, size=(400, 300)) -> Path:
    y, x = np.mgrid[: size[1], : size[0]] / size[1]
    colours = np.stack([x / 1.4, y, 0.5 + 0.4 * np.sin(9 * x * y)], 2)
    Image.fromarray((255 * colours).astype(np.uint8)).save(path)
    return path


def save_clip(path: Path, step: float = 2.0) -> Path:
    """Two seconds of a texture that moves to the right, `step` pixels a frame."""
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (96, 400, 3), np.uint8), (0, 0), 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (128, 96))
    for k in range(20):
        start = int(200 - step * k)
        writer.write(texture[:, start : start + 128])
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "finish"),
    [
        ("relighting-mdn12-scenes", "details"),
        ("resaturation-gauss-scenes", "upsampled"),
        ("motion-cvae-scenes", "upsampled"),
        ("motion-gauss-scenes", "off"),
    ],
)
def test_every_view_is_drawn_the_same_every_time(name, finish):
    model = cdvae.load(name)
    subject = subjects.scene(model.task.name, 2)
    pages = {}
    for view in explore.views_of(model):
        choices = Choices(view=view, n=3, seed=5, finish=finish)
        figure = explore.render(model, subject, choices)
        assert isinstance(figure, Figure)
        page = sheet.png(figure)
        assert page == sheet.png(explore.render(model, subject, choices))
        picture = cv2.imdecode(np.frombuffer(page, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (sheet.HEIGHT, sheet.WIDTH, 3)
        assert view in VIEWS and explore.describe(model, subject, choices)
        pages[view] = page
    assert len(set(pages.values())) == len(pages)


def test_every_choice_changes_the_page_or_is_refused():
    model, subject = cdvae.load("relighting-mdn12-scenes"), subjects.scene("relighting", 0)
    base = Choices(n=3)
    page = sheet.png(explore.render(model, subject, base))
    for change in (
        {"n": 5},
        {"seed": 1},
        {"spread": 2.0},
        {"component": 1},
        {"finish": "details"},
        {"view": "walk"},
    ):
        choices = Choices(**{"n": 3} | change)
        assert sheet.png(explore.render(model, subject, choices)) != page, change
    for change, message in (
        ({"view": "untied"}, "has no view 'untied'"),
        ({"n": 17}, "17 samples do not fit"),
        ({"component": 13}, "has no component 13"),
        ({"finish": "sharper"}, "unknown post-processing"),
        ({"first": 0}, "there is no sample 0"),
    ):
        with pytest.raises(InputError, match=message):
            explore.render(model, subject, Choices(**change))


def test_more_samples_leave_the_first_alone():
    model, subject = cdvae.load("motion-gauss-scenes"), subjects.scene("motion", 1)
    few, many = (explore.draws_of(model, subject, Choices(n=n)) for n in (2, 9))
    assert torch.equal(few.z, many.z)
    expected = model.sample(subject.x_c, explore.DRAWN, seed=0)[0]
    found = model.model.fields_of(subject.x_c, few)
    torch.testing.assert_close(found, expected)


def test_the_summary_names_the_nearest_sample_and_its_error():
    model, subject = cdvae.load("resaturation-mdn12-scenes"), subjects.scene("resaturation", 3)
    choices = Choices(view="summary", seed=2)
    draws = explore.draws_of(model, subject, choices)
    [[mean, deviation, nearest]] = summary_rows(model, subject, choices, draws)
    samples = model.sample(subject.x_c, explore.DRAWN, seed=2)
    errors = squared_errors(samples, subject.x_g)[0]
    assert f"sample {int(errors.argmin()) + 1}: {100 * float(errors.min()):.2f}" in nearest.title
    error = squared_errors(samples.mean(1, keepdim=True), subject.x_g)
    assert f"{100 * float(error):.2f} × 10⁻²" in mean.title


def test_the_scene_shown_is_the_test_scene_of_the_tables():
    quick = load_profile("quick")
    fields = scenes.load(TASKS["relighting"], "test", quick.n_test, quick.data_seed)
    subject = subjects.scene("relighting", 7)
    assert subject.fields.ids[7] == fields.ids[7]
    assert torch.equal(subject.x_c[0], fields.x_c[7]) and torch.equal(subject.x_g[0], fields.x_g[7])
    light = (subject.x_c * subject.x_g)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(subject.picture, light, atol=1e-5)  # albedo × shading
    np.testing.assert_allclose(subject.fine[3::7, 3::7], light, atol=1e-5)  # the pixels it is of


def test_a_photo_keeps_its_value_and_gets_the_saturation(tmp_path):
    model = cdvae.load("resaturation-cvae-coco")
    subject = subjects.own(save_photo(tmp_path / "photo.png"), "resaturation")
    assert subject.picture.shape == (512, 512, 3) and subject.known
    same = subject.with_layers(subject.x_g[0].numpy(), subject.x_g[0, 0].numpy())[0]
    np.testing.assert_allclose(same, subject.picture, atol=1e-5)  # z_g = z_o gives the photo back
    grey = subject.with_layers(np.zeros((1, 32, 32), np.float32), None)[0]
    rgb = torch.from_numpy(grey).permute(2, 0, 1)[None]
    value, saturation = value_saturation(rgb)
    np.testing.assert_allclose(value[0, 0], subject.picture.max(2), atol=1e-5)
    assert saturation.quantile(0.9) < 0.1
    page = explore.render(model, subject, Choices(n=2, finish="details"))
    assert isinstance(page, Figure)


def test_a_clip_has_the_flow_that_came(tmp_path):
    path = save_clip(tmp_path / "clip.avi")
    subject = subjects.own(path, "motion", 3)
    assert subject.known and "pair 4 of 8" in subject.name
    across = subject.x_g[0, 0, 8:-8, 8:-8].median()
    assert float(across) == pytest.approx(20 * 32 / 128, rel=0.1)  # 20 px a second, on the grid
    photo = subjects.own(save_photo(tmp_path / "photo.png"), "motion")
    assert not photo.known
    model = cdvae.load("motion-mdn12-ucf101")
    for each in (subject, photo):
        explore.render(model, each, Choices(view="summary", finish="upsampled"))


@pytest.mark.parametrize(
    ("name", "content", "task", "message"),
    [
        ("bad.jpg", b"nothing", "resaturation", "bad.jpg cannot be read as a photo"),
        ("bad.jpg", b"", "relighting", "bad.jpg cannot be read as a photo"),
        ("bad.mp4", b"nothing", "motion", "bad.mp4 cannot be read as a clip"),
        ("bad.mp4", b"nothing", "relighting", "bad.mp4 is a clip: relighting takes a photo"),
        ("notes.txt", b"words", "motion", "notes.txt is neither a photo nor a clip"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path, name, content, task, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        subjects.own(tmp_path / name, task)
    assert str(tmp_path) not in str(refused.value) and "\n" not in str(refused.value)


class Lifted(Model):
    """A model of one's own that has `loss` and `sample` and nothing else."""

    def loss(self, batch):
        return {"loss": batch.x_g.square().mean()}

    def sample(self, x_c, n, generator=None):
        noise = torch.randn(len(x_c), n, 1, 32, 32, generator=generator)
        return x_c[:, None, :1] + 0.1 * noise


def one_s_own(task: str = "resaturation", data: str = "scenes", method: str = "lifted"):
    card = {"task": task, "method": method, "data": data}
    return Checkpoint(f"{task}-{method}-{data}", Lifted().eval(), TASKS[task], card)


def test_a_model_with_samples_alone_can_be_explored(tmp_path):
    model = one_s_own()
    photo = subjects.own(save_photo(tmp_path / "photo.png"), "resaturation")
    assert explore.views_of(model) == ["samples", "summary"]
    for subject in (subjects.scene("resaturation", 1), photo):
        pages = {
            sheet.png(explore.render(model, subject, Choices(view=view, n=2, finish=finish)))
            for view in explore.views_of(model)
            for finish in FINISHES
        }
        assert len(pages) == 6
    assert explore.title(model, photo, Choices()) == "resaturation · lifted · photo.png · seed 0"
    samples = model.sample(photo.x_c, explore.DRAWN)
    given_back = model.reproduce(photo.x_c, photo.x_g)
    errors = squared_errors(samples, photo.x_g)[0]
    assert torch.equal(given_back[0], samples[0, errors.argmin()])  # the nearest of 100
    with pytest.raises(InputError, match="motion is not post-processed"):
        subjects.scene("motion", 0).with_layers(np.zeros((1, 32, 32), np.float32), None)
    model.model.tie = GaussianTie(8, 0.25)  # which samples alone do not show
    assert explore.views_of(model) == ["samples", "summary"]
    assert explore.title(model, photo, Choices()).endswith("seed 0")
    with pytest.raises(InputError, match="has no view 'walk'"):
        explore.render(model, photo, Choices(view="walk"))
    with pytest.raises(InputError, match="has no component 1"):
        explore.render(model, photo, Choices(component=1))


def test_the_panel_offers_models_of_one_s_own(tmp_path):
    mine, other = one_s_own(), one_s_own(data="coco", method="cdvae-spatial")
    again = one_s_own(method="mdn12")
    given = {each.name: each for each in (mine, other, again)} | {"the other": again}
    sliders = Panel(given)
    options = dict(sliders.controls["method"].options)
    assert list(options)[:2] == ["CVAE", "Gauss"]  # as the project brings them …
    assert list(options)[-1] == "lifted" and "CDVAE-spatial" not in options
    assert "MDN12 (the other)" in options and "MDN12 (resaturation-mdn12-scenes)" in options
    assert sliders.own[again.name] is again
    sliders.controls["method"].value = again.name  # … of which one's own takes the place
    assert sliders.checkpoint() is again
    sliders.controls["method"].value = "lifted"
    assert [value for _, value in sliders.controls["view"].options] == ["samples", "summary"]
    for name in ("spread", "component", "first", "second"):
        assert sliders.controls[name].disabled, name
    sliders.controls["path"].value = str(save_photo(tmp_path / "photo.png"))
    assert "CDVAE-spatial" in dict(sliders.controls["method"].options)
    sliders.controls["method"].value = "cdvae-spatial"
    assert sliders.checkpoint() is other and sliders.errors == []
    assert "<b" not in sliders.message.value and "CDVAE-spatial" in sliders.picture.value


def test_the_panel_without_checkpoints_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "folder", lambda: tmp_path)
    sliders = Panel({"mine": one_s_own()})
    assert "lifted" in sliders.picture.value
    sliders.controls["task"].value = "relighting"
    assert "no checkpoint of relighting for built-in scenes" in sliders.message.value
    assert sliders.errors == []


@pytest.fixture
def sliders() -> Panel:
    return Panel()


def values_of(control) -> list:
    """Some values of a control: all of a picker, the ends of a slider."""
    if hasattr(control, "options"):
        return [value for _, value in control._options_full]
    return [control.min, control.max]


def test_every_control_draws_and_none_raises(sliders):
    for task in values_of(sliders.controls["task"]):
        sliders.controls["task"].value = task
        for name, control in sliders.controls.items():
            if name in ("task", "source", "path", "upload") or control.disabled:
                continue
            for value in values_of(control):
                before = sliders.n_drawn
                is_new = control.value != value
                control.value = value
                assert not is_new or sliders.n_drawn > before, (task, name, value)
                assert sliders.errors == [] and "<b" not in sliders.message.value
    assert sliders.controls["task"].value == DYNAMICS


def test_one_s_own_file_by_path_and_by_upload(sliders, tmp_path):
    controls = sliders.controls
    controls["source"].value = OWN
    assert "No file yet" in sliders.message.value
    controls["path"].value = str(save_photo(tmp_path / "photo.png"))
    assert "photo.png" in sliders.picture.value and "<b" not in sliders.message.value
    assert controls["example"].disabled  # a photo is one
    shown = sliders.page_png
    upload = {"name": "bad.jpg", "content": memoryview(b"nothing"), "type": "", "size": 7}
    upload["last_modified"] = datetime.now()
    controls["upload"].value = (upload,)
    assert "bad.jpg cannot be read as a photo" in sliders.message.value
    assert sliders.page_png == shown and sliders.errors == []  # the reader's doing, not a bug
    controls["source"].value = SCENES
    assert "<b" not in sliders.message.value and sliders.page_png != shown


def test_an_error_is_shown_and_kept(sliders, monkeypatch):
    def broken(*_):
        raise RuntimeError("out of order <now>")

    monkeypatch.setattr(panel.explore, "render", broken)
    sliders.controls["seed"].value = 3
    assert "RuntimeError: out of order &lt;now&gt;" in sliders.message.value
    assert [str(error) for error in sliders.errors] == ["out of order <now>"]


def test_moves_that_come_fast_are_drawn_once(sliders):
    async def move() -> None:
        for seed in range(1, 41):
            sliders.controls["seed"].value = seed
        await asyncio.sleep(5 * panel.DELAY)

    before = sliders.n_drawn
    asyncio.run(move())
    assert sliders.n_drawn == before + 1 and "seed 40" in sliders.picture.value


def test_the_page_has_words_for_a_screen_reader(sliders):
    assert "alt='resaturation" in sliders.picture.value
    assert f"width='{sheet.WIDTH}' height='{sheet.HEIGHT}'" in sliders.picture.value
    for name, control in sliders.controls.items():
        assert control.description == controls.LABELS[name]


def test_visual_dynamics_pages():
    model, pairs = explore_dynamics.network(), explore_dynamics.pairs()
    for view in explore_dynamics.VIEWS:
        choices = explore_dynamics.Choices(view=view)
        pages = [sheet.png(explore_dynamics.render(model, pairs, choices)) for _ in range(2)]
        assert pages[0] == pages[1]
    with pytest.raises(InputError, match="dimension is 9999"):
        explore_dynamics.render(model, pairs, explore_dynamics.Choices(dimension=9999))


MOVES = """
import asyncio

before = panel.n_drawn
for seed in range(1, 31):
    panel.controls["seed"].value = seed
await asyncio.sleep(1)
assert panel.n_drawn == before + 1 and "seed 30" in panel.picture.value, panel.n_drawn
changes = {"view": "layers", "spread": 2.0, "finish": "details", "method": "gauss"}
for name, value in changes.items():
    panel.controls[name].value = value
    await asyncio.sleep(0.3)
panel.finish()
assert panel.n_drawn >= before + 3
assert not panel.errors, panel.errors
"""


def test_the_notebook_by_papermill_and_its_callbacks_in_the_kernel(tmp_path):
    notebook = notebooks.read(NOTEBOOK)
    cell = {"cell_type": "code", "execution_count": None, "id": "moves", "metadata": {}}
    notebook["cells"].append(cell | {"outputs": [], "source": MOVES})
    notebooks.write(notebook, tmp_path / NOTEBOOK.name)
    out = tmp_path / "out.ipynb"
    notebooks.run(tmp_path / NOTEBOOK.name, out, {})
    outputs = [o for c in notebooks.read(out)["cells"] for o in c.get("outputs", [])]
    pictures = {"image/png", "image/jpeg"}  # plots and photos
    assert sum(bool(pictures & {*output.get("data", {})}) for output in outputs) == 5
    assert not any(notebooks.WIDGET in output.get("data", {}) for output in outputs)
