"""Two more readings of the conditional VAE: as printed (`cvae-paper`), and x_c as a vector."""

from functools import partial

import torch
from torch import Tensor, nn

from cdvae import gaussian
from cdvae.data.fields import Task
from cdvae.methods.cvae import CVAE, Cvae
from cdvae.methods.registry import Method
from cdvae.model import Batch, Model
from cdvae.networks import SLOPE
from cdvae.tools.registry import register


class PlainCVAE(CVAE):
    """With the pixel-wise L2 of Sec. 6.2 taken at its word: Σ (x̂ − x_g)² + KL.

    The sum runs over the pixels of the field in its stated range. The paper gives no weight, so
    there is none, and nothing that a search could choose; nor is the loss a likelihood of its own.
    """

    log_weights = Model.log_weights

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Pixel-wise L2 of the field plus KL in nats, means over the batch."""
        x_c, x_g = self.standard_c.apply_to(batch.x_c), self.standard_g.apply_to(batch.x_g)
        q = self.q_z_given_x(x_c, x_g)
        x_hat = self.standard_g.undo(self.decode(self.image_tower(x_c), gaussian.sample(*q)))
        prior = torch.zeros_like(q[0]), torch.zeros_like(q[1])
        l2 = (x_hat - batch.x_g).square().flatten(1).sum(1).mean()
        kl = gaussian.kl(*q, *prior).sum(1).mean()
        return {"l2": l2, "kl": kl, "loss": l2 + batch.kl_weight * kl}


class VectorCVAE(CVAE):
    """As CVAE, but what the decoder sees of x_c passes through a vector as long as the code.

    It tells how much of CVAE's lead over the ties, whose z_c is such a vector, is its maps.
    """

    def __init__(self, channels_c: int, channels_g: int, width: int, n_code: int, sigma: float):
        super().__init__(channels_c, channels_g, width, n_code, sigma)
        maps = 2 * width * 64
        self.image_tower.extend(
            [
                *(nn.Flatten(), nn.Linear(maps, n_code), nn.LeakyReLU(SLOPE)),
                *(nn.Linear(n_code, maps), nn.LeakyReLU(SLOPE), nn.Unflatten(1, (-1, 8, 8))),
            ]
        )


def build(kind: type[CVAE], task: Task, profile) -> CVAE:
    """An untrained model of that kind with CVAE's settings; the plain one has no use for sigma."""
    s = profile.cvae
    return kind(task.channels_c, task.channels_g, s.width, s.code, s.sigma)


register(
    Method(
        name="cvae-paper",
        label="CVAE, plain L2",
        kind="reading",
        about="the conditional VAE with its loss as printed",
        look=("#A0522D", "v"),
        model=PlainCVAE,
        build=partial(build, PlainCVAE),
        tables={"cvae": Cvae},
    )
)
register(
    Method(
        name="cvae-vector",
        label="CVAE, x_c a vector",
        kind="reading",
        about="the conditional VAE whose x_c passes through a vector",
        look=("#F4A582", "v"),
        model=VectorCVAE,
        build=partial(build, VectorCVAE),
        tables={"cvae": Cvae},
    )
)
