"""What the explorer in the page works with: models, pictures, their layers, and the runtime."""

import json
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

METHODS = ("cvae", "gauss", "mdn4", "mdn12")
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
    data = {
        "models": [model(name, to) for name in models()],
        "pictures": [*scenes(to), *photos(to)],
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
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    kept = ("task", "method", "data", "n_noise", "n_own", "n_components")
    return {each: card[each] for each in kept} | {
        "name": name,
        "label": label(card["method"]),
        "file": f"models/{path.name}",
        "inputs": list(card["inputs"]),
        "channels_c": checkpoint.task.channels_c,
        "channels_g": checkpoint.task.channels_g,
    }


def scenes(to: Path) -> list[dict]:
    """The first test scenes: each as a picture, and its layers for every task as numbers."""
    made = []
    for k in range(SCENES):
        subject = subjects.scene("resaturation", k)
        picture = subject.on_screen(subject.fine)
        save(picture, to / f"scene-{k + 1}.png")
        numbers, layers, start = [], {}, 0
        for task in TASKS:
            one = subjects.scene(task, k)
            sizes = {}
            for layer, x in (("c", one.x_c[0]), ("g", one.x_g[0])):
                sizes[layer] = [start, len(x)]
                numbers.append(x.numpy().astype("<f4").tobytes())
                start += len(x)
            layers[task] = sizes
        (to / f"scene-{k + 1}.bin").write_bytes(b"".join(numbers))
        name = f"scene-{k + 1}"
        about = {"key": name, "kind": "scene", "title": subject.name, "picture": f"{name}.png"}
        made.append(about | {"layers": layers | {"file": f"{name}.bin"}})
    return made


def photos(to: Path) -> list[dict]:
    """The photos that are there."""
    made = []
    for place, (title, credit) in PHOTOS.items():
        path = installed(place)
        if path is not None:
            (to / path.name).write_bytes(path.read_bytes())
            about = {"key": path.stem, "kind": "photo", "title": title}
            made.append(about | {"picture": path.name, "credit": credit})
    return made


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
    titles = [
        (f"scene-{k + 1}", f"test scene {k + 1}", f"scene-{k + 1}.png") for k in range(SCENES)
    ]
    for place, (title, _) in PHOTOS.items():
        if (path := installed(place)) is not None:
            titles.append((path.stem, title, path.name))
    return "\n".join(
        f'<label class="thumb"><input type="radio" name="picture" value="{key}"'
        f'{" checked" if k == 0 else ""}><img src="_static/explorer/{file}" alt="" '
        f'width="{THUMB}" height="{THUMB}">{title}</label>'
        for k, (key, title, file) in enumerate(titles)
    )
