"""The embedding of many examples is that of few, in memory that their features do not fill."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from cdvae import guidance
from cdvae.data import fields
from cdvae.data.fields import TASKS, Fields, save, with_flips
from cdvae.runs import embedding, embedding_many, graph_many
from cdvae.runs.experiment import Experiment
from cdvae.runs.settings import load_profile
from cdvae.runs.store import Run

CATEGORIES = 12


def made(n: int, task: str, categories: int = CATEGORIES) -> Fields:
    """Smooth fields with one object each: a label, and four cells of its layout."""
    generator, t = torch.Generator().manual_seed(0), TASKS[task]
    low = torch.rand(n, t.channels_c + t.channels_g, 8, 8, generator=generator)
    x = torch.nn.functional.interpolate(low, size=32, mode="bilinear")
    x = x + 0.02 * torch.randn(x.shape, generator=generator)
    if not categories:
        layers = x[:, : t.channels_c].contiguous(), x[:, t.channels_c :].contiguous()
        return Fields(t, *layers, torch.zeros(n, 0), 0, tuple(map(str, range(n))))
    label = torch.randint(categories, (n,), generator=generator)
    row, column = torch.randint(4, (2, n), generator=generator)
    layout = torch.zeros(n, categories, 5, 5)
    for down, right, share in ((0, 0, 0.9), (0, 1, 0.5), (1, 0, 0.3), (1, 1, 0.1)):
        layout[torch.arange(n), label, row + down, column + right] = share
    named = torch.nn.functional.one_hot(label, categories).float()
    semantics = torch.cat([named, layout.flatten(1)], 1)
    layers = x[:, : t.channels_c].contiguous(), x[:, t.channels_c :].contiguous()
    return Fields(t, *layers, semantics, categories, tuple(map(str, range(n))))


def signs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each column, whether b has a's sign or the other."""
    return np.sign((a * b).sum(0))


@pytest.mark.parametrize("task", ["resaturation", "relighting", "motion"])
@pytest.mark.parametrize("flips", [False, True])
def test_targets_are_those_of_the_whole_features(task, flips, tmp_path):
    fields = made(500, task)
    save(fields, tmp_path / "fields.safetensors")
    shown = with_flips(fields.rows(torch.arange(500) < 400)) if flips else fields
    layers = (shown.x_c, shown.x_g, shown.semantics, shown.n_labels)
    p_c, p_g = guidance.targets(*layers, 8, 2.0)
    n = 400 if flips else 0
    found = embedding_many.targets(tmp_path / "fields.safetensors", n, flips, 8, 2.0)
    turned = signs(p_c, found[0])
    assert np.abs(turned).tolist() == [1.0] * 8
    np.testing.assert_allclose(found[0] * turned, p_c, atol=2e-3)
    # of a whitened embedding any rotation is as good: where several bring p_g as near to p_c, and
    # mirror images make such ties, either may be taken
    np.testing.assert_allclose(found[1] @ found[1].T, p_g @ p_g.T, atol=2e-2)
    near = np.square(p_g - p_c).mean()
    assert np.square(found[1] - found[0]).mean() == pytest.approx(near, rel=1e-4)


@pytest.mark.parametrize("layer", ["value", "flow"])
@pytest.mark.parametrize("flips", [False, True])
def test_covariance_and_products_are_those_of_the_features(layer, flips):
    """Of pixels with labels and layout, and of a flow, one part of which turns in the mirror."""
    is_flow = layer == "flow"
    plain = made(200, "motion" if is_flow else "resaturation")
    whole = with_flips(plain) if flips else plain
    if is_flow:
        rows = embedding_many.Rows(plain.x_g.numpy(), None, 0, 2.0, flips, True)
        f = guidance.features(whole.x_g, torch.zeros(0, 0), 0, 2.0)
    else:
        named = embedding_many.sparse.csr_matrix(plain.semantics.numpy())
        rows = embedding_many.Rows(plain.x_c.numpy(), named, CATEGORIES, 2.0, flips)
        f = guidance.features(whole.x_c, whole.semantics, CATEGORIES, 2.0)
    covariance, sides = rows.covariance(np.float32), rows.sides()
    found = sum(u @ (u.T @ (covariance @ u)) @ u.T.toarray() for u, _ in sides)
    np.testing.assert_allclose(found, np.cov(f.T, bias=True), atol=1e-4)
    assert sum(u.shape[1] for u, _ in sides) == f.shape[1]
    some = np.random.default_rng(0).normal(size=(f.shape[1], 3))
    centred = f - f.mean(0)
    np.testing.assert_allclose(rows.times(some), (centred @ some)[:200], atol=2e-2)
    for u, side in sides:  # what is even is the same in the mirror, what is odd turns
        some = u @ np.random.default_rng(0).normal(size=(u.shape[1], 3))
        found = np.concatenate([rows.times(some), side * rows.times(some)])[: len(f)]
        np.testing.assert_allclose(found, centred @ some, atol=2e-2)


