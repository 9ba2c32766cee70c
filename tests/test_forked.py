"""Notebooks side by side: their kernels are forks of one process, and none is left behind."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forks
import nbformat
import psutil
import pytest

from cdvae.figures import captions
from cdvae.release import notebooks
from cdvae.release.forked import can_fork
from cdvae.runs.parameters import PARAMETERS
from cdvae.tools import files

WHO = "import os, sys\nprint('cdvae.notebook' in sys.modules, os.getppid(), os.getpid())"
WHERE = "import os, tempfile\nprint(os.environ['CDVAE_CACHE'], os.getcwd(), tempfile.gettempdir())"
CODES = {
    "01_a.ipynb": WHO,
    "02_b.ipynb": WHO,
    "03_c.ipynb": WHERE,
    "04_d.ipynb": "import matplotlib.pyplot as plt\nplt.subplots()[0]",
    "05_e.ipynb": "1 / 0",
    "06_f.ipynb": "import os\nos._exit(3)",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder of what ran, and how each failed."""
    folder = tmp_path_factory.mktemp("books")
    parameters = PARAMETERS | {"profile": "smoke"}
    start = nbformat.v4.new_code_cell("profile = ''", metadata={"tags": ["parameters"]})
    for name, code in CODES.items():
        cells = [start, nbformat.v4.new_code_cell(code)]
        made = nbformat.v4.new_notebook(cells=cells, metadata=notebooks.plain_metadata({}))
        (folder / name).write_text(nbformat.writes(made))
    jobs = [(folder / name, folder / "out" / name, parameters) for name in CODES]
    forks.prepare()  # which these kernels are forks of, too
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPLBACKEND")  # as it is for users
        return folder / "out", {path.name: error for path, error in notebooks.run_each(jobs)}


def outputs(path) -> list[dict]:
    return json.loads(path.read_text())["cells"][-1]["outputs"]


def printed(path) -> list[str]:
    return "".join(outputs(path)[0]["text"]).split()


@pytest.mark.skipif(not can_fork(), reason="kernels are forks on Linux alone")
def test_kernels_are_forks_that_have_imported_what_notebooks_import(ran):
    (first, parent, pid), (second, other, pid_2) = (
        printed(ran[0] / name) for name in list(CODES)[:2]
    )
    assert first == second == "True" and parent == other and pid != pid_2
    assert int(parent) != os.getpid()
    ended = [each for each in (pid, pid_2) if psutil.pid_exists(int(each))]
    assert not ended


def test_they_have_the_environment_of_who_started_them(ran):
    cache, here, temporary = printed(ran[0] / "03_c.ipynb")
    assert [cache, here] == [os.environ["CDVAE_CACHE"], os.getcwd()]
    assert files.TEMPORARY.fullmatch(Path(temporary).name)  # what is left there is swept


def test_figures_are_shown(ran):
    assert any("image/png" in output["data"] for output in outputs(ran[0] / "04_d.ipynb"))


def test_one_that_fails_or_dies_is_told_and_the_others_run(ran):
    folder, errors = ran
    assert "ZeroDivisionError" in str(errors.pop("05_e.ipynb"))
    assert "its kernel died" in str(errors.pop("06_f.ipynb"))
    assert errors == dict.fromkeys(list(CODES)[:4])
    assert {path.name for path in folder.iterdir()} == {
        *list(CODES)[:4],
        "05_e.failed.ipynb",
        "06_f.failed.ipynb",
    }


KILLED = """
import sys
from pathlib import Path
from cdvae.release import notebooks
from cdvae.runs.parameters import PARAMETERS
if __name__ == "__main__":
    path = Path(sys.argv[1])
    list(notebooks.run_each([(path, path.with_name("out.ipynb"), PARAMETERS)]))
"""


def test_a_kernel_ends_with_a_killed_run(tmp_path):
    code = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    cells = [nbformat.v4.new_code_cell(f"{code}\ntime.sleep(900)")]
    made = nbformat.v4.new_notebook(cells=cells, metadata=notebooks.plain_metadata({}))
    (tmp_path / "01_a.ipynb").write_text(nbformat.writes(made))
    (tmp_path / "run.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "01_a.ipynb")]
    victim = subprocess.Popen(command)
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert victim.poll() is None
        time.sleep(0.1)
    kernel = psutil.Process(int((tmp_path / "pid").read_text()))
    victim.kill()
    victim.wait()
    assert not psutil.wait_procs([kernel], timeout=60)[1]


def test_captions_of_notebooks_that_draw_at_once_are_all_kept(tmp_path):
    texts = [f"**Figure {number}.** Text." for number in range(1, 41)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: captions.merge(tmp_path, [text]), texts))
    assert list(captions.kept(tmp_path).values()) == texts
