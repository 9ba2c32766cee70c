"""Files as they come: broken EXIF, deep pictures, odd names, links, too few or the wrong kind."""

import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from made_videos import write_video
from PIL import Image, ImageFile

from cdvae import cli
from cdvae.data import sources
from cdvae.data.clips import clips
from cdvae.data.fetch.check import check
from cdvae.data.fields import TASKS
from cdvae.data.photos import decode as photos
from cdvae.data.photos.originals import photo
from cdvae.data.report import Report, printable
from cdvae.data.sources import Source
from cdvae.tools.files import InputError

NOT_TEXT = os.fsdecode(b"caf\xe9")  # a name in latin-1


def picture(seed: int = 0, size=(48, 40)) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def decoded(path: Path) -> np.ndarray:
    return photos.decode(path.name, path.parent)["image"][0]


def load(root: Path, task: str = "resaturation"):
    return sources.load(sources.plan(Source("folder", root, 20, 4, 6, 0), TASKS[task]))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))


def exif(*entries: bytes, head: bytes = b"II*\0\x08\0\0\0") -> bytes:
    """An EXIF block with one directory of such entries of 12 bytes."""
    return b"Exif\0\0" + head + struct.pack("<H", len(entries)) + b"".join(entries) + b"\0" * 4


def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")


TURN = entry(0x0112, 3, 1, struct.pack("<H", 6))  # turn by 90°
BROKEN_EXIF = {
    "nothing": b"Exif\0\0",
    "text": b"Exif\0\0not a directory at all",
    "cut": exif(TURN)[:-9],
    "directory beyond the end": exif(head=b"II*\0\xff\xff\0\0"),
    "directory of itself": exif(entry(0x8769, 4, 1, struct.pack("<I", 8))),
    "thousands of entries": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + entry(0x0110, 2, 4, b"abc"),
    "turn as text": exif(entry(0x0112, 2, 4, b"top\0")),
    "turn as a pair": exif(entry(0x0112, 3, 2, struct.pack("<HH", 1, 6))),
    "turn as a fraction by zero": exif(entry(0x0112, 5, 1, struct.pack("<I", 40))) + b"\0" * 40,
    "turn 77": exif(entry(0x0112, 3, 1, struct.pack("<H", 77))),
    "text as numbers": exif(entry(0x010F, 3, 9, b"abcd"), entry(0x829A, 12, 1, b"\xff" * 4)),
    "an unknown type": exif(entry(0x0110, 99, 1, b"abcd")),
    "a huge count": exif(entry(0x0110, 2, 2**31, b"abcd")),
    "minus where none can be": exif(entry(0x0100, 4, 1, struct.pack("<i", -5))),
}


@pytest.mark.parametrize("kind", ["jpg", "webp", "png"])
@pytest.mark.parametrize("name", BROKEN_EXIF)
def test_a_photo_with_broken_exif_is_used(name, kind, tmp_path):
    picture().save(tmp_path / f"plain.{kind}", quality=95)
    picture().save(tmp_path / f"odd.{kind}", quality=95, exif=BROKEN_EXIF[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # not even a warning
        found = decoded(tmp_path / f"odd.{kind}")
        assert photo(tmp_path / f"odd.{kind}", None).shape == (32, 32, 3)
    assert np.array_equal(found, decoded(tmp_path / f"plain.{kind}"))


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_as_pillow_does(turn, tmp_path):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    picture().save(tmp_path / "a.png", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "a.png"))
    assert np.array_equal(np.asarray(photos.read_rgb(tmp_path / "a.png")), np.asarray(expected))


def test_turned_though_another_field_is_broken(tmp_path):
    broken = exif(TURN, entry(0x0110, 2, 2**31, b"abcd"))
    picture().save(tmp_path / "a.png", exif=broken)
    expected = picture().transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(photos.read_rgb(tmp_path / "a.png")), np.asarray(expected))


