"""One clip: when its frames show and which make pairs, on made videos whose frames say which they
are."""

import struct
from pathlib import Path

import numpy as np
import pytest
from made_videos import index_of, write_matroska, write_video

from cdvae.data.clips import video
from cdvae.data.clips.clock import clock
from cdvae.data.clips.video import frame_times, pick_pairs


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
