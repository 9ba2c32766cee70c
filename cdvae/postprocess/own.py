"""What a model is tried on: a scene of the built-in world, a photo or a clip of one's own."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from cdvae.data.clips import video
from cdvae.data.clips.clips import SUFFIXES
from cdvae.data.drawn import scenes
from cdvae.data.drawn.closeup import closeups
from cdvae.data.drawn.world import CATEGORIES
from cdvae.data.fields import SIZE, TASKS, Fields
from cdvae.data.photos import layers, originals
from cdvae.data.photos.originals import grey_of
from cdvae.postprocess import details
from cdvae.postprocess.colours import as_picture
from cdvae.postprocess.upsample import Upsampler
from cdvae.runs.settings import load_profile
from cdvae.tools.files import InputError, path_of

PHOTOS = "JPEG, PNG, WebP, TIFF, BMP or GIF"
CLIPS = "AVI, MP4, MKV, WebM or MOV"
MOSTLY = 0.5  # the share of a photo without hue from which it is said


@dataclass(frozen=True)
class Subject:
    """Example k of `fields`, and the picture that its layers belong to.

    picture (H, W, 3) in [0, 1]: a photo or a frame in sRGB, a scene in linear light at 32 × 32.
    known: False where nobody knows x_g (a single photo says nothing of what moves next).
    """

    name: str
    fields: Fields
    k: int
    picture: np.ndarray
    known: bool = True

    @property
    def task(self) -> str:
        return self.fields.task.name

    @property
    def x_c(self) -> Tensor:
        """The given layer, (1, C_c, 32, 32)."""
        return self.fields.x_c[self.k : self.k + 1]

    @property
    def x_g(self) -> Tensor:
        """The layer to be generated as it is, (1, C_g, 32, 32)."""
        return self.fields.x_g[self.k : self.k + 1]

    @property
    def is_scene(self) -> bool:
        return self.fields.truth is not None

    def layer(self, which: str) -> np.ndarray:
        """Layer "c" or "g" as a picture (32, 32, 3)."""
        return as_picture(self.fields, which, self.k)

    @cached_property
    def original(self) -> np.ndarray:
        """The picture in sRGB."""
        return self.on_screen(self.picture)

    @cached_property
    def fine(self) -> np.ndarray:
        """The picture at full size; a scene is drawn again for it, finer than the models see it."""
        n_test = load_profile("quick").n_test
        return closeups([self.fields.ids[self.k]], n_test)[0] if self.is_scene else self.picture

    def on_screen(self, picture: np.ndarray) -> np.ndarray:
        """A picture of this subject in sRGB."""
        return details.to_srgb(picture) if self.is_scene else picture

    @cached_property
    def upsample(self):
        """Brings fields to the picture's size: (n, 32, 32) -> (n, H, W)."""
        return Upsampler(grey_of(self.on_screen(self.fine)))

    @cached_property
    def colours(self) -> np.ndarray:
        """What a task changes: light for scenes and for relighting, else the photo as it is."""
        linear = self.task == "relighting" and not self.is_scene
        return details.to_linear(self.fine) if linear else self.fine

    @cached_property
    def caution(self) -> str:
        """What a new saturation cannot change of a photo; empty if it can change most of it."""
        if self.task != "resaturation" or self.is_scene:
            return ""
        share = details.without_hue(self.picture)
        return f"{share:.0%} has no hue and stays as it is" if share >= MOSTLY else ""

    def with_layers(self, generated: np.ndarray, reproduced: np.ndarray | None) -> list[np.ndarray]:
        """The picture with each of the generated layers (n, 32, 32) in place of its own, in sRGB.

        With `reproduced` (32, 32), CDVAE(z_o), the details that models blur away are put back
        (Eq. 10); with None the upsampled layer stands as it is. Raises InputError for a task
        whose layers are not those of a photo.
        """
        if self.task not in layers.LAYERS:
            raise InputError(f"{self.task} is not post-processed: show its fields alone")
        light, relights = self.colours, self.task == "relighting"
        if reproduced is not None:
            change = details.relight if relights else details.resaturate
            made = change(light, generated, reproduced, self.upsample)
        elif relights:
            shading = details.own_shading(light, self.upsample(self.x_g[0].numpy())[0])
            new = self.upsample(generated)
            made = [details.relit_as_printed(light, shading, each) for each in new]
        else:
            made = [details.resaturated(light, new) for new in self.upsample(generated)]
        screen = details.to_srgb if relights or self.is_scene else np.asarray
        return [screen(picture) for picture, _ in made]


