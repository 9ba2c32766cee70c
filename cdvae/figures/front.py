"""The figures of README's first screen: the idea, and where each method stands on photos."""

from pathlib import Path

from cdvae.figures.idea import idea
from cdvae.figures.studies import standing
from cdvae.figures.style import save
from cdvae.report.chapters import Chapter
from cdvae.tools.files import output_root

SHOWN = ("tuned", "coco")  # whose scores


def draw() -> list[Path]:
    """Write idea.png, and standing.png where its scores are there, into figures/; their paths."""
    folder = output_root() / "figures"
    drawn = [save(idea(), folder / "idea")[0]]
    chapter = Chapter(*SHOWN)
    if len(chapter.scores):
        drawn.append(save(standing(chapter), folder / "standing")[0])
    return drawn
