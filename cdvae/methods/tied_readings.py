"""The paper's ties read otherwise: conditionals that are exact, and a shallow code as large.

`gauss` draws from the conditional that the paper prints and `mdn12` pays its cost beside the prior;
here each has the density that its joint implies (ERRATA). `shallow-wide` has as many numbers in its
one code as the deep models have in all of theirs, so that what differs is depth.
"""

from functools import partial

from cdvae.data.fields import Task
from cdvae.guidance import Guidance
from cdvae.methods.registry import Method
from cdvae.methods.tied import Network, Tie, dvaes, gaussian_tie, latents_of, mdn_tie, tied
from cdvae.model import CDVAE
from cdvae.tools.registry import register


def wide_code(profile) -> int:
    """The size of the one code: that of all codes of a deep model together."""
    return sum(latents_of(profile))


def build_wide(task: Task, profile) -> CDVAE:
    """An untrained shallow CDVAE of that size."""
    n_code = wide_code(profile)
    return CDVAE(*dvaes(task, profile, (n_code,)), gaussian_tie(n_code, profile))


register(
    Method(
        name="shallow-wide",
        label="Shallow, wide",
        kind="reading",
        about="shallow, its code as large as all deep ones",
        look=("#F0C27B", "D"),
        model=CDVAE,
        build=build_wide,
        tables={"network": Network, "tie": Tie, "guidance": Guidance},
        guided=wide_code,
    )
)
register(
    tied(
        *("gauss-exact", "Gauss, exact", gaussian_tie),
        kind="reading",
        about="a Gaussian tie, drawn from what Eq. 3 implies",
        look=("#2C7FB8", "o"),
        fixed={"tie": {"exact": True}},
    )
)
register(
    tied(
        *("mdn12-normalised", "MDN12, normalised", partial(mdn_tie, n_components=12)),
        kind="reading",
        about="a mixture of 12 in the prior's place",
        look=("#66C2A4", "P"),
        fixed={"tie": {"mdn_normalised": True}},
    )
)
