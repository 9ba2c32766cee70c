"""Trained models as ONNX, for whatever runs that: `cdvae models export`.

The graph is that of `release.graphs`: it draws nothing itself. Weights stand in the file in as
little space as loses nothing (`tools.compact`), and are single precision when it is loaded.
"""

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdvae.checkpoints import Checkpoint
from cdvae.release.graphs import Graph, graph_of
from cdvae.tools.compact import SCALE, compact, expanded
from cdvae.tools.errors import InputError
from cdvae.tools.files import atomic, sha256, write_json

OPSET = 17
SAME = 1e-6  # of the largest of a weight's row: what writing it in less space may change
SHAPES = {
    "x_c": "(1, C_c, 32, 32), in its stated range",
    "x_g": "(1, C_g, 32, 32), the layer to be given back; zeros where nobody knows it",
    "noise": "(n, {n_noise}), independent N(0, 1)",
    "own_noise": "(1, {n_own}), independent N(0, 1)",
    "spread": "(1,), by which the tie's deviations are multiplied; 1 as trained",
    "component": "(1,) int64, the mixture's component, counted from 0; -1: by its weights",
    "choice": "(n, {n_components}), independent Exp(1), by which components are chosen",
    "fields": "(n, C_g, 32, 32), the samples",
    "reproduced": "(1, C_g, 32, 32), x_g as the model gives it back, CDVAE(z_o) of Eq. 10",
    "weights": "(1, {n_components}), of the mixture at the mean of q(z_c | x_c)",
}
KEPT = ("name", "task", "method", "data", "profile", "seed", "settings", "limits", "licence")
KEPT += ("scores", "scores_from", "rounding")


def export(checkpoint: Checkpoint, to: Path) -> Path:
    """Write NAME.onnx and its card NAME.json into a folder; returns the model's path.

    Raises InputError where the onnx package is missing and for kinds of models without a graph.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise InputError("onnx is not installed: pip install -e '.[site]'") from None
    graph = graph_of(checkpoint.model).eval()
    made = onnx.load_from_string(traced(graph, checkpoint))
    shrink(made)
    onnx.checker.check_model(made)
    path = to / f"{checkpoint.name}.onnx"
    with atomic(path) as temporary:
        temporary.write_bytes(made.SerializeToString())
    write_json(path.with_suffix(".json"), card_of(checkpoint, graph, path))
    return path


def traced(graph: Graph, checkpoint: Checkpoint) -> bytes:
    """The graph in ONNX, its weights in single precision under their own names.

    By the exporter that traces: the newer one takes minutes a model and folds weights together.
    """
    task, file = checkpoint.task, io.BytesIO()
    example = graph.example(task.channels_c, task.channels_g)
    names = {"input_names": [*graph.inputs], "output_names": [*graph.outputs]}
    n_first = {"noise", "choice", "fields"} & {*graph.inputs, *graph.outputs}
    kept = torch.onnx.TrainingMode.PRESERVE  # the model is in evaluation mode; nothing is folded
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # of its age, and of shapes that are fixed here
        torch.onnx.export(
            graph,
            example,
            file,
            opset_version=OPSET,
            dynamic_axes={name: {0: "n"} for name in n_first},
            training=kept,
            dynamo=False,
            **names,
        )
    return file.getvalue()


def shrink(model: Any) -> None:
    """Keep the weights of an ONNX model in little space, where that loses nothing; nodes at its
    beginning, which a runtime folds as it loads, bring them back."""
    from onnx import numpy_helper

    kept, nodes = [], []
    for each in model.graph.initializer:
        value = torch.from_numpy(numpy_helper.to_array(each).copy())
        parts, made = restored(each.name, packed(each.name, value))
        kept += parts
        nodes += made
    before = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*nodes, *before])


def packed(name: str, value: Tensor) -> dict[str, Tensor]:
    """A weight as `compact` keeps it, else in half precision, else as it is: the first of which
    that differs by no more than rounding in single precision."""
    if value.is_floating_point():
        for small in (compact({name: value}), {name: value.half()}):
            change = (expanded(small)[name] - value).abs().max()
            if change <= SAME * value.abs().max():
                return small
    return {name: value}


def restored(name: str, small: dict[str, Tensor]) -> tuple[list, list]:
    """Initializers and nodes that give the weight of that name in single precision."""
    from onnx import TensorProto, helper, numpy_helper

    value, scale, steps = small[name], small.get(name + SCALE), f"{name}:steps"
    if value.dtype not in (torch.int8, torch.float16):
        return [numpy_helper.from_array(value.numpy(), name)], []
    parts = [numpy_helper.from_array(value.numpy(), f"{name}:packed")]
    to = name if scale is None else steps
    nodes = [helper.make_node("Cast", [f"{name}:packed"], [to], to=TensorProto.FLOAT)]
    if scale is not None:
        rows = scale.view(-1, *[1] * (value.dim() - 1)).numpy()
        parts.append(numpy_helper.from_array(rows, name + SCALE))
        nodes.append(helper.make_node("Mul", [steps, name + SCALE], [name]))
    return parts, nodes


def card_of(checkpoint: Checkpoint, graph: Graph, path: Path) -> dict[str, Any]:
    """The checkpoint's card, with what the graph takes and gives; scores are the checkpoint's."""
    sizes = {each: getattr(graph, each) for each in ("n_noise", "n_own", "n_components")}
    card = {name: checkpoint.card[name] for name in KEPT if name in checkpoint.card}
    return (
        card
        | sizes
        | {
            "format": f"ONNX, opset {OPSET}",
            "inputs": {name: SHAPES[name].format(**sizes) for name in graph.inputs},
            "outputs": {name: SHAPES[name].format(**sizes) for name in graph.outputs},
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
            "exported_from": {"sha256": checkpoint.card.get("sha256")},
        }
    )
