"""Photos on disk: layers against OpenCV, formats, annotations, and hostile files."""

import json
import warnings

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from PIL import Image

from cdvae.data import sources
from cdvae.data.fields import TASKS
from cdvae.data.photos import decode as photos
from cdvae.data.photos.annotations import read_annotations
from cdvae.data.photos.layers import value_saturation
from cdvae.data.photos.records import recorded
from cdvae.data.photos.semantics import features
from cdvae.data.sources import Source
from cdvae.tools.files import InputError

RESATURATION = TASKS["resaturation"]


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, (4, 4, 3)))
def test_hsv_is_opencvs(rgb):
    picture = rgb.astype(np.float32) / 255
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    value, saturation = value_saturation(torch.from_numpy(picture).movedim(2, 0)[None])
    np.testing.assert_allclose(value[0, 0], hsv[..., 2], atol=1e-6)
    np.testing.assert_allclose(saturation[0, 0], hsv[..., 1], atol=1e-4)  # it adds ε to V


def test_grey_and_black_have_no_saturation():
    grey = torch.tensor([0.0, 0.3, 1.0]).view(3, 1, 1, 1).expand(3, 3, 1, 1)
    value, saturation = value_saturation(grey)
    assert saturation.abs().max() == 0
    assert value.flatten().tolist() == pytest.approx([0.0, 0.3, 1.0])


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def decoded(path) -> np.ndarray:
    return photos.decode(path.name, path.parent)["image"][0]


