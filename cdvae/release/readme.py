"""What README and RESULTS.md take from files: `cdvae release readme` writes it between markers.

README has the table of contents, from the notebooks' own titles; RESULTS.md has the scores and a
page of samples. The marked numbers of all pages are written anew as well (`release.numbers`).
"""

import re

import pandas as pd

from cdvae.data.sources import data_set
from cdvae.figures import captions
from cdvae.figures.style import picture_at
from cdvae.methods import label, ordered
from cdvae.release import lookups, notebooks, numbers, sized
from cdvae.report.paper import LAYERS
from cdvae.report.results import cell, summary
from cdvae.runs.measures import metric
from cdvae.tools.files import project_root, write_text

SHOWN = (("tuned", "coco"), ("quick", "ucf101"), ("tuned", "scenes"))
SAMPLES = ("quick", "coco")  # whose Figure 1 is shown
SCORES = ("best_error", "variance", "energy_score")
MOST = 240  # letters of what the contents say of a notebook


def contents_block() -> str:
    """A row for each notebook: its link, its title and what it is about, as it says itself."""
    lines = ["| notebook | |", "|---|---|"]
    for path in notebooks.numbered():
        title, about = heading(path)
        lines.append(f"| [{title}](notebooks/{path.name}) | {about} |")
    return "\n".join(lines) + "\n"


def heading(path) -> tuple[str, str]:
    """The title of a notebook, and the first sentences quoted right under it, without links."""
    lines = "".join(notebooks.read(path)["cells"][0]["source"]).splitlines()
    quoted = " ".join(line.removeprefix(">").strip() for line in lines if line.startswith(">"))
    return lines[0].lstrip("# "), begun(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", quoted))


def begun(text: str) -> str:
    """The first sentence of a text, and those after it as long as they fit in MOST letters."""
    first, *others = re.split(r"(?<=[.?!]) (?=[A-Z])", text)
    for each in others:
        if len(first) + len(each) >= MOST:
            break
        first += f" {each}"
    return first


def tables_block() -> str:
    """The scores of each method, a table for each data set and task, the nearest first."""
    parts = []
    for profile, data in SHOWN:
        place = f"{profile}/{data}"
        if not (project_root() / "results" / place / "scores.csv").exists():
            continue
        scores = lookups.table(f"{place}/scores.csv")
        parts.append(f"### {sized.headed(data_set(data).title)}\n")
        parts.append(f"Profile `{profile}`; {sizes(scores)}.\n")
        for task in [task for task in LAYERS if task in set(scores.task)]:
            parts.append(f"**{sized.headed(task)}**\n")
            parts.append(table(summary(scores[scores.task == task])))
        parts.append(f"Source: `results/{place}/scores.csv`.\n")
    return "\n".join(parts)


def sizes(scores: pd.DataFrame) -> str:
    """How many examples and seeds stand behind the numbers, and behind which there are fewer."""
    n_train, n_test = scores.n_train.max(), scores.n_test.max()
    seeds = scores.groupby("method", sort=False).seed.nunique()
    n_seeds, fewer = seeds.max(), scores[scores.n_test < n_test].groupby("method").n_test.max()
    text = f"{n_train:,} training and {n_test:,} test examples, {n_seeds} seed"
    text += "s" * int(n_seeds > 1)
    less = [f"{label(m)}: the first {n} test examples" for m, n in fewer.items()]
    for n in sorted(set(seeds) - {n_seeds}, reverse=True):
        of = ", ".join(label(m) for m in seeds.index[seeds == n])
        less.append(f"{of}: {n} seed" + "s" * int(n > 1))
    return text + "".join(f"; {each}" for each in less)


def table(each: pd.DataFrame) -> str:
    """One row a method, the nearest first, a column for each score."""
    shown = [metric(name) for name in SCORES]
    lines = ["| | " + " | ".join(score.head for score in shown) + " |", "|---" * 4 + "|"]
    some = each[each.n_samples == 100].set_index(["metric", "method"])
    nearest = some.loc["best_error", "mean"]
    for name in sorted(ordered(each.method), key=lambda name: nearest[name]):
        cells = []
        for score in shown:
            found = some.loc[(score.name, name)]
            cells.append(cell(score.scale * found["mean"], score.scale * found["std"], None, 2))
        lines.append(f"| {label(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def samples_block() -> str:
    """Figure 1 of photos with its caption, where it is drawn."""
    profile, data = SAMPLES
    path = picture_at(project_root() / "figures" / profile / data / "figure1")
    if not path.exists():
        return ""
    said = "two photos, each beside four samples: lit anew above, in other saturations below"
    return f"![{sized.headed(said)}]({path.relative_to(project_root())})\n\n{captions.of(path)}\n"


def scaling_block() -> str:
    """How long the measured runs would take on a cluster, as Markdown (`cdvae study scaling`)."""
    found = pd.read_csv(project_root() / "results" / "cluster.csv")
    lines = ["| runs | workers | until all is done | efficiency | sent |", "|" + "---:|" * 5]
    for row in found.itertuples():
        lasts = f"{row.makespan_s / 60:,.0f} min"
        of = f"{row.efficiency:.1%}".replace("%", " %")
        lines.append(f"| {row.runs:,} | {row.workers:,} | {lasts} | {of} | {row.moved_gb:.1f} GB |")
    return "\n".join(lines) + "\n"


def between(text: str, name: str, block: str) -> str:
    """The text with the block between the markers of that name."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{block}{end}{rest.split(end)[1]}"


BLOCKS = {
    "README.md": {"contents": contents_block},
    "RESULTS.md": {
        "samples": samples_block,
        "tables": tables_block,
        "sizes": sized.sizes_block,
        "cost": sized.cost_block,
    },
    "notebooks/CLUSTER.md": {"scaling": scaling_block},
}


def update() -> None:
    """Write the blocks of README and RESULTS.md, and the marked numbers of every page.

    Prints what is wrong with a mark, and each claim that the results do not bear out.
    """
    for name, blocks in BLOCKS.items():
        path = project_root() / name
        text = path.read_text(encoding="utf-8")
        for marker, block in blocks.items():
            text = between(text, marker, block())
        write_text(path, text)
    for page in numbers.pages():
        numbers.renew(page)
        for fault in (each for text in numbers.texts(page) for each in numbers.faults(text)):
            print(f"{page.name}: {fault}")
