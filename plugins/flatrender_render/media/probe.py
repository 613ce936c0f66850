"""Opening files that strangers made, and what they say of themselves.

Owns the door to FFmpeg's demuxers: only a handful of plain formats, only local files (playlists
and concat scripts can name other files and hosts), capped streams and sizes.
"""

from pathlib import Path

import av
from av.container import InputContainer
from msgspec import Struct

from flatrender_render.media.errors import MediaTooLarge, MediaUnreadable

# FFmpeg demuxer names; none of them opens a second file.
FORMATS = "mp3,ogg,wav,mov,flac,aac,matroska"
AUDIO_CODECS = frozenset(
    {
        "mp3", "mp3float", "vorbis", "libvorbis", "opus", "libopus", "aac", "flac", "alac",
        "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_u8", "pcm_s16be", "pcm_f64le",
    }
)  # fmt: skip


class MediaCaps(Struct, frozen=True, kw_only=True):
    """Bounds on one file: bytes, seconds, pixels, hertz, counts."""

    size: int = 512 * 1024 * 1024
    seconds: float = 4 * 3600
    pixels: int = 8192 * 8192
    streams: int = 8
    channels: int = 8
    rate: int = 384_000


class MediaInfo(Struct, frozen=True, kw_only=True):
    """What a file holds. ``duration`` is seconds as the container says (0 when it does not).

    ``frames`` is the container's count of video frames, 0 when unknown.
    """

    format: str
    duration: float
    video_codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    frames: int = 0
    audio_codec: str = ""
    sample_rate: int = 0
    channels: int = 0


def open_media(path: Path, caps: MediaCaps | None = None) -> InputContainer:
    """Open a media file within the caps. Raises ``MediaUnreadable`` or ``MediaTooLarge``."""
    caps = caps or MediaCaps()
    try:
        size = path.stat().st_size
    except OSError as error:
        raise MediaUnreadable(f"{path.name}: {error.strerror}") from None
    if size > caps.size:
        raise MediaTooLarge(f"{path.name}: {size} bytes of at most {caps.size}")
    try:
        container = av.open(
            str(path.resolve()),
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError, OSError) as error:
        raise MediaUnreadable(f"{path.name}: {error}") from None
    try:
        _check(container, path.name, caps)
    except BaseException:
        container.close()
        raise
    return container


def _check(container: InputContainer, name: str, caps: MediaCaps) -> None:
    if len(container.streams) > caps.streams:
        raise MediaTooLarge(f"{name}: more than {caps.streams} streams")
    if (container.duration or 0) / 1e6 > caps.seconds:
        raise MediaTooLarge(f"{name}: longer than {caps.seconds:g} s")
    for video in container.streams.video:
        if video.codec_context.width * video.codec_context.height > caps.pixels:
            raise MediaTooLarge(f"{name}: more than {caps.pixels} pixels")
    for audio in container.streams.audio:
        context = audio.codec_context
        if context.name not in AUDIO_CODECS:
            raise MediaUnreadable(f"{name}: the codec {context.name} is not accepted")
        if not 0 < context.sample_rate <= caps.rate or not 0 < context.channels <= caps.channels:
            raise MediaUnreadable(f"{name}: {context.sample_rate} Hz, {context.channels} channels")


def probe(path: Path, caps: MediaCaps | None = None) -> MediaInfo:
    """Return what a media file says of itself. Raises like ``open_media``."""
    with open_media(path, caps) as container:
        video = next(iter(container.streams.video), None)
        audio = next(iter(container.streams.audio), None)
        if video is None and audio is None:
            raise MediaUnreadable(f"{path.name}: neither pictures nor sound")
        return MediaInfo(
            format=container.format.name,
            duration=(container.duration or 0) / 1e6,
            video_codec=video.codec_context.name if video else "",
            width=video.codec_context.width if video else 0,
            height=video.codec_context.height if video else 0,
            fps=float(video.average_rate or 0) if video else 0.0,
            frames=video.frames if video else 0,
            audio_codec=audio.codec_context.name if audio else "",
            sample_rate=audio.codec_context.sample_rate if audio else 0,
            channels=audio.codec_context.channels if audio else 0,
        )
