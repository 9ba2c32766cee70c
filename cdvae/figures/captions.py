"""Captions of the figures that show samples: what, by which rule, from which file."""

import re
from pathlib import Path

from cdvae.figures.arrows import fastest
from cdvae.figures.comparison import most_beyond
from cdvae.figures.gallery import Gallery
from cdvae.figures.shown import DRAWN, N_EACH
from cdvae.methods import label
from cdvae.tools.files import locked, write_text

FILE = "captions.md"
HOW = {
    "relighting": "Relighting: albedo times the generated shading, with its detail map in log "
    "shading.",
    "resaturation": "Resaturation: saturation replaced by the generated one, with its detail map; "
    "hue and value kept.",
    "motion": "Motion: an arrow stands for a region that moves alike; on the background it is a "
    "pan of the camera. A sample without an arrow nowhere moves by half a pixel of the 32 × 32 "
    "grid in a second. At the right stand the row's fastest speed (98th percentile) and how many "
    "times its length an arrow is drawn.",
}


def of_teaser(galleries: list[Gallery]) -> str:
    """Figure 1."""
    parts = ["**Figure 1.** One picture for each task, and four samples of its model."]
    for row, gallery in enumerate(galleries):
        k = min(row, len(gallery) - 1)
        parts.append(f"{HOW[gallery.task]} {model_of(gallery)}, test example {k + 1}.")
    return " ".join([*parts, *common(galleries)])


def of_comparison(galleries: list[Gallery]) -> str:
    """Figure 5."""
    text = (
        f"**Figure 5.** {N_EACH} samples of each method for the first example of each task, and "
        f"their spread: the deviation over {DRAWN} samples at each pixel, brighter where they "
        "differ more, on one scale for a task. Look whether the samples of a row differ, and "
        "whether they do so where the picture leaves it open."
    )
    if any(gallery.task == "motion" for gallery in galleries):
        text += f" Of motion one sample stands for each of {N_EACH} clusters."
    return " ".join([text, *(HOW[gallery.task] for gallery in galleries), *common(galleries)])


def of_samples(gallery: Gallery, number: int, rows: range) -> str:
    """Figures 6–16."""
    parts = [
        f"**Figure {number}.** {HOW[gallery.task]} {model_of(gallery)}, {which(gallery, rows)}."
    ]
    if gallery.task == "motion":
        speeds = [fastest(gallery.shown.x_g[k]) for k in rows]
        parts.append(f"The data's own fastest are {min(speeds):.1f} to {max(speeds):.1f} px/s.")
    else:
        shares = [share for k in rows for share in gallery.made(k, gallery.shown.main)[1]]
        mean, most = sum(shares) / len(shares), max(shares)
        does = {"relighting": "clip", "resaturation": "would leave the range and are bent back"}
        part = f"Of the pixels {mean:.1%} {does[gallery.task]} (at most {most:.1%} of one picture)."
        parts.append(part)
    return " ".join([*parts, *common([gallery])])


def of_printed(gallery: Gallery, number: str, rows: range) -> str:
    """Figure 6 with Eq. 10 as printed."""
    shares = [share for k in rows for share in gallery.made(k, gallery.shown.main, True)[1]]
    text = (
        f"**Figure {number}.** Figure {number[:-1]} with Eq. 10 as printed: the detail map is "
        f"added in linear light. Of the pixels {sum(shares) / len(shares):.1%} are left without "
        f"light (at most {max(shares):.1%} of one picture), which the detail map in log shading "
        "never does."
    )
    return f"{text} {source([gallery])}"


def of_fields(gallery: Gallery, number: str, rows: range) -> str:
    """The fields behind Figures 6–8."""
    text = (
        f"**Figure {number}.** The fields behind Figure {number[:-1]}, 32 × 32 pixels, "
        f"{which(gallery, rows)}: the data's own $x_g$, $x_g$ as the model gives it back from "
        "codes of its own (CDVAE$(z_o)$ of Eq. 10), and the samples."
    )
    if gallery.task == "motion":
        kept = gallery.shown
        ours = sum(fastest(kept.samples[kept.main][k]) for k in rows)
        theirs = sum(fastest(kept.x_g[k]) for k in rows)
        text += (
            " Hue is the direction. Data and samples have full colour each at their own fastest "
            f"speed, which stands at the right: the samples' is {ours / max(theirs, 1e-6):.0%} of "
            "the data's over these rows. The arrows, lengthened alike, hide what is lacking in "
            "speed."
        )
    else:
        text += " Blobs where the data have shapes are what the model leaves out."
    return f"{text} {source([gallery])}"


