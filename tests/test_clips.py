"""Clips to motion fields, on made videos whose frames say which they are, and hostile files."""

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from cdvae.data import sources, splits
from cdvae.data.clips import clips, frames, video
from cdvae.data.clips import ucf101 as ucf101_module
from cdvae.data.clips.clips import make_clips, still
from cdvae.data.clips.video import clock, frame_times, pick_pairs
from cdvae.data.fields import TASKS
from cdvae.data.registry import Request
from cdvae.data.report import Report
from cdvae.data.sources import Source
from cdvae.tools.files import InputError

SHARED = Path(os.environ.get("CDVAE_SHARED") or Path(__file__).resolve().parents[2] / "shared")


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


ALL = 10**6  # more pairs than any folder here has


@pytest.fixture
def load_clips(tmp_path, monkeypatch):
    """The fields of a split, still pairs among them, and the account of it."""
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(clips, "still", lambda fields: torch.zeros(len(fields), dtype=torch.bool))

    def load(root: Path, split: str, n: int = ALL, seed: int = 0):
        sizes = dict.fromkeys(splits.SPLITS, n)
        request = Request(root, TASKS["motion"], sizes, seed, tmp_path / "account")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fields = make_clips(frames.listed, request, split)
        return fields, Report.load(tmp_path / "account" / f"report-{split}.json")

    return load


@pytest.fixture
def seen(monkeypatch):
    """Replace the flow by one that says which two coded frames it was given."""

    def which(first: np.ndarray, second: np.ndarray, method: str) -> np.ndarray:
        pair = np.float32([index_of(frame[..., 0]) for frame in (first, second)])
        return np.broadcast_to(pair, (*first.shape[:2], 2)).copy()

    monkeypatch.setattr(video, "flow", which)


def pairs_seen(path: Path) -> tuple[list[int], list[int], list[int]]:
    """Which frames were the picture, the flow's first and its second, of each pair of a clip."""
    found = video.clip_pairs(path.parent, 8, "dis", path.name)
    seconds = [pair[2] for pair in pick_pairs(frame_times(path))]
    scale = np.array(seconds)[:, None] / np.array([32 / 160, 32 / 64])
    first, second = np.rint(found["x_g"].mean((2, 3)) * scale).astype(int).T
    return [index_of(image[0]) for image in found["x_c"]], first.tolist(), second.tolist()


def test_eight_equal_frames_and_their_partners_of_a_constant_rate(tmp_path, seen):
    path = write_video(tmp_path / "a.avi", 100, 25)
    start = [0, 11, 21, 32, 42, 53, 63, 74]  # 74 is the last with a frame 25 later
    assert pairs_seen(path) == (start, start, [i + 25 for i in start])


def test_partners_of_a_variable_rate_go_by_time(tmp_path, seen):
    stamps = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200]  # 10 a second,
    stamps += list(range(1250, 3001, 50))  # then 20
    path = write_matroska(tmp_path / "a.mkv", stamps)
    assert np.allclose(frame_times(path), np.array(stamps) / 1000)
    shown, first, second = pairs_seen(path)
    assert shown == first and len(first) == 8
    times = np.array(stamps)
    assert (times[second] - times[first] == 1000).all()
    assert first[0] == 0 and times[first[-1]] == 2000
    assert np.abs(np.diff(times[first]) - 2000 / 7).max() <= 100  # equal but for the frames' own


def test_a_gap_in_the_frames_is_stepped_around():
    times = np.r_[np.arange(0, 1.5, 0.04), np.arange(2.2, 4, 0.04)]
    for start, partner, seconds in pick_pairs(times):
        assert abs(seconds - 1) <= 0.02 + 1e-6 and seconds == times[partner] - times[start]


def test_pairs_where_a_second_is_no_whole_number_of_frames():
    pairs = pick_pairs(np.arange(100) * 1001 / 30000)  # 29.97 a second
    assert len(pairs) == 8 and all(partner - start == 30 for start, partner, _ in pairs)
    assert pairs[-1][1] == 99 and pairs[0][2] == pytest.approx(1.001)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (np.arange(20) / 25, "shorter than a second"),
        (np.arange(25) / 25, "shorter than a second"),  # shows for a second, ends before it
        (np.array([0.0, 0.7, 1.4, 2.1]), "no frames one second apart"),
        (np.array([0.0]), "a single frame"),
    ],
)
def test_clips_without_pairs(times, reason):
    with pytest.raises(ValueError, match=reason):
        pick_pairs(times)


