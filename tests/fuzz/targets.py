"""What is fed: how inputs of each kind are drawn, and what the project does with one."""

import io
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from mutate import CHANGES, JSON_CHANGES, ODD, mutated, mutated_json

Feed = Callable[
    [Any], bool
]  # whether the input was used; it raises InputError or gives False if not


class Target(NamedTuple):
    """How inputs are drawn, what is made of a root folder to feed them, and the share of a run."""

    examples: st.SearchStrategy
    made: Callable[[Path], Feed]
    share: float


def read(work: Callable, name: str, folder: Path) -> bool:
    """Read one file as training does; False if it was skipped with a reason."""
    from cdvae.tools.chunks import gather

    found = gather(work, [name], folder / "chunks", workers=1)
    shutil.rmtree(folder / "chunks")
    assert all(reason.strip() for reason in found.failed.values())
    return bool(found.rows)


def noise(width: int, height: int):
    import numpy as np
    from PIL import Image

    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values).resize((4 * width, 4 * height))


KINDS = ("jpg", "png", "webp", "tif", "bmp", "gif", "ppm", "avif")


def encoded(kind: str) -> bytes:
    """A small picture with EXIF where the format has it."""
    from PIL import Image

    data, exif = io.BytesIO(), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    named = {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind.upper())
    about = {"exif": exif} if kind in ("jpg", "png", "webp", "tif", "avif") else {}
    noise(12, 10).save(data, named, **about)
    return data.getvalue()


def images(root: Path) -> Feed:
    from cdvae.data.photos.layers import RELIGHTING, RESATURATION
    from cdvae.postprocess import own
    from cdvae.tools.errors import InputError

    whole = {kind: encoded(kind) for kind in KINDS}

    def feed(example) -> bool:
        kind, ending, changes, relights = example
        path = root / f"photo.{ending or kind}"
        path.write_bytes(mutated(whole[kind], changes))
        used = read(
            partial((RELIGHTING if relights else RESATURATION).of_photo, root), path.name, root
        )
        try:
            own.photo(path, "resaturation")
        except InputError:
            pass
        path.unlink()
        return used

    return feed


def clips(root: Path) -> Feed:
    import sys

    sys.path.append(str(Path(__file__).parents[1]))
    from made_videos import write_matroska, write_video

    from cdvae.data.clips.check import count_pairs
    from cdvae.data.clips.video import clip_pairs

    made = (
        write_video(root / "a.avi", 40, 20.0),
        write_matroska(root / "a.mkv", list(range(0, 2000, 50))),
    )
    whole = {path.suffix: path.read_bytes() for path in made}

    def feed(example) -> bool:
        kind, changes, whole_pair = example
        path = root / f"clip{kind}"
        path.write_bytes(mutated(whole[kind], changes))
        work = partial(clip_pairs, root, 1, "dis") if whole_pair else partial(count_pairs, root)
        used = read(work, path.name, root)
        path.unlink()
        return used

    return feed


def annotated(n: int, part: str) -> dict:
    """A COCO annotation file of n photos."""
    photos = [{"id": k, "file_name": f"{part}{k}.jpg", "width": 48, "height": 40} for k in range(n)]
    boxes = [
        {
            "id": 9 + k,
            "image_id": k % n,
            "category_id": 1 + k % 2,
            "bbox": [3, 4, 20.5, 9],
            "iscrowd": 0,
        }
        for k in range(2 * n)
    ]
    return {
        "images": photos,
        "annotations": boxes,
        "categories": [{"id": k, "name": f"kind {k}"} for k in (1, 2)],
    }


