"""The methods by name: the rows of the paper's tables, controls, and the truth."""

from dataclasses import asdict, replace

from torch import nn

from cdvae.data.fields import Task
from cdvae.methods.build import build_model, latents_of
from cdvae.methods.crossconv import CrossConv
from cdvae.methods.energy_unet import EnergyUNet
from cdvae.methods.flow_matching import FlowMatching
from cdvae.methods.jmvae import JMVAE
from cdvae.methods.spatial import SpatialCDVAE
from cdvae.methods.variants import VARIANTS, build_variant
from cdvae.runs.settings import Profile
from cdvae.training import Training

JOINT = ("shallow", "gauss", "mdn4", "mdn12")  # bound log p(x_c, x_g)
BOUNDED = ("cvae", *JOINT)  # bound a density of the whole field
EXTENSIONS = ("cdvae-spatial",)  # of CDVAE, ours
OPPONENTS = ("jmvae", "fm", "unet")  # a joint VAE with one code; two of today
GUIDED = (*JOINT, *VARIANTS)  # have top codes that the embedding guides
ROWS = (*BOUNDED, "crossconv", *EXTENSIONS, *OPPONENTS)  # of the tables, with weights
LEARNED = (*ROWS, *VARIANTS)  # have weights
MOTION_ONLY = ("crossconv",)
CONTROLS = ("marginal", "mean_noise")  # what best-of-N rewards without a model
ALL_METHODS = ("nn", *ROWS, *CONTROLS, "truth")  # truth: the exact conditional, where known


PLAIN_SPACES = ("pixels",)  # where nearest neighbour looks if it is not to choose

# the tables of settings that shape a method, beside those of its examples; else JOINT_GROUPS
JOINT_GROUPS = ("network", "tie", "guidance", "training")
GROUPS = {
    "nn": ("nearest",),
    "mean_noise": ("nearest",),
    "marginal": (),
    "truth": (),
    "cvae": ("cvae", "training"),
    "crossconv": ("crossconv", "training"),
    "cdvae-spatial": ("spatial", "guidance", "training"),
    "jmvae": ("jmvae", "training"),
    "fm": ("fm", "training"),
    "unet": ("unet", "training"),
}
OWN_ROOMS = {  # code that shapes these methods alone
    "crossconv": ("methods/crossconv",),
    "cdvae-spatial": ("maps", "methods/spatial"),
    "jmvae": ("methods/jmvae",),
    "fm": ("maps", "methods/flow_matching"),
    "unet": ("maps", "methods/energy_unet"),
    "mdn1": ("methods/variants",),
    "gauss_all": ("methods/variants",),
}
OWN_NETWORK = {
    "cdvae-spatial": SpatialCDVAE,
    "jmvae": JMVAE,
    "fm": FlowMatching,
    "unet": EnergyUNet,
}
OWN_STEPS = ("crossconv", *OWN_NETWORK)


def settings_of(method: str, profile: Profile) -> dict:
    """The settings that shape a method, and no others."""
    groups = GROUPS.get(method, JOINT_GROUPS)
    settings = {name: asdict(getattr(profile, name)) for name in groups}
    if method in profile.steps_of:
        settings["training"] = asdict(training_of(method, profile))
    if method == "nn" and profile.spaces != PLAIN_SPACES:
        settings["spaces"] = profile.spaces
    examples = {"flips": profile.flips, "n_used": profile.n_used} if method != "truth" else {}
    return settings | {name: value for name, value in examples.items() if value}


def training_of(method: str, profile: Profile) -> Training:
    """The settings of a method's training: some have a length of their own."""
    steps = profile.training.steps
    if method in OWN_STEPS:
        steps = own_group(method, profile).steps
    return replace(profile.training, steps=profile.steps_of.get(method, steps))


def guided_code(method: str, profile: Profile) -> int:
    """The size of the code that the embedding guides; 0 where it guides none."""
    if method == "cdvae-spatial":
        return profile.spatial.network.codes_c[-1]
    return latents_of(method, profile)[-1] if method in GUIDED else 0


def scored_on(method: str, profile: Profile) -> int:
    """How many of the test examples a method is scored on, the first; 0: all."""
    return profile.fm.n_test if method == "fm" else 0


def own_group(method: str, profile: Profile):
    """The table of settings of a method that has one to itself."""
    return profile.spatial if method == "cdvae-spatial" else getattr(profile, method)


def untrained(method: str, task: Task, profile: Profile) -> nn.Module:
    """A model as training begins; initial weights come from torch's global random state."""
    if method in VARIANTS:
        return build_variant(method, task, profile)
    if method in OWN_NETWORK:
        network = own_group(method, profile).network
        return OWN_NETWORK[method](task.channels_c, task.channels_g, network)
    if method == "crossconv":
        net = profile.crossconv
        return CrossConv(task.channels_c, task.channels_g, net.network, net.sigma)
    return build_model(method, task, profile)
