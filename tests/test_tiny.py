"""Tiny ImageNet's archive laid out as COCO is, on a small one made here."""

import io
import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_download import Server, zipped

from cdvae.data.fetch import download, tiny
from cdvae.data.fetch.download import fetch
from cdvae.data.fetch.unpack import unpack_zip
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError

RANDOM = np.random.default_rng(0)
WNIDS = ("n01", "n02", "n07")
WORDS = "n01\tgoldfish, Carassius\nn02\tcrane, bird\nn05\tnot there\nn07\tcrane, machine\n"


def jpeg() -> bytes:
    buffer = io.BytesIO()
    pixels = RANDOM.integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def files(n_train: int = 4, n_val: int = 3) -> dict[str, bytes]:
    """An archive's: train photo 1 of n02 has the bytes of val photo 0, of class n01."""
    found = {"words.txt": WORDS.encode(), "test/images/test_0.JPEG": jpeg()}
    boxes, k = [], 0
    for wnid in WNIDS:
        names = [f"{wnid}_{number}.JPEG" for number in range(n_train)]
        found |= {f"train/{wnid}/images/{name}": jpeg() for name in names}
        listed = "".join(f"{name}\t3\t5\t63\t40\n" for name in names)
        found[f"train/{wnid}/{wnid}_boxes.txt"] = listed.encode()
        for _ in range(n_val):
            found[f"val/images/val_{k}.JPEG"] = jpeg()
            boxes.append(f"val_{k}.JPEG\t{wnid}\t0\t0\t9\t19\n")
            k += 1
    found["val/val_annotations.txt"] = "".join(boxes).encode()
    found["train/n02/images/n02_1.JPEG"] = found["val/images/val_0.JPEG"]
    return {f"{tiny.FOLDER}/{name}": content for name, content in found.items()}


@pytest.fixture
def archive(tmp_path) -> Path:
    path = tmp_path / "tiny-imagenet-200.zip"
    path.write_bytes(zipped(files()))
    return path


def ids(root: Path, part: str) -> list[int]:
    """The ids that the photos of a part and its annotations have."""
    whole = json.loads((root / f"annotations/instances_{part}.json").read_text())
    found = [image["id"] for image in whole["images"]]
    assert [a["image_id"] for a in whole["annotations"]] == found
    assert sorted(int(path.stem) for path in (root / part).iterdir()) == found
    return found


def test_every_photo_has_its_class_and_its_box(archive, tmp_path):
    root = tmp_path / "data"
    unpack_zip(archive, root)
    tiny.arrange(root)
    assert sorted(path.name for path in root.iterdir()) == ["annotations", "train2017", "val2017"]
    assert ids(root, "val2017") == [
        100_000 * c + 3 * (c - 1) + k for c in (1, 2, 3) for k in range(3)
    ]
    trains = [100_000 * c + k for c in (1, 2, 3) for k in range(4) if (c, k) != (2, 1)]
    assert ids(root, "train2017") == trains  # without the one that is in val already
    whole = json.loads((root / "annotations/instances_train2017.json").read_text())
    names = ["goldfish", "crane, bird", "crane, machine"]  # two have the same first word
    assert [category["name"] for category in whole["categories"]] == names
    assert all(a["bbox"] == [3, 5, 61, 36] for a in whole["annotations"])
    assert [a["category_id"] for a in whole["annotations"]] == [k // 100_000 for k in trains]


def test_the_kept_photos_are_chosen_by_two_hashes(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny, "KEPT", {"train2017": (3, 2), "val2017": (2, 1)})
    unpack_zip(archive, tmp_path / "data")
    tiny.arrange(tmp_path / "data", kept=True)
    expected = []
    for c, wnid in enumerate(WNIDS, 1):
        numbers = [k for k in range(4) if (wnid, k) != ("n02", 1)]
        place = f"{tiny.FOLDER}/train/{wnid}/images/{wnid}_%d.JPEG"
        numbers.sort(key=lambda k: sha256((place % k).encode()).digest())  # noqa: B023
        those = [100_000 * c + k for k in numbers[:3]]
        those.sort(key=lambda i: sha256(f"{i:012d}.jpg".encode()).digest())
        expected += those[:2]
    assert ids(tmp_path / "data", "train2017") == sorted(expected)
    assert len(ids(tmp_path / "data", "val2017")) == 3


def test_interrupted_it_can_be_called_again(archive, tmp_path, monkeypatch):
    root = tmp_path / "data"
    unpack_zip(archive, root)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        tiny.arrange(root)
    assert len(list((root / "train2017").iterdir())) == 11
    unpack_zip(archive, root)
    tiny.arrange(root)
    assert len(ids(root, "train2017")) == 11 and len(ids(root, "val2017")) == 9
    assert not (root / tiny.FOLDER).exists()


@pytest.mark.parametrize("broken", ["words.txt", "val/val_annotations.txt", "train/n02"])
def test_what_is_missing_is_said_in_one_sentence(archive, tmp_path, broken):
    unpack_zip(archive, tmp_path / "data")
    path = tmp_path / "data" / tiny.FOLDER / broken
    shutil.rmtree(path) if path.is_dir() else path.write_text("nonsense\n")
    with pytest.raises(InputError, match="is not as the archive has it .* fetch again"):
        tiny.arrange(tmp_path / "data")
    assert not (tmp_path / "data/train2017").exists()


def test_it_is_fetched_and_read(tmp_path, monkeypatch):
    server = Server(zipped(files(n_train=120, n_val=40)))
    monkeypatch.setattr(download, "ARCHIVES", {"tiny-imagenet": (server.archive(),)})
    fetch("tiny-imagenet", tmp_path / "data", print)
    server.http.shutdown()
    server.http.server_close()
    profile = load_profile("smoke", n_train=100, n_valid=20, n_test=30)
    fields = Experiment(profile, "tiny-imagenet", str(tmp_path / "data")).fields("resaturation")
    assert [len(fields[split]) for split in ("train", "valid", "test")] == [100, 20, 30]
    assert fields["train"].n_labels == len(WNIDS)
