"""One training loop for every model."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cdvae.model import Batch


class NotFinite(RuntimeError):
    """A loss became infinite or NaN; the message names the step, the term and a remedy."""


@dataclass(frozen=True)
class Training:
    """Settings of the loop; λ and the KL weight are the schedules of Sec. 4.1 and of the LVAE."""

    epochs: int
    batch_size: int
    learning_rate: float
    gradient_norm: float  # gradients are scaled down to this norm, in nats
    warm_up: float  # share of the steps over which the KL weight rises from 0 to 1
    guidance_start: float  # λ at the first step …
    guidance_end: float  # … and at the end of its decay, after which it is 0
    guidance_share: float  # share of the steps over which λ decays, geometrically


@dataclass(frozen=True)
class Examples:
    """Training data on the device: fields and embedding targets, row for row."""

    x_c: Tensor
    x_g: Tensor
    p_c: Tensor
    p_g: Tensor

    def __len__(self) -> int:
        return len(self.x_c)

    def batch(self, index: Tensor | slice, kl_weight: float = 1.0, lam: float = 0.0) -> Batch:
        """The examples at `index` as one batch."""
        rows = (self.x_c[index], self.x_g[index], self.p_c[index], self.p_g[index])
        return Batch(*rows, kl_weight, lam)


def kl_weight(progress: float, settings: Training) -> float:
    """Linear warm-up of the KL terms; progress runs from 0 to 1."""
    return min(1.0, progress / settings.warm_up) if settings.warm_up > 0 else 1.0


def guidance_weight(progress: float, settings: Training) -> float:
    """λ of Eq. 9: geometric decay from `guidance_start` to `guidance_end`, then none."""
    if settings.guidance_start == 0 or progress >= settings.guidance_share:
        return 0.0
    ratio = settings.guidance_end / settings.guidance_start
    return settings.guidance_start * ratio ** (progress / settings.guidance_share)


@torch.no_grad()
def mean_loss(model: nn.Module, examples: Examples, batch_size: int, seed: int) -> dict[str, float]:
    """Every term of the loss over `examples`, at full KL weight and without guidance.

    The codes are drawn from a stream of their own, so that two calls agree and the caller's
    random state is untouched.
    """
    totals: dict[str, float] = {}
    devices = [examples.x_c.device] if examples.x_c.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for start in range(0, len(examples), batch_size):
            batch = examples.batch(slice(start, start + batch_size))
            for name, value in model.loss(batch).items():
                totals[name] = totals.get(name, 0.0) + float(value) * len(batch.x_c)
    return {name: total / len(examples) for name, total in totals.items()}


def check_finite(terms: dict[str, Tensor], step: int) -> None:
    """Raise NotFinite if the loss is not a number to descend on."""
    if torch.isfinite(terms["loss"]):
        return
    bad = [name for name, value in terms.items() if name != "loss" and not torch.isfinite(value)]
    raise NotFinite(
        f"the loss is not finite at step {step} (term: {', '.join(bad) or 'the sum'}): "
        "lower training.learning_rate or raise network.noise_floor"
    )


def fit(
    model: nn.Module,
    train: Examples,
    valid: Examples,
    settings: Training,
    seed: int,
    on_epoch: Callable[[dict[str, float]], None] = lambda row: None,
) -> list[dict[str, float]]:
    """Train in place by Adam and leave the weights of the epoch with the least validation loss.

    The data stay on their device and a batch is an index selection. Returns one row an epoch:
    epoch, seconds, images_per_second, the step weights, train_<term> and valid_<term> in nats
    per example. Raises NotFinite if the loss diverges.
    """
    torch.manual_seed(seed)
    n_batches = max(1, len(train) // settings.batch_size)
    n_steps, step = settings.epochs * n_batches, 0
    optimiser = torch.optim.Adam(model.parameters(), settings.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    history: list[dict[str, float]] = []
    best_loss, best_weights = math.inf, copy.deepcopy(model.state_dict())
    for epoch in range(1, settings.epochs + 1):
        model.train()
        start = time.perf_counter()
        sums: dict[str, Tensor] = {}
        order = torch.randperm(len(train), device=train.x_c.device)
        for index in order.split(settings.batch_size)[:n_batches]:
            beta = kl_weight(step / n_steps, settings)
            lam = guidance_weight(step / n_steps, settings)
            terms = model.loss(train.batch(index, beta, lam))
            check_finite(terms, step)
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].backward()
            nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_norm)
            optimiser.step()
            schedule.step()
            step += 1
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value.detach()
        seconds = time.perf_counter() - start
        model.eval()
        row = {"epoch": epoch, "seconds": seconds, "kl_weight": beta, "guidance_weight": lam}
        row["images_per_second"] = n_batches * min(settings.batch_size, len(train)) / seconds
        row |= {f"train_{name}": float(total) / n_batches for name, total in sums.items()}
        scores = mean_loss(model, valid, settings.batch_size, seed)
        row |= {f"valid_{name}": value for name, value in scores.items()}
        history.append(row)
        on_epoch(row)
        if scores["loss"] < best_loss:
            best_loss, best_weights = scores["loss"], copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return history
