"""Notebooks in real kernels: whatever else runs there, whatever is run again, and what fails."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import forks
import nbformat
import pytest
from nbclient import NotebookClient

from cdvae.release import notebooks
from cdvae.release.kernels import connection
from cdvae.runs.parameters import PARAMETERS
from cdvae.tools.errors import InputError
from cdvae.tools.files import sweep

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
    with connection() as config:
        asked = {"kernel_name": notebooks.KERNEL, "allow_errors": True, "timeout": 300}
        NotebookClient(made, config=config, **asked).execute()
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


def test_the_command_runs_the_others_and_says_it_in_three_lines_each(tmp_path, monkeypatch):
    """By a folder of notebooks of which the first, the third and the last are broken."""
    codes = ["1 / 0", "print('fine')", "import os; os._exit(3)", "2", "raise KeyError('one\\ntwo')"]
    for name, code in zip(NAMES, codes, strict=True):
        broken(tmp_path / name, code)
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path / "out"))
    done = reproduced_with_notebooks_of(tmp_path)
    folder = tmp_path / "out/results/smoke/scenes/notebooks"
    whys = ["ZeroDivisionError: division by zero", "its kernel died", "KeyError: 'one\\ntwo'"]
    said = []
    for name, why in zip(NAMES[::2], whys, strict=True):
        said += [f"cdvae: {name}, cell 3", why]
        said += [f"half-run notebook: {folder / name.replace('.', '.failed.')}"]
    assert done.stderr.splitlines() == said
    assert done.returncode == 1 and "Table 3." in done.stdout
    half = [name.replace(".", ".failed.") for name in NAMES[::2]]
    assert sorted(os.listdir(folder)) == sorted([*NAMES[1::2], *half])
    for name in NAMES[::2]:
        broken(tmp_path / name, "print('mended')")
    done = reproduced_with_notebooks_of(tmp_path)
    assert done.returncode == 0 and not done.stderr
    assert sorted(os.listdir(folder)) == list(NAMES)


NAMES = [f"0{k}_{letter}.ipynb" for k, letter in enumerate("abcde")]


def reproduced_with_notebooks_of(folder: Path) -> subprocess.CompletedProcess:
    """The command, given other notebooks."""
    code = f"""
import sys
from pathlib import Path
from cdvae import cli
from cdvae.release import notebooks
notebooks.folder = lambda: Path({str(folder)!r})
sys.exit(cli.main("reproduce --profile smoke --tasks resaturation --methods nn".split()))
"""
    return forks.run("-c", code)


def test_an_installation_without_a_kernel_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "KERNEL", "no-such-kernel")
    with pytest.raises(InputError, match="no Jupyter kernel 'no-such-kernel': pip install"):
        notebooks.run(broken(tmp_path / "a.ipynb", "1"), tmp_path / "out.ipynb", PARAMETERS)
    assert os.listdir(tmp_path) == ["a.ipynb"]


def started(config):
    """A kernel that begins to start and is not waited for."""
    from jupyter_client import KernelManager

    kernel = KernelManager(kernel_name=notebooks.KERNEL, config=config)
    kernel.start_kernel(extra_arguments=notebooks.QUIET)
    return kernel


@pytest.mark.skipif(os.name == "nt", reason="no sockets that are files")
def test_many_kernels_start_side_by_side(monkeypatch):
    """Each has a place of its own, and no port that another could take."""
    place = tempfile.mkdtemp()  # pytest's own names are too long for sockets
    monkeypatch.setattr(tempfile, "tempdir", place)
    with ExitStack() as stack:
        configs = [stack.enter_context(connection()) for _ in range(12)]
        kernels = [started(config) for config in configs]
        try:
            addresses = {each._make_url(name) for each in kernels for name in ("shell", "hb")}
            assert len(addresses) == 24
            assert all(each.startswith(f"ipc://{place}") for each in addresses)
            for kernel in kernels:
                client = kernel.client()
                client.start_channels()
                client.wait_for_ready(timeout=120)
                reply = client.execute_interactive("1 + 1", timeout=60)
                assert reply["content"]["status"] == "ok"
                client.stop_channels()
        finally:
            for kernel in kernels:
                kernel.shutdown_kernel(now=True)
    os.rmdir(place)  # it is empty


def test_where_sockets_cannot_be_files_they_are_ports(tmp_path, monkeypatch):
    deep = tmp_path / ("long" * 20)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with connection() as config:
        assert config.KernelManager.transport == "tcp"
    notebooks.run(broken(tmp_path / "a.ipynb", "1"), tmp_path / "out.ipynb", PARAMETERS)
    assert os.listdir(deep) == []


def test_the_folder_of_a_killed_runs_kernel_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal, sys, tempfile\n"
        "from cdvae.release.kernels import connection\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "with connection() as config:\n"
        "    open(config.KernelManager.connection_file, 'w').close()\n"
        "    os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.glob(".kernel-*/kernel.json"))) == 1
    with connection():
        sweep.cache_clear()
        sweep(tmp_path)
        assert len(os.listdir(tmp_path)) == 1  # that of a living process stays
    assert os.listdir(tmp_path) == []
