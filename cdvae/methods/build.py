"""Models from the settings of a profile."""

import torch
from torch import nn

from cdvae.data.fields import Task
from cdvae.dvae import DVAE
from cdvae.methods.baselines import CVAE, Marginal, MeanPlusNoise, NearestNeighbour
from cdvae.metrics import best_of, squared_errors
from cdvae.model import CDVAE
from cdvae.runs.settings import Profile
from cdvae.ties import GaussianTie, MDNTie
from cdvae.training import Examples

COMPONENTS = {"mdn4": 4, "mdn12": 12}


def latents_of(method: str, profile: Profile) -> tuple[int, ...]:
    """Code sizes of a method from the bottom to the top."""
    return (profile.network.shallow,) if method == "shallow" else profile.network.latents


def build_model(method: str, task: Task, profile: Profile) -> nn.Module:
    """An untrained model; initial weights come from torch's global random state."""
    if method == "cvae":
        c = profile.cvae
        return CVAE(task.channels_c, task.channels_g, c.width, c.code, c.sigma)
    latents, net = latents_of(method, profile), profile.network
    dvae_c, dvae_g = (
        DVAE(channels, latents, net.stem, net.hidden, net.noise_floor)
        for channels in (task.channels_c, task.channels_g)
    )
    return CDVAE(dvae_c, dvae_g, build_tie(method, latents[-1], profile))


def build_tie(method: str, n_code: int, profile: Profile) -> nn.Module:
    """The tie of `shallow`, `gauss`, `mdn4` or `mdn12` on the top code."""
    t = profile.tie
    if method in COMPONENTS:
        return MDNTie(n_code, COMPONENTS[method], t.mdn_hidden, t.mdn_sigma_min, t.mdn_normalised)
    return GaussianTie(n_code, t.sigma, t.share, t.exact)


@torch.no_grad()
def fit_nearest(
    train: Examples, valid: Examples, sigmas: tuple[float, ...], n: int
) -> tuple[NearestNeighbour, float]:
    """Nearest neighbour with the smoothing that gives the least best error on `valid`.

    Chosen for n samples, the number that the paper's figure is about; returns it with its σ.
    """
    errors = {}
    for sigma in sigmas:
        model = NearestNeighbour(train.x_c, train.x_g, sigma)
        parts = zip(valid.x_c.split(25), valid.x_g.split(25), strict=True)
        best = [best_of(squared_errors(model.sample(x_c, n), x_g), (n,)) for x_c, x_g in parts]
        errors[sigma] = float(torch.cat(best).mean())
    sigma = min(errors, key=errors.get)
    return NearestNeighbour(train.x_c, train.x_g, sigma), sigma


def fit_unlearned(
    method: str, train: Examples, valid: Examples, sigmas: tuple[float, ...], n: int
) -> tuple[NearestNeighbour | Marginal | MeanPlusNoise, dict]:
    """`nn` or one of the controls, and what is to be known of it."""
    if method == "marginal":
        return Marginal(train.x_g), {}
    nearest, sigma = fit_nearest(train, valid, sigmas, n)
    about = {"smoothing_px": sigma}
    if method == "nn":
        return nearest, about
    return MeanPlusNoise(nearest, n, valid.x_c, valid.x_g), about
