"""Notebooks as the site's builder takes them: committed outputs, pictures with captions and texts.

Nothing is executed. A picture becomes a figure with the caption that stands below it, numbered if
the caption is, so that other pages can lead to it.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cdvae.site import words

PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}
KEPT = ("text/html", "text/markdown", "text/latex", "text/plain")  # of other outputs the first
FOLDER = "pictures"  # beside the notebooks


@dataclass
class Picture:
    """One picture: its bytes, what it is called in links, the number of its figure, if any."""

    name: str
    content: bytes
    ending: str
    number: str = ""
    caption: str = ""
    alt: str = ""

    @property
    def file(self) -> str:
        return f"{FOLDER}/{self.name}.{self.ending}"


@dataclass
class Page:
    """A notebook that is being prepared; `style` gathers what its tables bring of their own."""

    stem: str
    cells: list[dict]
    pictures: list[Picture] = field(default_factory=list)
    style: list[str] = field(default_factory=list)

    def headings(self) -> list[str]:
        found = [words.headings(source(c)) for c in self.cells if c["cell_type"] == "markdown"]
        return [heading for each in found for heading in each]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def page_of(notebook: dict, stem: str) -> Page:
    """The notebook with its pictures taken out and its tables cleaned."""
    page = Page(stem, [dict(cell) for cell in notebook["cells"]])
    for k, cell in enumerate(page.cells):
        if cell["cell_type"] == "code":
            after = page.cells[k + 1] if k + 1 < len(page.cells) else None
            cell["outputs"] = outputs_of(page, cell["outputs"], after)
    return page


def outputs_of(page: Page, outputs: list[dict], after: dict | None) -> list[dict]:
    """The outputs of a cell as the builder shows them.

    A caption is the Markdown that follows a picture, or begins the next cell.
    """
    made: list[dict] = []
    last: Picture | None = None
    for output in outputs:
        data = output.get("data")
        if data is None:  # a stream
            made.append(output)
            continue
        kind = next((each for each in PICTURES if each in data), None)
        text = "".join(data.get("text/markdown", ""))
        if kind:
            last = picture(page, kind, output)
            made.append({"picture": last})
        elif text and last and not last.caption and words.FIGURE.match(text):
            captioned(last, text, page)
        else:
            made += shown(page, data)
            last = None
    if last and not last.caption and after and after["cell_type"] == "markdown":
        first, _, rest = source(after).partition("\n\n")
        if words.FIGURE.match(first):
            captioned(last, first, page)
            after["source"] = rest
    return [directive(each["picture"]) if "picture" in each else each for each in made]


def picture(page: Page, kind: str, output: dict) -> Picture:
    """A picture of an output, filed under the page."""
    content = "".join(output["data"][kind])
    is_text = kind == "image/svg+xml"
    held = content.encode() if is_text else base64.b64decode(content)
    alt = output.get("metadata", {}).get(kind, {}).get("alt", "")
    found = Picture(f"{page.stem}-{len(page.pictures) + 1}", held, PICTURES[kind], alt=alt)
    page.pictures.append(found)
    return found


def captioned(picture: Picture, text: str, page: Page) -> None:
    """Give a picture its caption, and a name by its number where it has one."""
    picture.caption = " ".join(text.split())
    picture.number = words.FIGURE.match(text)[1] or ""
    if picture.number:
        same = sum(each.number == picture.number for each in page.pictures)
        number = picture.number.replace(".", "-")
        picture.name = f"{page.stem[:2]}-figure-{number}" + f"-{same}" * (same > 1)


def directive(picture: Picture) -> dict:
    """A picture as an output that the builder makes a figure of."""
    alt = picture.alt or words.plain(words.FIGURE.sub("", picture.caption)) or "output of the cell"
    return markdown(words.figure(picture.file, alt, picture.caption, picture.name))


def markdown(text: str) -> dict:
    return {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": text}}


def shown(page: Page, data: dict) -> list[dict]:
    """An output without a picture in its richest form that needs no kernel."""
    kind = next((each for each in KEPT if each in data), None)
    if kind is None:
        return []
    text = "".join(data[kind])
    if kind == "text/html":
        text = clean(page, text)
    return [{"output_type": "display_data", "metadata": {}, "data": {kind: text}}]


def clean(page: Page, html: str) -> str:
    """A table as HTML 5 has it, which scrolls by itself where it is wider than the screen."""

    def taken(match: re.Match) -> str:
        page.style.append(match[1].strip())
        return ""

    html = re.sub(r"<style[^>]*>(.*?)</style>", taken, html, flags=re.DOTALL)
    html = re.sub(r' (?:border|valign|align)="[^"]*"', "", html)
    html = re.sub(r'<tr style="text-align: right;">', "<tr>", html)
    html = re.sub(r"<(?![A-Za-z/!])", "&lt;", html)  # "less than": pandas' styles do not escape it
    return f'<div class="wide" role="region" aria-label="table" tabindex="0">{html.strip()}</div>'


def numbered(pages: list[Page]) -> dict[str, tuple[str, str]]:
    """The page and the name of each numbered figure, the first in the order of the pages."""
    found: dict[str, tuple[str, str]] = {}
    for page in pages:
        for each in page.pictures:
            if each.number:
                found.setdefault(each.number, (page.stem, each.name))
    return found


def written(page: Page, change: Callable[[str], str]) -> dict:
    """The page as a notebook; `change` is applied to all of its Markdown."""
    cells = []
    for number, cell in enumerate(page.cells):
        made = {
            k: cell[k] for k in ("cell_type", "source", "outputs", "execution_count") if k in cell
        }
        text = source(cell)
        is_text = cell["cell_type"] == "markdown"
        made |= {
            "id": f"cell-{number}",
            "metadata": {},
            "source": change(text) if is_text else text,
        }
        for output in made.get("outputs", []):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = change(data["text/markdown"])
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def keep(page: Page, folder: Path) -> None:
    """Write a page's pictures beside the notebooks."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for each in page.pictures:
        (folder / each.file).write_bytes(each.content)
