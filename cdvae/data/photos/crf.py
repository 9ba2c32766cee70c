"""The numerics of the intrinsic images: an exact dense CRF, k-means, and an L1 fit on a graph.

Everything is batched over images and knows no image: pixels come flattened, with their features.
"""

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve
from torch import Tensor
from torch.nn.functional import one_hot

JUMP = 1e-3  # |jump| of log shading below which IRLS treats L1 as L2
DENSE = 1500  # unknowns up to which a batch is solved as dense matrices


def exponents(a: Tensor, b: Tensor) -> Tensor:
    """−|a_i − b_j|² / 2 for features (B, P, D) and (B, Q, D): (B, P, Q)."""
    centre = b.mean(1, keepdim=True)  # near zero, products lose fewer digits
    a, b = a - centre, b - centre
    half_a, half_b = (-0.5 * x.square().sum(-1, keepdim=True) for x in (a, b))
    left = torch.cat([a, half_a, torch.ones_like(half_a)], -1)
    return left @ torch.cat([b, torch.ones_like(half_b), half_b], -1).mT


def kernel_of(features: Tensor) -> Tensor:
    """exp(−|f_i − f_j|² / 2), at least e⁻³⁰, (B, P, P): products of denormals crawl on a CPU."""
    return exponents(features, features).clamp_(-30, 0).exp_()


def mean_field(
    unary: Tensor, kernel: Tensor, norm: Tensor, distances: Tensor, sharpness: float, updates: int
) -> Tensor:
    """Beliefs (B, P, K) of a fully connected CRF after some parallel mean-field updates.

    unary (B, P, K) are costs; pixels i and j with labels k and l cost norm_i kernel_ij norm_j
    distances_kl, i = j included, as in Krähenbühl and Koltun's code with symmetric normalisation.
    kernel (B, P, P), norm (B, P), distances (B, K, K).
    """
    belief = _softmax(-sharpness * unary)
    for _ in range(updates):
        message = norm[..., None] * (kernel @ (norm[..., None] * belief))
        belief = _softmax(-sharpness * (unary + message @ distances))
    return belief


def _softmax(x: Tensor) -> Tensor:
    """Softmax over the last axis, with nothing under e⁻⁴⁰ (no denormals)."""
    x = (x - x.amax(-1, keepdim=True)).clamp_(min=-40).exp_()
    return x / x.sum(-1, keepdim=True)


def cluster(points: Tensor, mask: Tensor, clusters: int, seed: int) -> Tensor:
    """Centres (B, K, D) of k-means on points (B, P, D) where mask (B, P): k-means++, 15 updates.

    Each image draws the same random numbers, so its clusters do not depend on its neighbours.
    """
    draws = torch.rand(clusters, generator=torch.Generator().manual_seed(seed)).tolist()
    centres, nearest = points[:, :0], mask.to(points)
    for draw in draws:
        total = nearest.cumsum(1)
        target = (draw * total[:, -1:]).clamp_min(torch.finfo(total.dtype).tiny)
        chosen = torch.searchsorted(total, target).clamp(max=points.shape[1] - 1)
        centre = points.gather(1, chosen[..., None].expand(-1, -1, points.shape[2]))
        centres = torch.cat([centres, centre], 1)
        distance = (points - centre).square().sum(-1) * mask
        nearest = distance if centres.shape[1] == 1 else nearest.minimum(distance)
    for _ in range(15):
        label = torch.cdist(points, centres).argmin(-1)
        member = one_hot(label, clusters).to(points) * mask[..., None]
        count = member.sum(1)[..., None]
        centres = torch.where(count > 0, member.mT @ points / count.clamp_min(1), centres)
    return centres


def least_jumps(
    label: Tensor, log_intensity: Tensor, edges: Tensor, start: Tensor, steps: int, mask: Tensor
) -> Tensor:
    """Log reflectances (B, n) that make Σ |jump of log shading| over the edges least (IRLS).

    label (B, P) in 0 … n − 1, log_intensity and mask (B, P), edges (2, E) indices of pixels,
    start (B, n): where the sum does not care, the answer stays there.
    """
    first, second = label[:, edges[0]], label[:, edges[1]]
    counts = (first != second) & mask[:, edges[0]] & mask[:, edges[1]]
    jump = (log_intensity[:, edges[0]] - log_intensity[:, edges[1]]).double()
    level = start.double()
    for _ in range(steps):
        left = jump - (level.gather(1, first) - level.gather(1, second))
        weight = counts / (left.abs() + JUMP)
        level = _weighted_levels(first, second, weight, jump, start.double())
    return level.to(start)


def _weighted_levels(a: Tensor, b: Tensor, weight: Tensor, jump: Tensor, start: Tensor) -> Tensor:
    """argmin over x of Σ weight (jump − x_a + x_b)² + 10⁻⁶ |x − start|², a graph Laplacian."""
    push = weight * jump
    right = (1e-6 * start).scatter_add(1, a, push).scatter_add(1, b, -push)
    degree = torch.full_like(start, 1e-6).scatter_add(1, a, weight).scatter_add(1, b, weight)
    count, n = start.shape
    if n <= DENSE:
        matrix = start.new_zeros(count, n * n)
        matrix.scatter_add_(1, a * n + b, -weight).scatter_add_(1, b * n + a, -weight)
        matrix = matrix.view(count, n, n) + torch.diag_embed(degree)
        return torch.cholesky_solve(right[..., None], torch.linalg.cholesky(matrix))[..., 0]
    offset = torch.arange(count, device=a.device)[:, None] * n
    one, two, weight = ((x.flatten().cpu().numpy()) for x in (a + offset, b + offset, weight))
    pairs = (np.r_[one, two], np.r_[two, one])
    matrix = sparse.diags(degree.flatten().cpu().numpy()) - sparse.coo_matrix(
        (np.r_[weight, weight], pairs), (count * n, count * n)
    )
    solution = spsolve(matrix.tocsc(), right.flatten().cpu().numpy())
    return torch.from_numpy(solution).to(start).view_as(start)


def patches(label: Tensor, edges: Tensor) -> Tensor:
    """Number the 4-connected patches of equal label of each image from 0: (B, P)."""
    count, pixels = label.shape
    same = label[:, edges[0]] == label[:, edges[1]]
    image, edge = same.nonzero(as_tuple=True)
    ends = ((edges[:, edge] + image * pixels).cpu().numpy()).reshape(2, -1)
    graph = sparse.coo_matrix((np.ones(ends.shape[1], np.int8), ends), [count * pixels] * 2)
    patch = connected_components(graph, directed=False)[1].reshape(count, pixels)
    patch = torch.from_numpy(patch).long().to(label.device)
    return patch - patch.amin(1, keepdim=True)
