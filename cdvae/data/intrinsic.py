"""Photo → (albedo, shading), after Bell, Bala and Snavely, "Intrinsic Images in the Wild" (2014).

In linear light image = albedo × shading: the paint of a surface times the light that falls on it.
The pixels share a few reflectances (k-means labels), chosen by alternating two steps:

1. a fully connected CRF picks a label for each pixel: shading should be near one half and near its
   own blurred past, and pixels that lie close and look alike should have like reflectances;
2. the brightness of each label moves to make the light jump least (L1) across label borders.

At the end every connected patch of a label gets a brightness of its own by step 2. With at most
`LANDMARKS` pixels the CRF's kernel is an exact matrix and mean field is a batch of matrix products.
A larger image runs the CRF on a regular grid of `LANDMARKS` of its own pixels, and each of the
other pixels takes its label by one mean-field update that hears the grid through the same exact
kernel; borders and patches are then those of the full image.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve
from torch import Tensor

from cdvae.files import InputError

LANDMARKS = 1024  # 32 × 32
DARKEST = 1e-4  # linear light; 1/255 in sRGB is 3e-4
NEVER = 1e6  # the cost of a label that an image has given up
JUMP = 1e-3  # |jump| of log shading below which IRLS treats L1 as L2
DENSE = 1500  # unknowns up to which a batch is solved as dense matrices


@dataclass(frozen=True)
class Settings:
    """Choices of the method; costs are in Bell's unit / 10⁴. Bell's values stand in brackets."""

    labels: int = 20  # k-means clusters [20]
    intensity_scale: float = 0.5  # of intensity against chromaticity in k-means [0.5]
    rounds: int = 8  # alternations of the two steps [25]
    updates: int = 5  # mean-field updates a round [10]
    absolute: float = 0.05  # |log shading − log ½| [0.05]
    smooth: float = 1.0  # (log shading − blurred log shading)² [2]
    pairwise: float = 1.0  # L1 distance of log reflectance [1]
    sharpness: float = 30.0  # inverse temperature of the beliefs [10⁴]
    theta_p: float = 0.1  # kernel width: place, in image diagonals [0.1]
    theta_l: float = 0.4  # kernel width: intensity [0.1]
    theta_c: float = 0.01  # kernel width: chromaticity [0.025]
    blur: float = 0.1  # of the shading, in diagonals, divided by the round [0.1]
    steps: int = 10  # IRLS steps of a round; the last round has twice as many [≤ 100]
    seed: int = 0


def srgb_to_linear(image: Tensor) -> Tensor:
    """sRGB code values in [0, 1] to linear light in [0, 1] (IEC 61966-2-1), elementwise."""
    return torch.where(
        image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055).clamp_min(0) ** 2.4
    )


def linear_to_srgb(light: Tensor) -> Tensor:
    """Linear light in [0, 1] to sRGB code values in [0, 1]: the inverse of `srgb_to_linear`."""
    root = light.clamp_min(0.0031308) ** (1 / 2.4)
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * root - 0.055)


def decompose(
    images: Tensor,
    mask: Tensor | None = None,
    settings: Settings = Settings(),
    linear: bool = False,
    batch: int = 32,
) -> tuple[Tensor, Tensor]:
    """Split photos into albedo (N, 3, H, W) and grey shading (N, 1, H, W), both float32.

    images (N, 3, H, W) hold sRGB values in [0, 1], or linear light if `linear`; mask (N, 1, H, W)
    is true where there is something to explain (default: everywhere). Results stay on the device
    of the images and do not depend on what else is in the batch; `batch` bounds memory
    (4 MiB a photo).

    albedo × shading is the image in linear light. Only their ratio is known, so the scale is a
    convention: the albedo's brightest channel is 0.9 at its 98th percentile, then shading is
    limited to between the pixel's brightest channel and 1, which puts the albedo in [0, 1] and
    the shading in (0, 1]. A shading of 1 shows white paint as white; dark photos have dark
    shading. Black pixels have albedo 0; outside the mask shading is 1.

    Raises InputError for anything but finite values in [0, 1] of the stated shape, and for a mask
    that is empty for some image.
    """
    mask = _check(images, mask)
    light = images.float() if linear else srgb_to_linear(images.float())
    shading = torch.ones_like(light[:, :1])
    if images.shape[2] * images.shape[3] <= LANDMARKS:
        windows = [(part, ...) for part in torch.arange(len(images)).split(batch)]
    else:
        windows = [(slice(i, i + 1), ..., *_box(mask[i, 0])) for i in range(len(images))]
    for window in windows:
        logs = _log_shading(light[window], mask[window], settings)
        shading[window] = _anchor(logs, light[window], mask[window])
    return light / shading, shading


def _check(images: Tensor, mask: Tensor | None) -> Tensor:
    if not isinstance(images, Tensor) or not images.is_floating_point():
        raise InputError("images must be a float tensor: divide 8-bit values by 255")
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise InputError(f"images must have shape (N, 3, H, W), not {tuple(images.shape)}")
    if not torch.isfinite(images).all():
        raise InputError("images hold values that are not finite: leave those photos out")
    if ((images < 0) | (images > 1)).any():
        raise InputError("images hold values outside [0, 1]: rescale or clip them")
    expected = (len(images), 1, *images.shape[2:])
    if mask is None:
        return torch.ones(expected, dtype=torch.bool, device=images.device)
    if mask.shape != expected or mask.dtype != torch.bool:
        raise InputError(f"mask must be boolean of shape {expected}, not {tuple(mask.shape)}")
    if not mask.flatten(1).any(1).all():
        raise InputError("mask is empty for some image: leave that image out")
    return mask.to(images.device)


def _anchor(log_shading: Tensor, light: Tensor, mask: Tensor) -> Tensor:
    """The shading in the scale that `decompose` documents."""
    shading, brightest = log_shading.exp(), light.amax(1, keepdim=True)
    albedo = torch.where(mask, brightest / shading, math.nan).flatten(1)
    scale = albedo.nanquantile(0.98, dim=1).clamp_min(DARKEST) / 0.9
    shading = (shading * scale[:, None, None, None]).clamp(max=1).maximum(brightest)
    return torch.where(mask, shading.clamp_min(DARKEST), 1.0)


@dataclass
class _Labels:
    """The reflectances of a batch: log intensity (B, K), log chromaticity (B, K, 3), use (B, K)."""

    intensity: Tensor
    colour: Tensor
    used: Tensor

    @staticmethod
    def at(colours: Tensor) -> "_Labels":
        """Labels at given intensities and chromaticities of red and green, (B, K, 3)."""
        blue = 1 - colours[..., 1:].sum(-1, keepdim=True)
        chromaticity = (3 * torch.cat([colours[..., 1:], blue], -1)).clamp_min(1e-3)
        intensity = colours[..., 0].clamp_min(DARKEST).log()
        return _Labels(intensity, chromaticity.log(), torch.ones_like(intensity, dtype=torch.bool))

    def distances(self) -> Tensor:
        """L1 distance of log reflectance between labels, (B, K, K)."""
        reflectance = self.colour + self.intensity[..., None]
        return (reflectance[:, :, None] - reflectance[:, None]).abs().sum(-1)

    def keep_used(self, label: Tensor, mask: Tensor) -> tuple["_Labels", Tensor]:
        """Forget labels no pixel has, and close the gaps: the labels, and `label` renumbered."""
        count = torch.zeros_like(self.intensity).scatter_add_(1, label, mask.to(self.intensity))
        order = (count == 0).to(torch.int8).argsort(dim=1, stable=True)
        order = order[:, : int((count > 0).sum(1).max())]
        place = torch.zeros_like(count, dtype=torch.long)
        place.scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
        colour = self.colour.gather(1, order[..., None].expand(-1, -1, 3))
        kept = _Labels(self.intensity.gather(1, order), colour, (count > 0).gather(1, order))
        return kept, place.gather(1, label)


@dataclass
class _Grid:
    """Pixels of a batch, flattened: colour (B, P, 3), log intensity and mask (B, P), place (P, 2)."""

    rows: Tensor
    columns: Tensor
    light: Tensor
    mask: Tensor
    diagonal: Tensor  # (B, 1, 1), pixels

    @staticmethod
    def of(light: Tensor, mask: Tensor, step: int = 1) -> "_Grid":
        """The means of step × step cells over their unmasked pixels; light (B, 3, H, W)."""
        weight, places = mask[:, None].float(), []
        shares = torch.nn.functional.avg_pool2d(weight, step, ceil_mode=True)
        light = torch.nn.functional.avg_pool2d(light * weight, step, ceil_mode=True)
        light = (light / shares.clamp_min(1e-20)).clamp_min(DARKEST).flatten(2).mT
        for n in mask.shape[1:]:
            start = torch.arange(0, n, step, device=mask.device)
            places.append((start + (start + step).clamp(max=n) - 1) / 2)
        return _Grid(*places, light, shares.flatten(1) > 0, _diagonal(mask))

    @property
    def log_intensity(self) -> Tensor:
        return self.light.mean(-1).log()

    def colours(self) -> Tensor:
        """Intensity and the chromaticities of red and green, (B, P, 3)."""
        total = self.light.sum(-1, keepdim=True)
        return torch.cat([total / 3, self.light[..., :2] / total], -1)

    def features(self, s: Settings) -> Tensor:
        """Colour and place in units of the kernel's widths, (B, P, 5)."""
        place = torch.cartesian_prod(self.rows, self.columns) / (s.theta_p * self.diagonal)
        widths = self.light.new_tensor([s.theta_l, s.theta_c, s.theta_c])
        return torch.cat([self.colours() / widths, place], -1)

    def edges(self) -> Tensor:
        """Indices of the pixels to the left and right of, or above and below, each border (2, E)."""
        index = torch.arange(len(self.rows) * len(self.columns), device=self.light.device)
        index = index.view(len(self.rows), len(self.columns))
        across = torch.stack([index[:, :-1].flatten(), index[:, 1:].flatten()])
        return torch.cat([across, torch.stack([index[:-1].flatten(), index[1:].flatten()])], 1)

    def blurred(self, field: Tensor, sigma: Tensor, at: "_Grid") -> Tensor:
        """Mean of `field` (B, P) under a Gaussian (pixels, (B, 1, 1)) around each pixel of `at`."""

        def weights(to: Tensor, of: Tensor) -> Tensor:
            return torch.exp(-0.5 * ((to[:, None] - of) / sigma) ** 2)

        down, along = weights(at.rows, self.rows), weights(at.columns, self.columns)
        shape = (-1, len(self.rows), len(self.columns))
        total = down @ (field * self.mask).view(shape) @ along.mT
        return (total / (down @ self.mask.float().view(shape) @ along.mT).clamp_min(1e-20)).flatten(
            1
        )


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
        member = torch.nn.functional.one_hot(label, clusters).to(points) * mask[..., None]
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


