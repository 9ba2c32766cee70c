"""One training loop for every model."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cdvae.model import Batch
from cdvae.tools.errors import Failed


class NotFinite(Failed):
    """A loss became infinite or NaN; the message names the step, the term and a remedy."""


@dataclass(frozen=True)
class Training:
    """Settings of the loop; λ and the KL weight are the schedules of Sec. 4.1 and of the LVAE."""

    steps: int = 1000  # updates, however many examples there are
    checks: int = 16  # validations in that time; the best one's weights are kept
    batch_size: int = 64
    learning_rate: float = 2e-3
    gradient_norm: float = 100.0  # gradients are scaled down to this norm, in nats
    warm_up: float = 0.3  # share of the steps over which the KL weight rises from 0 to 1
    guidance_start: float = 10.0  # λ at the first step …
    guidance_end: float = 1e-3  # … and at the end of its decay, after which it is 0
    guidance_share: float = 0.2  # share of the steps over which λ decays, geometrically


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
    found = []
    devices = [examples.x_c.device] if examples.x_c.is_cuda else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for start in range(0, len(examples), batch_size):
            batch = examples.batch(slice(start, start + batch_size))
            terms = model.loss(batch)
            found.append(torch.stack(list(terms.values())) * len(batch.x_c))
    totals = torch.stack(found).cpu().double().sum(0)
    return dict(zip(terms, (totals / len(examples)).tolist(), strict=True))


def check_finite(names: list[str], rows: Tensor, first: int) -> None:
    """Raise NotFinite if a loss was no number to descend on; rows (steps, terms) from `first`."""
    wrong = ~torch.isfinite(rows[:, names.index("loss")])
    if not wrong.any():
        return
    step = int(wrong.int().argmax())
    is_finite = torch.isfinite(rows[step]).tolist()
    bad = [name for name, fine in zip(names, is_finite, strict=True) if not fine and name != "loss"]
    raise NotFinite(
        f"the loss is not finite at step {first + step} (term: {', '.join(bad) or 'the sum'}): "
        "lower training.learning_rate or raise network.noise_floor"
    )


def batches(n: int, size: int, device: torch.device) -> Iterator[Tensor]:
    """Rows of full batches without end, in a fresh order each time all n have been seen.

    What does not fill a batch waits for the next order; fewer than `size` examples are one batch.
    """
    while True:
        yield from torch.randperm(n, device=device).split(size)[: max(1, n // size)]


class Descent:
    """Adam on a model: its state, its schedules, one step at a time.

    All weights lie in one vector, of which the model's are views, until `release`: a step is a few
    operations, however many layers there are, and none of them waits for the device.
    """

    def __init__(self, model: nn.Module, settings: Training):
        self.model, self.settings, self.step = model, settings, 0
        self.parts = [part for part in model.parameters() if part.requires_grad]
        self.weights = torch.cat([part.detach().flatten() for part in self.parts])
        for part, place in zip(self.parts, self.places(), strict=True):
            part.data = place.view_as(part)
        self.optimiser = torch.optim.Adam([self.weights], settings.learning_rate, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, settings.steps)

    def places(self) -> tuple[Tensor, ...]:
        """Where each of the model's weights lies in the vector."""
        return self.weights.split([part.numel() for part in self.parts])

    def release(self) -> None:
        """Give the model weights of its own."""
        for part in self.parts:
            part.data = part.data.clone()

    def weighing(self) -> tuple[float, float]:
        """The KL weight and λ of the present step."""
        progress = self.step / self.settings.steps
        return kl_weight(progress, self.settings), guidance_weight(progress, self.settings)

    def update(self, examples: Examples, index: Tensor) -> dict[str, Tensor]:
        """One step on the examples at `index`; returns the terms of the loss."""
        terms = self.model.loss(examples.batch(index, *self.weighing()))
        found = torch.autograd.grad(
            terms["loss"], self.parts, allow_unused=True, materialize_grads=True
        )
        gradient = torch.cat([part.flatten() for part in found])
        scale = self.settings.gradient_norm / (gradient.norm() + 1e-6)
        self.weights.grad = gradient * scale.clamp(max=1)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        return {name: value.detach() for name, value in terms.items()}


def best_row(history: list[dict]) -> dict:
    """The check of a history whose weights were kept."""
    return min(history, key=lambda row: row["valid_loss"])


def fit(
    model: nn.Module,
    train: Examples,
    valid: Examples,
    settings: Training,
    seed: int,
    on_check: Callable[[dict[str, float]], None] = lambda row: None,
) -> list[dict[str, float]]:
    """Train in place by Adam and leave the weights of the check with the least validation loss.

    The data stay on their device and a batch is an index selection. Returns one row a check:
    step, seconds, images_per_second, the step's weights, train_<term> (mean since the last check)
    and valid_<term> in nats per example. Raises NotFinite if the loss diverges.
    """
    torch.manual_seed(seed)
    descent = Descent(model, settings)
    rows = batches(len(train), settings.batch_size, train.x_c.device)
    history: list[dict[str, float]] = []
    best_loss, best = math.inf, copy.deepcopy(model.state_dict())
    for check in range(1, settings.checks + 1):
        model.train()
        beta, lam = descent.weighing()
        before, start, found = descent.step, time.perf_counter(), []
        while descent.step < check * settings.steps // settings.checks:
            terms = descent.update(train, next(rows))
            found.append(torch.stack(list(terms.values())))
        names, found = list(terms), torch.stack(found)
        check_finite(names, found, before)  # once a check: to look at a number waits for it
        n_steps, seconds = descent.step - before, time.perf_counter() - start
        model.eval()
        row = {"step": descent.step, "seconds": seconds, "kl_weight": beta, "guidance_weight": lam}
        row["images_per_second"] = n_steps * min(settings.batch_size, len(train)) / seconds
        means = zip(names, found.mean(0).tolist(), strict=True)
        row |= {f"train_{name}": value for name, value in means}
        scores = mean_loss(model, valid, settings.batch_size, seed)
        row |= {f"valid_{name}": value for name, value in scores.items()}
        history.append(row)
        on_check(row)
        if scores["loss"] < best_loss:
            best_loss = scores["loss"]
            for name, value in model.state_dict().items():
                best[name].copy_(value)
    model.load_state_dict(best)
    descent.release()
    return history
