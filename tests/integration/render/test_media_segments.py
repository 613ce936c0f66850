"""Segments: same frames, same bytes; joined without a seam; proven or refused by kind."""

import hashlib
import itertools
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from flatrender.testing.media import decode_luma, packet_times, paint, sine, write_sound
from flatrender_render.media.encode import EncodedSegment, SegmentEncoder, VideoFormat
from flatrender_render.media.errors import (
    EncodeFailed,
    MediaUnreadable,
    ProofFailed,
    SegmentMismatch,
    Stopped,
)
from flatrender_render.media.join import SegmentFile, join
from flatrender_render.media.proof import (
    Expectation,
    prove,
    thumb,
    thumb_bytes,
    thumb_of_pixels,
)

SPEC = VideoFormat(width=192, height=108, fps=30)
Draw = Callable[[NDArray[np.uint8], int], None]


def encode(
    path: Path, first: int, count: int, spec: VideoFormat = SPEC, draw: Draw = paint
) -> EncodedSegment:
    with SegmentEncoder(path, spec) as encoder:
        for frame in range(first, first + count):
            draw(encoder.buffer, frame)
            encoder.write()
        return encoder.finish()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[SegmentFile]:
    """Three segments of one film: 60, 60 and 25 frames."""
    folder = tmp_path_factory.mktemp("parts")
    files = []
    for number, (first, count) in enumerate(((0, 60), (60, 60), (120, 25))):
        path = folder / f"{number}.mp4"
        report = encode(path, first, count)
        files.append(SegmentFile(path=str(path), frames=count, sha256=report.sha256))
    return files


def expect(part: SegmentFile, **changes: object) -> Expectation:
    data = {"width": 192, "height": 108, "fps": 30, "frames": part.frames} | changes
    return Expectation(**data)  # type: ignore[arg-type]  # a test's shorthand


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, parts: list[SegmentFile]) -> None:
    again = encode(tmp_path / "again.mp4", 60, 60)
    assert again.sha256 == parts[1].sha256
    assert again.sha256 == hashlib.sha256((tmp_path / "again.mp4").read_bytes()).hexdigest()
    assert (again.frames, again.packets) == (60, 60)
    assert again.size == (tmp_path / "again.mp4").stat().st_size


def test_what_lies_in_memory_does_not_reach_the_bytes(tmp_path: Path) -> None:
    """Twelve macroblocks across: where x264's AVX-512 code used what was left in memory."""
    noise = np.random.default_rng(3)
    found = set()
    for number in range(12):
        junk = [noise.bytes(int(size)) for size in noise.integers(1000, 200_000, 30)]
        del junk
        found.add(encode(tmp_path / f"{number}.mp4", 60, 30).sha256)
    assert len(found) == 1


def test_a_segment_has_b_frames_one_key_frame_and_says_bt709(parts: list[SegmentFile]) -> None:
    with av.open(parts[0].path) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        context = stream.codec_context
        assert [context.color_range, context.colorspace] == [1, 1]
        assert [context.color_primaries, context.color_trc] == [1, 1]
    assert packets[0].is_keyframe
    assert any(p.pts != p.dts for p in packets)  # the joins below must cope with reordering


def test_colours_survive_within_two_steps(tmp_path: Path) -> None:
    """Known BGR against the BT.709 matrix in MPEG range, computed here from H.273."""

    def flat(pixels: NDArray[np.uint8], _frame: int) -> None:
        pixels[:] = (30, 180, 220, 255)

    encode(tmp_path / "flat.mp4", 0, 2, draw=flat)
    expected = 16 + 219 / 255 * (0.2126 * 220 + 0.7152 * 180 + 0.0722 * 30)
    luma = decode_luma(tmp_path / "flat.mp4")[0]
    assert abs(float(luma.mean()) - expected) < 1.0
    pixels = np.zeros((108, 192, 4), np.uint8)
    flat(pixels, 0)
    assert np.abs(thumb_of_pixels(pixels) - thumb(luma)).max() < 1.5


