"""Annotation files as other people's tools write them: which photo a record is of, odd entries."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdvae.data import sources
from cdvae.data.fetch.check import check
from cdvae.data.fields import TASKS
from cdvae.data.photos.annotations import read_annotations
from cdvae.data.photos.matching import match
from cdvae.data.sources import Source
from cdvae.tools.files import InputError

N_TRAIN, N_TEST = 10, 4


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))


def about(n: int) -> dict[str, list]:
    """A sound annotation file of n photos, each with a dog on its left half."""
    image = {"width": 60, "height": 40}
    box = {"category_id": 18, "bbox": [0, 0, 30, 40], "iscrowd": 0, "segmentation": [[0, 0, 1]]}
    return {
        "images": [{"id": k, "file_name": f"p{k}.jpg"} | image for k in range(n)],
        "annotations": [{"id": 100 + k, "image_id": k} | box for k in range(n)],
        "categories": [{"id": 18, "name": "dog"}, {"id": 44, "name": "bottle"}],
    }


@pytest.fixture
def root(tmp_path) -> Path:
    """COCO's layout with sound annotations."""
    for folder, n in (("train2017", N_TRAIN), ("val2017", N_TEST)):
        (tmp_path / folder).mkdir()
        for k in range(n):
            Image.new("RGB", (60, 40), (10 * k, 50, 90)).save(tmp_path / folder / f"p{k}.jpg")
        change(tmp_path, folder, lambda found: None, about(n))
    return tmp_path


def change(root: Path, folder: str, how, found: dict | None = None) -> Path:
    """Change the annotations of a folder in place."""
    path = root / "annotations" / f"instances_{folder}.json"
    path.parent.mkdir(exist_ok=True)
    found = found if found is not None else json.loads(path.read_text())
    how(found)
    path.write_text(json.dumps(found))
    return path


