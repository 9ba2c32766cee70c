"""Definitions as their files or notebooks have them, stripped to what they mean."""

import ast
import copy
import dis
import hashlib
from collections.abc import Iterator
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

from cdvae.tools.parsing import Source, imported, parsed, text_of, tree

PACKAGE = __name__.partition(".")[0]
PACKAGES = frozenset({PACKAGE})
CALLED = {"forward"}  # methods that are called without being named, as `__init__` is


class Definition(NamedTuple):
    """A name at the top level of a module."""

    module: str
    name: str


class Piece(NamedTuple):
    """A part of a definition: one method of a class, or (method None) all the rest of it.

    named: the definitions that its code names, by those names; said: every attribute and text in
    it, among them the names of methods that it calls.
    """

    method: str | None
    digest: str
    named: tuple[tuple[str, Definition], ...]
    said: frozenset[str]


def pieces(definition: Definition, own: frozenset[str]) -> tuple[Piece, ...] | None:
    """A definition, its main piece first; None if its module does not have it.

    own: the top-level packages whose definitions are followed.
    """
    text = text_of(definition.module)
    return None if text is None else pieces_in(text, definition, own)


@cache
def pieces_in(text: str, definition: Definition, own: frozenset[str]) -> tuple[Piece, ...] | None:
    source = parsed(text, definition.module)
    if definition.name not in source.statements:
        return None
    main, methods = [], []
    for statement in copy.deepcopy(source.statements[definition.name]):
        if isinstance(statement, ast.ClassDef):
            apart = [node for node in statement.body if is_plain_method(node)]
            statement.body = [node for node in statement.body if node not in apart] or [ast.Pass()]
            methods += apart
        main.append(statement)
    whole = [piece(None, main, source, definition, own)]
    names = dict.fromkeys(method.name for method in methods)
    for name in names:  # a property and its setter are one
        same = [method for method in methods if method.name == name]
        whole.append(piece(name, same, source, definition, own))
    return tuple(whole)


def is_plain_method(node: ast.stmt) -> bool:
    """Whether a statement of a class is a method that counts only where its name is spoken of."""
    is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return is_function and not node.name.startswith("__") and node.name not in CALLED


def piece(
    method: str | None,
    statements: list[ast.stmt],
    source: Source,
    definition: Definition,
    own: frozenset[str],
) -> Piece:
    """What these statements say."""
    digests, named, said = [], {}, set()
    for statement in statements:
        inner = imported([statement], definition.module)
        plain = Stripped().visit(statement)
        modules = {}
        for name in sorted(global_names(plain)):
            if name in source.statements and name not in inner:
                named[name] = Definition(definition.module, name)
                continue
            module, attribute = inner.get(name) or source.imports.get(name) or ("", None)
            if module.partition(".")[0] not in own:
                continue
            if attribute is not None and text_of(f"{module}.{attribute}") is not None:
                module, attribute = f"{module}.{attribute}", None
            if attribute is None:
                modules[name] = module
            else:
                named[name] = origin(Definition(module, attribute), own)
        bare = Unqualified(modules, set(named))
        digests.append(repr(dump(bare.visit(plain))))
        named |= {name: origin(Definition(*place), own) for name, place in bare.seen.items()}
        said |= {node.attr for node in ast.walk(plain) if isinstance(node, ast.Attribute)}
        texts = (node.value for node in ast.walk(plain) if isinstance(node, ast.Constant))
        said |= {text for text in texts if isinstance(text, str)}
    named = {name: to for name, to in named.items() if to != definition}
    digest = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return Piece(method, digest, tuple(sorted(named.items())), frozenset(said))


def named_in(text: str) -> Iterator[Definition]:
    """The definitions of this package that a notebook's code names."""
    body, place = tree(text).body, Definition("", "")
    source = Source({}, imported(body, ""))
    for statement in body:
        yield from (to for _, to in piece(None, [statement], source, place, PACKAGES).named)


def origin(definition: Definition, own: frozenset[str]) -> Definition:
    """Where a name is defined that a module may only pass on."""
    text = text_of(definition.module)
    if text is None:
        return definition
    source = parsed(text, definition.module)
    if definition.name in source.statements or definition.name not in source.imports:
        return definition
    module, attribute = source.imports[definition.name]
    if attribute is None or module.partition(".")[0] not in own:
        return definition
    return origin(Definition(module, attribute), own)


class Stripped(ast.NodeTransformer):
    """Takes out what means nothing: imports, docstrings, annotations, texts of errors."""

    def visit_Import(self, node: ast.stmt) -> ast.stmt:
        return ast.copy_location(ast.Pass(), node)

    visit_ImportFrom = visit_Import

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        if isinstance(node.value, ast.Constant):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if isinstance(node.exc, ast.Call):
            node.exc = ast.Call(node.exc.func, [], [])
        return ast.fix_missing_locations(self.generic_visit(node))

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        node.annotation = ast.copy_location(ast.Constant(None), node)
        return self.generic_visit(node)


class Unqualified(ast.NodeTransformer):
    """Writes `name` for `module.name`, so that the name of a module means nothing.

    taken: names that mean something else; what would be written like one of them, or like another
    module's, gets a mark. seen: module and name of each that was written.
    """

    def __init__(self, modules: dict[str, str], taken: set[str]):
        self.modules, self.taken = modules, taken
        self.seen: dict[str, tuple[str, str]] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        path, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            path.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name) or inner.id not in self.modules:
            return self.generic_visit(node)
        module = self.modules[inner.id]
        while len(path) > 1 and text_of(f"{module}.{path[0]}") is not None:
            module = f"{module}.{path.pop(0)}"
        place, written = (module, path[0]), path[0]
        while written in self.taken or self.seen.setdefault(written, place) != place:
            written += "'"
        found: ast.expr = ast.Name(written, ast.Load())
        for name in path[1:]:
            found = ast.Attribute(found, name, ast.Load())
        return found


def global_names(statement: ast.stmt) -> set[str]:
    """The names that a statement's code looks up in its module."""
    module = ast.fix_missing_locations(ast.Module([statement], []))
    codes, names = [compile(module, "<definition>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)], set()
    while codes:
        code = codes.pop()
        steps = dis.get_instructions(code)
        names |= {s.argval for s in steps if s.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    return names


def dump(node: Any) -> Any:
    """A tree as nested tuples, the same in every version of Python: what is empty is left out."""
    if isinstance(node, ast.AST):
        parts = [(name, dump(value)) for name, value in ast.iter_fields(node)]
        unsaid = ("ctx", "kind", "type_comment")
        kept = [(n, v) for n, v in parts if n not in unsaid and v not in ((), "NoneType None")]
        return (type(node).__name__, *kept)
    if isinstance(node, list):
        return tuple(dump(each) for each in node if not isinstance(each, ast.Pass))
    return f"{type(node).__name__} {node!r}"
