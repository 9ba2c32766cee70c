"""Notebook 01: it runs, its checks can fail, its drawings are right, and its pages are true."""

import importlib
import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import sympy as sp
import torch

from cdvae import baselines, diagrams, gaussian, guidance, model, notebooks, paper, plots
from cdvae.config import load_profile
from cdvae.data.fields import TASKS
from cdvae.dvae import DVAE, Ladder
from cdvae.methods import build_model
from cdvae.ties import GaussianTie, MDNTie

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "01_derivation.ipynb"
PAGES = [ROOT / "notebooks" / name for name in ("ERRATA.md", "DEVIATIONS.md")]
CELLS = notebooks.read(NOTEBOOK)["cells"]
QUICK = load_profile("quick")


def code(cells: list[dict]) -> list[str]:
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def steps() -> dict[int, list[dict]]:
    """The cells under each numbered heading."""
    found, number = {}, None
    for cell in CELLS:
        heading = re.search(r"^##+ (\d+|[A-Z] ·)", "".join(cell["source"]), re.M)
        if cell["cell_type"] == "markdown" and heading:
            number = re.findall(r"^##+ (\d+|[A-Z] ·)", "".join(cell["source"]), re.M)[-1]
            number = int(number) if number.isdecimal() else None
        if number:
            found.setdefault(number, []).append(cell)
    return found


def run_step(number: int) -> None:
    """Run one step of the notebook alone: the set-up, all imports, and its own cells."""
    setup = next(text for text in code(CELLS) if "set_default_dtype" in text)
    imports = [
        line
        for text in code(CELLS)
        for line in text.splitlines()
        if re.match("(from|import) ", line)
    ]
    names = {"study": notebooks.open_data({"profile": "smoke"})}
    default, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        for text in (setup, "\n".join(imports), *code(steps()[number])):
            exec(compile(text, f"step {number}", "exec"), names)
    finally:
        torch.set_default_dtype(default)
        torch.set_grad_enabled(grad)


def test_it_runs_as_the_other_notebooks_do(reproduced):
    executed = notebooks.read(reproduced / "results/smoke/scenes/notebooks" / NOTEBOOK.name)
    assert notebooks.unfinished(executed) == []
    for name in ("figure2", "graphical_models"):
        for suffix in (".png", ".pdf"):
            assert (reproduced / "figures/smoke/scenes" / name).with_suffix(suffix).exists()


def test_every_step_has_a_check_and_every_check_an_assertion():
    numbered = steps()
    assert list(numbered) == list(range(1, len(numbered) + 1)) and len(numbered) >= 25
    for number, cells in numbered.items():
        text = "\n".join(code(cells))
        asserted = re.findall(r"assert (?:not )?match\(", text)
        assert len(asserted) == len(re.findall(r"\bmatch\(", text))
        assert asserted or number == 28  # a table of ratios, with nothing to match
    assert all(len(text.splitlines()) <= 25 for text in code(CELLS))


def twice(function):
    return lambda *args, **kwargs: 2 * function(*args, **kwargs)


def printed_product(*args, product=gaussian.product):
    mu, log_var = product(*args)
    return mu, 2 * log_var  # Eq. 25 without the square


def reversed_kl(mu_q, log_var_q, mu_p, log_var_p, kl=gaussian.kl):
    return kl(mu_p, log_var_p, mu_q, log_var_q)


def exact_conditional(self, z_c, generator=None):
    shrunk = 1 + self.sigma**2
    return z_c / shrunk + self.sigma / shrunk**0.5 * torch.randn(z_c.shape, generator=generator)


BROKEN = {
    "KL in the bound": (1, gaussian, "kl", twice(gaussian.kl)),
    "KL": (2, gaussian, "kl", reversed_kl),
    "CVAE": (5, baselines.gaussian, "kl", twice(gaussian.kl)),
    "sampling from the top": (7, DVAE, "descend", lambda self, z, generator=None: z),
    "merge": (8, gaussian, "product", printed_product),
    "merge in the DVAE": (9, gaussian, "product", printed_product),
    "ladder without its top": (10, Ladder, "kl", lambda self, kl=Ladder.kl: kl(self)[:1]),
    "cost": (12, GaussianTie, "cost", twice(GaussianTie.cost)),
    "normaliser": (13, GaussianTie, "cost", twice(GaussianTie.cost)),
    "marginal": (14, GaussianTie, "cost", twice(GaussianTie.cost)),
    "conditional": (15, GaussianTie, "cost", twice(GaussianTie.cost)),
    "what is drawn": (15, GaussianTie, "sample", exact_conditional),
    "expected cost": (16, GaussianTie, "cost", twice(GaussianTie.cost)),
    "loss without the tie": (18, GaussianTie, "cost", lambda self, c, g: 0 * c.sum(1)),
    "loss without 2π": (18, gaussian, "LOG_2PI", 0.0),
    "crossing the tie": (19, GaussianTie, "sample", exact_conditional),
    "MDN cost": (20, MDNTie, "cost", twice(MDNTie.cost)),
    "MDN draws": (20, MDNTie, "sample", lambda self, z_c, generator: torch.zeros_like(z_c)),
    "MDN normaliser": (21, MDNTie, "cost", twice(MDNTie.cost)),
    "embedding": (23, model, "embedding", lambda z, p: (z - p).abs().sum(1)),
    "rotation": (24, guidance, "rotation_onto", lambda p, target: np.eye(p.shape[1])),
    "units": (25, DVAE, "log_p_x_given_z", lambda self, x, z: x.flatten(1).sum(1)),
    "tables": (26, paper, "TABLES", {task: paper.TABLES["relighting"] for task in paper.TABLES}),
}


