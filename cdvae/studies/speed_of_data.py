"""Speed of the data rooms on this machine, on photos and clips made for the purpose."""

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from cdvae.data.clips.clips import CHUNK
from cdvae.data.clips.video import PAIRS, clip_pairs
from cdvae.data.photos.decode import decode
from cdvae.data.photos.intrinsic import decompose
from cdvae.tools.chunks import cores, gather
from cdvae.tools.provenance import processor

PHOTOS, INTRINSIC, CLIPS = 3000, 48, 4 * CHUNK
SECONDS, RATE = 5, 25  # of a clip


def report() -> str:
    """Rates of decoding photos, splitting them, and measuring flow, on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lines = [
            f"data on {processor()}, {cores()} workers",
            f"  photos to 32 × 32, 256 × 256 JPEGs {photo_rate(root):8,.0f} photos/s",
            f"  intrinsic images at 32 × 32        {intrinsic_rate():8,.1f} photos/s",
            f"  frame pairs with flow, 320 × 240   {pair_rate(root):8,.1f} pairs/s",
        ]
    return "\n".join(lines)


def smooth_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A picture with coarse and fine detail, like a photo's: (height, width, 3) uint8."""
    import cv2

    total = np.zeros((height, width, 3), np.float32)
    for size in (4, 16, 64):
        cells = rng.random((size, size, 3), np.float32)
        total += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    return (255 * (total / 3).clip(0, 1)).astype(np.uint8)


def photo_rate(root: Path) -> float:
    """JPEGs of 256 × 256 decoded to 32 × 32 a second."""
    import cv2

    rng = np.random.default_rng(0)
    picture = cv2.imencode(".jpg", smooth_noise(rng, 256, 256))[1].tobytes()
    names = [f"{k}.jpg" for k in range(PHOTOS)]
    for name in names:
        (root / name).write_bytes(picture)
    work = partial(decode, folder=root)
    return steady_rate(work, names, root / "photos", chunk=PHOTOS // 6)


def steady_rate(work, names: list[str], folder: Path, chunk: int) -> float:
    """Items a second from the end of the first chunk to that of the last: no worker starts then."""
    files = gather(work, names, folder, chunk=chunk, workers=cores()).files
    seconds = files[-1].stat().st_mtime - files[0].stat().st_mtime
    return (len(names) - chunk) / seconds


def intrinsic_rate() -> float:
    """Photos of 32 × 32 split into albedo and shading a second, on one process with all cores."""
    rng = np.random.default_rng(0)
    images = np.stack([smooth_noise(rng, 32, 32) for _ in range(INTRINSIC)])
    batch = torch.from_numpy(images).movedim(3, 1).float() / 255
    decompose(batch[:4])
    start = time.perf_counter()
    decompose(batch)
    return INTRINSIC / (time.perf_counter() - start)


def pair_rate(root: Path) -> float:
    """Frame pairs with flow a second, from clips of 320 × 240 that pan over a picture."""
    import cv2

    rng = np.random.default_rng(0)
    wide = smooth_noise(rng, 240, 320 + SECONDS * RATE)
    names = [f"{k}.avi" for k in range(CLIPS)]
    for name in names:
        size, codec = (320, 240), cv2.VideoWriter_fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(root / name), codec, RATE, size)
        for shift in range(SECONDS * RATE):
            writer.write(np.ascontiguousarray(wide[:, shift : shift + 320]))
        writer.release()
    work = partial(clip_pairs, root, PAIRS, "dis")
    return PAIRS * steady_rate(work, names, root / "clips", chunk=CHUNK)