@pytest.mark.parametrize(
    "error", [struct.error("x"), zlib.error("x"), KeyError("x"), SyntaxError("x"), MemoryError()]
)
def test_whatever_a_decoder_raises_skips_the_file_by_name(error, tmp_path, monkeypatch):
    for k in range(12):
        picture(k).save(tmp_path / f"{k}.png")
    load_pixels = ImageFile.ImageFile.load

    def fail(image):
        if getattr(image, "filename", "").endswith("7.png"):
            raise error
        return load_pixels(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    (report,) = check(tmp_path, workers=1)
    assert report.skipped.keys() == {"7.png"} and report.n_used == 11


def write_sixteen(path: Path, values: np.ndarray) -> None:
    """Values (h, w) or (h, w, 3) uint16 as they are, in RGB."""
    import cv2

    assert cv2.imwrite(str(path), values if values.ndim == 2 else values[..., ::-1])


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("end", ["png", "tif"])
def test_deep_pictures_are_read_by_their_range(bits, end, tmp_path):
    eight = np.asarray(picture())
    eight = (eight.astype(float) / eight.max() * 255).round()
    deep = (eight / 255 * (2**bits - 1)).round().astype(np.uint16)
    for values, plain in ((deep, eight), (deep[..., 0], eight[..., 0])):
        write_sixteen(tmp_path / f"deep.{end}", values)
        Image.fromarray(plain.astype(np.uint8)).save(tmp_path / "plain.png")
        if values.max() < 2 ** (bits - 1):
            continue  # this channel does not show how deep the picture is
        found = np.asarray(photos.read_rgb(tmp_path / f"deep.{end}")).astype(int)
        expected = np.asarray(Image.open(tmp_path / "plain.png").convert("RGB"))
        assert np.abs(found - expected).max() <= 1


def test_deep_pictures_with_transparency_are_read_by_their_range(tmp_path):
    import cv2

    twelve = np.full((40, 40, 4), 4095, np.uint16)  # blue, green, red, alpha
    twelve[..., 0] = 2048
    assert cv2.imwrite(str(tmp_path / "a.png"), twelve)
    assert np.asarray(photos.read_rgb(tmp_path / "a.png"))[0, 0].tolist() == [255, 255, 128]


@pytest.mark.parametrize("scale", [1.0, 1.02, 255.0, 65535.0])
def test_floats_are_read_by_their_range(scale, tmp_path):
    grey = np.asarray(picture().convert("L")).astype(np.float32)
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    Image.fromarray(grey * np.float32(scale)).save(tmp_path / "a.tiff")
    found = np.asarray(photos.read_rgb(tmp_path / "a.tiff"))[..., 0] / 255
    assert np.abs(found - grey).max() < 0.021


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.0, 1e6])
def test_floats_that_are_no_colours_are_named(value, tmp_path):
    values = np.full((40, 40), 0.5, np.float32)
    values[3, 4] = value
    Image.fromarray(values).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="values from .* to .*, which are no colours"):
        photos.decode("a.tiff", tmp_path)


def test_dark_photos_stay_dark(tmp_path):
    dark = np.asarray(picture()) // 8
    Image.fromarray(dark).save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(photos.read_rgb(tmp_path / "a.png")), dark)


