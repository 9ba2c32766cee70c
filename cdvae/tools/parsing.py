"""Modules and notebooks as parsed code: what their top levels define, and what they import."""

import ast
import importlib.util
import sys
import threading
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

_alone = threading.Lock()  # CPython 3.11 counts the depth of two trees that are made at once as one


def tree(text: str) -> ast.Module:
    """Parsed code, also where several threads ask. Raises SyntaxError."""
    with _alone:
        return ast.parse(text)


class Source(NamedTuple):
    """A module's top-level statements by the names that they define, and what it imports."""

    statements: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str | None]]  # name: module and, if not the module, what of it


def text_of(module: str) -> str | None:
    """The text of a module; of a notebook all cells that have run, one below the other."""
    loaded = sys.modules.get(module)
    if module == "__main__" and isinstance(cells := getattr(loaded, "In", None), list):
        return "\n".join(cell for cell in cells if is_python(cell))
    return file_text(module)


@cache
def file_text(module: str) -> str | None:
    """The text of a module's file; None where there is none."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            spec = None
        path = spec.origin if spec and spec.has_location else None
    if path is None:
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


@cache
def is_python(cell: str) -> bool:
    """Whether a cell is Python alone, without IPython's own commands."""
    try:
        tree(cell)
    except SyntaxError:
        return False
    return True


@cache
def parsed(text: str, module: str) -> Source:
    body, statements = tree(text).body, {}
    for statement in top_level(body):
        for name, is_new in names_defined(statement):
            if is_new:
                statements[name] = []  # a later definition takes an earlier one's place
            statements.setdefault(name, []).append(statement)
    return Source(statements, imported(body, module))


def top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those under a condition."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.If, ast.Try, ast.With)):
            for part in ("body", "orelse", "finalbody"):
                yield from top_level(getattr(statement, part, []))


def names_defined(statement: ast.stmt) -> list[tuple[str, bool]]:
    """The names that a statement defines at the top level, and whether it does so anew.

    `table[key] = value` and `table += more` add to what the table is.
    """
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [(statement.name, True)]
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return []
    found, waiting = [], list(getattr(statement, "targets", None) or [statement.target])
    while waiting:
        target, is_new = waiting.pop(), not isinstance(statement, ast.AugAssign)
        if isinstance(target, (ast.Tuple, ast.List)):
            waiting += target.elts
            continue
        while isinstance(target, (ast.Subscript, ast.Attribute, ast.Starred)):
            is_new = is_new and isinstance(target, ast.Starred)
            target = target.value
        if isinstance(target, ast.Name):
            found.append((target.id, is_new))
    return found


def imported(body: list[ast.stmt], module: str) -> dict[str, tuple[str, str | None]]:
    """What the import statements in some code bind, those in functions included."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in [node for statement in body for node in ast.walk(statement)]:
        if isinstance(node, ast.Import):
            for each in node.names:
                whole = each.name if each.asname else each.name.partition(".")[0]
                found[each.asname or whole] = (whole, None)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            place = ".".join([*above, *([node.module] if node.module else [])])
            found |= {each.asname or each.name: (place, each.name) for each in node.names}
    return found
