"""cdvae: a companion to CDVAE (Lu, Deshpande, Forsyth 2016).

The names below are the public ones; each is loaded when it is first used. `import cdvae` itself
loads nothing but this file.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdvae.checkpoints import load as load
    from cdvae.data.fields import Fields as Fields
    from cdvae.data.fields import Task as Task
    from cdvae.data.registry import DataSet as DataSet
    from cdvae.dvae import DVAE as DVAE
    from cdvae.guidance import LPP as LPP
    from cdvae.methods.registry import Method as Method
    from cdvae.methods.tied import tied as tied
    from cdvae.metrics import best_of as best_of
    from cdvae.metrics import energy_score as energy_score
    from cdvae.metrics import grid_scores as grid_scores
    from cdvae.metrics import grid_variance as grid_variance
    from cdvae.metrics import rank_deviation as rank_deviation
    from cdvae.metrics import score_samples as score_samples
    from cdvae.metrics import squared_errors as squared_errors
    from cdvae.model import CDVAE as CDVAE
    from cdvae.model import Batch as Batch
    from cdvae.model import Model as Model
    from cdvae.networks import Standard as Standard
    from cdvae.runs.measures import Metric as Metric
    from cdvae.ties import GaussianTie as GaussianTie
    from cdvae.ties import MDNTie as MDNTie
    from cdvae.ties import Tie as Tie
    from cdvae.tools.registry import register as register
    from cdvae.training import Examples as Examples
    from cdvae.training import Training as Training
    from cdvae.training import fit as fit

__version__ = "0.1.0"

PUBLIC = {  # where each public name is defined
    "load": "cdvae.checkpoints",
    "Fields": "cdvae.data.fields",
    "Task": "cdvae.data.fields",
    "DataSet": "cdvae.data.registry",
    "DVAE": "cdvae.dvae",
    "LPP": "cdvae.guidance",
    "Method": "cdvae.methods.registry",
    "tied": "cdvae.methods.tied",
    "best_of": "cdvae.metrics",
    "energy_score": "cdvae.metrics",
    "grid_scores": "cdvae.metrics",
    "grid_variance": "cdvae.metrics",
    "rank_deviation": "cdvae.metrics",
    "score_samples": "cdvae.metrics",
    "squared_errors": "cdvae.metrics",
    "CDVAE": "cdvae.model",
    "Batch": "cdvae.model",
    "Model": "cdvae.model",
    "Standard": "cdvae.networks",
    "Metric": "cdvae.runs.measures",
    "GaussianTie": "cdvae.ties",
    "MDNTie": "cdvae.ties",
    "Tie": "cdvae.ties",
    "register": "cdvae.tools.registry",
    "Examples": "cdvae.training",
    "Training": "cdvae.training",
    "fit": "cdvae.training",
}
__all__ = ["PUBLIC", "__version__", *PUBLIC]


def __getattr__(name: str):
    if name not in PUBLIC:
        raise AttributeError(f"module 'cdvae' has no attribute '{name}'")
    found = getattr(importlib.import_module(PUBLIC[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
