"""The pages of the site as the builder's sources: README, notebooks in order, cards, lists."""

import json
import os
import shutil
from pathlib import Path, PurePosixPath

from cdvae import checkpoints
from cdvae.release import notebooks
from cdvae.site import ahead, api, cells, gallery, words
from cdvae.site import explorer as in_page
from cdvae.site.places import Places
from cdvae.tools.files import key_of, project_root

FRONT = "README.md"
TEXTS = (  # pages of the project, those of them that there are, in this order
    "RESULTS.md",
    "RUNNING.md",
    "notebooks/CLUSTER.md",
    "notebooks/GLOSSARY.md",
    "notebooks/ERRATA.md",
    "notebooks/DEVIATIONS.md",
    "cdvae/data/README.md",
    "CONTRIBUTING.md",
)
EXPLORER, CARDS, GALLERY, API = "explorer.md", "models.md", "figures.md", "api.md"
FIRST_OF_EXPLORER = "## Your own photo"  # in notebook 09 …
WAY = (  # … the way to the page that needs no kernel
    "**Without a kernel:** [the explorer in the page](../explorer.md) does this in your browser; "
    "a photo of yours never leaves it.\n\n"
)


def stage(to: Path, only: tuple[str, ...] = ("",)) -> str:
    """Write the sources of all pages into a folder; returns the style that tables bring.

    only: how the names of the notebooks begin that are taken.
    """
    root = project_root()
    paths = [path for path in notebooks.numbered() if path.stem.startswith(only)]
    walk = [cells.page_of(notebooks.read(path), path.stem) for path in paths]
    texts = {name: (root / name).read_text(encoding="utf-8") for name in existing(root)}
    plates = gallery.plates(root)
    made = {CARDS: cards(), API: api.page(), GALLERY: gallery.page(plates)}
    texts |= made | {EXPLORER: explorer()}
    pages = {name: list(words.headings(text)) for name, text in texts.items()}
    pages |= {f"notebooks/{page.stem}.ipynb": page.headings() for page in walk}
    figures = {number: (GALLERY, each.name) for number, each in gallery.numbered(plates).items()}
    of_walk = cells.numbered(walk).items()
    figures |= {n: (f"notebooks/{stem}.ipynb", name) for n, (stem, name) in of_walk}
    places = Places(root, pages, figures)
    for name, text in texts.items():
        own = led(text, name, places, figures=name not in made)
        write(to / staged(name), own + contents(walk, texts) * (name == FRONT))
    for page in walk:
        name = f"notebooks/{page.stem}.ipynb"
        cells.keep(page, to / "notebooks")
        whole = cells.written(page, lambda text, at=name: led(text, at, places))
        with_way(page, whole)
        with_sliders(page, whole)
        write(to / name, json.dumps(whole, ensure_ascii=False))
    gallery.keep(plates, to)
    for name in places.taken:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, to / name)
    return "\n".join(rule for page in walk for rule in page.style if rule)


def existing(root: Path) -> list[str]:
    """The texts that the project has."""
    return [name for name in (FRONT, *TEXTS) if (root / name).is_file()]


def staged(name: str) -> str:
    """Where a text goes: the front page is the site's index."""
    return "index.md" if name == FRONT else name


def led(text: str, at: str, places: Places, figures: bool = True) -> str:
    """A page's Markdown with its links, and the mentions of figures, led to where they are."""
    if figures:
        text = words.with_figures_linked(text, lambda number: places.figure(number, at))
    at_front = os.path.relpath(FRONT, PurePosixPath(at).parent)
    text = words.linked(text, lambda target: places.of(target, at))
    return text.replace(f"]({at_front}", f"]({at_front.replace(FRONT, 'index.md')}")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def with_way(page: cells.Page, notebook: dict) -> None:
    """The notebook of the explorer says where it runs without a kernel."""
    if page.stem == notebooks.EXPLORER:
        for cell in notebook["cells"]:
            if cell["source"].startswith(FIRST_OF_EXPLORER):
                head, _, rest = cell["source"].partition("\n\n")
                cell["source"] = f"{head}\n\n{WAY}{rest}"


def with_sliders(page: cells.Page, notebook: dict) -> None:
    """Figures that move stand below the first figure of their number, or end their section."""
    found = notebook["cells"]
    if page.stem == notebooks.FRAMES:
        for heading, flip in zip(ahead.FRAMES, ahead.of_frames().values(), strict=True):
            if (end := end_of(found, heading)) is not None:
                found.insert(end, raw_cell(flip.html()))
    for number, task in ahead.AT.items():
        place = next((p for p in page.pictures if p.number == number), None)
        if place:
            at = next(k for k, c in enumerate(found) if place.file in json.dumps(c))
            found.insert(at + 1, raw_cell(ahead.of_task(task).html()))


