"""Report: what a source held, what was used, and what was skipped and why."""

import json
import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdvae.tools.files import write_json


@dataclass(frozen=True)
class Report:
    """An account of one reading of a source; nothing is skipped without its name and reason.

    n_found counts what the source holds and n_used what was kept, both in the same `unit`
    ("photos", "clips"). `skipped` maps a name to its reason, `counts` holds further named numbers,
    `notes` whole sentences, and `faults` those that say what is wrong with the whole.
    """

    source: str
    unit: str
    n_found: int
    n_used: int
    skipped: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing is missing, damaged or broken."""
        return not self.skipped and not self.faults

    def lines(self, names: int = 3) -> list[str]:
        """For a reader: a summary, then each reason with how often and the first few `names`."""
        lines = [f"{self.source}: {self.n_used:,} of {self.n_found:,} {self.unit} used"]
        lines += [f"  {name.replace('_', ' ')}: {count:,}" for name, count in self.counts.items()]
        for reason, skipped in sorted(self.reasons().items()):
            more = ", …" if len(skipped) > names else ""
            lines.append(f"  {len(skipped):,} × {reason}: {', '.join(skipped[:names])}{more}")
        lines += [f"  {sentence}" for sentence in (*self.notes, *self.faults)]
        return [printable(line) for line in lines]

    def reasons(self) -> dict[str, list[str]]:
        """The skipped names under each reason."""
        grouped = defaultdict(list)
        for name, reason in self.skipped.items():
            grouped[reason].append(name)
        return dict(grouped)

    def warn(self) -> None:
        """Warn of what was skipped, if anything."""
        if self.skipped:
            warnings.warn("skipped: " + "\n".join(self.lines()), stacklevel=2)

    def save(self, path: Path) -> None:
        """Write the report as JSON, atomically."""
        write_json(path, asdict(self))

    @staticmethod
    def load(path: Path) -> "Report":
        """Read what `save` wrote."""
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        sentences = {name: tuple(about[name]) for name in ("notes", "faults")}
        return Report(**{**about, **sentences})


def printable(text: str) -> str:
    """The text with what no terminal shows (bytes that are no text, line ends) as escapes."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)
