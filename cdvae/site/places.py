"""Where the site has what a link of the project leads to."""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from cdvae.site.words import slug

LARGEST = 1_000_000  # bytes of a file that the site offers for download


@dataclass
class Places:
    """root: the project. pages: what of it becomes pages, by path in the project, with the
    headings of each. figures: the page and the name of each numbered figure."""

    root: Path
    pages: dict[str, list[str]]
    figures: dict[str, tuple[str, str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  # files that are not pages and were linked

    def of(self, target: str, at: str) -> str | None:
        """What a link on the page `at` leads to, seen from that page; None where it cannot.

        A small file that is no page is taken along.
        """
        path, _, fragment = unquote(target).partition("#")
        if not path:  # on the same page
            return self.anchor(at, fragment) if at in self.pages else target
        place = os.path.normpath(PurePosixPath(at).parent / path)
        here = PurePosixPath(os.path.relpath(place, PurePosixPath(at).parent)).as_posix()
        if place in self.pages:
            return here + self.anchor(place, fragment)
        file = self.root / place
        inside = not place.startswith("..") and file.suffix not in (".md", ".ipynb")
        if inside and file.is_file() and file.stat().st_size <= LARGEST:
            self.taken.add(place)
            return here
        return None

    def anchor(self, place: str, fragment: str) -> str:
        """The address of a heading, given as a notebook's viewer or as a code host writes it."""
        if not fragment:
            return ""
        for heading in self.pages[place]:
            if fragment in (heading.replace(" ", "-"), slug(heading)):
                return f"#{slug(heading)}"
        return f"#{fragment}"  # the links' check will say so

    def figure(self, number: str, at: str) -> str | None:
        """A link to a numbered figure from the page `at`; None for one that is on no page."""
        if number not in self.figures:
            return None
        page, name = self.figures[number]
        here = os.path.relpath(page, PurePosixPath(at).parent)
        return f"#{name}" if page == at else f"{PurePosixPath(here).as_posix()}#{name}"
