"""cdvae: a companion to CDVAE (Lu, Deshpande, Forsyth 2016)."""

__version__ = "0.1.0"


def load(name: str):
    """A trained model that came with the project, `<task>-<method>-<data>`: `checkpoints.load`."""
    from cdvae import checkpoints

    return checkpoints.load(name)