@pytest.mark.parametrize(("number", "room", "name", "broken"), BROKEN.values(), ids=BROKEN)
def test_a_broken_identity_fails(number, room, name, broken, monkeypatch):
    monkeypatch.setattr(room, name, broken)
    with pytest.raises(AssertionError):
        run_step(number)


@pytest.mark.parametrize("number", sorted({number for number, *_ in BROKEN.values()}))
def test_the_same_steps_pass_alone(number):
    run_step(number)


def test_match_compares_numbers_arrays_and_expressions(capsys):
    x = sp.symbols("x")
    assert notebooks.match("number", 1.0, 1.05, 0.1)
    assert capsys.readouterr().out == (
        "number\n    expected 1, computed 1.05, match True (within 0.1)\n"
    )
    assert not notebooks.match("number", 1.0, 1.05)
    assert notebooks.match("arrays", np.zeros(3), torch.zeros(3))
    assert not notebooks.match("arrays", 0.0, np.array([0.0, 0.0, 1e-6]), 1e-9)
    assert not notebooks.match("arrays", 0.0, np.array([0.0, np.nan]), 1e-9)
    assert notebooks.match("expressions", (x + 1) ** 2, x**2 + 2 * x + 1)
    assert not notebooks.match("expressions", (x + 1) ** 2, x**2)


@pytest.mark.parametrize("method", ["gauss", "mdn12", "shallow"])
def test_figure_2_shows_the_sizes_of_the_model(method):
    profile = load_profile("quick", network={"latents": [21, 22, 23], "shallow": 24, "hidden": 77})
    texts = said(diagrams.figure2(build_model(method, TASKS["motion"], profile)))
    for size in ("24",) if method == "shallow" else ("21", "22", "23"):
        assert sum(text.endswith(f"\n{size}") for text in texts) == 2  # z_c and z_g
    assert any("FC 77–77" in text for text in texts)
    assert any("3 × 32 × 32" in text for text in texts)
    assert any("2 × 32 × 32" in text for text in texts)
    tied = {"gauss": "18 of 23", "mdn12": "12", "shallow": "19 of 24"}[method]
    assert any(tied in text for text in texts)


def said(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def drawings() -> dict:
    built = {name: build_model(name, TASKS["motion"], load_profile("paper")) for name in ("mdn12",)}
    return {
        "figure2": diagrams.figure2(built["mdn12"]),
        "graphical_models": diagrams.graphical_models(3),
    }


@pytest.mark.parametrize("name", ["figure2", "graphical_models"])
def test_drawings_fit_a_column_and_no_text_touches_another(name):
    figure = drawings()[name]
    assert figure.get_figwidth() == pytest.approx(3.5)
    figure.canvas.draw()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 6
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    frame = figure.bbox
    assert all(frame.x0 <= b.x0 and b.x1 <= frame.x1 and b.y1 <= frame.y1 for b in boxes)
    plt.close(figure)


def test_drawings_are_the_same_bytes_each_time(tmp_path):
    for run in ("first", "second"):
        for name, figure in drawings().items():
            plots.save(figure, tmp_path / run / name)
    files = sorted((tmp_path / "first").iterdir())
    assert len(files) == 4
    for path in files:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def headings(path: Path) -> set[str]:
    """Anchors of a notebook's or a page's headings."""
    if path.suffix == ".ipynb":
        text = "\n".join("".join(c["source"]) for c in CELLS if c["cell_type"] == "markdown")
        return {line.lstrip("# ").replace(" ", "-") for line in re.findall(r"^#+ .*", text, re.M)}
    found = re.findall(r"^#+ (.*)", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in found}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
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
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1)) and len(rows) > 25
    claims = text.split("## Claims")[1].split("## Open")[0]
    for number, row in rows:
        assert "01_derivation.ipynb#" in row or f"| {number} |" in claims


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


PLAIN = {"quick", "paper", "folder", "smoothing_px", "01_derivation"}


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


def test_numbers_in_page_and_notebook_are_those_of_the_results():
    scores = pd.read_csv(ROOT / "results/quick/coco/scores.csv")
    ratios = pd.DataFrame(paper.ratios_by_reading(scores)).T
    page = PAGES[0].read_text(encoding="utf-8")
    for reading in ratios:
        for task in ("relighting", "resaturation"):
            column = ratios.loc[task][reading]
            assert f"{column.min():.1f}–{column.max():.1f}" in page
    square = ratios["mean square"]  # what the notebook says of it in words
    assert square["relighting"].min() > 1 > square["resaturation"].max()
    within = ratios.map(math.log).abs().max() < math.log(3)
    assert within.to_dict() == {
        "mean square": True,
        "root mean square": False,
        "mean absolute": False,
    }
    (shown,) = (cell for cell in CELLS if "ratios_by_reading(scores)" in "".join(cell["source"]))
    text = "".join(shown["outputs"][0]["data"]["text/plain"])
    for value in ratios.round(2).to_numpy().ravel():
        assert f"{value:.2f}" in text
    lmse = pd.read_csv(ROOT / "results/mit-intrinsic/lmse.csv", index_col=0).loc["mean"]
    quoted = PAGES[1].read_text(encoding="utf-8")
    assert f"{lmse.ours:.4f}" in quoted and f"{lmse.bell2014:.4f}" in quoted