def _patches(label: Tensor, edges: Tensor) -> Tensor:
    """Number the 4-connected patches of equal label of each image from 0: (B, P)."""
    count, pixels = label.shape
    same = label[:, edges[0]] == label[:, edges[1]]
    image, edge = same.nonzero(as_tuple=True)
    ends = ((edges[:, edge] + image * pixels).cpu().numpy()).reshape(2, -1)
    graph = sparse.coo_matrix((np.ones(ends.shape[1], np.int8), ends), [count * pixels] * 2)
    patch = sparse.csgraph.connected_components(graph, directed=False)[1].reshape(count, pixels)
    patch = torch.from_numpy(patch).long().to(label.device)
    return patch - patch.amin(1, keepdim=True)


def _diagonal(mask: Tensor) -> Tensor:
    """Length in pixels of the diagonal of the box around each mask, (B, 1, 1)."""
    sides = []
    for seen in (mask.any(2), mask.any(1)):
        index = torch.arange(seen.shape[1], device=mask.device).expand_as(seen)
        low = torch.where(seen, index, seen.shape[1]).amin(1)
        sides.append(torch.where(seen, index, -1).amax(1) - low + 1)
    return torch.hypot(*(side.float() for side in sides))[:, None, None]


def _unary(log_intensity: Tensor, labels: _Labels, target: Tensor | None, s: Settings) -> Tensor:
    """Cost of each label at each pixel, (B, P, K); target (B, P) is the blurred log shading."""
    shading = log_intensity[..., None] - labels.intensity[:, None]
    cost = s.absolute * (shading - math.log(0.5)).abs()
    if target is not None:
        cost = cost + s.smooth * (shading - target[..., None]).square()
    return cost.masked_fill(~labels.used[:, None], NEVER)