def test_a_clip_of_one_second_and_a_frame_has_one_pair():
    assert pick_pairs(np.arange(26) / 25) == [(0, 25, 1.0)]
    assert len(pick_pairs(np.arange(30) / 25)) == 5


def test_the_clock_believes_increasing_stamps_then_the_rate():
    stamps = np.array([0.5, 0.6, 0.9])
    assert np.allclose(clock(stamps, 25), [0, 0.1, 0.4])
    assert np.allclose(clock(np.array([0.04, 0.08, 0.0]), 25), [0, 0.04, 0.08])
    for rate in (0.0, -1.0, float("nan"), 1e6):
        with pytest.raises(ValueError, match="neither timestamps nor a frame rate"):
            clock(np.zeros(3), rate)


STEPS = np.cumsum(np.r_[0, np.tile([0.13, 0.05, 0.08, 0.1], 12)])  # uneven, 11 a second


@pytest.mark.parametrize(
    ("index", "value"),
    [(20, STEPS[19]), (20, 0.0), (20, 99.0), (20, np.nan), (0, 7.0), (len(STEPS) - 1, 0.0)],
)
def test_one_flaw_in_the_stamps_leaves_the_others_believed(index, value):
    stamps = STEPS + 0.7
    stamps[index] = value
    times = clock(stamps, 30.0)  # a nominal rate that is far from theirs
    others = np.arange(len(STEPS)) != index
    assert (np.diff(times) > 0).all()
    assert np.allclose(np.diff(times[others]), np.diff(STEPS[others]))
    assert abs(times[-1] - STEPS[-1]) < 0.1 and abs(times[20] - STEPS[20]) < 0.1


def test_stamps_that_are_mostly_wrong_count_only_with_the_rate():
    ten = np.arange(40) / 10
    twice = np.r_[ten, ten]  # starts again in the middle, as joined files do
    assert np.allclose(clock(twice, 10), np.arange(80) / 10)
    with pytest.raises(ValueError, match="do not increase and contradict the frame rate"):
        clock(twice, 25)
    assert np.allclose(clock(np.zeros(40), 25), np.arange(40) / 25)  # no stamps at all


def test_a_stamp_said_twice_in_a_file(tmp_path, seen):
    stamps = list(range(0, 3001, 100))
    stamps[7] = stamps[6]
    path = write_matroska(tmp_path / "a.mkv", stamps)
    expected = np.arange(0, 3001, 100) / 1000
    assert np.allclose(frame_times(path), expected)
    shown, first, second = pairs_seen(path)
    assert shown == first and (np.array(second) - first == 10).all()


def test_a_wide_clip_keeps_enough_height_for_flow(tmp_path):
    def draw(index: int) -> np.ndarray:
        return np.roll(np.random.default_rng(0).integers(0, 256, (36, 400, 3), np.uint8), index, 1)

    path = write_video(tmp_path / "wide.avi", 30, 10, draw)
    assert len(video.clip_pairs(path.parent, 8, "dis", path.name)["slot"]) == 8
    assert video.shrink(np.zeros((36, 400, 3), np.uint8)).shape == (32, 356, 3)
    assert video.shrink(np.zeros((480, 640, 3), np.uint8)).shape == (240, 320, 3)
    narrow = write_video(tmp_path / "narrow.avi", 30, 10, lambda index: draw(index)[:24])
    with pytest.raises(ValueError, match="frames smaller than 32 pixels"):
        video.clip_pairs(narrow.parent, 8, "dis", narrow.name)


