"""Keys of meaning: what code says changes them; where and how it is written does not.

On small packages of their own; `test_keys.py` changes copies of this one.
"""

import importlib
import itertools
import sys
from functools import partial

import pytest

from cdvae.tools.files import InputError
from cdvae.tools.meaning import meaning

MODEL = '''"""A model, and how it is trained."""

from functools import partial

import mine.rules
from mine import losses
from mine.layers import Base, shifted, widen

LIMIT = 3
CHOICES = {"doubled": losses.doubled, "halved": losses.halved}
cubed = partial(losses.raised, power=3)


def build(n: int = 2) -> "Model":
    """The model of that size."""
    return Model(n)


def fit(model: "Model", x: float) -> float:
    """Its loss after a step."""
    from mine.later import finish

    model.step()
    return finish(model.loss(x)) + mine.rules.rounded(x)


class Model(Base):
    """What is built."""

    scale: float = 1.5  # of the loss

    def __init__(self, n: int):
        self.n = widen(n)  # twice as wide

    @shifted
    def loss(self, x: float) -> float:
        """The loss at x."""
        if x < -LIMIT:
            raise ValueError(f"{x} is too small: give more than {-LIMIT}")
        return losses.squared(x) + CHOICES["doubled"](x) + cubed(x) + self.scale

    def shown(self) -> str:
        return f"model of {self.n}"
'''
LAYERS = """OFFSET = 1


def widen(n):
    return 2 * n


def shifted(function):
    return lambda self, x: function(self, x + OFFSET)


class Base:
    def step(self):
        return 4

    def other(self):
        return 5
"""
LOSSES = """def squared(x):
    return x**2


def doubled(x):
    return 2 * x


def halved(x):
    return x / 2


def raised(x, power):
    return x**power
"""
PACKAGE_OF = {
    "__init__": "",
    "model": MODEL,
    "layers": LAYERS,
    "losses": LOSSES,
    "later": "def finish(x):\n    return x - 1\n",
    "rules": "def rounded(x):\n    return round(x, 2)\n",
}
COUNT = itertools.count()


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a package under a name of its own, and imports one of its modules."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def write(files: dict[str, str], module: str = "model"):
        name = f"mine{next(COUNT)}"
        names.append(name)
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / f"{file}.py").write_text(text.replace("mine", name))
        importlib.invalidate_caches()
        return importlib.import_module(f"{name}.{module}")

    yield write
    for module in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[module]


@pytest.fixture
def key_of(written):
    """The key of `build` and `fit` of a package, with some texts changed."""

    def key(*edits: tuple[str, str, str]) -> str:
        files = dict(PACKAGE_OF)
        for file, old, new in edits:
            assert old in files.get(file, "")
            files[file] = files[file].replace(old, new) if old else files.get(file, "") + new
        module = written(files)
        assert module.fit(module.build(), 1.0) is not None  # it is code that works
        return meaning(module.build, module.fit)

    return key


