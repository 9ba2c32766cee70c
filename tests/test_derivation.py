"""Notebooks 01, 14, 15 and 18: they run, their checks can fail, and their drawings are right."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
import torch

from cdvae import gaussian, guidance, model, networks
from cdvae.data.fields import TASKS
from cdvae.dvae import DVAE, Ladder
from cdvae.figures import diagram_spatial, diagrams
from cdvae.figures.style import save
from cdvae.methods import cvae, method
from cdvae.notebook import check, refute
from cdvae.release import notebooks
from cdvae.report import paper
from cdvae.runs.settings import load_profile
from cdvae.ties import GaussianTie, MDNTie

ROOT = Path(__file__).parents[1]
NAMES = ("01_derivation", "14_appendix", "15_fine_print", "18_appendix_tie")
CELLS = {name: notebooks.read(ROOT / "notebooks" / f"{name}.ipynb")["cells"] for name in NAMES}


def code(cells: list[dict]) -> list[str]:
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def steps(name: str) -> dict[int, list[dict]]:
    """The cells under each numbered heading of a notebook."""
    found, number = {}, None
    for cell in CELLS[name]:
        headings = re.findall(r"^##+ (\d+|\S)", "".join(cell["source"]), re.M)
        if cell["cell_type"] == "markdown" and headings:
            number = int(headings[-1]) if headings[-1].isdecimal() else None
        if number:
            found.setdefault(number, []).append(cell)
    return found


def run_step(number: int) -> None:
    """Run one step alone: its notebook's set-up and imports, and its own cells."""
    (name,) = (name for name in NAMES if number in steps(name))
    run_after_setup(name, code(steps(name)[number]), f"step {number}")


def run_after_setup(name: str, texts: list[str], where: str) -> None:
    """Run code after a notebook's cells ahead of its first step."""
    first = next(k for k, cell in enumerate(CELLS[name]) if cell in steps(name)[min(steps(name))])
    setup = code(CELLS[name][:first])[1:]  # the first cell has the parameters
    names = {"profile": "smoke"}
    default, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        with plt.rc_context():
            for text in (*setup, *texts):
                exec(compile(text, where, "exec"), names)
    finally:
        torch.set_default_dtype(default)
        torch.set_grad_enabled(grad)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_as_the_other_notebooks_do(name, reproduced):
    executed = notebooks.read(reproduced / f"results/smoke/scenes/notebooks/{name}.ipynb")
    assert notebooks.unfinished(executed) == []


def test_its_drawings_are_written(reproduced):
    for name in ("figure2", "graphical_models"):
        for suffix in (".png", ".pdf"):
            assert (reproduced / "figures/smoke/scenes" / name).with_suffix(suffix).exists()


def test_every_step_is_in_one_notebook_and_has_a_check():
    numbers = sorted(number for name in NAMES for number in steps(name))
    assert numbers == list(range(1, 33))
    for name in NAMES:
        for number, cells in steps(name).items():
            checked = re.search(r"^\s*(check|refute)\(", "\n".join(code(cells)), re.M)
            assert checked or number == 28  # a table of ratios, with nothing to check
        assert all(len(text.splitlines()) <= 32 for text in code(CELLS[name]))


@pytest.mark.parametrize("name", NAMES)
def test_solutions_run(name):
    text = "\n".join("".join(cell["source"]) for cell in CELLS[name])
    solutions = re.findall(r"```python\n(.*?)```\n", text.split("### Exercises")[1], re.S)
    assert len(solutions) == 2
    for solution in solutions:
        run_after_setup(name, [solution], f"a solution of {name}")


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
    "KL": (2, gaussian, "kl", reversed_kl),
    "CVAE": (5, cvae.gaussian, "kl", twice(gaussian.kl)),
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
    "loss without 2π": (18, networks, "LOG_2PI", 0.0),
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


def test_a_check_says_so_once_or_fails(capsys):
    x = sp.symbols("x")
    check("number", 1.0, 1.05, 0.1)
    refute("a claim", 1.0, 1.05)
    check("arrays", np.zeros(3), torch.zeros(3))
    check("expressions", (x + 1) ** 2, x**2 + 2 * x + 1)
    refute("expressions", (x + 1) ** 2, x**2)
    assert capsys.readouterr().out.splitlines() == [
        "✓ number: 1.05",
        "✓ refuted: a claim: 1; right is 1.05",
        "✓ arrays: [0, 0, 0]",
        "✓ expressions: x**2 + 2*x + 1",
        "✓ refuted: expressions: (x + 1)**2; right is x**2",
    ]


@pytest.mark.parametrize(
    ("expected", "computed"),
    [(1.0, 1.05), (0.0, np.array([0.0, 0.0, 1e-6])), (0.0, np.array([0.0, np.nan]))],
)
def test_a_check_fails(expected, computed):
    with pytest.raises(AssertionError, match="what: expected"):
        check("what", expected, computed, 1e-9)
    with pytest.raises(AssertionError, match="holds after all"):
        refute("what", expected, expected, 1e-9)


@pytest.mark.parametrize("name", ["gauss", "mdn12", "shallow"])
def test_figure_2_shows_the_sizes_of_the_model(name):
    profile = load_profile("quick", network={"latents": [21, 22, 23], "shallow": 24, "hidden": 77})
    texts = said(diagrams.figure2(method(name).build(TASKS["motion"], profile)))
    for size in ("24",) if name == "shallow" else ("21", "22", "23"):
        assert sum(text.endswith(f"\n{size}") for text in texts) == 2  # z_c and z_g
    assert any("FC 77–77" in text for text in texts)
    assert any("3 × 32 × 32" in text for text in texts)
    assert any("2 × 32 × 32" in text for text in texts)
    tied = {"gauss": "18 of 23", "mdn12": "12", "shallow": "19 of 24"}[name]
    assert any(tied in text for text in texts)


def said(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def drawings() -> dict:
    built = method("mdn12").build(TASKS["motion"], load_profile("paper"))
    spatial = method("cdvae-spatial").build(TASKS["motion"], load_profile("quick"))
    return {
        "figure2": diagrams.figure2(built),
        "graphical_models": diagrams.graphical_models(3),
        "spatial": diagram_spatial.network(spatial),
    }


@pytest.mark.parametrize("name", ["figure2", "graphical_models", "spatial"])
def test_drawings_fit_a_column_and_no_text_touches_another(name):
    figure = drawings()[name]
    assert figure.get_figwidth() <= 5.6  # a column of a page, inches
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
            save(figure, tmp_path / run / name)
    files = sorted((tmp_path / "first").iterdir())
    assert len(files) == 6
    for path in files:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
