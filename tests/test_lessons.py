"""The pages that teach: their code stands on public names, their links and anchors hold."""

import ast
import re
from pathlib import Path

import pytest

import cdvae
from cdvae.release import notebooks

FOLDER = Path(__file__).parents[1] / "notebooks"
PLAIN = ("01_derivation", "03_training", "11_your_own")  # no helpers
EVERY = sorted(path.stem for path in FOLDER.glob("[0-9][0-9]_*.ipynb"))
LESSONS = (*PLAIN, "13_why", "14_appendix", "15_fine_print", "18_appendix_tie")


def cells(name: str, kind: str) -> list[str]:
    found = notebooks.read(FOLDER / f"{name}.ipynb")["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.parametrize("name", PLAIN)
def test_no_helper_but_the_public_names_and_one_for_parameters(name):
    trees = [ast.parse(text) for text in cells(name, "code")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            imported |= {each.name for each in node.names}
        if isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{each.name}" for each in node.names}
    ours = {each for each in imported if each.split(".")[0] == "cdvae"}
    assert ours == {"cdvae", "cdvae.notebook"}
    used = {"cdvae": set(), "notebook": set()}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.get(node.value.id, set()).add(node.attr)
    assert used["cdvae"] and used["cdvae"] <= set(cdvae.PUBLIC)
    assert all(each.startswith("open_") for each in used["notebook"])  # checks the parameters


def solutions(name: str) -> list[str]:
    text = "\n".join(cells(name, "markdown"))
    return re.findall(r"<details><summary>Solution</summary>\n\n(.*?)</details>", text, re.S)


@pytest.mark.parametrize("name", LESSONS)
def test_it_opens_with_its_story_and_ends_with_exercises(name):
    first, second = notebooks.read(FOLDER / f"{name}.ipynb")["cells"][:2]
    assert first["cell_type"] == "markdown" and "\n> " in "".join(first["source"])
    assert second["metadata"]["tags"] == ["parameters"]
    assert len(solutions(name)) >= 2
    for solution in solutions(name):
        for code in re.findall(r"```python\n(.*?)```", solution, re.S):
            ast.parse(code)


def anchors(path: Path) -> set[str]:
    if path.suffix == ".ipynb":
        text = "\n".join(cells(path.stem, "markdown"))
        return {line.replace(" ", "-") for line in re.findall(r"^#+ (.*)", text, re.M)}
    lines = re.findall(r"^#+ (.*)", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("name", [*EVERY, "GLOSSARY"])
def test_links_lead_somewhere(name):
    page = FOLDER / f"{name}.md"
    text = page.read_text("utf-8") if page.exists() else "\n".join(cells(name, "markdown"))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links or name not in LESSONS
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" not in target:
            path = (FOLDER / target).resolve() if target else page
            assert path.exists(), link
            assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("name", ["16_real_clips", "17_which_motion"])
def test_solutions_that_need_no_cell_run(name, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", "\n".join(solutions(name)), re.S)
    exec(compile(code, name, "exec"), {})
    assert capsys.readouterr().out