def test_joins_are_without_a_seam(tmp_path: Path, parts: list[SegmentFile]) -> None:
    joined = join(parts, tmp_path / "film.mp4", 30)
    assert (joined.frames, joined.duration) == (145, 145 / 30)
    alone = [frame for part in parts for frame in decode_luma(Path(part.path))]
    together = decode_luma(tmp_path / "film.mp4")
    assert len(together) == 145
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_a_playlist_is_no_segment(tmp_path: Path, parts: list[SegmentFile], kind: str) -> None:
    """One that another node made would have files of this machine's joined in its place."""
    shutil.copyfile(parts[0].path, tmp_path / "other.mp4")
    playlist = tmp_path / "video-0"
    playlist.write_bytes(b"ffconcat version 1.0\nfile other.mp4\n")
    forged = [SegmentFile(path=str(playlist), frames=parts[0].frames), *parts[1:]]
    files, sound = (forged, None) if kind == "picture" else (parts, playlist)
    with pytest.raises((MediaUnreadable, EncodeFailed)):
        join(files, tmp_path / "film.mp4", 30, sound)


def test_times_of_a_joined_file_are_exact(tmp_path: Path, parts: list[SegmentFile]) -> None:
    join(parts, tmp_path / "film.mp4", 30)
    times = packet_times(tmp_path / "film.mp4")
    assert sorted(shown for shown, _ in times) == [Fraction(n, 30) for n in range(145)]
    decoded = [decode for _, decode in times]
    assert all(a < b for a, b in itertools.pairwise(decoded))
    assert all(decode <= shown for shown, decode in times)


def test_a_joined_file_begins_with_its_index(tmp_path: Path, parts: list[SegmentFile]) -> None:
    join(parts, tmp_path / "film.mp4", 30)
    data = (tmp_path / "film.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_joining_is_deterministic(tmp_path: Path, parts: list[SegmentFile]) -> None:
    one = join(parts, tmp_path / "1.mp4", 30)
    two = join(parts, tmp_path / "2.mp4", 30)
    assert one.sha256 == two.sha256


def test_sound_lies_beside_the_pictures(tmp_path: Path, parts: list[SegmentFile]) -> None:
    sound = write_sound(tmp_path / "tone.m4a", sine(145 / 30))
    join(parts, tmp_path / "film.mp4", 30, sound)
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert [s.type for s in container.streams] == ["video", "audio"]
        assert container.start_time == 0
        first = next(container.decode(video=0))
        assert first.pts == 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_short_last_segment_joins(tmp_path: Path, parts: list[SegmentFile], count: int) -> None:
    encode(tmp_path / "tail.mp4", 60, count)
    tail = SegmentFile(path=str(tmp_path / "tail.mp4"), frames=count)
    assert join([parts[0], tail], tmp_path / "film.mp4", 30).frames == 60 + count
    assert len(decode_luma(tmp_path / "film.mp4")) == 60 + count
    alone = join([tail], tmp_path / "alone.mp4", 30)
    assert alone.frames == count


def test_a_joined_film_is_proven(tmp_path: Path, parts: list[SegmentFile]) -> None:
    joined = join(parts, tmp_path / "film.mp4", 30)
    proof = prove(
        tmp_path / "film.mp4",
        Expectation(
            width=192, height=108, fps=30, frames=145, sha256=joined.sha256, size=joined.size,
            moves=True, visible=True,
        ),
    )  # fmt: skip
    assert (proof.frames, proof.warnings) == (145, [])


def refused(parts: list[SegmentFile], folder: Path) -> str:
    with pytest.raises(SegmentMismatch) as caught:
        join(parts, folder / "film.mp4", 30)
    assert not (folder / "film.mp4").exists()
    return str(caught.value)


def test_what_does_not_fit_is_not_joined(tmp_path: Path, parts: list[SegmentFile]) -> None:
    other = VideoFormat(width=192, height=108, fps=30, preset="medium")
    encode(tmp_path / "other.mp4", 0, 60, other)
    stranger = SegmentFile(path=str(tmp_path / "other.mp4"), frames=60)
    assert "other settings" in refused([parts[0], stranger], tmp_path)
    short = SegmentFile(path=parts[2].path, frames=30)
    assert "25 frames of 30" in refused([parts[0], short], tmp_path)
    long = SegmentFile(path=parts[2].path, frames=20)
    assert "no frame belongs" in refused([parts[0], long], tmp_path)
    forged = SegmentFile(path=parts[2].path, frames=25, sha256="0" * 64)
    assert "sha256" in refused([parts[0], forged], tmp_path)
    assert "nothing" in refused([], tmp_path)


def test_a_damaged_segment_is_named(tmp_path: Path, parts: list[SegmentFile]) -> None:
    (tmp_path / "half.mp4").write_bytes(Path(parts[0].path).read_bytes()[:500])
    half = SegmentFile(path=str(tmp_path / "half.mp4"), frames=60)
    with pytest.raises(MediaUnreadable, match="half"):
        join([half], tmp_path / "film.mp4", 30)


def test_joining_can_be_stopped(tmp_path: Path, parts: list[SegmentFile]) -> None:
    with pytest.raises(Stopped):
        join(parts, tmp_path / "film.mp4", 30, should_stop=lambda: True)
    assert not (tmp_path / "film.mp4").exists()


def test_a_failed_encoding_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), SegmentEncoder(tmp_path / "x.mp4", SPEC) as encoder:  # noqa: PT012  # the block is the point
        encoder.write()
        raise RuntimeError
    assert not (tmp_path / "x.mp4").exists()
    with pytest.raises(EncodeFailed):
        SegmentEncoder(tmp_path / "x.mp4", VideoFormat(width=191, height=108, fps=30))
    with pytest.raises(EncodeFailed), SegmentEncoder(tmp_path / "x.mp4", SPEC) as encoder:
        encoder.finish()
    assert not (tmp_path / "x.mp4").exists()


