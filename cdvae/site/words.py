"""Markdown as the project writes it, brought to what the site's builder reads."""

import re
from collections.abc import Callable, Iterator

CODE = re.compile(r"(```.*?```|~~~.*?~~~|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]+\$)", re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
NUMBER = r"\d+(?:\.\d+|[a-z])?"  # of a figure: the paper's, or the notebook's own
FIGURE = re.compile(rf"\*\*Figures?(?: ({NUMBER})(?: of \w+)?)?\.?\*\*\s*")  # how a caption begins
MENTION = re.compile(rf"(?<![\w*\[])Figure ({NUMBER})(?!\w|\.?\*\*|\])")
MOST = 240  # letters of a text that stands for a picture


def outside_code(text: str, change) -> str:
    """The text with `change` applied to all but code and formulas."""
    parts = CODE.split(text)
    return "".join(each if k % 2 else change(each) for k, each in enumerate(parts))


def linked(text: str, lead: Callable[[str], str | None]) -> str:
    """Markdown with its links led to what the site has; one that leads nowhere becomes its text.

    lead: gives for a path in the project, or beside the page, what the link shall be.
    """
    held: list[str] = []

    def shown(part: str) -> str:
        return re.sub("\x00(\\d+)\x00", lambda match: held[int(match[1])], part)

    def hide(match: re.Match) -> str:  # a label may be code: it is part of the link
        held.append(match[0])
        return f"\x00{len(held) - 1}\x00"

    def led(match: re.Match) -> str:
        is_picture, label, target = match[1], match[2], shown(match[3])
        if SCHEME.match(target):
            return match[0]
        found = lead(target)
        return label if found is None else f"{is_picture}[{label}]({found})"

    return shown(LINK.sub(led, CODE.sub(hide, text)))


def with_figures_linked(text: str, place: Callable[[str], str | None]) -> str:
    """Mentions of a numbered figure lead to it; those in headings, captions' heads, code and links
    stay. place: where a figure of that number is, if anywhere."""

    def led(match: re.Match) -> str:
        target = place(match[1])
        return f"[{match[0]}]({target})" if target else match[0]

    def line(each: str) -> str:
        is_own = each.lstrip().startswith(("#", "**Figure", ":alt:")) or "](" in each
        return each if is_own else outside_code(each, lambda part: MENTION.sub(led, part))

    fenced, lines = False, []
    for each in text.split("\n"):
        fenced ^= each.lstrip().startswith("```") or each.count("$$") % 2 == 1
        lines.append(each if fenced else line(each))
    return "\n".join(lines)


def plain(text: str, most: int = MOST) -> str:
    """Markdown as one line of plain text, cut after whole words."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"[*`$]|\\(?:mathcal|text|,|;|!)|[{}]", "", text)
    text = " ".join(text.replace("\\mid", "|").split())
    if len(text) > most:
        text = text[:most].rsplit(" ", 1)[0] + " …"
    return text


def figure(path: str, alt: str, caption: str = "", name: str = "") -> str:
    """A picture with its caption; `name` is what links lead to."""
    rows = [f"````{{figure}} {path}", f":alt: {alt}"]
    rows += [f":name: {name}"] if name else []
    return "\n".join([*rows, "", caption, "````"])


def raw_html(text: str) -> str:
    """HTML that goes into the page as it is."""
    return f"````{{raw}} html\n{text}\n````"


def headings(text: str) -> Iterator[str]:
    """The headings of a Markdown text, without their marks."""
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).split("\n"):
        if match := re.match(r"#{1,6} +(.*)", line):
            yield match[1].strip()


def slug(heading: str) -> str:
    """What a heading's address is: lower case, hyphens, no punctuation."""
    bare = re.sub(r"[`*$\\{}]", "", heading)
    return re.sub(r"[^\w\- ]", "", bare.strip().lower().replace(" ", "-"))


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table of texts."""
    lines = ["| " + " | ".join(each) + " |" for each in (heads, ["---"] * len(heads), *rows)]
    return "\n".join(lines)
