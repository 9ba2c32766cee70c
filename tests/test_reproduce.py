"""The command and the notebooks as a user runs them, in the smoke profile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import forks
import pandas as pd
import psutil
import pytest

from cdvae import cli, notebook
from cdvae.data.fields import TASKS
from cdvae.methods import method
from cdvae.release import notebooks
from cdvae.runs.experiment import Experiment
from cdvae.runs.parameters import PARAMETERS, checked
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run
from cdvae.tools.errors import InputError
from cdvae.tools.files import key_of

ROOT = Path(__file__).parents[1]
EVERY = [*load_profile("smoke").methods, "truth"]  # the others are rows of `tuned` alone
N_RUNS = sum(method(name).serves(task) for task in TASKS for name in EVERY)  # one seed


COMMAND = [sys.executable, "-m", "cdvae.cli"]


def test_tidy_scores(reproduced):
    scores = pd.read_csv(reproduced / "results/smoke/scenes/scores.csv")
    expected = "profile,data,task,method,seed,metric,n_samples,value,unit,n_train,n_test"
    assert ",".join(scores.columns) == expected
    assert set(scores.method) == set(EVERY)
    counts = (
        scores[scores.metric == "best_error"].groupby(["task", "method"]).n_samples.apply(tuple)
    )
    assert len(counts) == N_RUNS and set(counts) == {(3, 10, 30, 60, 100)}
    by_metric = scores.groupby("metric").method.apply(set)
    assert (
        by_metric["nll_joint"]
        == by_metric["nll_joint_normalised"]
        == {name for name in EVERY if method(name).is_joint}
    )
    assert by_metric["nll_conditional"] == {name for name in EVERY if method(name).has_likelihood}
    for metric in ("variance", "energy_score", "crps", "variogram_score", "rank_deviation"):
        assert by_metric[metric] == set(EVERY)
    for metric in ("mode_coverage", "mode_frequency_error"):
        assert by_metric[metric] == set(EVERY)
    assert set(scores.n_train) == {200}
    assert set(scores[scores.method != "fm"].n_test) == {40}
    assert set(scores[scores.method == "fm"].n_test) == {20}  # fm.n_test


def test_tables_show_the_papers_numbers_beside_ours(reproduced):
    folder = reproduced / "results/smoke/scenes"
    scores = pd.read_csv(folder / "scores.csv")
    table = pd.read_csv(folder / "table3.csv").set_index("method")
    assert table.loc["MDN12", "100_paper"] == 3.82 and table.loc["NN", "variance_paper"] == 4.58
    where = (scores.task == "resaturation") & (scores.method == "cvae")
    ours = scores[where & (scores.metric == "best_error") & (scores.n_samples == 30)].value.iloc[0]
    assert table.loc["CVAE", "30_ours"] == pytest.approx(100 * ours)
    first = pd.read_csv(folder / "table1.csv").set_index(["layer", "method"])
    assert first.loc[("shading", "Gauss"), "paper"] == 1932


def test_every_pair_is_compared_and_claims_are_judged(reproduced):
    folder = reproduced / "results/smoke/scenes"
    scores, pairs = (pd.read_csv(folder / f"{name}.csv") for name in ("scores", "comparisons"))
    mean = scores[scores.n_samples == 100].set_index(["task", "metric", "method"]).value
    n_methods = scores.groupby("task").method.nunique()
    assert len(pairs) == sum(3 * n * (n - 1) // 2 for n in n_methods)
    whole = pairs[(pairs.n_test == 40) & (pairs.metric == "energy_score")]
    for row in whole.itertuples():
        difference = mean[row.task, row.metric, row.method] - mean[row.task, row.metric, row.other]
        assert row.difference == pytest.approx(difference, abs=1e-4)
    judged = pd.read_csv(folder / "verdicts.csv")
    assert set(judged.verdict) <= {"holds", "does not hold", "undecided"}
    assert set(judged.task) == set(scores.task) and set(judged.whose) == {"paper", "ours"}


def test_provenance(reproduced):
    about = json.loads((reproduced / "results/smoke/scenes/provenance.json").read_text())
    assert about["profile"]["name"] == "smoke" and len(about["runs"]) == N_RUNS
    run = about["runs"]["motion/mdn4/0"]
    assert {"seconds", "images_per_second", "checkpoint_sha256", "settings", "key"} <= set(run)
    assert {"versions", "device", "git_commit", "git_dirty"} <= set(run["circumstances"])
    assert run["peak_memory_mb"]["process"] > 0


def test_figures_and_executed_notebooks(reproduced):
    for name in ("figure3", "figure4"):
        for suffix in ("png", "pdf"):
            path = reproduced / f"figures/smoke/scenes/{name}.{suffix}"
            assert path.stat().st_size > 1000
    executed = sorted((reproduced / "results/smoke/scenes/notebooks").glob("*.ipynb"))
    assert [path.name for path in executed] == [path.name for path in notebooks.numbered("scenes")]
    for path in executed:
        assert notebooks.unfinished(notebooks.read(path)) == []


def test_a_second_call_finds_everything_up_to_date(reproduced):
    before = os.times()
    command = [*COMMAND, "reproduce", "--profile", "smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and " ran " not in done.stdout and " step " not in done.stdout
    assert "Table 1." in done.stdout and "Table 4." in done.stdout and "figure4.png" in done.stdout
    after = os.times()  # the processor's, whatever else runs
    assert after.children_user - before.children_user < 20


def test_killed_in_the_middle_it_goes_on(reproduced, tmp_path):
    places = {"CDVAE_CACHE": str(tmp_path), "CDVAE_OUTPUT": str(tmp_path)}
    asked = "reproduce --profile smoke --tasks resaturation --methods nn gauss mdn4".split()
    options = {"stdout": subprocess.PIPE, "text": True, "env": os.environ | places}
    victim = subprocess.Popen([*COMMAND, *asked], **options)
    for line in victim.stdout:
        if "gauss/0 scored" in line:
            workers = psutil.Process(victim.pid).children(recursive=True)
            victim.kill()
            break
    victim.wait()
    assert workers and not psutil.wait_procs(workers, timeout=20)[1]  # they end with it
    assert not list(tmp_path.rglob("*.csv"))  # whole files or none
    asked = "evaluate --profile smoke --task resaturation --method gauss".split()
    done = forks.run("-m", "cdvae.cli", *asked, **places)
    assert done.returncode == 0
    assert " step " not in done.stdout  # what is finished is not done again
    ours = pd.read_csv(tmp_path / "results/smoke/scenes/scores.csv")
    whole = pd.read_csv(reproduced / "results/smoke/scenes/scores.csv")
    same = ["task", "method", "seed", "metric", "n_samples"]
    both = ours.merge(whole, on=same)
    assert len(both) == len(ours)
    assert both.value_x.tolist() == both.value_y.tolist()  # equal to the bit


def test_train_prints_a_checkpoint_that_is_safetensors(reproduced):
    asked = "train --profile smoke --task motion --method cvae".split()
    done = forks.run("-m", "cdvae.cli", *asked)
    assert done.returncode == 0
    assert done.stdout.strip().splitlines()[-1].endswith(".safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reproduce", "--profile", "quik"], "unknown profile 'quik'"),
        (["reproduce", "--tasks", "relight"], "unknown task 'relight'"),
        (["reproduce", "--methods", "gan"], "unknown method 'gan'"),
        (["reproduce", "--data", "imagenet"], "unknown data 'imagenet'"),
        (["reproduce", "--data", "coco"], "needs --root"),
        (["reproduce", "--data", "coco", "--root", "no/such/folder"], "no folder no/such/folder"),
        (["reproduce", "--device", "tpu9"], "device 'tpu9' cannot be used"),
        (["train", "--task", "motion", "--method", "nn"], "'nn' has nothing to train"),
        (["reproduce", "--seeds", "one"], "invalid int value: 'one'"),
        (
            ["reproduce", "--data", "coco", "--root", ".", "--tasks", "motion"],
            "has no task 'motion'",
        ),
    ],
)
def test_bad_input_gives_one_sentence_and_exit_code_2(arguments, message, capsys):
    try:
        code = cli.main(arguments)
    except SystemExit as stop:  # argparse's own way
        code = stop.code
    said = capsys.readouterr().err
    assert code == 2 and message in said and "Traceback" not in said


def test_unknown_papermill_parameters_are_refused():
    with pytest.raises(InputError, match="unknown parameter 'profle'"):
        checked({"profle": "quick"})
    with pytest.raises(InputError, match="unknown parameter 'epocs'"):
        notebook.open_study({**PARAMETERS, "In": ["", "# Parameters\nepocs = 3"]})


def test_a_notebook_refuses_a_misspelt_parameter_under_papermill(reproduced, tmp_path):
    import papermill

    with pytest.raises(papermill.PapermillExecutionError, match="unknown parameter 'profle'"):
        papermill.execute_notebook(
            notebooks.numbered()[0],
            tmp_path / "out.ipynb",
            {"profle": "smoke"},
            kernel_name="python3",
            progress_bar=False,
        )


@pytest.mark.parametrize("path", notebooks.numbered(), ids=lambda path: path.name)
def test_committed_notebooks_are_as_they_ran(path, monkeypatch):
    notebook = notebooks.read(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebooks.unfinished(notebook) == []
    assert notebook["metadata"]["cdvae"]["code"] == notebooks.code_digest(notebook)
    shown = notebook["metadata"]["cdvae"]
    monkeypatch.delenv("CDVAE_OUTPUT")  # the committed results, not the tests'
    data = notebooks.data_of(path)[0]
    assert shown["inputs"] == key_of(notebooks.inputs(path, notebooks.profile_of(path), data))
    assert path.stat().st_size < 1_000_000
    assert "widgets" not in notebook["metadata"]
    assert not any("execution" in cell["metadata"] for cell in notebook["cells"])
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert not any(output.get("name") == "stderr" for output in outputs)  # no warning, no path


@pytest.mark.parametrize(
    "changes",
    [
        {"data_seed": 1},
        {"n_train": 150},
        {"network": {"noise_floor": 0.2}},
        {"network": {"latents": [8, 8, 4]}},
        {"tie": {"sigma": 0.4}},
        {"guidance": {"semantic_weight": 3.0}},
        {"training": {"steps": 3}},
        {"training": {"guidance_end": 0.01}},
    ],
)
def test_every_setting_that_matters_changes_the_key(changes):
    run = Run("resaturation", "gauss", 0)
    before, after = (Experiment(load_profile("smoke", **c)).score_key(run) for c in ({}, changes))
    assert before != after


def test_settings_of_other_methods_do_not_change_the_key():
    run = Run("resaturation", "gauss", 0)
    before, after = (
        Experiment(load_profile("smoke", **c)).score_key(run) for c in ({}, {"cvae": {"width": 3}})
    )
    assert before == after
    assert before != Experiment(load_profile("smoke")).score_key(Run("resaturation", "gauss", 1))
