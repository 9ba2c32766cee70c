"""Whether every link, picture and script of the site is there."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("source", "src"), ("link", "href"), ("iframe", "src")}
LED = {("a", "href"), ("form", "action")}


class Found(HTMLParser):
    """The addresses of a page: `ids` of its parts, what it `loads`, where its links `lead`."""

    def __init__(self, html: str):
        super().__init__()
        self.ids: set[str] = set()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.ids.add(value or "")
            elif (tag, name) in LOADED and value:
                self.loads.append(value)
            elif (tag, name) in LED and value:
                self.leads.append(value)


def broken(site: Path) -> list[str]:
    """What is wrong, one sentence each: links to what is not there, pictures and scripts from
    elsewhere."""
    pages = {path: Found(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    wrong = []
    for path, found in pages.items():
        name = path.relative_to(site)
        for address in dict.fromkeys([*found.loads, *found.leads]):
            parts = urlsplit(address)
            if parts.scheme in ("data", "mailto"):
                continue
            if parts.scheme or parts.netloc:
                if address in found.loads:
                    wrong.append(f"{name} loads {address}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                wrong.append(f"{name}: no {address}")
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].ids:
                    wrong.append(f"{name}: no part {address}")
    return wrong
