"""A.2's network trained for as long as there is time: the curve, and going on where it stopped."""

import json

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from cdvae.dynamics.experiment import FrameExperiment
from cdvae.runs.settings import load_profile
from cdvae.studies import a2
from cdvae.tools.files import InputError


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path))
    monkeypatch.setattr(a2, "EVERY", 2)
    return tmp_path


def states(place) -> dict[str, torch.Tensor]:
    (path,) = (place / "cache" / "models").iterdir()
    return load_file(path)


def train(place, monkeypatch, looks: list[int]) -> pd.DataFrame:
    """Calls that each stop after so many looks at the validation pairs."""
    plain = a2.advance
    for many in looks:
        left = iter(range(many))

        def advance(*given, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            plain(*given)

        monkeypatch.setattr(a2, "advance", advance)
        try:
            a2.run(5, "smoke", "cpu")
        except KeyboardInterrupt:
            pass
    return pd.read_csv(place / "results" / "smoke" / "shapes" / "learning.csv")


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(place, tmp_path, monkeypatch):
    stopped = train(place, monkeypatch, [2, 1, 9])
    found = states(place)
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "other" / "cache"))
    monkeypatch.setenv("CDVAE_OUTPUT", str(tmp_path / "other"))
    whole = train(tmp_path / "other", monkeypatch, [9])
    expected = states(tmp_path / "other")
    assert stopped.step.tolist() == whole.step.tolist() == [0, 2, 4, 6]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    same = [name for name in whole if name != "seconds"]
    pd.testing.assert_frame_equal(stopped[same], whole[same])
    assert int(found["optimiser.step"]) == 6 and found["optimiser.exp_avg"].abs().sum() > 0


def test_the_curve_and_the_estimate_are_those_of_the_training(place):
    path = a2.run(5, "smoke", "cpu")
    table, about = pd.read_csv(path), json.loads(path.with_suffix(".json").read_text())
    settings = load_profile("smoke").dynamics.training
    last = table.iloc[-1]
    assert last.step == settings.steps and last.pairs == settings.steps * settings.batch_size
    assert table.kl_weight[1] == 0 < table.kl_weight[2] < 1
    total = table.valid_reconstruction + table.valid_kl
    assert table.valid_loss.tolist() == pytest.approx(total.tolist(), rel=1e-5)
    estimate = about["estimate"]
    assert estimate["share_done"] == 1 and estimate["days_left"] == 0
    assert estimate["days_whole"] * 86_400 == pytest.approx(last.seconds)
    experiment = FrameExperiment(load_profile("smoke"), "cpu")
    model = experiment.untrained(a2.RUN)
    assert about["parameters"] == sum(p.numel() for p in model.parameters())
    assert about["n_code"] == model.sizes.n_code()
    with pytest.raises(InputError, match="--minutes 0: give more than 0"):
        a2.run(0, "smoke")


def test_a_look_leaves_the_running_statistics_alone(place):
    """And normalises by what the batch itself has."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(2)).eval()
    before = {name: part.clone() for name, part in model.state_dict().items()}
    with a2.normalised_by_batch(model):
        found = model(3 + 5 * torch.randn(8, 2, 6, 6))
    assert found.mean().item() == pytest.approx(0, abs=1e-5)
    assert found.std().item() == pytest.approx(1, abs=1e-2)
    after = model.state_dict()
    for name in ("0.running_mean", "0.running_var"):
        assert torch.equal(before[name], after[name])
    assert not model[0].training and model[0].momentum == 0.1


def test_batches_see_every_pair_once_a_turn():
    first = torch.cat([a2.batch_of(step, 12, 4) for step in range(3)])
    second = torch.cat([a2.batch_of(step, 12, 4) for step in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()
    assert a2.batch_of(7, 3, 4).tolist() == a2.batch_of(7, 3, 5).tolist()  # fewer than a batch
