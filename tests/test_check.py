"""`cdvae data check` of COCO's and UCF101's layouts and of any folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from made_videos import write_video

from cdvae.data.fetch.check import check
from cdvae.tools.files import InputError


def write_photo(path: Path, size=(40, 30)) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(path)


def test_check_of_cocos_layout(tmp_path):
    root = tmp_path / "coco"
    for name in ("good", "unlisted", "resized", "cut"):
        write_photo(root / "train2014" / f"{name}.jpg")
    cut = root / "train2014" / "cut.jpg"
    cut.write_bytes(cut.read_bytes()[:500])
    (root / "train2014" / "empty.jpg").touch()
    sizes = {"good": 40, "resized": 41, "cut": 40, "empty": 40, "gone": 40}
    images = [
        {"id": k, "file_name": f"{name}.jpg", "width": width, "height": 30}
        for k, (name, width) in enumerate(sizes.items())
    ]
    path = root / "annotations" / "instances_train2014.json"
    path.parent.mkdir()
    dog = {"id": 18, "name": "dog"}
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": [dog]}))
    (report,) = check(root, workers=1)
    assert report.skipped.keys() == {"resized.jpg", "cut.jpg", "empty.jpg", "gone.jpg"}
    assert report.skipped["resized.jpg"] == "annotated at another size"
    assert report.skipped["gone.jpg"] == "listed, but no such photo"
    assert (report.n_found, report.n_used) == (6, 2)
    assert not report.is_good and not report.faults
    assert report.counts["without_annotations"] == 1
    assert report.lines()[0] == "coco train2014: 2 of 6 photos used"
    path.write_text("{")
    (report,) = check(root, workers=1)
    assert any("is not a COCO annotation file" in fault for fault in report.faults)
    assert not report.is_good


def test_check_of_ucf101s_layout_and_of_any_folder(tmp_path):
    root = tmp_path / "ucf"
    for name in ("Run/v_Run_g01_c01", "Run/v_Run_g01_c02", "Run/v_Run_g03_c01"):
        write_video(root / "UCF-101" / f"{name}.avi", 15, 10)
    (root / "UCF-101" / "Run" / "v_Run_g02_c01.avi").write_text("not a video")
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Run\n")
    (lists / "trainlist01.txt").write_text(
        "Run/v_Run_g01_c01.avi 1\nRun/v_Run_g02_c01.avi 1\nRun/v_Run_g09_c01.avi 1\n"
    )
    (lists / "testlist01.txt").write_text("Run/v_Run_g01_c02.avi\n")
    train, test, unlisted = check(root, workers=1)
    assert train.skipped == {
        "Run/v_Run_g02_c01.avi": "not a readable video",
        "Run/v_Run_g09_c01.avi": "listed, but not there",
    }
    assert (train.n_found, train.n_used, test.n_found, test.n_used) == (3, 1, 1, 1)
    assert unlisted.skipped == {"Run/v_Run_g03_c01.avi": "in neither list"}
    assert unlisted.faults == ("on both sides of the split: Run/v_Run_g01",)
    write_photo(root / "UCF-101" / "photo.png")
    photos, videos = check(root / "UCF-101", workers=1)
    assert (photos.n_used, videos.n_found, videos.n_used) == (1, 4, 3)
    (tmp_path / "empty").mkdir()
    for folder, message in (("empty", "no photos and no clips"), ("nowhere", "no folder")):
        with pytest.raises(InputError, match=message):
            check(tmp_path / folder)
