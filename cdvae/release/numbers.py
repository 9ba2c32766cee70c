"""Numbers and claims in prose, each marked with what it is read from.

A mark is an HTML comment, which no renderer shows, right before a number of a page or a cell:

    with a hundred samples CVAE's error is <!-- n: error('tuned/coco/relighting/cvae') -->2.26

The number is written with as many digits behind the point as it has on the page; a word up to
twelve is a number, too, and so are a verdict and a method's name in italics. A claim in words has a
mark of its own, before or behind it:

    <!-- true: error('tuned/coco/relighting/cvae') < error('tuned/coco/relighting/nn') -->

Both hold an expression of the functions of `lookups`, on the project's own result files. Neither
may have a "|", which would end a cell of a table, or begin a line, which would begin a block.
`cdvae release readme` writes the numbers anew, and `tests/test_numbers.py` fails where one differs
or a claim is false.
"""

import re
from pathlib import Path
from typing import Any

from cdvae.release import notebooks
from cdvae.release.lookups import NAMES
from cdvae.tools.files import project_root, write_text

WORDS = tuple("zero one two three four five six seven eight nine ten eleven twelve".split())
VERDICTS = ("holds", "does not hold", "undecided", "better", "worse")
NUMBER = (  # or a word that a mark may give: a verdict, or a name in italics
    r"[−+-]?\d+(?:,\d{3})*(?:\.\d+)?"
    rf"|\b(?:{'|'.join(WORDS + VERDICTS)})\b|\*[^*\n]+\*"
)
BEGINS = re.compile(r"^[ >]*(<!-- (?:n|true): .*)", re.M)
MARK = re.compile(rf"(<!-- (n|true): (.*?) -->)(\s*)({NUMBER})?", re.S)


def computed(expression: str) -> Any:
    """The value of a mark's expression; only the functions of `lookups` are known to it."""
    code = compile(" ".join(expression.split()), "<mark>", "eval")
    return eval(code, {"__builtins__": {}} | NAMES)


def as_written(number: float | str, like: str) -> str:
    """A number, or a word, in the manner of the one that stands on the page."""
    if isinstance(number, str):
        return f"*{number}*" if like.startswith("*") else number
    if like in WORDS and round(number) in range(len(WORDS)):
        return WORDS[round(number)]
    digits = len(like.partition(".")[2])
    sign = "+" * like.startswith("+")
    return f"{number:{sign},.{digits}f}".replace("-", "−")


def renewed(text: str) -> str:
    """The text with every marked number as it is in the results."""

    def write(mark: re.Match) -> str:
        comment, kind, expression, space, like = mark.groups()
        if kind == "true" or like is None:
            return mark.group()
        return comment + space + as_written(computed(expression), like)

    return MARK.sub(write, text)


def faults(text: str) -> list[str]:
    """What is wrong with the marks of a text, a sentence each."""
    found = []
    for mark in MARK.finditer(text):
        _, kind, expression, _, like = mark.groups()
        try:
            result = computed(expression)
        except Exception as why:  # an expression may fail in any way
            found.append(f"{expression}: {type(why).__name__}: {why}")
            continue
        if kind == "true" and not result:
            found.append(f"{expression} is false")
        if kind == "n" and like is None:
            found.append(f"{expression}: no number follows")
        elif kind == "n" and (right := as_written(result, like)) != like:
            found.append(f"{expression} is {right}, not {like}")
    found += [f"{start[:40]} … begins a line" for start in BEGINS.findall(text)]
    unread = text.count("<!-- n:") + text.count("<!-- true:") - len(MARK.findall(text))
    return found + [f"{unread} marks cannot be read"] * bool(unread)


def pages() -> list[Path]:
    """Every page and notebook whose numbers may be marked."""
    root, books = project_root(), notebooks.folder()
    return sorted([*root.glob("*.md"), *books.glob("*.md"), *books.glob("*.ipynb")])


def texts(path: Path) -> list[str]:
    """The Markdown of a page: of a notebook, of each of its cells."""
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    cells = notebooks.read(path)["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def renew(path: Path) -> None:
    """Write the marked numbers of a page or a notebook anew, if any of them differs."""
    if path.suffix != ".ipynb":
        before = path.read_text(encoding="utf-8")
        if (after := renewed(before)) != before:
            write_text(path, after)
        return
    notebook = notebooks.read(path)
    old = texts(path)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = renewed("".join(cell["source"])).splitlines(keepends=True)
    new = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    if new != old:
        notebooks.write(notebook, path)
