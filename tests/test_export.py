"""Exported models: the same noise gives the same fields, and the scores are the checkpoint's."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import cdvae
from cdvae import checkpoints
from cdvae.data.fields import TASKS
from cdvae.methods import method
from cdvae.metrics import score_samples
from cdvae.model import CDVAE
from cdvae.postprocess.own import built_in
from cdvae.release import graphs
from cdvae.runs.settings import load_profile
from cdvae.ties import GaussianTie, MDNTie
from cdvae.tools.errors import InputError

NAMES = "relighting-mdn12-scenes", "resaturation-gauss-coco", "motion-cvae-ucf101"
NAMES += ("motion-crossconv-scenes", "resaturation-cdvae-spatial-coco")
TOP_ALONE = {"codes_g": [0, 0, 8]}  # no maps, as by default
N_EXAMPLES, N_SAMPLES, COUNTS = 100, 10, (3, 10)


def noise_of(graph: graphs.Graph, n: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """What `sample` draws for n samples, in its order."""
    if not isinstance(graph, graphs.Tied):
        return {"noise": torch.randn(n, graph.n_noise, generator=generator)}
    top = graph.sizes[0]
    drawn, others = [torch.randn(n, top, generator=generator)], {"spread": torch.ones(1)}
    if isinstance(graph, graphs.Mixed):  # as torch.multinomial chooses
        others["choice"] = torch.empty(n, graph.n_components).exponential_(generator=generator)
        others["component"] = torch.full((1,), -1)
    drawn += [torch.randn(n, size, generator=generator) for size in graph.sizes]
    return {"noise": torch.cat(drawn, 1)} | others


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Sessions of models by name, each exported once."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[site]'")
    runtime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not installed: pip install -e '.[site]'"
    )
    from cdvae.release.export import export

    folder = tmp_path_factory.mktemp("onnx")
    if not set(NAMES) <= set(checkpoints.names()):
        pytest.skip("no checkpoints here")
    return {
        name: runtime.InferenceSession(export(cdvae.load(name), folder / "sub")) for name in NAMES
    } | {"folder": folder / "sub"}


def answers(session, feeds: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = [each.name for each in session.get_outputs()]
    wanted = {each.name for each in session.get_inputs()}
    given = {name: value.numpy() for name, value in feeds.items() if name in wanted}
    made = session.run(names, given)
    return dict(zip(names, map(torch.from_numpy, made), strict=True))


def test_cards(exported):
    card = json.loads((exported["folder"] / f"{NAMES[0]}.json").read_text())
    checkpoint = checkpoints.read_card(checkpoints.folder() / f"{NAMES[0]}.json")
    assert card["scores"] == checkpoint["scores"] and card["limits"] == checkpoint["limits"]
    assert card["n_components"] == 12 and card["n_noise"] == 128 and card["n_own"] == 96
    assert "(n, 128)" in card["inputs"]["noise"]
    model = exported["folder"] / f"{NAMES[0]}.onnx"
    assert card["bytes"] == model.stat().st_size < 2.6e6  # no larger than in half precision


@pytest.mark.parametrize("name", NAMES)
def test_same_noise_same_fields_and_scores(exported, name):
    """On the first test scenes; `sample` itself draws, from the same generator."""
    checkpoint = cdvae.load(name)
    graph, scenes = graphs.graph_of(checkpoint.model), built_in(checkpoint.task.name)
    x_c, x_g = scenes.x_c[:N_EXAMPLES], scenes.x_g[:N_EXAMPLES]
    ours, theirs = [], []
    for k in range(N_EXAMPLES):
        one, seed = x_c[k : k + 1], torch.Generator().manual_seed(k)
        ours.append(checkpoint.model.sample(one, N_SAMPLES, seed)[0])
        own = torch.randn(1, max(graph.n_own, 1), generator=torch.Generator().manual_seed(k))
        feeds = {"x_c": one, "x_g": x_g[k : k + 1], "own_noise": own[:, : graph.n_own]}
        feeds |= noise_of(graph, N_SAMPLES, torch.Generator().manual_seed(k))
        theirs.append(answers(exported[name], feeds)["fields"])
    ours, theirs = torch.stack(ours), torch.stack(theirs)
    assert torch.allclose(ours, theirs, atol=1e-4)
    a, b = (score_samples(lambda part, n, s=s: s[part, :n], x_g, COUNTS) for s in (ours, theirs))
    for score in a:
        assert torch.allclose(a[score], b[score], rtol=1e-4, atol=1e-5), score


@pytest.mark.parametrize("name", NAMES)
def test_the_layer_given_back(exported, name):
    checkpoint, generator = cdvae.load(name), torch.Generator().manual_seed(3)
    graph, task = graphs.graph_of(checkpoint.model), checkpoint.task
    x_c, x_g = torch.rand(1, task.channels_c, 32, 32), torch.rand(1, task.channels_g, 32, 32)
    own = torch.cat(
        [torch.randn(1, size, generator=generator) for size in getattr(graph, "sizes", [])]
        or [torch.zeros(1, 0)],
        1,
    )
    feeds = {"x_c": x_c, "x_g": x_g, "own_noise": own}
    feeds |= noise_of(graph, 2, torch.Generator().manual_seed(0))
    got = answers(exported[name], feeds)["reproduced"]
    wanted = checkpoint.model.reproduce(x_c, x_g, torch.Generator().manual_seed(3))
    assert torch.allclose(got, wanted, atol=1e-4)


def test_spread_and_component(exported):
    """As `Tie.cross` with the same noise."""
    checkpoint = cdvae.load(NAMES[0])
    graph = graphs.graph_of(checkpoint.model)
    x_c, x_g = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32)
    draws = checkpoint.model.draws(x_c, 5, torch.Generator().manual_seed(4), 2.5, 7)
    wanted = checkpoint.model.fields_of(x_c, draws)
    feeds = {"x_c": x_c, "x_g": x_g, "own_noise": torch.zeros(1, graph.n_own)}
    feeds |= noise_of(graph, 5, torch.Generator().manual_seed(4))
    feeds |= {"spread": torch.tensor([2.5]), "component": torch.tensor([7])}
    made = answers(exported[NAMES[0]], feeds)
    assert torch.allclose(made["fields"], wanted, atol=1e-4)
    mean, _ = checkpoint.model.dvae_c.q_top_given_x(x_c)
    assert torch.allclose(made["weights"], checkpoint.model.tie.mixture(mean)[0].exp(), atol=1e-5)


@pytest.mark.parametrize("exact", [False, True])
def test_a_wider_gaussian_tie(exact):
    tie = GaussianTie(10, 0.3, 0.6, exact)
    graph = graphs.Tied.__new__(graphs.Tied)
    torch.nn.Module.__init__(graph)
    graph.model = torch.nn.Module()
    graph.model.tie = tie
    z_c = torch.randn(4, 10)
    wanted = tie.cross(z_c, torch.Generator().manual_seed(0), 1.7)
    noise = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(graph.crossed(z_c, noise, torch.tensor([1.7])), wanted, atol=1e-6)


def test_codes_in_space_for_any_number_of_draws(tmp_path):
    """Of an untrained model: `sample` and `reproduce` themselves are the other way."""
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[site]'")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from cdvae.release import export

    torch.manual_seed(0)
    task = TASKS["relighting"]
    model = method("cdvae-spatial").build(task, load_profile("smoke", spatial=TOP_ALONE))
    x_c, x_g = torch.rand(20, 3, 32, 32), torch.rand(20, 1, 32, 32)
    model.standardise(x_c, x_g)
    graph = graphs.graph_of(model.eval()).eval()
    session = runtime.InferenceSession(export.traced(graph, SimpleNamespace(task=task)))
    for n in (1, 7):
        wanted = model.sample(x_c[:1], n, torch.Generator().manual_seed(n))[0]
        feeds = noise_of(graph, n, torch.Generator().manual_seed(n))
        got = answers(session, feeds | {"x_c": x_c[:1], "x_g": x_g[:1]})
        assert torch.allclose(got["fields"], wanted, atol=1e-5)
        back = model.reproduce(x_c[:1], x_g[:1])
        assert torch.allclose(got["reproduced"], back, atol=1e-5)
    with pytest.raises(InputError, match="maps for codes of x_g cannot be exported"):
        graphs.graph_of(method("cdvae-spatial").build(task, load_profile("smoke")))


def test_a_kind_without_a_graph():
    class Other(CDVAE):
        pass

    pair = [cdvae.DVAE(1, (4,), (4, 4), 8, 0.5) for _ in "cg"]
    with pytest.raises(InputError, match="Other cannot be exported"):
        graphs.graph_of(Other(*pair, MDNTie(4, 2, 8, 0.1)))


def test_weights_in_little_space_are_the_same():
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[site]'")
    from cdvae.release.export import SAME, packed
    from cdvae.tools.compact import expanded

    rng = np.random.default_rng(0)
    steps = torch.from_numpy(rng.integers(-127, 128, (64, 32))).float()
    steps[:, 0] = 127
    rows = steps * torch.rand(64, 1)
    half, whole = torch.randn(64, 32).half().float(), torch.randn(64, 32)
    for value, kind in ((rows, torch.int8), (half, torch.float16), (whole, torch.float32)):
        small = packed("w", value)
        assert small["w"].dtype == kind
        assert (expanded(small)["w"] - value).abs().max() <= SAME * value.abs().max()