def test_hidden_files_do_not_count(tmp_path):
    for name in ("a.jpg", ".b.jpg", "._a.jpg", "sub/c.JPG", "sub/._c.JPG", ".trash/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture().save(tmp_path / name, "jpeg")
    assert photos.under(tmp_path) == (["a.jpg", "sub/c.JPG"], {})


def test_photos_of_kinds_that_are_not_read_are_named(tmp_path):
    picture().save(tmp_path / "a.jpg")
    for name in ("b.HEIC", "c.dng", "d.txt", ".e.heic"):
        (tmp_path / name).write_text("x")
    (report,) = check(tmp_path, workers=1)
    assert report.skipped == dict.fromkeys(
        ("b.HEIC", "c.dng"), "of a kind that is not read: convert it"
    )


def test_linked_folders_are_followed_once(tmp_path):
    for folder in ("root/real", "elsewhere/deep"):
        (tmp_path / folder).mkdir(parents=True)
        picture().save(tmp_path / folder / "a.jpg")
    root = tmp_path / "root"
    for link, target in {
        "a-link-inside": root / "real",
        "loop": root,
        "outside": tmp_path / "elsewhere",
        "twice": tmp_path / "elsewhere",
        "nowhere": tmp_path / "gone",
        "nowhere.JPG": tmp_path / "gone.jpg",
        "itself": root / "itself",
        "itself.png": root / "itself.png",
    }.items():
        (root / link).symlink_to(target)
    nowhere = dict.fromkeys(("itself.png", "nowhere.JPG"), "a link to no file")
    assert photos.under(root) == (["outside/deep/a.jpg", "real/a.jpg"], nowhere)


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_names_that_are_not_utf8_are_skipped_and_named(tmp_path):
    for k in range(12):
        picture(k).save(tmp_path / f"{k}.png")
    picture().save(tmp_path / f"{NOT_TEXT}.png")
    with pytest.warns(UserWarning, match=r"1 × a name that is not UTF-8: caf\\udce9.png"):
        splits = load(tmp_path)
    assert not any(NOT_TEXT in name for fields in splits.values() for name in fields.ids)
    (report,) = check(tmp_path, workers=1)
    assert report.skipped == {f"{NOT_TEXT}.png": "a name that is not UTF-8"}
    assert "\n".join(report.lines()).encode()  # can be printed
    report.save(tmp_path / "report.json")
    assert Report.load(tmp_path / "report.json") == report


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_clip_whose_name_is_not_utf8_does_not_end_the_process(tmp_path):
    """OpenCV is never given it: it would crash."""
    folder = tmp_path / "clips"
    write_video(folder / "a.avi", 15, 10).rename(folder / f"{NOT_TEXT}.avi")
    assert clips.under(folder) == ([], {f"{NOT_TEXT}.avi": "a name that is not UTF-8"})
    code = (
        "import os, sys; from pathlib import Path; from cdvae.data.clips.video import frame_times\n"
        "frame_times(Path(sys.argv[1]) / os.fsdecode(b'caf\\xe9.avi'))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True)
    assert done.returncode == 1 and b"a name that is not UTF-8" in done.stderr


def test_what_is_printed_can_be_printed():
    assert printable(f"{NOT_TEXT}\n\x1b[2J é") == "caf\\udce9\\n\\x1b[2J é"


def fixed_camera(folder: Path, n: int, noise: float) -> Path:
    """Photos of one scene from one place, a little noise and light apart."""
    rng, scene = np.random.default_rng(0), np.asarray(picture()).astype(float)
    folder.mkdir()
    for k in range(n):
        values = scene * (1 + noise * k / n) + noise * rng.normal(size=scene.shape) * 40
        Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).save(folder / f"{k:02}.png")
    return folder


def trained(root: Path, task: str) -> int:
    asked = f"train --profile smoke --data folder --root {root} --task {task} --method gauss"
    return cli.main(asked.split())


@pytest.mark.parametrize("task", ["relighting", "resaturation"])
def test_photos_of_a_fixed_camera_train(task, tmp_path):
    assert trained(fixed_camera(tmp_path / "photos", 40, 0.05), task) == 0


def test_photos_all_alike_are_told_so(tmp_path, capsys):
    assert trained(fixed_camera(tmp_path / "photos", 40, 0.0), "relighting") == 2
    assert "training examples are too few or too alike" in capsys.readouterr().err


@pytest.mark.parametrize("n", [1, 2])
def test_a_folder_too_small_to_split_is_told_so(n, tmp_path):
    for k in range(n):
        picture(k).save(tmp_path / f"{k}.png")
    held = f"{tmp_path} holds {n} photo{'s' * (n > 1)}, none for .*: .* need at least 3"
    with pytest.raises(InputError, match=held):
        load(tmp_path)
    picture(3).save(tmp_path / "3.png"), picture(4).save(tmp_path / "4.png")
    if n == 1:
        assert [len(load(tmp_path)[split]) for split in ("train", "valid", "test")] == [1, 1, 1]


def test_one_photo_in_cocos_layout_is_told_so(tmp_path):
    for folder, n in (("train2017", 1), ("val2017", 3)):
        (tmp_path / folder).mkdir()
        for k in range(n):
            picture(k).save(tmp_path / folder / f"{k}.png")
    with pytest.raises(InputError, match="train2017 holds 1 photo, none for train: .* at least 2"):
        sources.plan(Source("coco", tmp_path, 20, 4, 6, 0), TASKS["resaturation"])


@pytest.mark.parametrize("names", [(), ("a.heic", "b.HEIC", "c.txt"), ("._a.jpg",)])
def test_folders_without_photos_and_clips_are_told_what_they_hold(names, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("x")
    what = r"it holds 2 \.heic, 1 \.txt, while" if len(names) == 3 else "it holds no visible file"
    with pytest.raises(InputError, match=f"no photos and no clips in {folder}: {what}"):
        Source("folder", folder, 1, 1, 1, 0).tasks()
    if len(names) < 3:
        with pytest.raises(InputError, match=f"no photos and no clips in {folder}: {what}"):
            check(folder, workers=1)
    for task, unit in (("relighting", "photos"), ("motion", "clips")):
        with pytest.raises(InputError, match=f"no {unit} in {folder}: {what}"):
            sources.plan(Source("folder", folder, 1, 1, 1, 0), TASKS[task])