def test_a_film_of_proven_segments_is_proven_without_decoding(
    tmp_path: Path, parts: list[SegmentFile]
) -> None:
    path = tmp_path / "film.mp4"
    joined = join(parts, path, 30)
    light = Expectation(
        width=192, height=108, fps=30, frames=145, sha256=joined.sha256, decode=False
    )
    assert prove(path, light).frames == 145
    replace = msgspec.structs.replace
    assert fault(path, replace(light, frames=144)) == "wrong_count"
    assert fault(path, replace(light, fps=25)) == "wrong_timing"
    assert fault(path, replace(light, width=100)) == "wrong_size"


def fault(path: Path, expected: Expectation) -> str:
    with pytest.raises(ProofFailed) as caught:
        prove(path, expected)
    return caught.value.kind


def test_a_proof_catches_what_is_missing(tmp_path: Path, parts: list[SegmentFile]) -> None:
    part, path = parts[0], Path(parts[0].path)
    data = path.read_bytes()
    cut = tmp_path / "cut.mp4"
    assert fault(cut, expect(part)) == "missing"
    cut.write_bytes(b"")
    assert fault(cut, expect(part)) == "missing"
    cut.write_bytes(data[:-100])
    assert fault(cut, expect(part, size=len(data))) == "truncated"
    assert fault(cut, expect(part)) in {"undecodable", "wrong_count"}
    assert fault(path, expect(part, frames=61)) == "wrong_count"
    assert fault(path, expect(part, frames=59)) == "wrong_count"
    assert fault(path, expect(part, width=194)) == "wrong_size"
    assert fault(path, expect(part, fps=25)) == "wrong_timing"
    assert fault(path, expect(part, audio=True)) == "wrong_audio"


@pytest.mark.parametrize(("codec", "tag"), [("mpeg4", 1), ("libx264", 5), ("libx264", 1)])
def test_a_proof_knows_the_codec_and_the_colours(tmp_path: Path, codec: str, tag: int) -> None:
    """Another codec is refused, and so is the right one with other colours than BT.709 (1)."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 192, 108, "yuv420p"
        context = stream.codec_context
        context.color_range, context.colorspace = 1, tag
        context.color_primaries = context.color_trc = tag
        for number in range(10):
            frame = av.VideoFrame(192, 108, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    wanted = expect(SegmentFile(path=str(path), frames=10))
    if (codec, tag) == ("libx264", 1):
        assert prove(path, wanted).frames == 10  # so the others fail for what they are
    else:
        assert fault(path, wanted) == "wrong_format"


def test_a_flipped_bit_anywhere_is_caught(tmp_path: Path, parts: list[SegmentFile]) -> None:
    part = parts[0]
    data = bytearray(Path(part.path).read_bytes())
    bad = tmp_path / "flipped.mp4"
    for at in range(40, len(data), len(data) // 12):
        data[at] ^= 0x10
        bad.write_bytes(data)
        data[at] ^= 0x10
        assert fault(bad, expect(part, sha256=part.sha256)) == "altered"


def test_a_list_of_other_files_is_no_film(tmp_path: Path, parts: list[SegmentFile]) -> None:
    """FFmpeg would open what such a file names: other customers' films, addresses."""
    named = tmp_path / "real.mp4"
    named.write_bytes(Path(parts[0].path).read_bytes())
    playlist = tmp_path / "film.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {named.name}\n")
    assert fault(playlist, expect(parts[0])) == "undecodable"


