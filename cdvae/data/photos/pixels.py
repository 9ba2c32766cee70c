"""The pixels of photos and their labels, as the intrinsic images (`intrinsic.py`) have them."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

DARKEST = 1e-4  # linear light; 1/255 in sRGB is 3e-4


@dataclass
class Labels:
    """The reflectances of a batch: log intensity (B, K), log chromaticity (B, K, 3), use (B, K)."""

    intensity: Tensor
    colour: Tensor
    used: Tensor

    @staticmethod
    def at(colours: Tensor) -> "Labels":
        """Labels at given intensities and chromaticities of red and green, (B, K, 3)."""
        blue = 1 - colours[..., 1:].sum(-1, keepdim=True)
        chromaticity = (3 * torch.cat([colours[..., 1:], blue], -1)).clamp_min(1e-3)
        intensity = colours[..., 0].clamp_min(DARKEST).log()
        return Labels(intensity, chromaticity.log(), torch.ones_like(intensity, dtype=torch.bool))

    def distances(self) -> Tensor:
        """L1 distance of log reflectance between labels, (B, K, K)."""
        reflectance = self.colour + self.intensity[..., None]
        return (reflectance[:, :, None] - reflectance[:, None]).abs().sum(-1)

    def keep_used(self, label: Tensor, mask: Tensor) -> tuple["Labels", Tensor]:
        """Forget labels no pixel has, and close the gaps: the labels, and `label` renumbered."""
        count = torch.zeros_like(self.intensity).scatter_add_(1, label, mask.to(self.intensity))
        order = (count == 0).to(torch.int8).argsort(dim=1, stable=True)
        order = order[:, : int((count > 0).sum(1).max())]
        place = torch.zeros_like(count, dtype=torch.long)
        place.scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
        colour = self.colour.gather(1, order[..., None].expand(-1, -1, 3))
        kept = Labels(self.intensity.gather(1, order), colour, (count > 0).gather(1, order))
        return kept, place.gather(1, label)


@dataclass
class Grid:
    """Pixels of a batch, flattened row by row: light (B, P, 3), mask (B, P), where they lie."""

    rows: Tensor
    columns: Tensor
    light: Tensor
    mask: Tensor
    diagonal: Tensor  # (B, 1, 1), pixels

    @staticmethod
    def of(light: Tensor, mask: Tensor, step: int = 1) -> "Grid":
        """The middle pixel of each step × step cell of light (B, 3, H, W), mask (B, H, W).

        Where the mask leaves out the middle, the mean of the pixels that it leaves in.
        """
        weight, mean = mask[:, None].float(), partial(avg_pool2d, kernel_size=step, ceil_mode=True)
        share = mean(weight)
        starts = (torch.arange(0, n, step, device=mask.device) for n in mask.shape[1:])
        rows, columns = (
            (start + step // 2).clamp(max=n - 1)
            for start, n in zip(starts, mask.shape[1:], strict=True)
        )
        middle = (..., rows[:, None], columns)
        average = mean(light * weight) / share.clamp_min(1e-20)
        picked = torch.where(mask[:, None][middle], light[middle], average).clamp_min(DARKEST)
        return Grid(
            rows.float(),
            columns.float(),
            picked.flatten(2).mT,
            share.flatten(1) > 0,
            diagonal_of(mask),
        )

    @property
    def log_intensity(self) -> Tensor:
        return self.light.mean(-1).log()

    def colours(self) -> Tensor:
        """Intensity and the chromaticities of red and green, (B, P, 3)."""
        total = self.light.sum(-1, keepdim=True)
        return torch.cat([total / 3, self.light[..., :2] / total], -1)

    def features(self, place_width: float, light_width: float, colour_width: float) -> Tensor:
        """Colour and place in units of the kernel's widths, (B, P, 5)."""
        place = torch.cartesian_prod(self.rows, self.columns) / (place_width * self.diagonal)
        widths = self.light.new_tensor([light_width, colour_width, colour_width])
        return torch.cat([self.colours() / widths, place], -1)

    def edges(self) -> Tensor:
        """Indices of the two pixels at each border between neighbours, (2, E)."""
        index = torch.arange(len(self.rows) * len(self.columns), device=self.light.device)
        index = index.view(len(self.rows), len(self.columns))
        across = torch.stack([index[:, :-1].flatten(), index[:, 1:].flatten()])
        return torch.cat([across, torch.stack([index[:-1].flatten(), index[1:].flatten()])], 1)

    def blurred(self, field: Tensor, sigma: Tensor, at: "Grid") -> Tensor:
        """Mean of `field` (B, P) under a Gaussian (pixels, (B, 1, 1)) around each pixel of `at`."""

        def weights(to: Tensor, of: Tensor) -> Tensor:
            return torch.exp(-0.5 * ((to[:, None] - of) / sigma) ** 2)

        down, along = weights(at.rows, self.rows), weights(at.columns, self.columns)
        shape = (-1, len(self.rows), len(self.columns))
        total = down @ (field * self.mask).view(shape) @ along.mT
        return (total / (down @ self.mask.float().view(shape) @ along.mT).clamp_min(1e-20)).flatten(
            1
        )


def diagonal_of(mask: Tensor) -> Tensor:
    """Length in pixels of the diagonal of the box around each mask, (B, 1, 1)."""
    sides = []
    for seen in (mask.any(2), mask.any(1)):
        index = torch.arange(seen.shape[1], device=mask.device).expand_as(seen)
        low = torch.where(seen, index, seen.shape[1]).amin(1)
        sides.append(torch.where(seen, index, -1).amax(1) - low + 1)
    return torch.hypot(*(side.float() for side in sides))[:, None, None]