def test_reduced_decoding_stays_near_the_full_mean(tmp_path):
    noise(640, 480).save(tmp_path / "a.jpg", quality=95)
    full = cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1]
    expected = cv2.resize(full, (32, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(decoded(tmp_path / "a.jpg").astype(int) - expected).mean() < 2


def test_every_kind_of_file_becomes_rgb(tmp_path):
    picture = noise(64, 64)
    picture.save(tmp_path / "rgb.png")
    picture.save(tmp_path / "webp.webp", lossless=True)
    picture.save(tmp_path / "bmp.bmp")
    reference = decoded(tmp_path / "rgb.png").astype(int)
    for name in ("webp.webp", "bmp.bmp"):
        assert np.abs(decoded(tmp_path / name) - reference).max() <= 1
    grey = np.asarray(picture.convert("L"))
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    eight, sixteen = decoded(tmp_path / "grey.png"), decoded(tmp_path / "sixteen.png")
    assert np.array_equal(eight, sixteen) and np.array_equal(eight[..., 0], eight[..., 2])
    picture.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert np.abs(decoded(tmp_path / "cmyk.jpg") - reference).mean() < 6
    picture.convert("P").save(tmp_path / "palette.gif")
    assert decoded(tmp_path / "palette.gif").shape == (32, 32, 3)
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    assert (decoded(tmp_path / "clear.png") == 255).all()  # transparency is laid on white


def test_exif_turns_the_picture(tmp_path):
    picture = noise(64, 64)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be shown turned by 90° clockwise
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    picture.rotate(-90, expand=True).save(tmp_path / "straight.jpg", quality=95)
    difference = decoded(tmp_path / "turned.jpg").astype(int) - decoded(tmp_path / "straight.jpg")
    assert np.abs(difference).mean() < 3


def coco_like(root, n_train: int = 12, n_test: int = 5):
    for folder, n in (("train2014", n_train), ("val2014", n_test)):
        (root / folder).mkdir(parents=True)
        for k in range(n):
            noise(48, 40, seed=k).save(root / folder / f"COCO_{folder}_{k:012d}.jpg")
    return Source("coco", root, n_train=8, n_valid=2, n_test=5, seed=0)


def features_of(path, names):
    """The features of photos by an annotation file, and how many categories it has."""
    found = recorded(path.parent, names, path)
    rows = features(read_annotations(path), [found.of[name] for name in names])
    return rows, len(read_annotations(path).categories)


def load(source: Source):
    return sources.load(sources.plan(source, RESATURATION))


def test_splits_are_disjoint_and_validation_is_from_training(tmp_path):
    splits = load(coco_like(tmp_path))
    assert [len(splits[name]) for name in ("train", "valid", "test")] == [8, 2, 5]
    assert not set(splits["train"].ids) & set(splits["valid"].ids)
    assert all(name.startswith("COCO_train") for name in splits["valid"].ids)
    assert all(name.startswith("COCO_val") for name in splits["test"].ids)


def test_without_annotations_it_says_so_once(tmp_path):
    source = coco_like(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        splits = load(source)
    assert sum("pixel features alone" in str(w.message) for w in said) == 1
    assert splits["train"].semantics.shape == (8, 0)


def test_a_damaged_photo_among_good_ones_is_skipped_and_named(tmp_path):
    coco_like(tmp_path)
    names = sorted((tmp_path / "train2014").iterdir())
    whole = names[0].read_bytes()
    names[0].write_bytes(whole[: len(whole) // 2])  # cut off
    names[1].write_bytes(b"")
    names[2].write_text("this is no picture")
    with pytest.warns(UserWarning, match="skipped") as said:
        splits = load(Source("coco", tmp_path, 10, 2, 5, 0))
    text = "\n".join(str(w.message) for w in said if "skipped" in str(w.message))
    assert all(name.name in text for name in names[:3])
    assert len(splits["train"]) + len(splits["valid"]) == 9


def test_a_huge_header_is_refused_before_decoding(tmp_path):
    header = b"P6 30000 30000 255\n"  # a PPM that claims 2.7 GB
    (tmp_path / "huge.ppm").write_bytes(header + b"\0" * 100)
    with pytest.raises(ValueError, match="more than 150,000,000 pixels"):
        photos.decode("huge.ppm", tmp_path)


@pytest.mark.parametrize("make", ["missing", "empty", "unreadable", "no train"])
def test_folders_that_cannot_serve_are_named(make, tmp_path):
    root = tmp_path / "photos"
    if make != "missing":
        (root / "train2014").mkdir(parents=True)
        (root / "val2014").mkdir()
    if make == "unreadable":
        for folder in ("train2014", "val2014"):
            for k in range(5):
                (root / folder / f"{k}.jpg").write_text("no picture")
    if make == "no train":
        (root / "train2014").rmdir()
    with pytest.raises(InputError, match=str(root)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load(Source("coco", root, 8, 2, 5, 0))


def test_an_unknown_source_and_a_task_it_lacks():
    with pytest.raises(InputError, match="unknown data 'cocoa'"):
        Source("cocoa", None, 1, 1, 1, 0)
    with pytest.raises(InputError, match="--data coco needs --root"):
        Source("coco", None, 1, 1, 1, 0)


def test_annotations_become_features(tmp_path):
    """Crowds, unknown categories and boxes without area are left out; boxes are clipped."""
    annotations = [
        {"id": 1, "image_id": 7, "category_id": 18, "bbox": [0, 0, 50, 100], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 44, "bbox": [90, 0, 30, 100], "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 44, "bbox": [0, 0, 100, 100], "iscrowd": 1},
        {"id": 4, "image_id": 7, "category_id": 18, "bbox": [10, 10, 0, 20], "iscrowd": 0},
        {"id": 5, "image_id": 7, "category_id": 99, "bbox": [0, 0, 10, 10], "iscrowd": 0},
    ]
    about = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 100}],
        "annotations": annotations,
        "categories": [{"id": 44, "name": "bottle"}, {"id": 18, "name": "dog"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(about))
    rows, n = features_of(path, ["a.jpg"])
    assert n == 2 and rows.shape == (1, 52)
    assert rows[0, :2].tolist() == [0.5, 0.5]  # dog (18), bottle (44)
    dog, bottle = rows[0, 2:].reshape(2, 5, 5)
    np.testing.assert_allclose(dog, np.tile([1, 1, 0.5, 0, 0], (5, 1)), atol=1e-6)
    np.testing.assert_allclose(bottle, np.tile([0, 0, 0, 0, 0.5], (5, 1)), atol=1e-6)
    assert recorded(tmp_path, ["a.jpg", "unknown.jpg"], path).of == {"a.jpg": [0]}


def test_a_broken_annotation_file_is_named(tmp_path):
    path = tmp_path / "instances_train2014.json"
    path.write_text('{"images": [')
    with pytest.raises(InputError, match="instances_train2014.json is not a COCO annotation"):
        read_annotations(path)


def test_real_photos(shared):
    source = Source("coco", shared / "data" / "coco-mini", 60, 20, 30, 0)
    splits = load(source)
    assert [len(splits[name]) for name in ("train", "valid", "test")] == [60, 20, 30]
    for fields in splits.values():
        assert 0.2 < fields.x_c.mean() < 0.8 and 0.05 < fields.x_g.mean() < 0.7


def test_relighting_layers_multiply_to_the_linear_image(tmp_path):
    source = coco_like(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = sources.load(sources.plan(source, TASKS["relighting"]))
    fields = splits["test"]
    image = np.stack([decoded(tmp_path / "val2014" / name) for name in fields.ids]) / 255
    linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    product = (fields.x_c * fields.x_g).movedim(1, 3)
    np.testing.assert_allclose(product, linear, atol=1e-5)
    assert fields.x_c.shape == (5, 3, 32, 32) and fields.x_g.shape == (5, 1, 32, 32)


def test_a_plain_folder_serves_what_it_holds(tmp_path):
    for k in range(40):
        noise(40, 40, seed=k).save(tmp_path / f"{k}.png")
    source = Source("folder", tmp_path, n_train=25, n_valid=5, n_test=10, seed=0)
    assert source.tasks() == ("relighting", "resaturation")
    splits = load(source)
    ids = [name for fields in splits.values() for name in fields.ids]
    assert len(ids) == len(set(ids)) and all(len(fields) > 0 for fields in splits.values())
    with pytest.raises(InputError, match="no clips in"):
        sources.plan(source, TASKS["motion"])


def test_features_of_real_annotations_equal_an_independent_computation(shared):
    """From the JSON itself, with a raster of 640 × 640 points in place of exact areas."""
    root = shared / "data" / "coco-annotated"
    path = root / "annotations" / "instances_val2017.json"
    about = json.loads(path.read_text())
    column = {c: k for k, c in enumerate(sorted(c["id"] for c in about["categories"]))}
    images = about["images"][:25]
    rows, n = features_of(path, [image["file_name"] for image in images])
    assert n == 80
    for image, row in zip(images, rows, strict=True):
        counts, raster = np.zeros(80), np.zeros((80, 640, 640), bool)
        for a in about["annotations"]:
            if a["image_id"] != image["id"] or a["iscrowd"]:
                continue
            x, y, w, h = a["bbox"]
            k = column[a["category_id"]]
            counts[k] += 1
            points = (np.arange(640) + 0.5) / 640
            across = (points * image["width"] > x) & (points * image["width"] < x + w)
            down = (points * image["height"] > y) & (points * image["height"] < y + h)
            raster[k] |= down[:, None] & across[None]
        np.testing.assert_allclose(row[:80], counts / max(counts.sum(), 1), atol=1e-6)
        cells = raster.reshape(80, 5, 128, 5, 128).mean((2, 4))
        np.testing.assert_allclose(row[80:].reshape(80, 5, 5), cells, atol=0.02)
