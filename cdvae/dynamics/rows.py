"""The methods and rows of Visual Dynamics' tables: the one place that lists them.

A method is what is run; each of its rows is a way to draw futures from it. Baselines: `ae`, the
same network with a code that is not sampled, and `flow`, which lends the flow of the nearest
training pictures. `truth` is the world itself; in `still` nothing changes. Codes to sample from:
N(0, I), or those of training pairs, as in the authors' demonstration, or from a mixture fitted to
these; an autoencoder has no N(0, I), so a Gaussian is fitted to its codes.

On clips the network has a kernel for each place (`methods.crossconv_local`) and a prior that sees
the picture; what its rows draw has the noise of P(v | I, z) unless said, and the autoencoder's has
its own. `marginal` draws the differences of any training pairs and ignores the picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cdvae.dynamics import futures
from cdvae.dynamics.futures import Draw, Known

DATA = ("shapes", "ucf101")
OURS = "crossconv"  # the method whose checkpoint comes with the project


@dataclass(frozen=True)
class Row:
    """A row of the tables.

    name: what files of scores call it; label: what tables and figures do. rivals: rows that it is
    claimed to come nearer to the truth than, of which the last draws its codes in the like way.
    given: it is given the answer, and competes with none. noise: its draws have the noise of
    P(v | I, z), which on clips is learned.
    """

    name: str
    label: str
    draw: Callable[[Known], Draw]
    colour: str = ""
    rivals: tuple[str, ...] = ()
    given: bool = False
    noise: bool = False


@dataclass(frozen=True)
class FrameMethod:
    """What is run: a network that is trained, or a rule.

    sampled: whether the network's code is (`CrossConv`); None where there is no network. label:
    what figures call the network. paper: the paper's row (`report.paper.MOTION_KL`) that the row
    of the method's name is. data: those of DATA that it is for.
    """

    name: str
    rows: tuple[Row, ...]
    sampled: bool | None = None
    label: str = ""
    paper: str = ""
    data: tuple[str, ...] = ("shapes",)

    @property
    def is_learned(self) -> bool:
        """Whether it has weights."""
        return self.sampled is not None

    @property
    def varies(self) -> bool:
        """Whether it is run with every seed."""
        return self.is_learned or self.name == "marginal"


GIVEN = Row(
    "crossconv_encoded", "Cross convolution, given the answer", futures.own_codes, given=True
)
AE_GIVEN = Row("ae_encoded", "AE, given the answer", futures.own_codes, given=True)

METHODS = (
    FrameMethod(
        OURS,
        (
            Row(
                "crossconv",
                "Cross convolution, N(0, I)",
                futures.standard_codes,
                colour="#0072B2",
                rivals=("flow", "ae"),
            ),
            Row(
                "crossconv_mixture",
                "Cross convolution, mixture fitted to training codes",
                futures.mixture_codes,
                colour="#009E73",
                rivals=("flow", "ae", "ae_mixture"),
            ),
            Row(
                "crossconv_empirical",
                "Cross convolution, training codes",
                futures.training_codes,
                colour="#56B4E9",
                rivals=("flow", "ae", "ae_empirical"),
            ),
            GIVEN,
        ),
        sampled=True,
        label="sampled code",
        paper="ours",
    ),
    FrameMethod(
        "ae",
        (
            Row("ae", "AE, Gaussian of training codes", futures.fitted_codes, colour="#E69F00"),
            Row(
                "ae_mixture",
                "AE, mixture fitted to training codes",
                futures.mixture_codes,
                colour="#D55E00",
            ),
            Row("ae_empirical", "AE, training codes", futures.training_codes, colour="#F0C36D"),
            AE_GIVEN,
        ),
        sampled=False,
        label="autoencoder",
        paper="ae",
    ),
    FrameMethod(
        "flow",
        (Row("flow", "Flow", futures.nearest_flow, "#999999"),),
        paper="flow",
        data=DATA,
    ),
    FrameMethod("truth", (Row("truth", "(truth)", futures.world, "#000000"),)),
    FrameMethod(
        OURS,
        (
            Row(
                "crossconv",
                "Cross convolution, P(z | I)",
                futures.prior_codes,
                rivals=("still", "noise", "flow", "ae_empirical", "marginal"),
                noise=True,
            ),
            Row(
                "crossconv_mean",
                "Cross convolution, P(z | I), no noise",
                futures.prior_codes,
                rivals=("still", "flow", "ae_empirical_mean", "marginal"),
            ),
            Row(
                "crossconv_fitted",
                "Cross convolution, Gaussian of training codes",
                futures.fitted_codes,
                noise=True,
            ),
            Row(
                "crossconv_empirical",
                "Cross convolution, training codes",
                futures.training_codes,
                rivals=("ae_empirical",),
                noise=True,
            ),
            GIVEN,
        ),
        sampled=True,
        label="sampled code",
        data=("ucf101",),
    ),
    FrameMethod(
        "ae",
        (
            Row("ae", "AE, Gaussian of training codes", futures.fitted_codes, noise=True),
            Row("ae_empirical", "AE, training codes", futures.training_codes, noise=True),
            Row("ae_empirical_mean", "AE, training codes, no noise", futures.training_codes),
            AE_GIVEN,
        ),
        sampled=False,
        label="autoencoder",
        data=("ucf101",),
    ),
    FrameMethod("still", (Row("still", "(nothing moves)", futures.still),), data=("ucf101",)),
    FrameMethod(
        "noise", (Row("noise", "(nothing moves, noise)", futures.noise_alone),), data=("ucf101",)
    ),
    FrameMethod(
        "marginal", (Row("marginal", "(ignores I)", futures.any_difference),), data=("ucf101",)
    ),
)


def frame_methods(data: str) -> dict[str, FrameMethod]:
    """The methods for these data by name, in the order of their runs."""
    return {method.name: method for method in METHODS if data in method.data}


def rows(data: str) -> list[Row]:
    """The rows for these data."""
    return [row for method in frame_methods(data).values() for row in method.rows]