FIRST = "from mine.layers import Base, shifted, widen"
SAME = {
    "a definition moved to another file": [
        ("layers", "def widen(n):\n    return 2 * n\n", ""),
        ("later", "", "\n\ndef widen(n):\n    return 2 * n\n"),
        ("model", FIRST, "from mine.layers import Base, shifted\nfrom mine.later import widen"),
    ],
    "one moved, its old place passing it on": [
        ("losses", "def squared(x):\n    return x**2\n", "from mine.rules import squared\n"),
        ("rules", "", "\n\ndef squared(x):\n    return x**2\n"),
    ],
    "a class moved": [
        ("layers", LAYERS[LAYERS.index("class Base") :], ""),
        ("rules", "", "\n\n" + LAYERS[LAYERS.index("class Base") :]),
        ("model", FIRST, "from mine.layers import shifted, widen\nfrom mine.rules import Base"),
    ],
    "a class added beside": [("layers", "", "\n\nclass Other(Base):\n    size = 9\n")],
    "a function added beside": [("losses", "", "\n\ndef tripled(x):\n    return 3 * x\n")],
    "a comment": [("model", "# of the loss", "# by which the loss is larger")],
    "a comment taken out": [("model", "  # twice as wide", "")],
    "the docstring of a function": [("model", "Its loss after a step.", "What is left.")],
    "the docstring of a method": [("model", '        """The loss at x."""\n', "")],
    "the docstring of a module": [("model", "A model, and how it is trained.", "Else.")],
    "an argument's annotation": [("model", "(n: int = 2)", "(n: float = 2)")],
    "what is returned, annotated": [("model", '-> "Model"', "-> object")],
    "an attribute's annotation": [("model", "scale: float = 1.5", "scale: object = 1.5")],
    "an error's text": [("model", "is too small: give more than", "will not do: more than")],
    "an import of the module": [
        ("model", "from mine import losses", "import mine.losses as losses")
    ],
    "an import of names": [
        (
            "model",
            "from mine import losses",
            "from mine import losses\nfrom mine.rules import rounded",
        ),
        ("model", "mine.rules.rounded(x)", "rounded(x)"),
    ],
    "an import moved to the top": [
        ("model", "    from mine.later import finish\n\n", ""),
        ("model", "import mine.rules\n", "import mine.rules\nfrom mine.later import finish\n"),
    ],
    "relative imports": [("model", FIRST, "from .layers import Base, shifted, widen")],
    "another order of definitions": [
        ("losses", "def squared(x):\n    return x**2\n\n\n", ""),
        ("losses", "", "\n\ndef squared(x):\n    return x**2\n"),
    ],
    "a method that no reached code speaks of": [("layers", "return 5", "return 6")],
    "such a method added": [("layers", "", "\n    def third(self):\n        return 7\n")],
    "such a method of the model itself": [("model", "model of {self.n}", "{self.n}")],
    "spaces and brackets": [("losses", "return x / 2", "return (\n        x / 2\n    )")],
}
OTHER = {
    "a constant": [("model", "LIMIT = 3", "LIMIT = 4")],
    "a constant of a decorator": [("layers", "OFFSET = 1", "OFFSET = 2")],
    "a called function": [("layers", "return 2 * n", "return 3 * n")],
    "one called through its module": [("losses", "return x**2", "return abs(x)")],
    "one called through a dotted path": [("rules", "round(x, 2)", "round(x, 3)")],
    "one imported inside a function": [("later", "return x - 1", "return x - 2")],
    "one in a partial": [("losses", "return x**power", "return x ** (power + 1)")],
    "the partial's own argument": [("model", "power=3", "power=4")],
    "one in a dict of functions": [("losses", "return 2 * x", "return x + x + 0.1")],
    "the dict itself": [("model", '"doubled": losses.doubled', '"doubled": losses.halved')],
    "a base class's called method": [("layers", "return 4", "return 3")],
    "a decorator": [("layers", "function(self, x + OFFSET)", "function(self, x - OFFSET)")],
    "the decorator taken off": [("model", "    @shifted\n", "")],
    "a default argument": [("model", "n: int = 2", "n: int = 3")],
    "an attribute of the class": [("model", "scale: float = 1.5", "scale: float = 1.6")],
    "a method that is called": [("model", "+ self.scale", "- self.scale")],
    "when an error is raised": [("model", "if x < -LIMIT", "if x < 1 - LIMIT")],
    "the kind of the error": [("model", "raise ValueError", "raise RuntimeError")],
    "a name that now means something else": [
        ("model", "from mine.later import finish", "from mine.rules import rounded as finish")
    ],
}


@pytest.mark.parametrize("edits", SAME.values(), ids=SAME)
def test_what_means_the_same_has_the_same_key(edits, key_of):
    assert key_of(*edits) == key_of()


@pytest.mark.parametrize("edits", OTHER.values(), ids=OTHER)
def test_what_means_something_else_has_another_key(edits, key_of):
    assert key_of(*edits) != key_of()


UNTOLD = {
    "one of the name of what calls it": [
        [("model", "cubed", "raised")],
        [("model", "cubed", "raised"), ("losses", "x**power", "x ** (power + 1)")],
    ],
    "two of one name from two modules": [
        [
            ("rules", "", "\n\ndef doubled(x):\n    return x\n"),
            ("model", "+ mine.rules.rounded(x)", "+ mine.rules.doubled(x) - losses.doubled(x)"),
        ],
        [
            ("rules", "", "\n\ndef doubled(x):\n    return x\n"),
            ("model", "+ mine.rules.rounded(x)", "+ losses.doubled(x) - mine.rules.doubled(x)"),
        ],
    ],
    "a table that is filled in twice": [
        [("model", "cubed =", 'CHOICES["cubed"] = abs\ncubed =')],
        [
            ("model", "cubed =", 'CHOICES["cubed"] = abs\ncubed ='),
            ("model", '"doubled": losses.doubled', '"doubled": losses.halved'),
        ],
    ],
}


@pytest.mark.parametrize(("one", "other"), UNTOLD.values(), ids=UNTOLD)
def test_names_that_stand_for_two_things_are_told_apart(one, other, key_of):
    """Many times: which of the two things is taken must not hang on the order of a set."""
    assert all(key_of(*one) != key_of(*other) for _ in range(10))
    assert len({key_of(*one) for _ in range(10)}) == 1


def test_roots_may_be_partials_dicts_values_and_settings(written):
    losses = written(PACKAGE_OF, "losses")
    cube = meaning(partial(losses.raised, power=3))
    assert cube == meaning(partial(losses.raised, power=3))
    assert cube != meaning(partial(losses.raised, power=4))
    one, other = meaning({"own": losses.squared}), meaning({"own": losses.doubled})
    assert len({one, other, meaning({"mine": losses.squared}), meaning(losses.squared)}) == 4
    assert meaning([losses.squared, 3]) != meaning([losses.squared, 4])


def test_the_order_of_roots_does_not_count(written):
    losses = written(PACKAGE_OF, "losses")
    assert meaning(losses.squared, losses.doubled) == meaning(losses.doubled, losses.squared)


def test_code_without_a_source_is_refused():
    namespace = {"__name__": "nowhere"}
    exec("def made(x):\n    return x", namespace)
    with pytest.raises(InputError, match="no source of 'made': define it in a file or a cell"):
        meaning(namespace["made"])
