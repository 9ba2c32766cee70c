"""Notebook 01: it runs, its checks can fail, and its drawings are right."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
import torch

from cdvae import gaussian, guidance, model
from cdvae.data.fields import TASKS
from cdvae.dvae import DVAE, Ladder
from cdvae.figures import diagrams
from cdvae.figures.style import save
from cdvae.methods import cvae, method
from cdvae.notebook import match, open_data
from cdvae.release import notebooks
from cdvae.report import paper
from cdvae.runs.settings import load_profile
from cdvae.ties import GaussianTie, MDNTie

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "01_derivation.ipynb"
CELLS = notebooks.read(NOTEBOOK)["cells"]


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
    names = {"study": open_data({"profile": "smoke"})}
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
    assert match("number", 1.0, 1.05, 0.1)
    assert capsys.readouterr().out == (
        "number\n    expected 1, computed 1.05, match True (within 0.1)\n"
    )
    assert not match("number", 1.0, 1.05)
    assert match("arrays", np.zeros(3), torch.zeros(3))
    assert not match("arrays", 0.0, np.array([0.0, 0.0, 1e-6]), 1e-9)
    assert not match("arrays", 0.0, np.array([0.0, np.nan]), 1e-9)
    assert match("expressions", (x + 1) ** 2, x**2 + 2 * x + 1)
    assert not match("expressions", (x + 1) ** 2, x**2)


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
    return {
        "figure2": diagrams.figure2(built),
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
            save(figure, tmp_path / run / name)
    files = sorted((tmp_path / "first").iterdir())
    assert len(files) == 4
    for path in files:
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