def annotations(root: Path) -> Feed:
    import warnings

    from cdvae.data.fetch.check import check
    from cdvae.data.fields import task_named
    from cdvae.data.photos.coco import photo_parts
    from cdvae.data.photos.examples import make_photos
    from cdvae.data.photos.layers import RESATURATION
    from cdvae.data.sources import Source, plan

    (root / "annotations").mkdir()
    plain = {}
    for part in ("train2014", "val2014"):
        (root / part).mkdir()
        for k in range(3):
            (root / part / f"{part}{k}.jpg").write_bytes(encoded("jpg"))
        plain[part] = annotated(3, part)
        (root / f"annotations/instances_{part}.json").write_text(json.dumps(plain[part]))

    def feed(example) -> bool:
        part, changes, broken = example
        path = root / f"annotations/instances_{part}.json"
        text = json.dumps(mutated_json(plain[part], changes)).encode(errors="replace")
        path.write_bytes(mutated(text, broken) if broken else text)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check(root, 1)
                source, task = Source("coco", root, 9, 9, 9, 0), task_named("resaturation")
                request = plan(source, task).request()
                for split in ("train", "test"):
                    make_photos(photo_parts, RESATURATION, request, split)
            return True
        finally:
            path.write_text(json.dumps(plain[part]))

    return feed


def lists(root: Path) -> Feed:
    from cdvae.data.clips.ucf101 import checked, listed

    folder = root / "ucfTrainTestlist"
    folder.mkdir()
    names = [f"{kind}/v_{kind}_g{g:02d}_c01.avi" for kind in ("Bow", "Row") for g in range(1, 5)]
    for name in names:
        (root / "UCF-101" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "UCF-101" / name).touch()
    plain = {
        "classInd.txt": "1 Bow\n2 Row\n",
        "trainlist01.txt": "".join(f"{name} 1\n" for name in names[::2] + names[1::4]),
        "testlist01.txt": "".join(f"{name}\n" for name in names[3::4]),
    }
    for name, text in plain.items():
        (folder / name).write_text(text)

    def feed(example) -> bool:
        name, changes = example
        (folder / name).write_bytes(mutated(plain[name].encode(), changes))
        try:
            listed(root, "train"), listed(root, "test")
            faults = [fault for report in checked(root, 1) for fault in report.faults]
            return not faults
        finally:
            (folder / name).write_text(plain[name])

    return feed


def small_model(root: Path) -> tuple[bytes, dict]:
    """A checkpoint of the smoke profile, untrained, and its card."""
    from safetensors.torch import save_file

    from cdvae.data.fields import task_named
    from cdvae.methods import method
    from cdvae.runs.settings import load_profile

    entry, profile = method("gauss"), load_profile("smoke")
    model = entry.build(task_named("resaturation"), profile)
    save_file(
        {k: v.half().contiguous() for k, v in model.state_dict().items()}, root / "m.safetensors"
    )
    scores = [
        {"metric": m, "n_samples": 100, "value": 0.1, "n_train": 9}
        for m in ("best_error", "variance")
    ]
    card = {
        "task": "resaturation",
        "method": "gauss",
        "data": "scenes",
        "profile": "smoke",
        "seed": 0,
    }
    card |= {"settings": entry.settings(profile), "scores": scores, "bytes": 1000}
    rounding = {"scores": {"variance": 0.1}, "scores_rounded": {"variance": 0.11}}
    return (root / "m.safetensors").read_bytes(), card | {"rounding": rounding}


def checkpoints(root: Path) -> Feed:
    import torch

    from cdvae import checkpoints as project
    from cdvae.tools.files import sha256

    weights, card = small_model(root)
    project.folder = lambda: root

    def feed(example) -> bool:
        changes, card_changes, mends_hash = example
        path = root / "m.safetensors"
        path.write_bytes(mutated(weights, changes) if changes else weights)
        about = card | {"sha256": sha256(path) if mends_hash else "0"}
        path.with_suffix(".json").write_text(json.dumps(mutated_json(about, card_changes)))
        project.overview()
        model = project.load.__wrapped__("m")
        return bool(model.sample(torch.rand(1, 1, 32, 32), 1).isfinite().all())

    return feed


MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["a.jpg", "b/a.jpg", "b/./c", "../x", "/tmp/x", "b/../../x", "C:\\x", "\\\\host\\x",
             "a.jpg/b", "b", "b/", " ", ".", "é" * 200, "x" * 300, "con", "a\nb", "..\\x"]
        ),
        st.binary(max_size=40),
        st.sampled_from([stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, 0, stat.S_IFREG]),
        st.sampled_from(
            [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
        ),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def archives(root: Path) -> Feed:
    from cdvae.data.fetch.unpack import unpack_zip

    def feed(example) -> bool:
        members, changes = example
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as file:
            for name, body, mode, how in members:
                info = zipfile.ZipInfo(name)
                info.external_attr, info.compress_type = mode << 16, how
                file.writestr(info, body)
        archive, to = root / "archive.zip", root / "to"
        archive.write_bytes(mutated(data.getvalue(), changes) if changes else data.getvalue())
        try:
            unpack_zip(archive, to)
            return True
        finally:
            left = [name for _, _, files in os.walk(to) for name in files if "-cdvae" in name]
            others = sorted(os.listdir(root))
            shutil.rmtree(to, ignore_errors=True)
            assert not left, left
            assert others in (["archive.zip"], ["archive.zip", "to"]), others

    return feed


NAMES = ("profile", "data", "root", "tasks", "methods", "seeds", "device", "epochs")
VALUES = ODD | st.sampled_from(
    ["smoke", "quick", "scenes", "coco", "folder", "shapes", "motion", ["motion"], "gauss",
     ["nn", "gauss"], 3, [0, 0], ["0"], "cpu", "cuda:99", "meta", ["truth"], "crossconv",
     "relighting", (), {"a"}, b"x"]
)  # fmt: skip
WORDS = st.lists(
    st.sampled_from(
        (
            "reproduce train evaluate data check --profile smoke quick --data scenes coco --root . "
            "--tasks motion --methods gauss nn --seeds 0 -1 1e3 --device cpu --task --method "
            "--seed --use x.py --dry-run --"
        ).split()
    )
    | st.text(max_size=6),
    max_size=7,
)


def parameters(root: Path) -> Feed:
    import contextlib

    from cdvae import cli, notebook
    from cdvae.runs.experiment import open_runs
    from cdvae.runs.parameters import checked

    def feed(example) -> bool:
        asked, words, cell = example
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            with contextlib.redirect_stdout(io.StringIO()):
                cli.parser().parse_args(words)
        notebook.parameters_in({"In": ["", "# Parameters\n" + cell], "np": 1, "seeds": None})
        checked(asked)
        open_runs(**{name: value for name, value in asked.items() if name != "epochs"})
        return True

    return feed


CELLS = st.sampled_from(
    ["seeds = [0]", "root = None", "epocs = 3", "profile: str = 'x'", "a, b = 1, 2", "x.y = 3"]
)
SOME_CHANGES = st.just([]) | CHANGES
TARGETS = {
    "images": Target(
        st.tuples(
            st.sampled_from(KINDS), st.sampled_from(["", "jpg", "png"]), CHANGES, st.booleans()
        ),
        images,
        0.3,
    ),
    "annotations": Target(
        st.tuples(
            st.sampled_from(["train2014", "val2014"]),
            JSON_CHANGES,
            st.just([]) | st.just([]) | CHANGES,
        ),
        annotations,
        0.15,
    ),
    "clips": Target(
        st.tuples(st.sampled_from([".avi", ".mkv"]), CHANGES, st.booleans()), clips, 0.1
    ),
    "lists": Target(
        st.tuples(st.sampled_from(["classInd.txt", "trainlist01.txt", "testlist01.txt"]), CHANGES),
        lists,
        0.1,
    ),
    "checkpoints": Target(
        st.tuples(SOME_CHANGES, JSON_CHANGES | st.just([]), st.booleans()), checkpoints, 0.1
    ),
    "archives": Target(st.tuples(MEMBERS, SOME_CHANGES), archives, 0.15),
    "parameters": Target(
        st.tuples(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), WORDS, CELLS),
        parameters,
        0.1,
    ),
}
