"""The neighbour graph of many embedded rows and of their mirror images.

Every row is compared with every other by matrix products in single precision, and what seems near
is ranked anew in double precision. A mirror image's coordinates are its original's, some with the
other sign: with a row's products along the even and along the odd coordinates, their sum compares
it with another original and their difference with that one's mirror image, and the neighbours of a
mirror image are those of its original in the mirror.
"""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

GROUP = 64  # keys of which the nearest is looked at first
VALUES = 2**24  # numbers of one block of products: 64 MB


def heat_graph(y: np.ndarray, parity: np.ndarray | None, n_neighbours: int) -> sparse.csr_matrix:
    """As `guidance.heat_graph`, for rows y (N, D) and, of a parity (D,) of ±1, their mirror images
    y · parity: a graph of N or of 2 N rows."""
    n, k = len(y), min(n_neighbours, len(y) - 1)
    index, squared = nearest(y, parity, k + 1)
    own = index == np.arange(n)[:, None]
    own[~own.any(1), -1] = True  # of many equal rows: the last goes instead of itself
    index, squared = index[~own].reshape(n, k), squared[~own].reshape(n, k)
    heat = np.exp(-squared / max(squared.mean(), 1e-12))
    if parity is not None:
        index = np.concatenate([index, (index + n) % (2 * n)])
        heat = np.concatenate([heat, heat])
    ends = np.arange(0, index.size + 1, k)
    graph = sparse.csr_matrix((heat.ravel(), index.ravel(), ends), (len(index), len(index)))
    return graph.maximum(graph.T).tocsr()


def nearest(y: np.ndarray, parity: np.ndarray | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n rows nearest to each of y (N, D), itself among them, nearest first: indices, from N on
    of mirror images, and squared distances, (N, n) each.

    Exact unless more than n rows differ from the n-th nearest by less than single precision tells.
    """
    rows = torch.from_numpy(y)
    even = torch.ones(y.shape[1], dtype=torch.bool)
    even = even if parity is None else torch.from_numpy(parity > 0)
    lengths = -0.5 * rows.square().sum(1, keepdim=True)
    keys, one = torch.cat([rows[:, even], lengths], 1).float(), torch.ones(len(y), 1)
    asked = torch.cat([rows[:, even].float(), one], 1)
    odd = rows[:, ~even].float()
    m, size = min(2 * n, len(y)), max(1, VALUES // len(y))
    found = torch.empty(len(y), n, dtype=torch.long), torch.empty(len(y), n, dtype=rows.dtype)
    room = torch.empty(1 if parity is None else 2, min(size, len(y)), len(y))  # taken once
    for part in torch.arange(len(y)).split(size):
        products, *across = room[:, : len(part)]
        torch.mm(asked[part], keys.T, out=products)
        if parity is None:
            index = leading(products, m)[1]
        else:
            torch.mm(odd[part], odd.T, out=across[0])
            originals = leading(products.add_(across[0]), m)
            images = leading(products.sub_(across[0], alpha=2), m)
            best = torch.cat([originals[0], images[0]], 1).topk(m).indices
            index = torch.cat([originals[1], images[1] + len(y)], 1).gather(1, best)
        for whole, own in zip(found, ranked(rows, even, part, index, n), strict=True):
            whole[part] = own
    return found[0].numpy(), found[1].numpy()


def leading(scores: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """The m largest scores of each row (M, N) and their columns, (M, m) each.

    They are in those m groups of columns whose largest are the largest.
    """
    width = len(scores[0]) // GROUP  # column g and each width-th after it are a group
    whole = scores[:, : width * GROUP].unflatten(1, (GROUP, width))
    chosen = whole.amax(1).topk(min(m, width)).indices
    columns = chosen[:, None] + width * torch.arange(GROUP)[:, None]
    rest = torch.arange(width * GROUP, scores.shape[1]).expand(len(scores), -1)
    columns = torch.cat([columns.flatten(1), rest], 1)
    best, place = scores.gather(1, columns).topk(m)
    return best, columns.gather(1, place)


def ranked(rows: Tensor, even: Tensor, part: Tensor, index: Tensor, n: int) -> tuple:
    """The n nearest of these candidates (M, m) of some rows, by distances in double precision."""
    index = index.sort(1).values  # of rows equally far the first is taken
    keys = rows[index % len(rows)]
    keys = torch.where(even | (index < len(rows))[..., None], keys, -keys)
    distance, order = (keys - rows[part, None]).square().sum(2).sort(dim=1, stable=True)
    return index.gather(1, order[:, :n]), distance[:, :n]
