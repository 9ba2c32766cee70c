"""A Gaussian tie whose decoder sees x_c: P(x_c | z_c) P(z_c, z_g) P(x_g | z_g, x_c) (`gauss-sees`).

Everything that `gauss` knows of x_c passes through a vector. Here the decoder of x_g gets maps of
x_c as well, as CVAE's does; the rest is the same, so that the difference is what the vector costs.
"""

import torch
from torch import Tensor, nn

from cdvae.data.fields import Task
from cdvae.dvae import DVAE, Ladder
from cdvae.guidance import Guidance
from cdvae.methods.registry import Method
from cdvae.methods.tied import Network, Tie, dvaes, gaussian_tie, latents_of, top_code
from cdvae.model import CDVAE, Batch, Model, drawn
from cdvae.networks import Decoder, contracting, side_after
from cdvae.ties import GaussianTie
from cdvae.tools.registry import register


class SeeingDecoder(Decoder):
    """As `Decoder`, of a code followed by maps of x_c as a vector (batch, n_code + n · side²).

    The maps join those that are made of the code, where these are smallest.
    """

    def __init__(self, n_code: int, hidden: int, channels: tuple[int, ...], channels_out: int):
        super().__init__(n_code, hidden, channels, channels_out)
        self.n_code, self.shape = n_code, (channels[-1], side_after(channels), side_after(channels))
        self.join = nn.Conv2d(2 * channels[-1], channels[-1], 3, padding=1)

    def patches(self, z: Tensor) -> Tensor:
        """The field as patches, (batch, PATCH² · channels_out, 8, 8)."""
        maps = self.layers[:-1](z[:, : self.n_code])
        seen = z[:, self.n_code :].unflatten(1, self.shape)
        return self.layers[-1](maps + self.join(torch.cat([maps, seen], 1)))


class SeeingCDVAE(CDVAE):
    """CDVAE with a decoder of x_g that sees x_c; its likelihoods are not estimated."""

    walks, log_weights = False, Model.log_weights
    draws, fields_of = Model.draws, Model.fields_of  # CDVAE's decode without x_c

    def __init__(self, dvae_c: DVAE, dvae_g: DVAE, tie: GaussianTie, channels_c: int, stem: tuple):
        super().__init__(dvae_c, dvae_g, tie)
        self.eye = nn.Sequential(contracting(channels_c, stem), nn.Flatten())

    def seen(self, z_1: Tensor, x_c: Tensor) -> Tensor:
        """Bottom codes (batch · n, n_1), n of them for each x_c, with what is seen of it."""
        maps = self.eye(self.dvae_c.standard.apply_to(x_c))
        return torch.cat([z_1, maps.repeat_interleave(len(z_1) // len(x_c), 0)], 1)

    def terms(self, batch: Batch, c: Ladder, g: Ladder) -> dict[str, Tensor]:
        """As CDVAE's, of at least two layers."""
        return super().terms(batch, c, g._replace(z=[self.seen(g.z[0], batch.x_c), *g.z[1:]]))

    def mean_of(self, z_1: Tensor, x_c: Tensor) -> Tensor:
        """The means of P(x_g | z_1, x_c): (batch, n, C_g, 32, 32)."""
        return self.dvae_g.mean_x(self.seen(z_1, x_c)).unflatten(0, (len(x_c), -1))

    @torch.no_grad()
    def sample(self, x_c: Tensor, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws for each x_c: encode, cross the tie, descend, look at x_c, take the mean."""
        z_g = self.tie.sample(self.top_code(x_c, n, generator), generator)
        return self.mean_of(self.dvae_g.descend(z_g, generator), x_c)

    @torch.no_grad()
    def with_own_code(
        self, x_c: Tensor, x_g: Tensor, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """n fields whose top code z_g was drawn of the answer."""
        z_g = drawn(self.dvae_g.q_top_given_x(x_g), n, generator)
        return self.mean_of(self.dvae_g.descend(z_g, generator), x_c)

    @torch.no_grad()
    def with_all_codes(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """The mean of P(x_g | z_1, x_c), z_1 drawn of the answer."""
        return self.mean_of(self.dvae_g.q_z_given_x(x_g, generator).z[0], x_c)[:, 0]

    @torch.no_grad()
    def reproduce(
        self, x_c: Tensor, x_g: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """z_1 is the mean of q(z_1 | z_2, x_g), and the codes above are drawn."""
        return self.mean_of(self.dvae_g.q_z_given_x(x_g, generator).q[0][0], x_c)[:, 0]


def build(task: Task, profile) -> SeeingCDVAE:
    """An untrained model with the settings of `gauss`."""
    net, latents = profile.network, latents_of(profile)
    dvae_c, dvae_g = dvaes(task, profile, latents)
    dvae_g.decoder = SeeingDecoder(latents[0], net.hidden, net.stem, 2 * task.channels_g)
    tie = gaussian_tie(latents[-1], profile)
    return SeeingCDVAE(dvae_c, dvae_g, tie, task.channels_c, net.stem)


register(
    Method(
        name="gauss-sees",
        label="Gauss, sees x_c",
        kind="reading",
        about="a Gaussian tie whose decoder sees x_c",
        look=("#88419D", "o"),
        model=SeeingCDVAE,
        build=build,
        tables={"network": Network, "tie": Tie, "guidance": Guidance},
        guided=top_code,
    )
)
