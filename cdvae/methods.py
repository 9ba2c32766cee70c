"""The methods by name: the rows of the paper's tables, controls, and the truth."""

from dataclasses import asdict

from cdvae.config import Profile

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
