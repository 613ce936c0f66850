"""What machines outside made, looked at once more by the farm itself.

The maker's own proof is a claim like any other: here every picture and sound is decoded anew, and
what was made *of* a film (its stills, another format of it) is held against the film. Owns no
decision about what follows. Works frame by frame with bounded memory; reads local files only.
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from flatrender_render.media.encode import luma
from flatrender_render.media.errors import MediaUnreadable, ProofFailed, Stopped
from flatrender_render.media.pictures import poster_of, sheet_of
from flatrender_render.media.proof import Expectation, Proof, Thumb, prove, thumb
from flatrender_render.media.transcode import Format, Transcoded, thumb_of_frame

Asked = Callable[[], bool]

_STILL_DIFFERENCE = 5.0  # of luma, over a still: JPEG of another version makes less than one
_MADE_DIFFERENCE = 14.0  # over a picture of another format; another picture differs by far more
_SOUND_SLACK = 0.15  # seconds; priming and the last packet of AAC and Opus
_CHECKS = 5  # pictures of a rendition that are held against the film
_DEMUXER: dict[Format, str] = {"webm": "matroska", "gif": "gif"}


def look_at_film(  # noqa: PLR0917 - what a film comes with, and who is asked
    film: Path,
    expected: Expectation,
    frame: int,
    stills: dict[str, int],
    sheet: str,
    should_stop: Asked = lambda: False,
) -> Proof:
    """Prove a film with its sound, and that its stills show it.

    ``stills`` are JPEG files of ``frame`` with their widths in pixels, ``sheet`` is the contact
    sheet; an empty name is not looked at. ``should_stop`` is asked at every frame. Raises
    ``ProofFailed`` and ``Stopped``.
    """
    proof = prove(film, expected, should_stop)
    seconds = expected.frames / expected.fps
    if expected.audio:
        hear(film, seconds, should_stop=should_stop)
    with TemporaryDirectory(prefix="flatrender-look-") as folder:
        own = Path(folder, "own")
        for path, width in stills.items():
            own.write_bytes(poster_of(film, frame, width))
            _same_still(own, Path(path))
        if sheet:
            sheet_of(film, own)
            _same_still(own, Path(sheet))
    return proof


def hear(
    path: Path,
    seconds: float,
    demuxer: str = "mp4",
    should_stop: Asked = lambda: False,
) -> None:
    """Decode the sound of a file; it lasts ``seconds``. Raises ``ProofFailed`` and ``Stopped``."""
    heard = 0.0
    try:
        with av.open(str(path), format=demuxer) as container:
            if not container.streams.audio:
                raise ProofFailed("wrong_audio", "no sound")
            container.streams.audio[0].codec_context.options = {"err_detect": "explode"}
            for frame in container.decode(audio=0):
                heard += frame.samples / frame.sample_rate
                if should_stop():
                    raise Stopped
                if heard > seconds + _SOUND_SLACK:  # silence for days fits into a small file
                    break
    except (av.FFmpegError, OSError) as error:
        raise ProofFailed("wrong_audio", str(error)) from error
    if abs(heard - seconds) > _SOUND_SLACK:
        raise ProofFailed("wrong_audio", f"{heard:.3f} s of sound for {seconds:.3f} s")


def look_at_rendition(
    film: Path,
    path: Path,
    form: Format,
    made: Transcoded,
    should_stop: Asked = lambda: False,
) -> Proof:
    """Prove a rendition of a film: it is what was reported, decodes whole, and shows the film.

    ``should_stop`` is asked at every frame. Raises ``ProofFailed`` and ``Stopped``.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != made.sha256:
            raise ProofFailed("altered", "the bytes are not those that were reported")
    wanted = {min(made.frames - 1, int((n + 0.5) * made.frames / _CHECKS)) for n in range(_CHECKS)}
    rate = Fraction(made.fps).limit_denominator(1000)
    thumbs: dict[int, Thumb] = {}
    count = 0
    try:
        with av.open(str(path), format=_DEMUXER[form]) as container:
            if len(container.streams.video) != 1:
                raise ProofFailed("undecodable", "not one video stream")
            stream = container.streams.video[0]
            size = (stream.codec_context.width, stream.codec_context.height)
            if size != (made.width, made.height):
                raise ProofFailed("wrong_size", f"{size[0]}x{size[1]}")
            if stream.codec_context.name.removeprefix("lib") not in {"vpx-vp9", "vp9", "gif"}:
                raise ProofFailed("wrong_format", stream.codec_context.name)
            if bool(container.streams.audio) != bool(made.audio_codec):
                raise ProofFailed("wrong_audio", f"{len(container.streams.audio)} sound tracks")
            for frame in container.decode(stream):
                if should_stop():
                    raise Stopped
                if count >= made.frames:
                    raise ProofFailed("wrong_count", f"more than {made.frames} frames")
                if frame.is_corrupt or frame.pts is None or frame.time_base is None:
                    raise ProofFailed("undecodable", f"frame {count}", (count,))
                # WebM's times are whole milliseconds.
                if abs(frame.pts * frame.time_base - count / rate) > Fraction(2, 1000):
                    raise ProofFailed("wrong_timing", f"frame {count} is not at its time", (count,))
                if count in wanted:
                    thumbs[count] = thumb_of_frame(frame)
                count += 1
    except (av.FFmpegError, OSError) as error:
        raise ProofFailed("undecodable", str(error)) from error
    if count != made.frames:
        raise ProofFailed("wrong_count", f"{count} frames of {made.frames}")
    if made.audio_codec:
        hear(path, made.duration, _DEMUXER[form], should_stop)
    bad = tuple(
        number
        for number, near in _film_at(film, sorted(thumbs), rate, should_stop)
        if min(float(np.abs(one - thumbs[number]).mean()) for one in near) > _MADE_DIFFERENCE
    )
    if bad:
        raise ProofFailed("wrong_picture", f"frames {list(bad)} show something else", bad)
    return Proof(frames=count, duration=float(count / rate))


