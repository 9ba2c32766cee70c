"""Nearest rows, exactly, by matrix products: ‖a − b‖² = ‖a‖² − 2 a·b + ‖b‖².

Rows of many columns are first compared by a sketch: their coordinates along SKETCH orthonormal
directions and the length of the rest. Distances of sketches are never above those of the rows, so
a row whose sketch is farther than n rows are cannot be among the n nearest, whatever the sketch
leaves out; the others are compared in full.
"""

import torch
from torch import Tensor

SKETCH = 256  # directions
SAMPLE = 1024  # rows that the directions are found on
MANY = 2**15  # keys: among fewer all distances are as cheap
VALUES = 2**24  # numbers of one block in between: 64 MB
SLACK = 1e-5  # rounding of single precision, relative to the squared lengths of rows


class NearestRows:
    """The rows of `keys` (N, D), ready to be searched."""

    def __init__(self, keys: Tensor):
        self.keys, self.mean = keys, keys.mean(0)
        wide = len(keys) > MANY and keys.shape[1] > 2 * SKETCH
        self.basis = self.directions() if wide else None
        self.sketches = torch.cat([self.sketch(rows) for rows in keys.split(SAMPLE)])
        self.lengths = self.sketches.square().sum(1)

    def directions(self) -> Tensor:
        """The principal directions of evenly chosen rows: (D, SKETCH), orthonormal."""
        rows = self.keys[:: len(self.keys) // SAMPLE] - self.mean
        leading = torch.linalg.eigh(rows @ rows.T).eigenvectors[:, -SKETCH:]
        return torch.linalg.qr(rows.T @ leading).Q

    def sketch(self, x: Tensor) -> Tensor:
        """What rows x (n, D) are compared by at first: (n, SKETCH + 1), or all of them (n, D)."""
        x = x - self.mean
        if self.basis is None:
            return x.float()
        along = x @ self.basis
        rest = (x.square().sum(1) - along.square().sum(1)).clamp_min(0).sqrt()
        return torch.cat([along, rest[:, None]], 1)

    def __call__(self, x: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The n keys nearest to each row of x (M, D), nearest first: indices and squared
        distances, (M, n) each. Raises ValueError if there are fewer keys."""
        if n > len(self.keys):
            raise ValueError(f"{n} neighbours asked of {len(self.keys)} training examples")
        parts = x.split(max(1, VALUES // len(self.keys)))
        found = [self.search(rows, self.bound(rows), n) for rows in parts]
        return tuple(torch.cat(each) for each in zip(*found, strict=True))

    def bound(self, x: Tensor) -> Tensor:
        """What the squared distances of rows x (M, D) from all keys are at least: (M, N)."""
        x = self.sketch(x)
        return self.less_rounding(x.square().sum(1), x @ self.sketches.T)

    def less_rounding(self, lengths: Tensor, products: Tensor) -> Tensor:
        """Squared distances from products with the keys, less what rounding may add to them."""
        lengths = lengths[:, None]
        return products.mul_(-2).add_((1 - SLACK) * self.lengths).add_((1 - SLACK) * lengths)

    def search(self, x: Tensor, bound: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """As a call, given bounds on the distances."""
        count = min(2 * n, len(self.keys))
        index, distance = self.compared(x, bound.topk(count, largest=False).indices, n)
        within = bound < distance[:, -1:]  # these could be nearer still
        for row in (within.sum(1) > count).nonzero():
            candidates = within[row].nonzero()[None, :, 1]
            if candidates.shape[1] > SAMPLE and self.basis is not None:
                candidates = self.by_products(x[row], n)
            index[row], distance[row] = self.compared(x[row], candidates, n)
        return index, distance

    def by_products(self, x: Tensor, n: int) -> Tensor:
        """Candidates for a single row x (1, D), of its products with all keys: (1, m)."""
        centred = x - self.mean
        products = centred @ self.keys.T - centred @ self.mean
        bound = self.less_rounding(centred.square().sum(1), products)
        limit = bound.kthvalue(n).values + 4 * SLACK * self.lengths.max()
        return (bound <= limit).nonzero()[None, :, 1]

    def compared(self, x: Tensor, candidates: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The n nearest among candidates (M, m) for each row of x, by their true distances."""
        candidates = candidates.sort(1).values  # of keys equally far the first is taken
        size = max(1, VALUES // (candidates.shape[1] * x.shape[1]))
        parts = zip(candidates.split(size), x.split(size), strict=True)
        apart = [(self.keys[rows] - each[:, None]).square().sum(2) for rows, each in parts]
        distance, order = torch.cat(apart).sort(dim=1, stable=True)
        return candidates.gather(1, order[:, :n]), distance[:, :n]
