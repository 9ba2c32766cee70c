"""What the explorer in the page works with: models, pictures, their layers, and the runtime."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps

import cdvae
from cdvae import checkpoints
from cdvae.data.fields import TASKS
from cdvae.data.photos.intrinsic import DEFAULT
from cdvae.explore.tiles import FIELDS
from cdvae.methods import label, ordered
from cdvae.postprocess import own as subjects
from cdvae.release.export import export
from cdvae.site.npm import ONNXRUNTIME, take

METHODS = ("cvae", "gauss", "mdn4", "mdn12", "cdvae-spatial")
SCENES = 4  # the first test scenes
THUMB = 96  # px
RUNTIME = {
    f"dist/{name}": name
    for name in (
        "ort.wasm.min.mjs",
        "ort-wasm-simd-threaded.mjs",
        "ort-wasm-simd-threaded.wasm",
    )
}
PHOTOS = {  # that packages of ours bring: their place, title and credit
    "skimage/data/coffee.png": ("coffee", "Photo: Rachel Michetti, CC0."),
    "skimage/data/chelsea.png": ("a cat", "Photo: Stéfan van der Walt, CC0."),
    "sklearn/datasets/images/china.jpg": (
        "a palace",
        "Photo: danielbuechele on Flickr, CC BY 2.0.",
    ),
    "sklearn/datasets/images/flower.jpg": ("a flower", "Photo: vultilion on Flickr, CC BY 2.0."),
}


def keep(static: Path) -> None:
    """Write all of it below the site's static files."""
    to = static / "explorer"
    to.mkdir(parents=True, exist_ok=True)
    take(ONNXRUNTIME, RUNTIME, to)
    drawn = [about | {"layers": keep_scene(k, about, to)} for k, about in enumerate(scenes())]
    for path in photos():
        shutil.copyfile(path, to / path.name)
    data = {
        "models": [model(name, to) for name in models()],
        "pictures": [*drawn, *photos().values()],
        "draws": draws(),
        "map": (colormaps[FIELDS](np.arange(256))[:, :3] * 255)
        .round()
        .astype(int)
        .ravel()
        .tolist(),
    }
    (to / "data.json").write_text(json.dumps(data), encoding="utf-8")


def models() -> list[str]:
    """The checkpoints that the explorer offers, those of a task and data in the tables' order."""
    cards = {k: v for k, v in checkpoints.cards().items() if v["method"] in METHODS}
    rank = ordered({card["method"] for card in cards.values()})
    return sorted(cards, key=lambda name: rank.index(cards[name]["method"]))


def model(name: str, to: Path) -> dict:
    """A model's file and what a page has to know to run it."""
    checkpoint = cdvae.load(name)
    path = export(checkpoint, to / "models")
    card = checkpoints.read_card(path.with_suffix(".json"))
    kept = ("name", "task", "method", "data", "n_noise", "n_own", "n_components")
    return {each: card[each] for each in kept} | {
        "label": label(card["method"]),
        "file": f"models/{path.name}",
        "inputs": list(card["inputs"]),
        "channels_c": checkpoint.task.channels_c,
        "channels_g": checkpoint.task.channels_g,
    }


def scenes() -> list[dict]:
    """The first test scenes, as the page's script has them but for their layers."""
    return [
        {
            "key": f"scene-{k}",
            "kind": "scene",
            "title": f"test scene {k}",
            "picture": f"scene-{k}.png",
        }
        for k in range(1, SCENES + 1)
    ]


def keep_scene(k: int, about: dict, to: Path) -> dict:
    """Write test scene k as a picture, and its layers for every task as numbers.

    Returns the file of numbers, and of each layer where in it its channels begin, and how many.
    """
    subject = subjects.scene("resaturation", k)
    save(subject.on_screen(subject.fine), to / about["picture"])
    numbers, layers, start = [], {"file": f"{about['key']}.bin"}, 0
    for task in TASKS:
        one, layers[task] = subjects.scene(task, k), {}
        for layer, x in (("c", one.x_c[0]), ("g", one.x_g[0])):
            layers[task][layer] = [start, len(x)]
            numbers.append(x.numpy().astype("<f4").tobytes())
            start += len(x)
    (to / layers["file"]).write_bytes(b"".join(numbers))
    return layers


def photos() -> dict[Path, dict]:
    """The photos that are there, each as the page's script has it."""
    found = {}
    for place, (title, credit) in PHOTOS.items():
        if (path := installed(place)) is not None:
            about = {"key": path.stem, "kind": "photo", "title": title}
            found[path] = about | {"picture": path.name, "credit": credit}
    return found


def installed(place: str) -> Path | None:
    """A file of an installed package; None where it is not there."""
    package, _, inside = place.partition("/")
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / inside if folders else None
    return path if path and path.is_file() else None


def save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8)).save(path)


def draws() -> list[float]:
    """The random numbers of the intrinsic images' k-means."""
    generator = torch.Generator().manual_seed(DEFAULT.seed)
    return torch.rand(DEFAULT.labels, generator=generator).tolist()


def pickers() -> str:
    """The pictures to choose from, as the page's form has them."""
    return "\n".join(
        f'<label class="thumb"><input type="radio" name="picture" value="{each["key"]}"'
        f'{" checked" if k == 0 else ""}><img src="_static/explorer/{each["picture"]}" alt="" '
        f'width="{THUMB}" height="{THUMB}">{each["title"]}</label>'
        for k, each in enumerate([*scenes(), *photos().values()])
    )
