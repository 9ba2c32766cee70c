"""Speed, measured: training images per second, beside a plain loop and the machine's own limit.

On one thread, as runs compute, and in the processor's seconds.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from cdvae.data.drawn import scenes
from cdvae.data.fields import TASKS
from cdvae.methods import method
from cdvae.model import Batch
from cdvae.runs.settings import Profile
from cdvae.tools.device import one_thread
from cdvae.tools.provenance import device_name
from cdvae.training import Examples, fit

ROUNDS = 3  # the ways take turns, so that a busy machine slows them alike


class OneByOne(Dataset):
    """The examples as the usual map-style data set, for comparison."""

    def __init__(self, examples: Examples):
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, k: int) -> tuple[torch.Tensor, ...]:
        e = self.examples
        return e.x_c[k], e.x_g[k], e.p_c[k], e.p_g[k]


def matrix_product_rate(device: torch.device, size: int = 2048) -> float:
    """Floating-point operations per second of a float32 matrix product: the machine's limit."""
    a, b = torch.randn(2, size, size, device=device)
    return 2 * size**3 / best_time(lambda: a @ b, device, repeats=10)


def best_time(action: Callable[[], object], device: torch.device, repeats: int) -> float:
    """The least seconds that `action` takes, after one call to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = now(device)
        action()
        times.append(now(device) - start)
    return min(times[1:])


def now(device: torch.device) -> float:
    """Seconds by the clock that times are taken by: a GPU's by the wall's, when it has done all,
    and the processor's by its own, which does not count what else a machine does."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def operations_per_image(model: nn.Module, batch: Batch) -> float:
    """Floating-point operations of one training step, forwards and backwards, per image."""
    with FlopCounterMode(display=False) as counter:
        model.loss(batch)["loss"].backward()
    return counter.get_total_flops() / len(batch.x_c)


def plain_epoch(model: nn.Module, loader: DataLoader, device: torch.device) -> None:
    """The loop of a thousand tutorials: a DataLoader, Adam, and the loss printed from each step."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    total = 0.0
    for rows in loader:
        terms = model.loss(Batch(*(x.to(device) for x in rows)))
        optimiser.zero_grad()
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 100.0)
        optimiser.step()
        total += terms["loss"].item()


@one_thread()
def training_report(profile: Profile, device: torch.device, n: int = 2048) -> str:
    """Images per second of `training.fit` and of a plain DataLoader loop on the same network."""
    task = TASKS["relighting"]
    data = scenes.load(task, "train", n, 0)
    gauss = method("gauss")
    n_code = gauss.guided_code(profile)
    examples = Examples(
        data.x_c.to(device), data.x_g.to(device), *torch.zeros(2, n, n_code, device=device)
    )
    few = Examples(*(x[:64] for x in (examples.x_c, examples.x_g, examples.p_c, examples.p_g)))
    steps = n // profile.training.batch_size
    settings = replace(profile.training, steps=steps, checks=1)
    on_cpu = Examples(data.x_c, data.x_g, *torch.zeros(2, n, n_code))
    n_images, ours, plain = steps * settings.batch_size, [], []
    for _ in range(ROUNDS):
        torch.manual_seed(0)
        model = gauss.build(task, profile).to(device)
        start = now(device)
        fit(model, examples, few, settings, 0)
        ours.append(n_images / (now(device) - start))
        model = gauss.build(task, profile).to(device)
        loader = DataLoader(OneByOne(on_cpu), settings.batch_size, shuffle=True, drop_last=True)
        start = now(device)
        plain_epoch(model, loader, device)
        plain.append(n_images / (now(device) - start))
    rate = matrix_product_rate(device)
    operations = operations_per_image(model, examples.batch(slice(0, 64)))
    ratio = max(ours) / max(plain)
    used = max(ours) * operations / rate
    lines = [
        f"CDVAE (gauss, relighting, profile {profile.name}) on {device_name(device)}",
        f"  training.fit      {max(ours):8,.0f} images/s (best of {ROUNDS})",
        f"  plain DataLoader  {max(plain):8,.0f} images/s: fit is {ratio:.2f} times as fast",
        f"  operations        {operations / 1e6:8.1f} MFLOP per image, forwards and backwards",
        f"  matrix products   {rate / 1e9:8.0f} GFLOP/s, of which training uses {100 * used:.0f} %",
    ]
    return "\n".join(lines)
