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

import torch
from torch import Tensor

from cdvae.data.photos.crf import cluster, exponents, kernel_of, least_jumps, mean_field, patches
from cdvae.data.photos.pixels import DARKEST, Grid, Labels
from cdvae.tools.files import InputError

LANDMARKS = 1024  # 32 × 32
NEVER = 1e6  # the cost of a label that an image has given up


@dataclass(frozen=True)
class Settings:
    """Choices of the method; costs are in Bell's unit / 10⁴. Bell's values stand in brackets."""

    labels: int = 20  # k-means clusters [20]
    intensity_scale: float = 0.5  # of intensity against chromaticity in k-means [0.5]
    rounds: int = 6  # alternations of the two steps [25]
    updates: int = 3  # mean-field updates a round [10]
    absolute: float = 0.05  # |log shading − log ½| [0.05]
    smooth: float = 1.0  # (log shading − blurred log shading)² [2]
    pairwise: float = 1.0  # L1 distance of log reflectance [1]
    sharpness: float = 100.0  # inverse temperature of the beliefs [10⁴]
    theta_p: float = 0.2  # kernel width: place, in image diagonals [0.1]
    theta_l: float = 0.4  # kernel width: intensity [0.1]
    theta_c: float = 0.01  # kernel width: chromaticity [0.025]
    blur: float = 0.1  # of the shading, in diagonals, divided by the round [0.1]
    steps: int = 5  # IRLS steps of a round; the last round has twice as many [≤ 100]
    seed: int = 0


DEFAULT = Settings()


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
    settings: Settings = DEFAULT,
    linear: bool = False,
    batch: int = 4,
) -> tuple[Tensor, Tensor]:
    """Split photos into albedo (N, 3, H, W) and grey shading (N, 1, H, W), both float32.

    images (N, 3, H, W) hold sRGB values in [0, 1], or linear light if `linear`; mask (N, 1, H, W)
    is true where there is something to explain (default: everywhere). Results stay on the device
    of the images and, but for rounding, do not depend on the rest of the batch; `batch` bounds
    memory (4 MiB a photo for the kernel; 4 is fastest on a CPU, hundreds suit a GPU).

    albedo × shading is the image in linear light. Only their ratio is known, so the scale is a
    convention: the 98th percentile of the albedo's brightest channel is 1, and where that would
    take the shading's own past 1, the two share the excess equally. Then shading is limited to
    between the pixel's brightest channel and 1, so the albedo is in [0, 1] and the shading in
    [10⁻⁴, 1]; 1 shows white paint as white, dark photos have dark shading. Black pixels have
    albedo 0 and keep a shading; outside the mask shading is 1.

    Raises InputError for anything but finite values in [0, 1] of the stated shape, and for a mask
    that is empty for some image.
    """
    mask = _check(images, mask)
    light = images.float() if linear else srgb_to_linear(images.float())
    shading = torch.ones_like(light[:, :1])
    if images.shape[2] * images.shape[3] <= LANDMARKS:
        windows = [(slice(i, i + batch), ...) for i in range(0, len(images), batch)]
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

    def high(field: Tensor) -> Tensor:
        field = torch.where(mask, field, math.nan).flatten(1)
        field = field[:, :: field.shape[1] // 2**20 + 1]  # a quantile needs no more
        return field.nanquantile(0.98, dim=1)[:, None, None, None].clamp_min(DARKEST)

    shading, brightest = log_shading.exp(), light.amax(1, keepdim=True)
    albedo_high, shading_high = high(brightest / shading), high(shading)
    scale = albedo_high / (albedo_high * shading_high).clamp_min(1).sqrt()
    shading = (shading * scale).clamp(DARKEST, 1).maximum(brightest)
    return torch.where(mask, shading, 1.0)


def _unary(log_intensity: Tensor, labels: Labels, target: Tensor | None, s: Settings) -> Tensor:
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
    full = Grid.of(light, mask)
    step = math.ceil(math.sqrt(mask[0].numel() / LANDMARKS))
    grid = Grid.of(light, mask, step) if step > 1 else full
    features, edges, log_intensity = (
        grid.features(s.theta_p, s.theta_l, s.theta_c),
        grid.edges(),
        grid.log_intensity,
    )
    kernel = kernel_of(features)
    norm = grid.mask * (kernel @ grid.mask[..., None].float())[..., 0].rsqrt()
    scale = light.new_tensor([s.intensity_scale, 1, 1])
    centres = cluster(grid.colours() * scale, grid.mask, s.labels, s.seed) / scale
    labels = Labels.at(centres)
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
    patch = patches(torch.where(full.mask, label, -1), edges)
    start = labels.intensity.new_zeros(len(patch), int(patch.max()) + 1)
    start.scatter_(1, patch, labels.intensity.gather(1, label))
    levels = least_jumps(patch, log_intensity, edges, start, 2 * s.steps, full.mask)
    return (log_intensity - levels.gather(1, patch)).view_as(light[:, :1])


def _middle(labels: Labels, levels: Tensor) -> Tensor:
    """Median level of the labels in use, (B, 1)."""
    return levels.masked_fill(~labels.used, math.nan).nanmedian(1, keepdim=True)[0]


def _extend(
    full: Grid,
    grid: Grid,
    features: Tensor,
    labels: Labels,
    label: Tensor,
    target: Tensor,
    s: Settings,
) -> Tensor:
    """Labels (1, P) of every pixel: each hears the labels of the grid once through the kernel."""
    # A softmax of the exponents is the kernel normalised by row; the nearest always count.
    votes = s.pairwise * labels.distances()[0, label[0]]
    absent = torch.where(grid.mask, 0.0, -math.inf)[:, None]
    everywhere = full.features(s.theta_p, s.theta_l, s.theta_c)
    log_intensity = full.log_intensity
    result = torch.zeros_like(target, dtype=torch.long)
    for some in full.mask[0].nonzero()[:, 0].split(8192):
        share = torch.softmax(exponents(everywhere[:, some], features) + absent, -1)
        unary = _unary(log_intensity[:, some], labels, target[:, some], s)
        result[:, some] = (unary + share @ votes).argmin(-1)
    return result
