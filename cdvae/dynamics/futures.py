"""How each row of Visual Dynamics' tables draws futures of a picture.

Each function here takes what a run knows and gives a function that draws.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from cdvae.data.drawn.shapes import Pairs, draw_motion, render
from cdvae.dynamics.flow_copy import FlowCopy
from cdvae.dynamics.pairs import FramePairs
from cdvae.methods.crossconv import CrossConv
from cdvae.methods.crossconv_local import LocalCrossConv

COMPONENTS = 16  # of the mixture that is fitted to training codes
LEAST_VARIANCE = 1e-3  # of each of its components, in each dimension
STARTS = 10  # of its fit, of which the likeliest is taken

Draw = Callable[[slice, int], Tensor]  # (test pictures, n) -> differences (batch, n, 3, H, W)


class Known(NamedTuple):
    """What the rows of a run draw from."""

    test: Pairs
    train: Callable[[], Pairs]  # made if a row looks at them
    frames: FramePairs  # the test pairs, where the network is
    generator: torch.Generator  # the rows of a run go on with it, one after the other
    model: CrossConv | LocalCrossConv | None = None
    bank: Tensor | None = None  # codes of training pairs (M, n_code)
    noise: bool = False  # whether draws have the noise of P(v | I, z)

    def shown(self, x_c: Tensor, z: Tensor) -> Tensor:
        """What codes (N, n, n_code) make of pictures: (N, n, 3, H, W)."""
        if self.noise:
            return self.model.sample_given_z(x_c, z, self.generator)
        return self.model.sample_given_z(x_c, z)


def standard_codes(known: Known) -> Draw:
    """Codes from N(0, I)."""
    return lambda part, n: known.model.sample(known.frames.batch(part).x_c, n, known.generator)


def fitted_codes(known: Known) -> Draw:
    """Codes from a Gaussian with the mean and the deviations of training codes."""
    mean, deviation = known.bank.mean(0), known.bank.std(0)

    def draw(part: slice, n: int) -> Tensor:
        x_c = known.frames.batch(part).x_c
        size = (len(x_c), n, len(mean))
        z = torch.randn(*size, generator=known.generator, device=x_c.device)
        return known.shown(x_c, mean + deviation * z)

    return draw


def mixture_codes(known: Known) -> Draw:
    """Codes from a mixture of Gaussians fitted to training codes: a prior that knows where the
    aggregated posterior Σ q(z | v, I) has its mass, and where it has none. Within a component the
    dimensions are independent: a thousand codes do not tell how they go together."""
    from sklearn.mixture import GaussianMixture

    fit = GaussianMixture(
        COMPONENTS, covariance_type="diag", reg_covar=LEAST_VARIANCE, n_init=STARTS, random_state=0
    ).fit(known.bank.double().cpu().numpy())
    share, means, deviations = (
        torch.from_numpy(x).float().to(known.bank.device)
        for x in (fit.weights_, fit.means_, fit.covariances_**0.5)
    )

    def draw(part: slice, n: int) -> Tensor:
        x_c = known.frames.batch(part).x_c
        k = torch.multinomial(share, len(x_c) * n, replacement=True, generator=known.generator)
        noise = torch.randn(len(k), len(means[0]), generator=known.generator, device=x_c.device)
        z = means[k] + deviations[k] * noise
        return known.shown(x_c, z.unflatten(0, (len(x_c), n)))

    return draw


def training_codes(known: Known) -> Draw:
    """Codes of training pairs, as in the authors' demonstration."""

    def draw(part: slice, n: int) -> Tensor:
        x_c = known.frames.batch(part).x_c
        size, device = (len(x_c), n), x_c.device
        chosen = torch.randint(len(known.bank), size, generator=known.generator, device=device)
        return known.shown(x_c, known.bank[chosen])

    return draw


def own_codes(known: Known) -> Draw:
    """Codes of the very pairs whose futures are drawn: what is given the answer."""

    def draw(part: slice, n: int) -> Tensor:
        x_c, x_g = known.frames.batch(part)[:2]
        z = torch.stack([known.model.encode(x_c, x_g, known.generator) for _ in range(n)], 1)
        return known.shown(x_c, z)

    return draw


def prior_codes(known: Known) -> Draw:
    """Codes from the network's own P(z | I)."""

    def draw(part: slice, n: int) -> Tensor:
        x_c = known.frames.batch(part).x_c
        return known.shown(x_c, known.model.prior_codes(x_c, n, known.generator))

    return draw


def any_difference(known: Known) -> Draw:
    """The differences of any training pairs, whatever the picture."""
    train, test = known.train(), known.test

    def draw(part: slice, n: int) -> Tensor:
        size = (len(test.first[part]), n)
        chosen = torch.randint(len(train.first), size, generator=known.generator)
        first, second = (x[chosen].float() / 255 for x in train[:2])
        return second - first

    return draw


def noise_alone(known: Known) -> Draw:
    """No motion, and white noise of the mean square that differences of training pairs have."""
    train, test = known.train(), known.test
    pairs = zip(train.first.split(1000), train.second.split(1000), strict=True)
    sums = sum(float(((b.float() - a.float()) / 255).square().sum()) for a, b in pairs)
    deviation = (sums / train.first.numel()) ** 0.5

    def draw(part: slice, n: int) -> Tensor:
        first = test.first[part]
        size = (len(first), n, *first.shape[1:])
        return deviation * torch.randn(size, generator=known.generator)

    return draw


def nearest_flow(known: Known) -> Draw:
    """The flow of the nearest training pictures."""
    return FlowCopy(known.train(), known.test)


def world(known: Known) -> Draw:
    """Draws of the world itself."""
    test = known.test
    size = test.first.shape[-1]

    def draw(part: slice, n: int) -> Tensor:
        rows = torch.arange(len(test.first))[part].repeat_interleave(n)
        before = test.shapes.rows(rows)
        after = render(before.moved(draw_motion(len(rows), known.generator)), size)
        return (after - test.first[rows].float() / 255).unflatten(0, (-1, n))

    return draw


def still(known: Known) -> Draw:
    """Futures in which nothing changes."""
    first = known.test.first
    return lambda part, n: torch.zeros(len(first[part]), n, *first.shape[1:])
