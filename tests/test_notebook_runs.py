"""Notebooks in real kernels: whatever else runs there, whatever is run again, and what fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from cdvae.release import notebooks
from cdvae.runs.parameters import PARAMETERS

STARTUP = """
import numpy as np
import matplotlib.pyplot as plt
data, seeds, tasks = np.zeros(3), "all", lambda: None
"""
PLAIN = "".join(f"{name} = {value!r}\n" for name, value in PARAMETERS.items())
ASKED = {"profile": "smoke", "tasks": ["resaturation"], "methods": ["nn"]}


def cells(name: str) -> list[str]:
    """The opening cells of a notebook of the project, with small parameters."""
    path = notebooks.folder() / f"{name}.ipynb"
    code = [c for c in notebooks.read(path)["cells"] if c["cell_type"] == "code"]
    opening = ["".join(cell["source"]) for cell in code[:2]]
    small = "".join(f"{name} = {value!r}\n" for name, value in ASKED.items())
    return [opening[0] + "\n" + small, opening[1]]


def executed(codes: list[str]) -> list[str]:
    """Run cells in a kernel; the errors."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    NotebookClient(made, kernel_name=notebooks.KERNEL, allow_errors=True, timeout=300).execute()
    outputs = [output for cell in made.cells for output in cell.outputs]
    return [output.evalue for output in outputs if output.output_type == "error"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose IPython runs a file of its own at the start."""
    startup = tmp_path / ".ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "00-imports.py").write_text(STARTUP)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    return tmp_path


def test_a_startup_file_of_ipython_is_no_parameter(home):
    assert executed(["plt"]) == []  # it has run
    assert executed(cells("04_table1_likelihood")) == []


def test_cells_can_be_run_again_in_any_order():
    parameters, opening = cells("04_table1_likelihood")
    codes = [parameters, opening, "x, np = 1, 2", opening, parameters, parameters, opening]
    assert executed(codes) == []
    misspelt = "# Parameters\nprofle = 'smoke'"
    assert "unknown parameter 'profle'" in executed([parameters, misspelt, opening])[0]


def broken(path: Path, code: str) -> Path:
    """A notebook of one cell that fails after one that does not."""
    codes = [nbformat.v4.new_code_cell(each) for each in (PLAIN, "print(1)", code)]
    codes[0].metadata["tags"] = ["parameters"]
    about = notebooks.plain_metadata({})
    path.write_text(json.dumps(nbformat.v4.new_notebook(cells=codes, metadata=about)))
    return path


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('first line\\nthe last line')", "ValueError: the last line"),
        ("import os; os._exit(3)", "its kernel died"),
    ],
)
def test_a_notebook_that_fails_says_where_and_why_and_what_is_left(tmp_path, code, why):
    path, output = broken(tmp_path / "03_a.ipynb", code), tmp_path / "out" / "03_a.ipynb"
    with pytest.raises(notebooks.NotebookFailed) as caught:
        notebooks.run(path, output, PARAMETERS)
    half = tmp_path / "out" / "03_a.failed.ipynb"
    said = ["03_a.ipynb, cell 3", why, f"half-run notebook: {half}"]
    assert str(caught.value).splitlines() == said
    assert os.listdir(tmp_path / "out") == [half.name]
    assert len(notebooks.read(half)["cells"]) == 4  # and the one that sets parameters
    notebooks.run(broken(path, "print(2)"), output, PARAMETERS)
    assert os.listdir(tmp_path / "out") == ["03_a.ipynb"]


def test_the_command_says_it_in_three_lines_and_ends_with_1(tmp_path):
    """By a folder of notebooks in which one is broken."""
    broken(tmp_path / "01_a.ipynb", "1 / 0")
    code = f"""
import sys
from pathlib import Path
from cdvae import cli
from cdvae.release import notebooks
notebooks.folder = lambda: Path({str(tmp_path)!r})
sys.exit(cli.main("reproduce --profile smoke --tasks resaturation --methods nn".split()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[:2] == ["cdvae: 01_a.ipynb, cell 3", "ZeroDivisionError: division by zero"]
    assert lines[2].startswith("half-run notebook: ") and len(lines) == 3
    Path(lines[2].partition(": ")[2]).unlink()