def load(root: Path):
    """The splits, and all that was warned of."""
    source = Source("coco", root, 6, 2, 4, 0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        splits = sources.load(sources.plan(source, TASKS["resaturation"]))
    return splits, "\n".join(str(each.message) for each in said)


def rename(how):
    def renamed(found):
        for image in found["images"]:
            image["file_name"] = how(image["file_name"])

    return renamed


@pytest.mark.parametrize(
    "how",
    [
        lambda name: f"train2017/{name}",
        lambda name: f"/home/me/photos/{name}",
        lambda name: f"C:\\photos\\{name}",
        lambda name: f"./images\\{name}",
        lambda name: name.upper(),
        lambda name: name.replace(".jpg", ".JPG"),
        lambda name: name.replace(".jpg", ".png"),
        lambda name: f" {name} ",
        lambda name: name.replace("p", "%70"),
    ],
)
def test_names_of_all_kinds_are_matched_in_training_and_in_check(root, how):
    change(root, "train2017", rename(how))
    change(root, "val2017", rename(how))
    splits, said = load(root)
    assert [len(splits[name]) for name in ("train", "valid", "test")] == [6, 2, 4] and said == ""
    assert all((fields.semantics[:, 0] == 1).all() for fields in splits.values())
    assert all(report.is_good for report in check(root, workers=1))


def test_where_two_fit_equally_well_neither_is_taken(tmp_path):
    names = ["cats/1.jpg", "dogs/1.jpg", "2.jpg", "2.png", "3.jpg", "é.jpg"]
    files = ["dogs/1.jpg", "1.jpg", "x/2.JPG", "a/3.jpg", "b/3.jpg", "E\u0301.JPG", "9.jpg"]
    found = match(tmp_path, names, files)
    assert found.of == {"dogs/1.jpg": [0], "2.jpg": [2], "é.jpg": [5]}
    assert found.unmatched == {
        "1.jpg": "could be of several photos",
        "a/3.jpg": "one of several records of a photo",
        "b/3.jpg": "one of several records of a photo",
        "9.jpg": "no such photo",
    }


def test_records_of_one_file_count_together(root):
    def twice(found):
        found["images"].append(found["images"][0] | {"id": 77, "file_name": "train2017/p0.jpg"})
        bottle = {"id": 900, "image_id": 77, "category_id": 44, "bbox": [30, 0, 30, 40]}
        found["annotations"] += [bottle, found["annotations"][0] | {"id": 901, "image_id": 77}]

    change(root, "train2017", twice)
    splits, _ = load(root)
    ids = splits["train"].ids + splits["valid"].ids
    rows = [*splits["train"].semantics, *splits["valid"].semantics]
    both = dict(zip(ids, rows, strict=True))["p0.jpg"]
    assert both[:2].tolist() == [0.5, 0.5]  # the dog that both records have counts once


def test_photos_without_a_record_are_left_out_and_named(root):
    change(root, "val2017", lambda found: found["images"].pop(0))
    splits, said = load(root)
    assert sorted(splits["test"].ids) == ["p1.jpg", "p2.jpg", "p3.jpg"]
    assert "1 × not in instances_val2017.json: p0.jpg" in said
    assert "1 × of no image that can be used: annotation 100" in said


def test_no_photo_at_all_matched_is_refused(root):
    change(root, "train2017", rename(lambda name: f"other-{name}"))
    with pytest.raises(InputError, match="lists no photo of .*train2017 .*other-p0.jpg: no such"):
        load(root)
    report = check(root, workers=1)[0]
    assert not report.is_good and "lists no photo" in report.faults[0]


def one(kind: str, **fields):
    """Change fields of the first entry of a list; None for no such field."""

    def changed(found):
        for name, value in fields.items():
            found[kind][0][name] = value
            if value is ...:
                del found[kind][0][name]

    return changed


def replace_first(kind: str, entry):
    def changed(found):
        found[kind][0] = entry

    return changed


ODD_BOXES = [[], None, [float("nan"), 1, 2, 3], ["1", "2", "3", "4"], [1, 2, 3], {"x": 1}, "text"]
ODD = {
    **{f"bbox {box}": one("annotations", bbox=box) for box in ODD_BOXES},
    "no bbox": one("annotations", bbox=...),
    "no category": one("annotations", category_id=...),
    "unknown category": one("annotations", category_id=[18]),
    "no image_id": one("annotations", image_id=...),
    "no size": one("images", width=..., height=...),
    "size None": one("images", width=None),
    "size 0": one("images", height=0),
    "size text": one("images", height="40"),
    "no file name": one("images", file_name=...),
    "file name a number": one("images", file_name=12),
    "no id": one("images", id=...),
    "id of another": one("images", id=1),
    "an annotation that is null": replace_first("annotations", None),
    "an image that is text": replace_first("images", "p0.jpg"),
    "a category that is text": replace_first("categories", "bottle"),
    "an id of two categories": one("categories", id=18),
    "an id that is no whole number": one("images", id=0.5),
    "an id that is infinite": one("images", id=float("inf")),
    "an id with thousands of digits": one("images", id="9" * 5000),
    "a box too large for a float": one("annotations", bbox=[0, 0, 10**400, 1]),
    "a box in a box": one("annotations", bbox=[[0, 0, 30, 40]]),
    "an annotation said twice": lambda found: found["annotations"].append(found["annotations"][1]),
}


@pytest.mark.parametrize("how", ODD.values(), ids=ODD.keys())
def test_one_odd_entry_is_left_out_counted_and_named(root, how):
    def changed(found):
        found["categories"].reverse()  # the first category is one that no box has
        how(found)

    path = change(root, "train2017", changed)
    splits, said = load(root)
    assert sum(len(splits[name]) for name in ("train", "valid")) >= 7
    assert set(splits["train"].semantics[:, 0].tolist()) <= {0.0, 1.0}
    assert splits["train"].semantics[:, 0].sum() >= 5
    assert "skipped: " in said and (" 1 × " in said or "id of several" in said)
    odd = read_annotations(path).odd
    assert odd
    report = check(root, workers=1)[0]
    assert odd.items() <= dict(report.skipped).items() and not report.is_good


def test_other_categories_of_the_test_photos_are_read_by_name(root):
    def changed(found):
        found["categories"] = [{"id": 3, "name": "zebra"}, {"id": 18, "name": "dog"}]
        found["annotations"][0]["category_id"] = 3

    change(root, "val2017", changed)
    splits, said = load(root)
    rows = dict(zip(splits["test"].ids, splits["test"].semantics, strict=True))
    assert splits["test"].n_labels == splits["train"].n_labels == 2
    assert rows["p1.jpg"][:2].tolist() == [1, 0] and not rows["p0.jpg"].any()
    assert "1 × not in instances_train2017.json: category zebra" in said


def test_categories_of_one_name_are_one(root):
    def doubled(found):
        found["categories"] += [{"id": 90, "name": "dog "}, {"id": 91}, {"id": 92, "name": None}]
        found["annotations"][0]["category_id"] = 90

    change(root, "train2017", doubled), change(root, "val2017", doubled)
    splits, said = load(root)
    assert splits["test"].n_labels == 4 and said == ""
    for each in splits.values():
        assert (each.semantics[:, 0] == 1).all()


@pytest.mark.parametrize("gone", ["train2017", "val2017"])
def test_annotations_of_one_folder_alone(root, gone):
    (root / "annotations" / f"instances_{gone}.json").unlink()
    splits, said = load(root)
    assert said == f"no annotations beside {root / gone}: guidance uses pixel features alone"
    assert splits["test"].n_labels == 0 and splits["train"].n_labels == (gone == "val2017") * 2


@pytest.mark.parametrize("written", [str, float, lambda number: f" {number:03} ", lambda n: -n])
def test_ids_are_ids_however_they_are_written(root, written):
    def rewritten(found):
        for entry in found["annotations"]:
            entry["image_id"] = written(entry["image_id"])
            entry["category_id"] = written(entry["category_id"])
        for entry in [*found["images"], *found["categories"]]:
            entry["id"] = written(entry["id"]) if written(1) == -1 else entry["id"]

    change(root, "train2017", rewritten), change(root, "val2017", rewritten)
    splits, said = load(root)
    of_dogs = splits["train"].semantics[:, int(written(1) == -1)]  # in the order of their ids
    assert (of_dogs == 1).all() and said == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_in_other_encodings_are_read(root, encoding):
    path = change(root, "train2017", lambda found: None)
    path.write_text(path.read_text(), encoding=encoding)
    assert load(root)[1] == "" and all(report.is_good for report in check(root, workers=1))


BROKEN = {
    "is not a COCO annotation file": ["", "{", "[]", '"text"', "{}", '{"images": 3}', "[" * 10**5],
    "names no categories": ['{"images": [], "annotations": []}'],
    "has no list of annotations": [
        json.dumps({"images": []}),
        *(json.dumps(about(2) | {"annotations": found}) for found in (None, {"0": []}, 3)),
    ],
    "has no usable box": [
        json.dumps(about(2) | {"annotations": [{"image_id": 9, "bbox": [0, 0, 1, 1]}]}),
        json.dumps(about(2) | {"images": []}),
    ],
}


@pytest.mark.parametrize("why", BROKEN)
def test_files_that_say_nothing_are_refused_and_fail_the_check(root, why):
    path = root / "annotations" / "instances_train2017.json"
    for text in BROKEN[why]:
        path.write_text(text)
        with pytest.raises(InputError, match=f"{path} {why}"):
            load(root)
        report = check(root, workers=1)[0]
        assert not report.is_good and not report.skipped and why in report.faults[0]


def test_real_photos_without_a_record(shared):
    """139 of coco-mini's 1,000 test photos have none."""
    source = Source("coco", shared / "data" / "coco-mini", 20, 5, 1000, 0)
    plan = sources.plan(source, TASKS["resaturation"])
    with pytest.warns(UserWarning, match="139 × not in instances_val2014.json"):
        test = sources.load_split(plan, "test")
    assert len(test) == 861 and test.n_labels == 71
    assert np.isfinite(test.semantics.numpy()).all()
