"""Fields packed into one small file, which trains and scores where neither photos nor OpenCV are.

Layers in [0, 1] are rounded to 8 bits, others (flow) to half precision, semantic features to half
precision without their zeros. A pack is a safetensors file; what it holds shapes the key of the
examples, and where it lies does not.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cdvae.data.fields import Fields, task_named
from cdvae.data.registry import DataSet, Request, register
from cdvae.tools.content import digest
from cdvae.tools.files import InputError, atomic

LAYERS = ("x_c", "x_g")
SPARSE = ("counts", "columns", "values")
LEVELS = 255  # of a layer in [0, 1]
KIND = "cdvae pack 1"  # of file, by what its header says


def rounded(x: Tensor) -> Tensor:
    """A layer as it is packed; raises InputError for values that half precision cannot hold."""
    if x.numel() and 0 <= float(x.min()) and float(x.max()) <= 1:
        return (x * LEVELS).round().to(torch.uint8)
    if not x.half().isfinite().all():
        raise InputError("a layer has values that are not finite or beyond 65504: it is not packed")
    return x.half()


def restored(x: Tensor) -> Tensor:
    """A layer as it is read: float32 in its own range."""
    return x.float() / LEVELS if x.dtype == torch.uint8 else x.float()


def sparse(x: Tensor) -> dict[str, Tensor]:
    """A matrix (N, D) by rows: how many numbers are not 0, their columns and values."""
    at = x != 0
    columns = at.nonzero()[:, 1].to(torch.int32)
    return {"counts": at.sum(1).to(torch.int32), "columns": columns, "values": x[at].half()}


def dense(counts: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    """The matrix (N, width) again."""
    rows = torch.repeat_interleave(torch.arange(len(counts)), counts.long())
    x = torch.zeros(len(counts), width)
    x[rows, columns.long()] = values.float()
    return x


def packed(fields: Fields, n: int | None = None) -> dict[str, Tensor]:
    """The tensors of the first n examples as they are packed."""
    layers = {name: rounded(getattr(fields, name)[:n]).contiguous() for name in LAYERS}
    return layers | sparse(fields.semantics[:n])


def size_of(fields: Fields) -> float:
    """Bytes that an example takes, on average."""
    tensors = packed(fields).values()
    names = sum(len(json.dumps(each)) + 2 for each in fields.ids)
    return (sum(each.nbytes for each in tensors) + names) / max(len(fields), 1)


def write(path: Path, parts: dict[str, dict[str, Fields]], about: dict) -> None:
    """Write the splits of each task; about: what a reader of the header is told of their source."""
    tensors: dict[str, Tensor] = {}
    header: dict[str, dict] = {}
    for task, splits in parts.items():
        for split, fields in splits.items():
            for name, value in packed(fields).items():
                tensors[f"{task}/{split}/{name}"] = value
            width, n_labels = fields.semantics.shape[1], fields.n_labels
            what = {"ids": list(fields.ids), "width": width, "n_labels": n_labels}
            header.setdefault(task, {})[split] = what
    with atomic(path) as temporary:
        told = {"kind": KIND, "about": json.dumps(about), "parts": json.dumps(header)}
        save_file(tensors, temporary, metadata=told)


@contextmanager
def opened(path: Path) -> Iterator:
    """A pack; whatever is wrong with it becomes one sentence."""
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("kind") != KIND:
                raise InputError(f"{path} is no pack: give --root a file that `cdvae pack` wrote")
            yield file
    except InputError:
        raise
    except Exception as error:  # safetensors' own kinds, and what a header that lies leads to
        why = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise InputError(f"{path} is no whole pack ({why}): copy or pack it again") from error


def header_of(path: Path, name: str) -> dict:
    """What stands in a pack's header: "about" or "parts"."""
    with opened(path) as file:
        return json.loads(file.metadata()[name])


def make(request: Request, split: str) -> Fields:
    """The first examples of a split, as many as are asked for."""
    task, n = request.task.name, request.size(split)
    with opened(request.root) as file:
        what = json.loads(file.metadata()["parts"])[task][split]
        tensors = {name: file.get_tensor(f"{task}/{split}/{name}") for name in (*LAYERS, *SPARSE)}
        x_c, x_g = (restored(tensors[name])[:n].contiguous() for name in LAYERS)
        semantics = dense(*(tensors[name] for name in SPARSE), what["width"])[:n].contiguous()
        ids = tuple(what["ids"][:n])
        return Fields(task_named(task), x_c, x_g, semantics, what["n_labels"], ids)


def tasks_at(path: Path) -> tuple[str, ...]:
    """The tasks that a pack holds."""
    return tuple(header_of(path, "parts"))


def stamp(request: Request) -> str:
    """The hash of the file; raises InputError if it is no pack, or holds not this task."""
    has = tasks_at(request.root)
    if request.task.name not in has:
        raise InputError(
            f"{request.root} has no task '{request.task.name}': it has {', '.join(has)}"
        )
    return digest(request.root)


def label_names(request: Request) -> tuple[str, ...]:
    return tuple(header_of(request.root, "about").get("label_names", ()))


register(
    DataSet(
        name="packed",
        title="a file that `cdvae pack` wrote",
        tasks=("relighting", "resaturation", "motion"),
        make=make,
        stamp=stamp,
        tasks_at=tasks_at,
        label_names=label_names,
        root_is_file=True,
    )
)
