"""The data sets that the package has, imported in their order so that they are registered."""

# ruff: noqa: F401, I001
from cdvae.data.drawn import scenes
from cdvae.data.photos import coco
from cdvae.data.clips import ucf101
from cdvae.data import folder
