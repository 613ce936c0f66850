"""Converting only what changed: the planes, and the file, are those of converting everything."""

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from flatrender_render.media.colors import Box, Converter, parts, plane_of, to_video
from flatrender_render.media.encode import SegmentEncoder, VideoFormat

Frame = NDArray[np.uint8]


def planes(picture: av.VideoFrame) -> list[Frame]:
    """Return what shows of the three planes."""
    shares = (1, 2, 2)
    return [plane_of(picture, n)[:, : picture.width // s].copy() for n, s in enumerate(shares)]


@pytest.mark.parametrize(
    "size", [(640, 360), (322, 178), (360, 640), (18, 16), (1080, 270), (96, 66)]
)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_planes_of_changed_boxes_equal_those_of_all(size: tuple[int, int], seed: int) -> None:
    width, height = size
    rng = np.random.default_rng(seed)
    buffer = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    source = av.VideoFrame.from_numpy_buffer(buffer, format="bgra")
    converter = Converter(buffer)
    converter.convert()
    for _ in range(6):
        boxes: list[Box] = []
        for _ in range(rng.integers(0, 4)):
            left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
            right = int(rng.integers(left + 1, width + 1))
            bottom = min(height, top + int(rng.integers(1, height // 3 + 2)))
            noise = rng.integers(0, 256, (bottom - top, right - left, 4), dtype=np.uint8)
            buffer[top:bottom, left:right] = noise
            boxes.append((left, top, right, bottom))
        picture = converter.convert(boxes)
        expected = planes(to_video(VideoReformatter(), source))
        for ours, all_of_it in zip(planes(picture), expected, strict=True):
            assert np.array_equal(ours, all_of_it), boxes


def test_only_what_changed_is_converted() -> None:
    assert list(parts([], 1920, 1080)) == []
    assert list(parts([(5, 5, 5, 9), (5, 5, 9, 5)], 1920, 1080)) == []
    found = list(parts([(0, 500, 40, 520), (900, 40, 1000, 60)], 1920, 1080))
    assert len(found) == 2
    assert sum((right - left) * (bottom - top) for left, top, right, bottom in found) < 40_000


def drawn(path: Path, *, told: bool) -> str:
    """Encode a square that travels, rests and jumps over noise; return the file's hash."""
    rng = np.random.default_rng(4)
    ground = rng.integers(0, 256, (180, 320, 4), dtype=np.uint8)
    with SegmentEncoder(path, VideoFormat(width=320, height=180, fps=30)) as encoder:
        encoder.buffer[:] = ground
        before = (0, 0, 320, 180)
        for number in range(70):  # past the first group of pictures
            x, y = (number * 3 % 280, 20 + min(number, 40)) if number % 9 else (100, 120)
            left, top, right, bottom = before
            encoder.buffer[top:bottom, left:right] = ground[top:bottom, left:right]
            after = (x, y, x + 37, y + 23)
            encoder.buffer[y : y + 23, x : x + 37] = number * 3
            encoder.write([before, after] if told else None)
            if number % 10 == 3:
                encoder.write([] if told else None)  # nothing changed
            before = after
        encoder.finish()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_file_is_the_same(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a.mp4", told=True) == drawn(tmp_path / "b.mp4", told=False)