def test_a_false_frame_count_is_not_believed(tmp_path):
    import cv2

    path = write_video(tmp_path / "a.avi", 40, 20)
    data = bytearray(path.read_bytes())
    data[48:52] = struct.pack("<I", 5000)  # the main header's number of frames
    length = data.index(b"strh") + 8 + 32
    data[length : length + 4] = struct.pack("<I", 5000)  # the stream's
    path.write_bytes(data)
    assert cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).get(cv2.CAP_PROP_FRAME_COUNT) == 5000
    assert len(frame_times(path)) == 40
    path.write_bytes(data[: len(data) // 2])  # cut in the middle: what decodes is used
    assert 10 <= len(frame_times(path)) <= 20


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


@pytest.fixture
def ucf101(tmp_path) -> Path:
    """UCF101's layout: two classes, good clips and every kind of bad one."""
    root = tmp_path / "ucf"
    folder = root / "UCF-101"
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    train = [f"Walk/v_Walk_g{g:02d}_c01.avi 2" for g in range(11, 17)]
    for line in train:
        write_video(folder / line.split()[0], 30, 10, moving(10, (20, -10)))
    write_video(folder / "Stand/v_Stand_g01_c01.avi", 30, 10, moving(10, (0, 0)))
    write_video(folder / "Stand/v_Stand_g02_c01.avi", 5, 10)
    (folder / "Stand/v_Stand_g03_c01.avi").write_text("not a video\n" * 100)
    (folder / "Stand/v_Stand_g04_c01.avi").touch()
    write_video(folder / "Stand/v_Stand_g05_c01.avi", 0, 10)
    train += [f"Stand/v_Stand_g0{g}_c01.avi 1" for g in range(1, 7)]
    train += ["Dance/v_Dance_g01_c01.avi 3", "../../secret.avi 1"]
    write_video(folder / "Walk/v_Walk_g09_c01.avi", 30, 10, moving(10, (20, -10)))
    (lists / "classInd.txt").write_text("1 Stand\r\n2 Walk\r\n")
    (lists / "trainlist01.txt").write_text("\r\n".join(train) + "\r\n")
    (lists / "testlist01.txt").write_text("Walk/v_Walk_g09_c01.avi\n")
    return root


def test_ucf101_with_hostile_files(ucf101, load_clips, monkeypatch):
    monkeypatch.setattr(ucf101_module, "split_training", lambda names, side: names)
    fields, report = load_clips(ucf101, "train")
    good = [f"Walk/v_Walk_g{g}_c01" for g in range(11, 17)] + ["Stand/v_Stand_g01_c01"]
    assert set(fields.ids) == {f"{clip}#{k}" for clip in good for k in range(8)}
    skipped = report.skipped
    assert skipped == {
        "Stand/v_Stand_g02_c01.avi": "shorter than a second",
        "Stand/v_Stand_g03_c01.avi": "not a readable video",
        "Stand/v_Stand_g04_c01.avi": "an empty file",
        "Stand/v_Stand_g05_c01.avi": skipped["Stand/v_Stand_g05_c01.avi"],
        "Stand/v_Stand_g06_c01.avi": "listed, but not there",
        "Dance/v_Dance_g01_c01.avi": "listed under a class that classInd.txt does not have",
        "../../secret.avi": "listed, but outside the folder",
    }
    assert skipped["Stand/v_Stand_g05_c01.avi"] in ("no frames", "not a readable video")
    assert (report.n_found, report.n_used) == (14, 7)


def test_fields_of_clips(ucf101, load_clips):
    fields, report = load_clips(ucf101, "test")
    assert fields.task.name == "motion" and len(fields) == 8 and fields.n_labels == 2
    assert fields.x_c.shape == (8, 3, 32, 32) and fields.x_g.shape == (8, 2, 32, 32)
    assert fields.x_c.dtype == fields.x_g.dtype == torch.float32
    assert 0 <= fields.x_c.min() and 0.3 < fields.x_c.max() <= 1
    assert torch.equal(fields.semantics, torch.tensor([[0.0, 1.0]]).expand(8, 2))  # Walk
    middle = fields.x_g[:, :, 8:24, 8:24].mean((0, 2, 3))
    assert torch.allclose(middle, torch.tensor([20 * 32 / 160, -10 * 32 / 120]), atol=0.1)
    assert not still(fields).any()
    assert report.counts["pairs"] == 8 and report.counts["still_pairs"] == 0


def test_pictures_are_in_rgb(tmp_path, load_clips):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    for name in ("a.avi", "b.avi", "c.avi"):
        write_video(tmp_path / "clips" / name, 15, 10, lambda index: red)
    fields, _ = load_clips(tmp_path / "clips", "train")
    assert fields.x_c[:, 0].min() > 0.9 and fields.x_c[:, 1:].max() < 0.1
    assert still(fields).all()


def test_clips_in_which_nothing_moves_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CDVAE_CACHE", str(tmp_path / "cache"))
    for name in ("a.avi", "b.avi", "c.avi"):
        write_video(tmp_path / "clips" / name, 15, 10, lambda index: coded(0))
    source = Source("folder", tmp_path / "clips", 20, 20, 20, 0)
    with pytest.raises(InputError, match="nothing moves in the train clips of .*: give others"):
        sources.load(sources.plan(source, TASKS["motion"]))


def test_a_limit_takes_pairs_from_many_clips_in_a_seeded_order(ucf101, load_clips):
    whole, _ = load_clips(ucf101, "train")
    few, report = load_clips(ucf101, "train", n=4)
    assert len(few) == 4 and set(few.ids) < set(whole.ids)
    assert len({pair.split("#")[0] for pair in few.ids}) >= 3 and report.counts["pairs"] == 4
    again, _ = load_clips(ucf101, "train", n=4)
    assert again.ids == few.ids and torch.equal(again.x_g, few.x_g)
    at = [whole.ids.index(pair) for pair in few.ids]
    assert torch.equal(whole.x_c[at], few.x_c) and torch.equal(whole.x_g[at], few.x_g)
    others, _ = load_clips(ucf101, "train", seed=1)
    assert set(others.ids) == set(whole.ids) and others.ids != whole.ids


def test_any_folder_is_split_by_source():
    names = [f"{a}/v_Run_g{g:02d}_c{c:02d}.avi" for a in "ab" for g in range(20) for c in (1, 2)]
    names += [f"phone/clip {k}.MP4" for k in range(40)]
    sides = {split: splits.split_names(names, split) for split in splits.SPLITS}
    assert sorted(name for side in sides.values() for name in side) == sorted(names)
    of = {split: {splits.source_of(name) for name in side} for split, side in sides.items()}
    assert not (of["train"] & of["test"] or of["train"] & of["valid"] or of["valid"] & of["test"])
    assert len(of["test"]) == 16 and len(of["valid"]) == 7  # of 80 sources, then of 64
    assert sides["test"] == splits.split_names(names[::-1], "test")
    assert [len(splits.split_names(["a.mp4", "b.mp4"], split)) for split in ("train", "test")] == [
        1,
        1,
    ]


def test_a_folder_of_clips_without_lists(tmp_path, load_clips):
    for name in ("x/a.avi", "y/deep/b.avi", "c.avi", ".hidden.avi"):
        write_video(tmp_path / "mine" / name, 15, 10, moving(10, (20, 0)))
    (tmp_path / "mine" / "notes.txt").write_text("hello")
    ids = set()
    for split in splits.SPLITS:
        fields, _ = load_clips(tmp_path / "mine", split)
        assert fields.n_labels == 0 and fields.semantics.shape == (len(fields), 0)
        ids |= {pair.split("#")[0] for pair in fields.ids}
    assert ids == {"x/a.avi", "y/deep/b.avi", "c.avi"}


def test_bad_folders_and_settings_get_one_sentence(ucf101, tmp_path, load_clips):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no clips in .*: it holds no visible file; photos like"):
        load_clips(tmp_path / "empty", "train")
    (tmp_path / "bad").mkdir()
    for name in "abc":
        (tmp_path / "bad" / f"{name}.mp4").touch()
    with pytest.raises(InputError, match="no clip for train .* can be used .*an empty file"):
        load_clips(tmp_path / "bad", "train")
    (tmp_path / "bad" / "c.mp4").unlink()
    with pytest.raises(InputError, match="holds 2 clips, none for valid: .* need at least 3"):
        load_clips(tmp_path / "bad", "train")
    (ucf101 / "ucfTrainTestlist" / "testlist01.txt").unlink()
    with pytest.raises(InputError, match="testlist01.txt is missing"):
        load_clips(ucf101, "test")
    (ucf101 / "ucfTrainTestlist" / "classInd.txt").write_text("Walk\n")
    with pytest.raises(InputError, match="does not list classes"):
        load_clips(ucf101, "train")
    with pytest.raises(InputError, match="no folder ucfTrainTestlist in .* --data folder"):
        sources.plan(Source("ucf101", tmp_path / "bad", 1, 1, 1, 0), TASKS["motion"])


@pytest.mark.skipif(not (SHARED / "data" / "clips").is_dir(), reason="needs the shared clips")
def test_real_clips(load_clips):
    fields, report = load_clips(SHARED / "data" / "clips", "test", n=24)
    assert len(fields) == 24 and report.n_found == 338 and fields.n_labels == 9
    assert torch.isfinite(fields.x_g).all() and clips.lengths(fields.x_g).max() < 32
    assert (fields.semantics.sum(1) == 1).all()
