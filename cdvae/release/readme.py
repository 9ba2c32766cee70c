"""The README's hero figure and results, from the files made: `cdvae release readme`."""

import pandas as pd

from cdvae.data.sources import data_set
from cdvae.figures import captions
from cdvae.figures.style import picture_at
from cdvae.methods import label, ordered
from cdvae.release import numbers
from cdvae.report.paper import LAYERS
from cdvae.report.results import cell, results_folder, summary
from cdvae.runs.measures import metric
from cdvae.tools.files import project_root, write_text

HERO = (("quick", "coco"), ("quick", "ucf101"))  # Figure 1 of both, below each other
SHOWN = (("tuned", "coco"), ("tuned", "ucf101"), ("tuned", "scenes"))
SCORES = ("best_error", "variance", "energy_score")


def results_block() -> str:
    """The scores of each method, task by task, as Markdown."""
    parts = []
    for profile, data in SHOWN:
        path = results_folder(profile, data) / "scores.csv"
        if not path.exists():
            continue
        scores = pd.read_csv(path)
        parts.append(
            f"**On {data_set(data).title}** (`results/{profile}/{data}/`, {sizes(scores)})\n"
        )
        parts.append(table(summary(scores)))
    return "\n".join(parts)


def sizes(scores: pd.DataFrame) -> str:
    """How many examples and seeds stand behind the numbers, and behind which there are fewer."""
    n_train, n_test = scores.n_train.max(), scores.n_test.max()
    seeds = scores.groupby("method", sort=False).seed.nunique()
    n_seeds, fewer = seeds.max(), scores[scores.n_test < n_test].groupby("method").n_test.max()
    text = f"{n_train:,} / {n_test:,} training / test examples, {n_seeds} seed"
    text += "s" * int(n_seeds > 1)
    less = [f"{label(m)}: the first {n} test examples" for m, n in fewer.items()]
    for n in sorted(set(seeds) - {n_seeds}, reverse=True):
        of = ", ".join(label(m) for m in seeds.index[seeds == n])
        less.append(f"{of}: {n} seed" + "s" * int(n > 1))
    return text + "".join(f"; {each}" for each in less)


def table(each: pd.DataFrame) -> str:
    """One row a method, a column for each task and score."""
    tasks = [task for task in LAYERS if task in set(each.task)]
    shown = [metric(name) for name in SCORES]
    heads = [f"{task}: {each.head}" for task in tasks for each in shown]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name in ordered(each.method):
        cells = []
        for task in tasks:
            for score in shown:
                rows = each[(each.task == task) & (each.method == name)]
                found = rows[(rows.metric == score.name) & (rows.n_samples == 100)]
                cells += [
                    cell(score.scale * r["mean"], score.scale * r["std"], None, 2)
                    for _, r in found.iterrows()
                ] or ["–"]
        lines.append(f"| {label(name)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def hero_block() -> str:
    """Figure 1 of photos and of clips, as far as they are drawn, with their captions' sentences."""
    pictures, texts = [], []
    for profile, data in HERO:
        path = picture_at(project_root() / "figures" / profile / data / "figure1")
        if path.exists():
            place = path.relative_to(project_root()).as_posix()
            pictures.append(f"![Figure 1 on {data}: an original and four samples]({place})")
            texts.append(captions.of(path))
    return "\n".join(pictures) + "\n\n" + "\n\n".join(texts) + "\n"


def between(text: str, name: str, block: str) -> str:
    """The text with the block between the markers of that name."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{block}{end}{rest.split(end)[1]}"


def update() -> None:
    """Put the present figure and results between the README's markers."""
    path = project_root() / "README.md"
    text = between(path.read_text(encoding="utf-8"), "hero", hero_block())
    write_text(path, between(text, "results", results_block()))
    for page in numbers.pages():
        numbers.renew(page)
        for fault in (each for text in numbers.texts(page) for each in numbers.faults(text)):
            print(f"{page.name}: {fault}")
