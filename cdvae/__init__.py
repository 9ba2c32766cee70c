"""cdvae: a companion to CDVAE (Lu, Deshpande, Forsyth 2016)."""

__version__ = "0.1.0"
