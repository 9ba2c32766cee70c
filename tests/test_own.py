"""A tie, a model and a data set of a user's own: one entry each, and all else follows."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from forks import run

HERE = Path(__file__).parent
OWN = HERE / "own_variant.py"
KEYS = """
import json, sys
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.methods import methods
e = Experiment(load_profile("smoke"))
runs = e.runs(["resaturation", "motion"], [m for m in methods() if methods()[m].kind != "own"])
print(json.dumps({str(run): [e.model_key(run), e.score_key(run)] for run in runs}))
"""


def test_rows_in_scores_and_tables(trial):
    folder, done = trial[0] / "results/smoke/scenes", trial[1]
    assert done.returncode < 2 and "TCP" not in done.stderr and "Warning" not in done.stderr
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores.method) == {"affine", "regressor", "nn"}
    bounded = scores[scores.metric == "nll_joint"].method
    assert set(bounded) == {"affine"}
    table = pd.read_csv(folder / "table3.csv").method.tolist()
    assert table == ["NN", "Affine", "Regressor"]  # the paper's first
    pairs = pd.read_csv(folder / "comparisons.csv")
    assert {"affine", "regressor"} <= set(pairs.method) | set(pairs.other)


def test_figures(trial):
    drawn = {path.stem for path in (trial[0] / "figures/smoke/scenes").glob("*.[jp][pn]g")}
    assert {"figure1", "figure2", "figure4", "figure5", "figure7"} <= drawn


def test_keys_of_other_methods_stay():
    alone, beside = (run("-c", KEYS, CDVAE_USE=use) for use in ("", str(OWN)))
    assert alone.returncode == beside.returncode == 0, beside.stderr
    assert json.loads(alone.stdout) == json.loads(beside.stdout)


def test_a_data_set_of_ones_own(tmp_path):
    place = {"CDVAE_OUTPUT": str(tmp_path), "CDVAE_CACHE": str(tmp_path / "cache")}
    asked = ("--profile", "smoke", "--data", "stripes", "--task", "relighting", "--use", str(OWN))
    done = run("-m", "cdvae.cli", "evaluate", *asked, "--method", "regressor", **place)
    assert done.returncode == 0, done.stderr
    scores = pd.read_csv(tmp_path / "results/smoke/stripes/scores.csv")
    assert set(scores.task) == {"relighting"} and (scores.n_test == 40).all()


def test_an_installed_package_is_found_by_its_entry_point(tmp_path):
    shutil.copyfile(OWN, tmp_path / "own_package.py")
    about = tmp_path / "own_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[cdvae.methods]\nmine = own_package\n")
    code = "from cdvae.methods import methods; print([m for m in methods() if m == 'affine'])"
    done = run("-c", code, PYTHONPATH=str(tmp_path))
    assert done.stdout.strip() == "['affine']", done.stderr


def test_help_lists_what_is_registered():
    done = run("-m", "cdvae.cli", "reproduce", "--help", CDVAE_USE=str(OWN))
    assert done.returncode == 0
    for name in ("affine", "cdvae-spatial", "stripes", "tiny-imagenet"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no/such.py", "no file"),
        (str(HERE / "test_gaussian.py") + "x", "no file"),
    ],
)
def test_a_file_that_cannot_be_used(path, message):
    done = run("-m", "cdvae.cli", "reproduce", "--profile", "smoke", "--use", path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