def end_of(found: list[dict], heading: str) -> int | None:
    """Which cell comes after the section of that heading; None where there is no such section."""
    first = next((k for k, cell in enumerate(found) if is_under(cell, heading)), None)
    if first is None:
        return None
    after = range(first + 1, len(found))
    return next((k for k in after if begins(found[k])), len(found))


def is_under(cell: dict, heading: str) -> bool:
    text = cell["source"].lower() if cell["cell_type"] == "markdown" else ""
    return any(line.startswith("#") and heading in line for line in text.split("\n"))


def begins(cell: dict) -> bool:
    """Whether a cell begins a section."""
    return cell["cell_type"] == "markdown" and cell["source"].startswith("#")


def raw_cell(html: str) -> dict:
    name = f"raw-{key_of(html)}"
    return {"cell_type": "markdown", "metadata": {}, "id": name, "source": words.raw_html(html)}


def contents(walk: list[cells.Page], texts: dict[str, str]) -> str:
    """The site's tables of contents, at the end of the front page."""
    books = [f"notebooks/{page.stem}" for page in walk]
    papers = [name.removesuffix(".md") for name in TEXTS if name in texts]
    look = [each.removesuffix(".md") for each in (CARDS, GALLERY, API)]
    parts = {"Play": [EXPLORER.removesuffix(".md")], "The walk": books, "Beside it": papers}
    return "".join(tree(*each) for each in (parts | {"To look up": look}).items())


def tree(caption: str, names: list[str]) -> str:
    rows = "\n".join(names)
    return f"\n\n```{{toctree}}\n:caption: {caption}\n:hidden:\n:maxdepth: 1\n\n{rows}\n```\n"


def explorer() -> str:
    """The page of the explorer."""
    text = (Path(__file__).parent / "assets" / "explorer.html").read_text(encoding="utf-8")
    text = text.replace("@PICTURES@", in_page.pickers())
    text = text.replace("@AHEAD@", ahead.of_task("relighting").html(to_root=""))
    return f"# The explorer\n\n{words.raw_html(text)}\n"


def cards() -> str:
    """The model cards, one after the other, and what they have in common before them."""
    parts = [
        "# Model cards",
        "The trained models that come with the project. `cdvae.load(name)` gives one; `cdvae "
        "models export NAME` writes it as ONNX. Best errors and variances are × 10⁻², on the "
        "test split.",
    ]
    heads = ["model", "training examples", "best error of 100", "variance", "MB"]
    lines = [
        [f"[`{r['checkpoint']}`](#{words.slug(r['checkpoint'])})", f"{r['training examples']:,}"]
        + [f"{r[head]:.2f}" for head in heads[2:]]
        for r in checkpoints.overview()
    ]
    parts.append(words.table(heads, lines))
    return "\n\n".join([*parts, *(card(*each) for each in checkpoints.cards().items())]) + "\n"


def card(name: str, about: dict) -> str:
    """One model's card."""
    settings = [
        f"`{name}`: " + ", ".join(f"{k} = {v}" for k, v in value.items())
        if isinstance(value, dict)
        else f"`{name}` = {value}"
        for name, value in about["settings"].items()
    ]
    facts = [
        ["task", about["task"]],
        ["method", f"`{about['method']}`"],
        ["trained on", f"`{about['data']}`, profile `{about['profile']}`, seed {about['seed']}"],
        ["licence", about["licence"]],
        ["SHA-256", f"`{about['sha256']}`"],
    ]
    scores = [
        [
            r["metric"].replace("_", " "),
            str(r["n_samples"]),
            f"{r['value']:.4g}",
            r["unit"],
            f"{r['n_test']:,}",
        ]
        for r in about["scores"]
    ]
    heads = ["score", "samples", "value", "unit", "test examples"]
    return "\n\n".join(
        [
            f"## {name}",
            words.table(["", ""], facts),
            "Limits:\n\n" + "\n".join(f"- {each}" for each in about["limits"]),
            "Settings:\n\n" + "\n".join(f"- {each}" for each in settings),
            f"````{{admonition}} Scores\n:class: dropdown\n\n{words.table(heads, scores)}\n````",
        ]
    )
