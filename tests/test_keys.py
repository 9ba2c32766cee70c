"""Keys of runs: a change in a copy of this package changes those of what hangs on it, no others."""

import json
import shutil
import sys
from pathlib import Path

import forks
import pytest

from cdvae.tools.definitions import PACKAGE

METHODS = ("nn", "cvae", "gauss", "mdn4", "cdvae-spatial", "fm", "marginal", "truth")
KEYS = f"""
import json
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
found = {{}}
for name, changes in (("plain", {{}}), ("flips", {{"flips": True}})):
    experiment = Experiment(load_profile("smoke", **changes), device="cpu")
    for run in experiment.runs(["relighting"], {list(METHODS)}, [0]):
        found[f"{{name}} {{run.method}}"] = experiment.model_key(run), experiment.score_key(run)
print(json.dumps(found))
"""


def keys(folder: Path) -> dict[str, tuple[str, str]]:
    """The keys of models and scores that the package in a folder gives."""
    done = forks.run("-c", KEYS, cwd=folder, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def copied(folder: Path) -> Path:
    source = Path(sys.modules[PACKAGE].__file__).parent
    shutil.copytree(source, folder / PACKAGE)
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> dict[str, tuple[str, str]]:
    return keys(copied(tmp_path_factory.mktemp("before")))


def edited(folder: Path, edits: list[tuple[str, str, str]]) -> dict[str, tuple[str, str]]:
    """The keys after some edits to a copy, each (file, old text, new text)."""
    copied(folder)
    for file, old, new in edits:
        path = folder / PACKAGE / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1 or not old, file
        path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
    return keys(folder)


def every(*methods: str, profiles: tuple[str, ...] = ("plain", "flips")) -> set[str]:
    return {f"{profile} {method}" for profile in profiles for method in methods}


TIED, GUIDED = ("gauss", "mdn4"), ("gauss", "mdn4", "cdvae-spatial")
LEARNED = (*GUIDED, "cvae", "fm")
CHANGES = {  # edits, and the runs whose models they change; None: scores alone, all of them
    "the axis that is mirrored": (
        [("data/fields.py", "fields.x_c.flip(-1), fields.x_g", "fields.x_c.flip(-2), fields.x_g")],
        every(*METHODS, profiles=("flips",)) - {"flips truth"},  # which trains on nothing
    ),
    "a score": ([("metrics.py", "(n * (n - 1))", "n**2")], None),
    "the number of steps": (
        [
            (
                "profiles.toml",
                "training = { steps = 6, checks = 2 }\n\n[smoke.spatial]",
                "training = { steps = 7, checks = 2 }\n\n[smoke.spatial]",
            )
        ],
        every(*TIED, "cvae"),
    ),
    "what is made of the number of steps": (
        [("methods/registry.py", "steps=profile.steps_of", "steps=2 * profile.steps_of")],
        every(*LEARNED),
    ),
    "the rotation of the targets": (
        [("guidance.py", "p_g @ rotation_onto(p_g, p_c)", "p_g @ rotation_onto(p_c, p_g)")],
        every(*GUIDED),
    ),
    "a layer of a network": (
        [("networks.py", "nn.BatchNorm1d(n_out), ", "")],
        every(*TIED),
    ),
    "a tie's cost": ([("ties.py", "distance / (2 * self.sigma**2)", "distance")], every("gauss")),
    "how weights are updated": (
        [("training.py", 'terms["loss"], self.parts', '2 * terms["loss"], self.parts')],
        every(*LEARNED),
    ),
}


@pytest.mark.parametrize(("edits", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_this_package_changes_the_keys_that_hang_on_it(
    edits, expected, before, tmp_path
):
    after = edited(tmp_path, edits)
    models, scores = ({run for run in before if before[run][k] != after[run][k]} for k in (0, 1))
    assert models == (expected or set())
    assert scores == (set(before) if expected is None else expected)


NOTHING = [
    ("ties.py", "", "\n\nclass OneMore(GaussianTie):\n    share = 0.5\n"),  # a class beside
    ("dvae.py", "def upward(self, x: Tensor)", "def upward(self, x: object)"),
    ("metrics.py", "The unbiased variance over the n draws, in unit².", "Unbiased."),
    ("methods/tied.py", "# of the components tied (Sec. 3.1)", "# of the components"),
    (  # a function moved, and found by way of where it was
        "model.py",
        'def embedding(z: Tensor, p: Tensor) -> Tensor:\n    """‖z − p‖² of Eq. 8 for each example:'
        ' (batch,)."""\n    return (z - p).square().sum(1)\n',
        "from cdvae.gaussian import embedding  # noqa: E402, F401\n",
    ),
    (
        "gaussian.py",
        "",
        "\n\ndef embedding(z: Tensor, p: Tensor):\n    return (z - p).square().sum(1)\n",
    ),
]


def test_what_changes_no_result_of_this_package_changes_no_key(before, tmp_path):
    assert edited(tmp_path, NOTHING) == before
