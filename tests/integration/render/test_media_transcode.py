"""A finished video in other formats: what plays, how fast, how large, and what is refused."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from flatrender.testing.media import paint, sine, write_sound
from flatrender_render.media import proof
from flatrender_render.media.encode import SegmentEncoder, VideoFormat
from flatrender_render.media.errors import MediaTooLarge, ProofFailed, Stopped
from flatrender_render.media.join import SegmentFile, join
from flatrender_render.media.transcode import transcode

FRAMES = 75


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half seconds with sound, as the farm assembles it."""
    folder = tmp_path_factory.mktemp("film")
    part = folder / "part.mp4"
    with SegmentEncoder(part, VideoFormat(width=192, height=108, fps=30)) as encoder:
        for frame in range(FRAMES):
            paint(encoder.buffer, frame)
            encoder.write()
        encoder.finish()
    sound = folder / "sound.m4a"
    write_sound(sound, sine(2.5))
    whole = folder / "film.mp4"
    join([SegmentFile(path=str(part), frames=FRAMES)], whole, 30, sound)
    return whole


def test_webm_has_every_frame_and_the_sound(film: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = transcode(
        film, tmp_path / "a.webm", "webm", tell=lambda done, total: told.append((done, total))
    )
    assert (made.width, made.height, made.fps, made.frames) == (192, 108, 30.0, FRAMES)
    assert made.audio_codec == "opus"
    assert told[-1] == (FRAMES, FRAMES)
    with av.open(str(tmp_path / "a.webm")) as found:
        assert found.streams.video[0].codec_context.name in {"vp9", "libvpx-vp9"}
        assert found.streams.audio[0].codec_context.name in {"opus", "libopus"}
        assert found.streams.video[0].codec_context.colorspace == 1, "BT.709"
        heard = sum(frame.samples for frame in found.decode(audio=0)) / 48_000
    assert 2.4 < heard < 2.7


def test_the_same_film_gives_the_same_webm(film: Path, tmp_path: Path) -> None:
    one = transcode(film, tmp_path / "1.webm", "webm")
    two = transcode(film, tmp_path / "2.webm", "webm")
    assert one.sha256 == two.sha256


def test_a_gif_runs_at_most_fifteen_pictures_a_second_for_ever(film: Path, tmp_path: Path) -> None:
    made = transcode(film, tmp_path / "a.gif", "gif")
    assert made.fps <= 15
    assert (made.width, made.height) == (192, 108), "never enlarged"
    assert abs(made.duration - FRAMES / 30) < 0.1
    data = (tmp_path / "a.gif").read_bytes()
    assert b"NETSCAPE2.0\x03\x01\x00\x00\x00" in data, "loops without end"
    with av.open(str(tmp_path / "a.gif")) as found:
        stamps = [(f.pts or 0) * (f.time_base or Fraction(1)) for f in found.decode(video=0)]
    assert {b - a for a, b in itertools.pairwise(stamps)} == {Fraction(7, 100)}


def test_a_gif_that_grows_too_large_is_made_smaller(film: Path, tmp_path: Path) -> None:
    large = transcode(film, tmp_path / "large.gif", "gif")
    small = transcode(film, tmp_path / "small.gif", "gif", gif_bytes=large.size * 9 // 10)
    assert small.size <= large.size * 9 // 10
    assert small.fps < large.fps or small.width < large.width


def test_a_gif_that_fits_at_no_size_is_refused(film: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaTooLarge):
        transcode(film, tmp_path / "a.gif", "gif", gif_bytes=500)
    assert not (tmp_path / "a.gif").exists()


@pytest.mark.parametrize("form", ["webm", "gif"])
def test_it_stops_when_told_and_leaves_nothing(film: Path, tmp_path: Path, form: str) -> None:
    seen = iter([False] * 5)
    with pytest.raises(Stopped):
        transcode(
            film,
            tmp_path / "a",
            form,  # type: ignore[arg-type]  # parametrised
            should_stop=lambda: next(seen, True),
        )
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("form", ["webm", "gif"])
def test_pictures_that_are_not_the_films_are_noticed(
    film: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(plane: NDArray[np.uint8]) -> proof.Thumb:
        return honest(plane) * 0 + next(shades)

    honest = proof.thumb
    shades = iter([200.0] * 5 + [40.0] * 50)
    monkeypatch.setattr(proof, "thumb", other)
    with pytest.raises(ProofFailed) as refused:
        transcode(film, tmp_path / "a", form)  # type: ignore[arg-type]  # parametrised
    assert refused.value.kind == "wrong_picture"