@lru_cache(3)
def built_in(task: str) -> Fields:
    """The first test scenes of the quick profile, as many as are rendered at a time."""
    quick = load_profile("quick")
    every, generator = scenes.draw("test", quick.n_test, quick.data_seed)
    first = every.rows(torch.arange(min(scenes.CHUNK, quick.n_test)))
    x_c, x_g, semantics = scenes.layers(task, first, generator)
    ids = tuple(f"test-{quick.data_seed}-{k}" for k in range(len(x_c)))
    truth = scenes.SceneTruth(task, first)
    return Fields(TASKS[task], x_c, x_g, semantics, len(CATEGORIES), ids, truth)


@lru_cache(8)
def scene(task: str, k: int) -> Subject:
    """Test scene k, counted from 0."""
    picture = built_in("motion").x_c[k].permute(1, 2, 0).numpy()
    return Subject(f"test scene {k + 1}", built_in(task), k, picture)


def photo(path: Path, task: str) -> Subject:
    """A photo's layers; InputError where it cannot be read. Of motion it shows x_c alone."""
    try:
        found = layers.LAYERS.get(task, layers.RESATURATION).of_photo(path.parent, path.name)
        picture = originals.photo(path, None if task == "motion" else originals.SIDE)
    except (OSError, ValueError, SyntaxError) as error:
        if task == "motion":
            raise InputError(
                f"{path.name} is neither a photo nor a clip that can be read"
            ) from None
        raise InputError(
            f"{path.name} cannot be read as a photo ({plain(error)}): give a {PHOTOS} file"
        ) from None
    tensors = SimpleNamespace(load=lambda name: torch.from_numpy(found[name]))
    if task == "motion":
        x_c = layers.as_floats(tensors.load("image"))
        x_g = torch.full((1, 2, SIZE, SIZE), math.nan)
    else:
        x_c, x_g = layers.LAYERS[task].of_all(tensors)
    fields = Fields(TASKS[task], x_c, x_g, torch.zeros(1, 0), 0, (path.name,))
    return Subject(path.name, fields, 0, picture, known=task != "motion")


def clip(path: Path, k: int = 0) -> Subject:
    """Pair k of a clip's up to eight (the last if there are fewer): a frame and its flow."""
    fields, slots = clip_fields(path, path.stat().st_mtime_ns)
    k = min(k, len(fields) - 1)
    start = video.pick_pairs(video.frame_times(path))[slots[k]][0]
    frame = next(image for _, image in video.read_frames(path, [start]))
    name = f"{path.name}, pair {k + 1} of {len(fields)}"
    return Subject(name, fields, k, frame / np.float32(255))


@lru_cache(2)
def clip_fields(path: Path, changed: int) -> tuple[Fields, list[int]]:
    """The pairs of a clip, and which of the eight each is; InputError where it has none."""
    try:
        found = video.clip_pairs(path.parent, video.PAIRS, "dis", path.name)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read as a clip ({plain(error)}): give an {CLIPS} file of more "
            "than a second"
        ) from None
    x_c, x_g = torch.from_numpy(found["x_c"]).float() / 255, torch.from_numpy(found["x_g"])
    ids = tuple(f"{path.name}#{slot}" for slot in found["slot"])
    fields = Fields(TASKS["motion"], x_c, x_g, torch.zeros(len(ids), 0), 0, ids)
    return fields, found["slot"].tolist()


def own(path: str | Path, task: str, k: int = 0) -> Subject:
    """A photo or clip of one's own for a task: motion takes either, the others take photos."""
    path = existing(path)
    return prepared(path, path.stat().st_mtime_ns, task, k)


@lru_cache(3)  # of some 50 MB each
def prepared(path: Path, changed: int, task: str, k: int) -> Subject:
    """As `own`, made once for each version of the file."""
    is_clip = path.suffix.lower() in SUFFIXES
    if is_clip and task != "motion":
        raise InputError(f"{path.name} is a clip: {task} takes a photo, motion takes clips")
    return clip(path, k) if is_clip else photo(path, task)


def existing(path: Path) -> Path:
    """The path of a file that is there; InputError if it is not."""
    path = path_of(path)
    if not path.is_file():
        raise InputError(f"no file {path}: give the path of a photo or clip")
    return path


def plain(error: Exception) -> str:
    """What an error says, without the path of a file that the reader did not choose."""
    return str(error).split(": ")[0].split(" '/")[0] or type(error).__name__