def of_beyond(gallery: Gallery, number: str, rows: range) -> str:
    """Where a picture goes beyond what can be shown."""
    k, n, share = most_beyond(gallery, rows)
    what, painted = {
        "relighting": (
            "What clipping looks like",
            "are burnt out: a channel is at white, and texture is lost there",
        ),
        "resaturation": (
            "Where saturation is bent back",
            "would have more than full saturation or less than none. They come near it and stay "
            "apart from each other, where cutting them off would make them one colour",
        ),
    }[gallery.task]
    text = (
        f"**Figure {number}.** {what}: the picture of Figure {number[:-1]} of which most goes "
        f"beyond what can be shown, {share:.1%} (test example {k + 1}, sample {n + 1}). Painted "
        f"pixels {painted}."
    )
    return f"{text} {source([gallery])}"


def model_of(gallery: Gallery) -> str:
    """Which samples are shown."""
    name = label(gallery.shown.main)
    if gallery.task == "motion":
        return f"Samples of {name}: one of each of four clusters of 100, the commonest first"
    return f"The first four samples of {name}"


def which(gallery: Gallery, rows: range) -> str:
    each = " (one a clip)" if gallery.task == "motion" and gallery.drawn is None else ""
    return f"test examples {rows.start + 1} to {rows.stop}{each}"


def common(galleries: list[Gallery]) -> list[str]:
    """What upsampling there was, and the files."""
    parts = []
    if galleries[0].drawn is not None:
        parts.append("Scenes are drawn, and fields upsampled, to 224 × 224.")
    elif any(gallery.task != "motion" for gallery in galleries):
        parts.append("Fields are upsampled to 512 × 512; pictures are printed smaller.")
    return [*parts, source(galleries)]


def source(galleries: list[Gallery]) -> str:
    files = ", ".join(f"`shown-{gallery.task}.safetensors`" for gallery in galleries)
    return f"Source: {files}."


def kept(folder: Path) -> dict[tuple[int, str], str]:
    """The captions in a folder of figures, by number and letter."""
    path = folder / FILE
    texts = path.read_text(encoding="utf-8").strip().split("\n\n") if path.exists() else []
    return {number_of(text): text for text in texts}


def of(path: Path) -> str:
    """The caption of the figure in that file."""
    return kept(path.parent)[place_of(path)]


def find(path: Path) -> str:
    """The caption of the figure in that file; empty where there is none."""
    return kept(path.parent).get(place_of(path), "")


def place_of(path: Path) -> tuple[int, str] | None:
    """The number and letter of the figure in that file; None for one without a number."""
    match = re.fullmatch(r"figure(\d+)(\w*)", path.stem)
    return (int(match[1]), match[2]) if match else None


def plain(caption: str, most: int = 250) -> str:
    """A caption's first sentences without markup, for a screen reader."""
    text = re.sub(r"<!--.*?-->|[*`$\\]", "", caption)
    sentences, found = re.split(r"(?<=[a-z)]\.) ", text), ""
    for sentence in sentences:
        if found and len(found) + len(sentence) > most:
            break
        found += f" {sentence}" * bool(found) or sentence
    return found


def merge(folder: Path, texts: list[str]) -> None:
    """Keep captions in a folder of figures, in place of those with the same number, in order."""
    with locked(folder):  # notebooks that run side by side draw into one folder
        found = kept(folder) | {number_of(text): text for text in texts}
        write_text(folder / FILE, "\n\n".join(found[number] for number in sorted(found)) + "\n")


def number_of(text: str) -> tuple[int, str]:
    """The number and letter of the figure that a caption belongs to."""
    digits, letter = re.match(r"\*\*Figure (\d+)(\w*)\.", text).groups()
    return int(digits), letter
