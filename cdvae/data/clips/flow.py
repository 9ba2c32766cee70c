"""Optical flow between two frames, and flow fields on the 32 × 32 grid.

The paper used Liu's flow (2009), of which no kept package exists; here it is DIS (Kroeger et al.
2016), as OpenCV implements it. OpenCV's other dense method, Farneback's, is not offered: on photos
moved by a known warp its error was ten times that of DIS and more.
"""

import numpy as np

from cdvae.data.fields import SIZE
from cdvae.data.reading import Unusable
from cdvae.tools.files import InputError

METHODS = {  # OpenCV's preset of patches and steps, and the finest scale of its pyramid
    "dis": ("FAST", 0),  # down to single pixels: the finest scale matters more than the preset
    "dis-medium": ("MEDIUM", 1),  # down to 2 × 2 pixels: a third of the time, twice the error
}
REFINEMENTS = 3  # variational steps a scale: 5 take a quarter longer, for 5 % less error
SMALLEST = 32  # DIS needs some room for its patches and pyramid
PAN_GAIN = 0.9  # a pan is believed if it leaves less than this part of the frames' difference


def flow(first: np.ndarray, second: np.ndarray, method: str = "dis") -> np.ndarray:
    """Where each pixel of `first` is in `second`: (h, w, 2) float32 in pixels, x right, y down.

    The frames are (h, w, 3) uint8 in RGB and equally large, at least 32 pixels each way; the flow
    has their resolution. DIS alone loses motions beyond an eighth of the width, which a camera
    easily pans in a second: it starts from the pan where there is one, which follows up to a
    third. Raises InputError for an unknown method and ValueError for other frames.
    """
    import cv2

    if method not in METHODS:
        raise InputError(f"unknown flow method '{method}': choose from {', '.join(METHODS)}")
    if first.shape != second.shape:
        raise Unusable("its frames change their size")
    if min(first.shape[:2]) < SMALLEST:
        raise Unusable(f"frames smaller than {SMALLEST} pixels")
    preset, finest = METHODS[method]
    dis = cv2.DISOpticalFlow_create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{preset}"))
    dis.setFinestScale(finest)
    dis.setVariationalRefinementIterations(REFINEMENTS)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    return dis.calc(*grey, start_of(*grey))


def start_of(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """The flow of a camera that pans, from grey frames (h, w) uint8: (h, w, 2), or None.

    The pan is where the frames' phase correlation peaks. It counts only if the frames, laid over
    each other at that shift, differ less than unshifted ones do, over a quarter of the frame.
    """
    import cv2

    a, b = first.astype(np.float32), second.astype(np.float32)
    height, width = a.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    pan, _ = cv2.phaseCorrelate(a.copy(), b.copy(), window)  # which writes on its inputs
    if not np.isfinite(pan).all():
        return None
    x, y = round(pan[0]), round(pan[1])
    seen = a[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
    again = b[max(0, y) : height - max(0, -y), max(0, x) : width - max(0, -x)]
    if (x, y) == (0, 0) or seen.size < a.size / 4:
        return None
    if np.abs(seen - again).mean() >= PAN_GAIN * np.abs(a - b).mean():
        return None
    return np.broadcast_to(np.float32(pan), (height, width, 2)).copy()


def on_grid(displacement: np.ndarray, seconds: float = 1.0) -> np.ndarray:
    """A flow field (h, w, 2) in pixels over `seconds`, on the grid: (2, 32, 32) float32.

    The vectors are averaged over the area of each grid cell, then scaled with the picture (each
    direction by its own factor) and to one second: pixels of the 32 × 32 grid per second.
    """
    import cv2

    height, width = displacement.shape[:2]
    small = cv2.resize(displacement, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    per_second = small * np.float32([SIZE / width / seconds, SIZE / height / seconds])
    return np.ascontiguousarray(per_second.transpose(2, 0, 1))