def black(pixels: NDArray[np.uint8], _frame: int) -> None:
    pixels[:] = (0, 0, 0, 255)


def frozen(pixels: NDArray[np.uint8], _frame: int) -> None:
    paint(pixels, 7)


def other(pixels: NDArray[np.uint8], frame: int) -> None:
    paint(pixels, frame + 25)


def reference(frames: int) -> dict[int, bytes]:
    """Thumbnails of every twelfth frame as it should be."""
    pixels = np.zeros((108, 192, 4), np.uint8)
    found = {}
    for frame in range(0, frames, 12):
        paint(pixels, frame)
        found[frame] = thumb_bytes(thumb_of_pixels(pixels))
    return found


@pytest.mark.parametrize(
    ("draw", "kind"), [(black, "black"), (frozen, "frozen"), (other, "wrong_picture")]
)
def test_a_proof_looks_at_the_pictures(tmp_path: Path, draw: Draw, kind: str) -> None:
    path = tmp_path / "film.mp4"
    report = encode(path, 0, 60, draw=draw)
    part = SegmentFile(path=str(path), frames=60)
    assert fault(path, expect(part, sha256=report.sha256, reference=reference(60))) == kind


def test_without_a_reference_black_and_frozen_only_warn(tmp_path: Path) -> None:
    part = SegmentFile(path="", frames=10)
    encode(tmp_path / "black.mp4", 0, 10, draw=black)
    assert prove(tmp_path / "black.mp4", expect(part)).warnings == ["black", "frozen"]
    assert fault(tmp_path / "black.mp4", expect(part, visible=True)) == "black"
    assert fault(tmp_path / "black.mp4", expect(part, moves=True)) == "frozen"


def late(pixels: NDArray[np.uint8], frame: int) -> None:
    paint(pixels, frame) if frame > 50 else black(pixels, frame)


def rests(pixels: NDArray[np.uint8], frame: int) -> None:
    paint(pixels, max(frame, 50))


@pytest.mark.parametrize("draw", [late, rests])
def test_one_picture_at_the_end_is_enough(tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "film.mp4"
    encode(path, 0, 60, draw=draw)
    part = SegmentFile(path=str(path), frames=60)
    assert prove(path, expect(part, visible=True, moves=True)).warnings == []


def test_a_scene_that_rests_may_rest(tmp_path: Path) -> None:
    """A reference that does not move allows frozen pictures; a black one allows black."""
    encode(tmp_path / "still.mp4", 0, 10, draw=frozen)
    pixels = np.zeros((108, 192, 4), np.uint8)
    paint(pixels, 7)
    rest = {n: thumb_bytes(thumb_of_pixels(pixels)) for n in (0, 9)}
    part = SegmentFile(path="", frames=10)
    assert prove(tmp_path / "still.mp4", expect(part, reference=rest)).warnings == ["frozen"]
    encode(tmp_path / "black.mp4", 0, 10, draw=black)
    pixels[:] = (0, 0, 0, 255)
    dark = {n: thumb_bytes(thumb_of_pixels(pixels)) for n in (0, 9)}
    assert "black" in prove(tmp_path / "black.mp4", expect(part, reference=dark)).warnings


def test_the_right_film_matches_its_reference(parts: list[SegmentFile]) -> None:
    proof = prove(Path(parts[0].path), expect(parts[0], reference=reference(60)))
    assert proof.warnings == []
