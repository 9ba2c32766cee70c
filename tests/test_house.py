"""The house stays as it is: imports run one way, files are small, the core is small and alone."""

from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from importlinter import cli as importlinter

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cdvae"
CORE = "gaussian nearest networks dvae ties model guidance training metrics likelihood".split()


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_imports_keep_to_the_layers(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert importlinter.lint_imports(no_cache=True) == importlinter.EXIT_STATUS_SUCCESS


@pytest.fixture(scope="module")
def above() -> dict[str, set[str]]:
    """What each module imports, in functions too."""
    graph = grimp.build_graph("cdvae", exclude_type_checking_imports=True, cache_dir=None)
    return {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}


def test_no_circles_also_none_hidden_in_functions(above):
    order = list(TopologicalSorter(above).static_order())  # CycleError where there is one
    assert len(order) == len(above) > 80


def test_few_floors(above):
    """A folder counts as one room, as a reader sees it."""

    def room(module: str) -> str:
        return ".".join(module.split(".")[:2])

    rooms: dict[str, set[str]] = {}
    for module, imported in above.items():
        rooms.setdefault(room(module), set()).update(map(room, imported))
    for name, below in rooms.items():
        below.discard(name)
    floors: dict[str, int] = {}
    for name in TopologicalSorter(rooms).static_order():
        floors[name] = 1 + max((floors[each] for each in rooms[name]), default=0)
    assert max(floors.values()) <= 14, floors


def test_files_are_small():
    long = {path: n for path in PACKAGE.rglob("*.py") if (n := lines(path)) > 300}
    assert not long
    assert len(list(PACKAGE.glob("*.py"))) <= 16


def test_the_core_is_small():
    assert sum(lines(PACKAGE / f"{name}.py") for name in CORE) <= 1550


def test_importing_the_package_loads_nothing_heavy():
    import subprocess
    import sys

    heavy = ("torch", "numpy", "cdvae.cli")
    code = f"import sys, cdvae; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_documented():
    import cdvae

    for name in cdvae.PUBLIC:
        assert getattr(cdvae, name).__doc__, name
    assert set(cdvae.PUBLIC) <= set(dir(cdvae))
    with pytest.raises(AttributeError, match="no attribute 'Unknown'"):
        _ = cdvae.Unknown


BUILT = "cdvae.methods.tied:PAPER", "cdvae.data.drawn.scenes:SCENES"
QUESTIONS = {
    "what happens in `cdvae train`?": ("cdvae.commands.train:train", *BUILT),
    "where does a number of Table 3 come from?": (
        *("cdvae.report.results:finish", "cdvae.runs.experiment:Experiment"),
        *BUILT,
    ),
    "what draws Figure 7?": (
        *("cdvae.figures.samples:draw", "cdvae.figures.shown:update"),
        *("cdvae.runs.experiment:Experiment", *BUILT),
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_strangers_path_is_as_long_as_contributing_says(question):
    from cdvae.tools.definitions import Definition
    from cdvae.tools.meaning import reached

    first = [Definition(*name.split(":")) for name in QUESTIONS[question]]
    found = {d.module for d, parts in reached(first, but=("none.",)).items() if parts}
    in_tools = {name for name in found if name.startswith("cdvae.tools.")}
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"| {question} | {len(found)} | {len(in_tools)} |" in page