def _box(mask: Tensor) -> tuple[slice, slice]:
    """Rows and columns of the box around a mask (H, W)."""
    ends = [seen.nonzero()[[0, -1], 0].tolist() for seen in (mask.any(1), mask.any(0))]
    return tuple(slice(low, high + 1) for low, high in ends)


def _log_shading(light: Tensor, mask: Tensor, s: Settings) -> Tensor:
    """Log shading (B, 1, H, W), up to a constant, of linear light (B, 3, H, W)."""
    mask = mask[:, 0]
    full = _Grid.of(light, mask)
    step = math.ceil(math.sqrt(mask[0].numel() / LANDMARKS))
    grid = _Grid.of(light, mask, step) if step > 1 else full
    features, edges, log_intensity = grid.features(s), grid.edges(), grid.log_intensity
    kernel = kernel_of(features)
    norm = grid.mask * (kernel @ grid.mask[..., None].float())[..., 0].rsqrt()
    scale = light.new_tensor([s.intensity_scale, 1, 1])
    centres = cluster(grid.colours() * scale, grid.mask, s.labels, s.seed) / scale
    labels = _Labels.at(centres)
    target = None
    for turn in range(s.rounds):
        unary = _unary(log_intensity, labels, target, s)
        belief = mean_field(
            unary, kernel, norm, s.pairwise * labels.distances(), s.sharpness, s.updates
        )
        labels, label = labels.keep_used(belief.argmax(-1), grid.mask)
        levels = least_jumps(label, log_intensity, edges, labels.intensity, s.steps, grid.mask)
        labels.intensity = levels + _middle(labels, labels.intensity) - _middle(labels, levels)
        shading = log_intensity - labels.intensity.gather(1, label)
        sigma = s.blur * grid.diagonal / (1 + turn)
        target = grid.blurred(shading, sigma, grid)
    if step > 1:
        blurred = grid.blurred(shading, sigma, full)
        label = _extend(full, grid, features, labels, label, blurred, s)
    edges, log_intensity = full.edges(), full.log_intensity
    patch = _patches(torch.where(full.mask, label, -1), edges)
    start = labels.intensity.new_zeros(len(patch), int(patch.max()) + 1)
    start.scatter_(1, patch, labels.intensity.gather(1, label))
    levels = least_jumps(patch, log_intensity, edges, start, 2 * s.steps, full.mask)
    return (log_intensity - levels.gather(1, patch)).view_as(light[:, :1])


def _middle(labels: _Labels, levels: Tensor) -> Tensor:
    """Median level of the labels in use, (B, 1)."""
    return levels.masked_fill(~labels.used, math.nan).nanmedian(1, keepdim=True)[0]


def _extend(
    full: _Grid,
    grid: _Grid,
    features: Tensor,
    labels: _Labels,
    label: Tensor,
    target: Tensor,
    s: Settings,
) -> Tensor:
    """Labels (1, P) of every pixel: each hears the labels of the grid once through the kernel."""
    # A softmax of the exponents is the kernel normalised by row; the nearest always count.
    votes = s.pairwise * labels.distances()[0, label[0]]
    absent = torch.where(grid.mask, 0.0, -math.inf)[:, None]
    everywhere, log_intensity = full.features(s), full.log_intensity
    result = torch.zeros_like(target, dtype=torch.long)
    for some in full.mask[0].nonzero()[:, 0].split(8192):
        share = torch.softmax(exponents(everywhere[:, some], features) + absent, -1)
        unary = _unary(log_intensity[:, some], labels, target[:, some], s)
        result[:, some] = (unary + share @ votes).argmin(-1)
    return result
