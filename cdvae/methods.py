"""The methods by name: the rows of the paper's tables, controls, and the truth."""

from dataclasses import asdict

from torch import nn

from cdvae.build import build_model
from cdvae.config import Profile
from cdvae.crossconv import CrossConv
from cdvae.data.fields import Task

JOINT = ("shallow", "gauss", "mdn4", "mdn12")  # bound log p(x_c, x_g)
BOUNDED = ("cvae", *JOINT)  # bound a density of the whole field
LEARNED = (*BOUNDED, "crossconv")  # have weights
MOTION_ONLY = ("crossconv",)
CONTROLS = ("marginal", "mean_noise")  # what best-of-N rewards without a model
ALL_METHODS = ("nn", *LEARNED, *CONTROLS, "truth")  # truth: the exact conditional, where known


def settings_of(method: str, profile: Profile) -> dict:
    """The settings that shape a method, and no others."""
    groups = {"cvae": ("cvae", "training"), "truth": (), "marginal": ()}
    groups |= {"crossconv": ("crossconv", "training")}
    groups |= {"nn": ("nearest",), "mean_noise": ("nearest",)}
    joint = ("network", "tie", "guidance", "training")
    return {name: asdict(getattr(profile, name)) for name in groups.get(method, joint)}


def untrained(method: str, task: Task, profile: Profile) -> nn.Module:
    """A model as training begins; initial weights come from torch's global random state."""
    if method == "crossconv":
        net = profile.crossconv
        return CrossConv(task.channels_c, task.channels_g, net.network, net.sigma)
    return build_model(method, task, profile)
