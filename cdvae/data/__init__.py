# ruff: noqa: F401, I001  the order of the imports is the order of the data sets
"""Data sets: every source hands the same `Fields` to every model. The built-in ones, in order."""

from cdvae.data.drawn import scenes
from cdvae.data.photos import coco
from cdvae.data.clips import ucf101
from cdvae.data import folder
from cdvae.data import packed
