"""All figures of the project on one page, light enough for a phone."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

from cdvae.data.sources import data_sets
from cdvae.figures import captions
from cdvae.release.sized import headed
from cdvae.site import words

WIDTH, QUALITY = 1200, 82  # px and of WebP, of a figure on the page
FOLDER = "plates"


@dataclass(frozen=True)
class Plate:
    """One figure: its file, data set, number and caption."""

    path: Path
    data: str
    number: str
    caption: str

    @property
    def name(self) -> str:
        return f"{self.data}-{self.path.stem.replace('_', '-')}"

    @property
    def file(self) -> str:
        return f"{FOLDER}/{self.name}.webp"


def plates(root: Path) -> list[Plate]:
    """The committed figures of the quick profile, by data set and number; others behind them."""
    found = []
    for folder in sorted(filter(Path.is_dir, (root / "figures" / "quick").iterdir())):
        pictures = [path for path in folder.glob("*.*") if path.suffix in (".png", ".jpg")]
        for path in sorted(pictures, key=lambda path: captions.place_of(path) or (inf, path.stem)):
            number = "".join(map(str, captions.place_of(path) or ()))
            found.append(Plate(path, folder.name, number, captions.find(path)))
    return found


def numbered(every: list[Plate]) -> dict[str, Plate]:
    """The first figure of each number."""
    found: dict[str, Plate] = {}
    for each in every:
        if each.number:
            found.setdefault(each.number, each)
    return found


def page(every: list[Plate]) -> str:
    """The page, a section for each data set."""
    known, texts = data_sets(), ["# All figures"]
    texts.append("Every figure that the project keeps, as `cdvae figures` draws it.")
    for data in dict.fromkeys(each.data for each in every):
        title = known[data].title if data in known else data
        texts.append(f"## {headed(title)}")
        texts += [shown(each) for each in every if each.data == data]
    return "\n\n".join(texts) + "\n"


def shown(plate: Plate) -> str:
    """A figure with its caption; one without is called what its file is called."""
    bare = headed(plate.path.stem.replace("_", " "))
    title = f"Figure {plate.number}" if plate.number else bare
    caption = plate.caption or f"**{title}.**"
    alt = words.plain(words.FIGURE.sub("", caption)) or title
    return words.figure(plate.file, alt, caption, plate.name)


def keep(every: list[Plate], to: Path) -> None:
    """Write the figures as WebP."""
    from PIL import Image

    (to / FOLDER).mkdir(parents=True, exist_ok=True)
    for plate in every:
        with Image.open(plate.path) as image:
            light = image.convert("RGB")
            if light.width > WIDTH:
                light = light.resize((WIDTH, round(light.height * WIDTH / light.width)))
            light.save(to / plate.file, "WEBP", quality=QUALITY, method=3)
