"""The pages of errors and of choices: links, settings, names and numbers in them are true."""

import importlib
import math
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from cdvae import cli
from cdvae.figures import captions
from cdvae.release import notebooks
from cdvae.report import paper
from cdvae.runs.settings import load_profile

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "notebooks" / name for name in ("ERRATA.md", "DEVIATIONS.md")]
QUICK = load_profile("quick")


def headings(path: Path) -> set[str]:
    """Anchors of a notebook's or a page's headings."""
    if path.suffix == ".ipynb":
        cells = [c for c in notebooks.read(path)["cells"] if c["cell_type"] == "markdown"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        return {line.lstrip("# ").replace(" ", "-") for line in re.findall(r"^#+ .*", text, re.M)}
    found = re.findall(r"^#+ (.*)", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in found}


FRONT = [ROOT / name for name in ("README.md", "RESULTS.md", "RUNNING.md")]


@pytest.mark.parametrize("page", [*PAGES, *FRONT], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or anchor in headings(path), link


def test_every_error_is_shown_by_a_step():
    text = PAGES[0].read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|(.*)", text, re.M)
    numbers = sorted(int(number) for number, _ in rows)  # a point that moves keeps its number
    assert numbers == list(range(1, len(rows) + 1)) and len(rows) > 25
    claims = text.split("## Claims")[1].split("## Open")[0]
    for number, row in rows:
        assert re.search(r"\]\((01|14|15|18)_\w+\.ipynb#\d+-", row) or f"| {number} |" in claims


def names_quoted(page: Path) -> list[tuple[str, str]]:
    """`dotted.names` in a page, each with the value in brackets that follows it, if any."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"`([a-z]\w*(?:\.\w+)*)`(?: \(([^)]*)\))?", text)


def resolve(name: str):
    """The thing of that name in the package; raises if there is none."""
    parts = name.split(".")
    for k in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(["cdvae", *parts[:k]]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


PLAIN = {"quick", "tuned", "paper", "folder", "smoothing_px", "01_derivation"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_and_code_that_the_pages_quote_exist(page):
    for name, value in names_quoted(page):
        if name in PLAIN or Path(name).suffix in {".toml", ".csv", ".json"}:
            continue
        group, _, setting = name.partition(".")
        holder = getattr(QUICK, group, None)
        is_setting = hasattr(holder, setting) if setting else hasattr(QUICK, name)
        if not is_setting:
            assert resolve(name) is not None
            continue
        actual = getattr(holder, setting) if setting else holder
        actual = list(actual) if isinstance(actual, tuple) else actual
        assert value == str(actual), f"{name} is {actual}, not {value}"


def commands_quoted(page: Path) -> list[list[str]]:
    """The arguments of each `cdvae …` that a page tells its reader to type."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    typed = [part.strip() for line in lines for part in line.partition("#")[0].split("&&")]
    spoken = re.findall(r"`(cdvae [a-z][^`…]*)`", text)  # without options only its name is meant
    typed += [each if " --" in each else f"{each} --help" for each in spoken]
    return [shlex.split(each)[1:] for each in typed if each.startswith("cdvae ")]


WITH_COMMANDS = [ROOT / "README.md", ROOT / "RUNNING.md", ROOT / "cdvae" / "data" / "README.md"]


@pytest.mark.parametrize(
    "page", [*WITH_COMMANDS, *PAGES], ids=lambda p: f"{p.parent.name}-{p.name}"
)
def test_commands_that_the_pages_quote_are_understood(page):
    found = commands_quoted(page)
    assert found or page not in WITH_COMMANDS
    for arguments in found:
        try:
            cli.parser().parse_args(arguments)
        except SystemExit as stopped:  # --help stops it
            assert stopped.code == 0, arguments


def test_the_shares_without_light_are_those_of_the_caption():
    """What Eq. 10 as printed does to Figure 6."""
    caption = captions.of(ROOT / "figures" / "quick" / "coco" / "figure6c.png")
    (row,) = re.findall(r"^\| 48 \|.*", PAGES[1].read_text(encoding="utf-8"), re.M)
    shares = re.findall(r"\d+\.\d%", caption)
    assert len(shares) == 2 and all(share in row for share in shares)


def test_ratios_by_reading():
    rows = [
        ("relighting", "nn", "best_error", 100, 0.0332),
        ("relighting", "nn", "best_error", 3, 9),
    ]
    rows += [
        ("relighting", "nn", "best_error_l1", 100, 0.166),
        ("relighting", "truth", "x", 100, 1),
    ]
    columns = ["task", "method", "metric", "n_samples", "value"]
    found = paper.ratios_by_reading(pd.DataFrame(rows, columns=columns))
    assert list(found) == [("relighting", "nn")]  # the paper's is 1.66 × 10⁻²
    expected = {"mean square": 2, "root mean square": 0.0332**0.5 / 0.0166, "mean absolute": 10}
    assert found["relighting", "nn"] == pytest.approx(expected)


def test_numbers_in_pages_are_those_of_the_results():
    scores = pd.read_csv(ROOT / "results/quick/coco/scores.csv")
    ratios = pd.DataFrame(paper.ratios_by_reading(scores)).T
    page = PAGES[0].read_text(encoding="utf-8")
    for reading in ratios:
        for task in ("relighting", "resaturation"):
            column = ratios.loc[task][reading]
            assert f"{column.min():.1f}–{column.max():.1f}" in page
    square = ratios["mean square"]  # what the notebook says of it in words
    assert square["relighting"].drop("cvae").min() > 1 > square["resaturation"].max()
    assert square["relighting"]["cvae"] == pytest.approx(1, abs=0.05)
    within = ratios.map(math.log).abs().max() < math.log(3)
    assert within.to_dict() == {
        "mean square": True,
        "root mean square": False,
        "mean absolute": False,
    }
    lmse = pd.read_csv(ROOT / "results/mit-intrinsic/lmse.csv", index_col=0).loc["mean"]
    quoted = PAGES[1].read_text(encoding="utf-8")
    assert f"{lmse.ours:.4f}" in quoted and f"{lmse.bell2014:.4f}" in quoted