def _film_at(
    film: Path, numbers: list[int], rate: Fraction, should_stop: Asked
) -> Iterator[tuple[int, list[Thumb]]]:
    """Yield the film's pictures around the times of frames of another rate.

    Which of two neighbours a slower format shows is its maker's choice.
    """
    with av.open(str(film), format="mp4") as container:
        stream = container.streams.video[0]
        own = Fraction(stream.average_rate or 0)
        if not own:
            raise MediaUnreadable("no frame rate")
        reach = own / rate / 2 + 1 if own != rate else Fraction(0)
        middles = [(number, number * own / rate) for number in numbers]
        spans = [(n, math.floor(at - reach), math.ceil(at + reach)) for n, at in middles]
        kept: deque[tuple[int, Thumb]] = deque()
        frames = enumerate(container.decode(stream))
        seen = -1
        for number, first, last in spans:
            while seen < last and (found := next(frames, None)) is not None:
                seen, frame = found
                if should_stop():
                    raise Stopped
                if seen >= first:
                    kept.append((seen, thumb(luma(frame))))
            while len(kept) > 1 and kept[0][0] < first:
                kept.popleft()
            yield number, [one for _, one in kept]


def _same_still(own: Path, told: Path) -> None:
    """Raise ``ProofFailed`` unless two stills have one size and show the same."""
    (width, height), cells = _still(own)
    size, found = _still(told)
    if size != (width, height):
        raise ProofFailed("wrong_size", f"{told.name}: {size[0]}x{size[1]} for {width}x{height}")
    if float(np.abs(found - cells).mean()) > _STILL_DIFFERENCE:
        raise ProofFailed("wrong_picture", f"{told.name} does not show the film")


def _still(path: Path) -> tuple[tuple[int, int], Thumb]:
    try:
        with path.open("rb") as file:
            kind = "png_pipe" if file.read(4) == b"\x89PNG" else "jpeg_pipe"
        with av.open(str(path), format=kind) as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, OSError, StopIteration, IndexError) as error:
        raise ProofFailed("undecodable", f"{path.name}: {error}") from error
    return (frame.width, frame.height), thumb_of_frame(frame)
