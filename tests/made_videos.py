"""Videos made for the tests: frames that say which they are, at any times, and moving textures."""

import struct
from pathlib import Path

import numpy as np


def coded(index: int) -> np.ndarray:
    """A frame (64, 160, 3) uint8 whose eight columns are the bits of its index."""
    bits = [(index >> k) & 1 for k in range(8)]
    return np.repeat(np.repeat(np.uint8(bits), 20)[None], 64, 0)[..., None].repeat(3, 2) * 255


def index_of(frame: np.ndarray) -> int:
    """The index in a coded frame (h, w) of any size and range."""
    columns = frame.reshape(len(frame), 8, -1).mean((0, 2))
    return sum(1 << k for k, value in enumerate(columns > frame.mean() / 2 + 1e-3) if value)


def write_video(path: Path, frames: int, rate: float, draw=coded) -> Path:
    """A motion JPEG file of constant rate."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = draw(0).shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for index in range(frames):
        writer.write(draw(index)[..., ::-1])
    writer.release()
    return path


def write_matroska(path: Path, stamps: list[int]) -> Path:
    """A motion JPEG file whose frames show at `stamps` (milliseconds), at no rate at all."""
    import cv2

    def element(name: str, body: bytes) -> bytes:
        return bytes.fromhex(name) + struct.pack(">Q", len(body) | 1 << 56) + body

    def number(name: str, value: int) -> bytes:
        return element(name, struct.pack(">Q", value))

    height, width = coded(0).shape[:2]
    header = number("4286", 1) + number("42F7", 1) + number("42F2", 4) + number("42F3", 8)
    header += element("4282", b"matroska") + number("4287", 2) + number("4285", 2)
    track = number("D7", 1) + number("73C5", 1) + number("83", 1) + element("86", b"V_MJPEG")
    track += element("E0", number("B0", width) + number("BA", height))
    body = element("1549A966", number("2AD7B1", 1_000_000))  # stamps are milliseconds
    body += element("1654AE6B", element("AE", track))
    for index, stamp in enumerate(stamps):
        jpeg = cv2.imencode(".jpg", coded(index))[1].tobytes()
        block = element("A3", b"\x81\x00\x00\x80" + jpeg)
        body += element("1F43B675", number("E7", stamp) + block)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(element("1A45DFA3", header) + element("18538067", body))
    return path


def moving(rate: float, speed: tuple[float, float]):
    """Frames (120, 160, 3) of a texture that moves at `speed` (x, y) pixels per second."""
    rng = np.random.default_rng(0)
    spectrum = np.hypot(np.fft.fftfreq(240)[:, None], np.fft.fftfreq(320)) + 1 / 320
    noise = np.fft.fft2(rng.normal(size=(240, 320))) / spectrum**1.3
    whole = np.fft.ifft2(noise).real
    whole = np.clip(128 + 50 * whole / whole.std(), 0, 255).astype(np.uint8)

    def draw(index: int) -> np.ndarray:
        shift = [round(index * s / rate) for s in speed]
        return np.roll(whole, (shift[1], shift[0]), (0, 1))[60:180, 80:240, None].repeat(3, 2)

    return draw
