"""What `--dry-run` says: each run with its time and memory, and their sum."""

import time

import pytest
import torch

from cdvae import cli
from cdvae.runs import estimate
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run


def test_a_processor_s_own_time_counts_and_not_that_of_others():
    cpu = torch.device("cpu")
    assert estimate.timed(lambda: time.sleep(0.05), cpu) < 0.02

    def busy():
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass

    assert 0.09 < estimate.timed(busy, cpu) < 0.3


def test_what_is_done_costs_nothing_and_the_rest_is_listed(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path))
    asked = ["reproduce", "--profile", "smoke", "--tasks", "resaturation", "--dry-run"]
    assert cli.main([*asked, "--methods", "marginal", "gauss"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("resaturation/marginal/0") and " score " in lines[0]
    assert lines[1].startswith("resaturation/gauss/0") and " train and score " in lines[1]
    assert all(line.endswith(" MB") for line in lines[:2])
    assert lines[2].startswith("2 of 2 runs to make: about ")
    assert not list(tmp_path.rglob("*.safetensors"))  # nothing was made
    Experiment(load_profile("smoke")).scores(Run("resaturation", "marginal", 0))
    cli.main([*asked, "--methods", "marginal", "gauss"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["resaturation/marginal/0", "is", "done"]
    assert lines[2].startswith("1 of 2 runs to make: about ")


def test_costs_grow_with_the_examples(monkeypatch):
    """A search of twice as many takes twice as long, by the slope between FEW and MORE."""
    monkeypatch.setattr(estimate, "seconds_of_search", lambda e, run, n: 1e-3 + 1e-6 * n)
    run = Run("resaturation", "nn", 0)
    for n in (10_000, 80_000):
        experiment = Experiment(load_profile("quick", n_train=n))
        step, score = estimate.seconds_of(experiment, run)
        assert step == 0 and score == pytest.approx(1000 * (1e-3 + 1e-6 * n))
    experiment = Experiment(load_profile("quick", n_used=500, n_train=80_000))
    assert estimate.seconds_of(experiment, run)[1] == pytest.approx(
        1000 * (1e-3 + 1e-6 * estimate.MORE)
    )