@pytest.mark.parametrize("n", [30, 600, 3000])
@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("noise", [0, 1])
def test_neighbours_of_many_rows_are_those_of_brute_force(n, flips, noise):
    """Of rows in clusters, ten of each equal where there is no noise."""
    rng = np.random.default_rng(n)
    y = (rng.normal(size=(n // 10, 16)) * np.arange(16, 0, -1)).repeat(10, 0)
    y += noise * rng.normal(size=y.shape)
    y -= y.mean(0)
    parity = np.where(np.arange(16) % 3 == 0, -1.0, 1.0) if flips else None
    whole = np.concatenate([y, y * parity]) if flips else y
    index, squared = graph_many.nearest(y, parity, 8)
    least = np.sort(cdist(y, whole), axis=1)[:, :8]
    np.testing.assert_allclose(np.sqrt(squared), least, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(whole[index] - y[:, None], axis=2), least, atol=1e-6)
    assert all(len(set(each)) == 8 for each in index.tolist())
    if noise:  # of equal rows any are as near
        graph, reference = graph_many.heat_graph(y, parity, 7), guidance.heat_graph(whole, 7)
        assert graph.nnz == reference.nnz and abs(graph - reference).max() < 1e-6


def test_without_labels_there_are_pixels_alone(tmp_path):
    fields = made(300, "resaturation", 0)
    save(fields, tmp_path / "fields.safetensors")
    p_c, _ = guidance.targets(fields.x_c, fields.x_g, fields.semantics, 0, 4, 2.0)
    found, _ = embedding_many.targets(tmp_path / "fields.safetensors", 0, False, 4, 2.0)
    np.testing.assert_allclose(found * signs(p_c, found), p_c, atol=2e-3)


def test_examples_that_are_too_alike_are_refused(tmp_path):
    fields = made(60, "resaturation", 0)
    flat = torch.zeros_like(fields.x_c)
    alike = Fields(fields.task, flat, flat.clone(), fields.semantics, 0, fields.ids)
    save(alike, tmp_path / "f.safetensors")
    with pytest.raises(ValueError, match="a code of 4 asked of features of rank"):
        embedding_many.targets(tmp_path / "f.safetensors", 0, False, 4, 2.0)


def test_few_examples_go_the_old_way_and_many_the_new_one(monkeypatch):
    few, many = (load_profile("smoke", n_train=n, flips=True) for n in (200, 80_000))
    assert not embedding.is_large(few) and embedding.is_large(many)
    assert not embedding.is_large(load_profile("smoke", n_train=80_000, n_used=9_000, flips=True))
    run = Run("resaturation", "gauss", 0)
    before = Experiment(few, device="cpu").model_key(run)
    monkeypatch.setattr(embedding, "LARGE", 100)
    experiment = Experiment(few, device="cpu")
    assert experiment.model_key(run) != before
    cvae = Run("resaturation", "cvae", 0)
    assert Experiment(few, device="cpu").model_key(cvae) == experiment.model_key(cvae)
    monkeypatch.setattr(guidance, "targets", lambda *_: pytest.fail("whole features"))
    experiment.prepare([run])
    found = experiment.targets("resaturation", 8)
    assert found.shape == (2, 400, 8)
    assert torch.allclose(found.mean(1), torch.zeros(2, 8), atol=1e-4)


def test_many_examples_are_trained_on_without_their_labels(monkeypatch):
    few = Experiment(load_profile("smoke", n_train=210), device="cpu")
    assert few.fields("resaturation")["train"].n_labels > 0
    monkeypatch.setattr(embedding, "LARGE", 100)
    many = Experiment(load_profile("smoke", n_train=210), device="cpu")
    assert many.fields("resaturation")["train"].semantics.shape == (210, 0)
    assert torch.equal(*(e.fields("resaturation")["train"].x_c for e in (few, many)))
    assert many.labelled("resaturation")["train"].n_labels > 0  # what is said of the data


@pytest.mark.parametrize("task", ["relighting", "motion"])
@pytest.mark.parametrize("n", [0, 130])
def test_many_examples_and_their_mirror_images_are_those_of_few(task, n, tmp_path, monkeypatch):
    monkeypatch.setattr(fields, "BLOCK", 50)
    few = made(210, task)
    save(few, tmp_path / "fields.safetensors")
    found = fields.load_with_flips(tmp_path / "fields.safetensors", n)
    shown = with_flips(few.rows(torch.arange(210) < (n or 210)))
    assert torch.equal(found.x_c, shown.x_c) and torch.equal(found.x_g, shown.x_g)
    assert found.ids == shown.ids and found.task is shown.task


MEASURED = """
import json, resource, sys
from cdvae.runs import embedding_many
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
p_c, p_g = embedding_many.targets(sys.argv[1], 0, True, 8, 2.0)
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"shape": p_c.shape, "megabytes": (most - base) / 1024}))
"""


def test_memory_is_not_that_of_the_features(tmp_path):
    """12,000 rows of 2,584 features, 124 MB in single precision: whole they took 680 MB, in blocks
    250 MB."""
    path = tmp_path / "fields.safetensors"
    save(made(6000, "resaturation", 60), path)
    command = [sys.executable, "-c", MEASURED, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["shape"] == [12_000, 8]
    assert found["megabytes"] < 400
