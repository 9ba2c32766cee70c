"""Data sets as entries: one of a user's own, and keys that hold what files contain."""

import importlib
import os
import re
import sys
import warnings
from pathlib import Path

import forks
import numpy as np
import pytest
import torch
from PIL import Image

from cdvae.data import sources
from cdvae.data.fields import TASKS, task_named, with_flips
from cdvae.data.sources import Source, data_set, data_sets, original
from cdvae.tools.files import InputError
from cdvae.tools.meaning import meaning

README = Path(sources.__file__).with_name("README.md").read_text(encoding="utf-8")
OWN = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]  # the stripes of the data cards


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write a user's file and import it, under a name of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, text: str):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in ("own_stripes", "own_bars", "own_waves", "own_depth"):
        sys.modules.pop(name, None)


def save_photos(folder: Path, n: int, seed: int = 0, kind: str = "png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for k in range(n):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(folder / f"{k}.{kind}")


def key(source: Source, task: str = "resaturation") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sources.plan(source, TASKS[task]).key


def test_a_data_set_of_ones_own_is_a_function_and_an_entry(cache, own):
    own("own_stripes", OWN)
    assert list(data_sets())[:5] == ["scenes", "coco", "tiny-imagenet", "ucf101", "folder"]
    assert "stripes" in data_sets() and data_set("stripes").title == "Stripes"
    source = Source("stripes", None, 5, 2, 3, 0)
    assert source.tasks() == ("relighting",)
    plan = sources.plan(source, TASKS["relighting"])
    first, again = sources.load(plan), sources.load(plan)
    assert [len(first[split]) for split in ("train", "valid", "test")] == [5, 2, 3]
    assert torch.equal(first["test"].x_g, again["test"].x_g) and plan.folder().is_dir()
    assert sources.label_names(plan) == () and original("stripes", None, "relighting", "x") is None
    with pytest.raises(InputError, match="--data stripes has no task 'motion': it has relighting"):
        source.check(TASKS["motion"])


def test_the_key_of_ones_own_data_set_is_made_of_its_meaning(cache, own):
    own("own_stripes", OWN)
    source = Source("stripes", None, 5, 2, 3, 0)
    before = key(source, "relighting")
    assert key(Source("stripes", None, 5, 2, 3, 1), "relighting") != before
    assert key(Source("stripes", None, 6, 2, 3, 0), "relighting") != before
    bars = OWN.replace('"stripes"', '"bars"')
    own("own_bars", bars.replace("random strength", "any strength"))
    own(
        "own_waves", OWN.replace('"stripes"', '"waves"').replace("mul(0.4).sin()", "mul(0.2).sin()")
    )
    stripes, bars, waves = (meaning(data_set(each).make) for each in ("stripes", "bars", "waves"))
    assert stripes == bars != waves


def test_a_task_of_ones_own(cache, own):
    task = 'register(Task("depth", 3, 1, "image", "depth", "m"))'
    text = OWN.replace("import Fields", "import Fields, Task").replace("relighting", "depth")
    own("own_depth", text.replace("stripes", "steps").replace("register(", f"{task}\nregister(", 1))
    source = Source("steps", None, 5, 2, 3, 0)
    plan = sources.plan(source, task_named("depth"))
    assert sources.load(plan)["test"].task.unit == "m"
    again = sources.load(plan)["test"]  # from the cache
    assert again.task == task_named("depth") and len(with_flips(again)) == 6


def test_unknown_data_are_told_what_there_is():
    with pytest.raises(InputError, match="unknown data 'coc': choose from scenes, coco, tiny-"):
        data_set("coc")


def test_other_content_is_another_key(cache, tmp_path):
    """Photos of the same names, sizes and times, as a converter or an archive leaves them."""
    folder = tmp_path / "photos"
    save_photos(folder, 12, kind="bmp")
    source = Source("folder", folder, 5, 2, 3, 0)
    before = key(source)
    first = sources.load(sources.plan(source, TASKS["resaturation"]))
    assert key(source) == before
    for path in folder.iterdir():
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        size = path.stat().st_size
        Image.open(path).rotate(180).save(path)
        assert path.stat().st_size == size
        os.utime(path, ns=times)
    assert key(source) != before
    second = sources.load(sources.plan(source, TASKS["resaturation"]))
    assert second["train"].ids == first["train"].ids
    assert not torch.equal(second["train"].x_c, first["train"].x_c)


def test_annotations_and_lists_are_in_the_key_with_their_content(cache, tmp_path):
    for folder, n in (("train2014", 8), ("val2014", 3)):
        save_photos(tmp_path / "coco" / folder, n)
        path = tmp_path / "coco" / "annotations" / f"instances_{folder}.json"
        path.parent.mkdir(exist_ok=True)
        images = [{"id": k, "file_name": f"{k}.png", "width": 48, "height": 40} for k in range(n)]
        about = {"images": images, "annotations": [], "categories": [{"id": 1}]}
        path.write_text(repr(about).replace("'", '"'))
    source = Source("coco", tmp_path / "coco", 5, 2, 3, 0)
    before = key(source)
    path.write_text(path.read_text().replace('"id": 1}', '"id": 7}'))
    assert key(source) != before


def test_originals_are_found_again(cache, tmp_path):
    save_photos(tmp_path / "mine", 1)
    picture = original("folder", tmp_path / "mine", "relighting", "0.png")
    assert picture.shape == (512, 512, 3) and picture.dtype == np.float32
    assert 0 <= picture.min() and picture.max() <= 1
    save_photos(tmp_path / "coco" / "val2014", 1)
    assert original("coco", tmp_path / "coco", "resaturation", "0.png").shape == (512, 512, 3)
    with pytest.raises(InputError, match="no photo .*1.png: give the folder"):
        original("folder", tmp_path / "mine", "relighting", "1.png")
    with pytest.raises(InputError, match="pictures of coco need --root"):
        original("coco", None, "relighting", "0.png")
    assert original("scenes", None, "motion", "test-0-0") is None


def test_tiny_imagenet_has_cocos_layout(cache, shared):
    source = Source("tiny-imagenet", shared / "data" / "tiny-imagenet", 12, 4, 6, 0)
    plan = sources.plan(source, TASKS["resaturation"])
    splits = sources.load(plan)
    assert [len(splits[name]) for name in ("train", "valid", "test")] == [12, 4, 6]
    assert splits["train"].n_labels == len(sources.label_names(plan)) == 200
    assert (splits["train"].semantics[:, :200].sum(1) == 1).all()  # one object a photo


@pytest.mark.parametrize("first", ["clips.ucf101", "folder", "photos.coco", "sources"])
def test_the_order_of_data_sets_does_not_hang_on_what_is_imported_first(first):
    code = f"import cdvae.data.{first}; from cdvae.data.sources import data_sets"
    code += "; print(*data_sets())"
    done = forks.run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:5] == ["scenes", "coco", "tiny-imagenet", "ucf101", "folder"]
