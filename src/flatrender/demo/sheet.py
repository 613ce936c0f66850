"""Looking at the finished video: what is in the file, and a contact sheet of it."""

import io
from fractions import Fraction
from pathlib import Path

import av
from msgspec import Struct
from PIL import Image


class VideoFacts(Struct, frozen=True, kw_only=True):
    """What a decoder finds in an MP4; ``seconds`` by the video stream."""

    width: int
    height: int
    frames: int
    fps: float
    seconds: float
    video_codec: str
    audio_codec: str
    audio_seconds: float
    size_bytes: int


def examine(path: Path, sheet: Path, *, pictures: int = 6) -> VideoFacts:
    """Decode every frame of ``path``, write a sheet of ``pictures`` of them, return the facts."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        audio = container.streams.audio[0] if container.streams.audio else None
        total = video.frames or 1
        wanted = {int((i + 0.5) * total / pictures) for i in range(pictures)}
        shots = []
        count = 0
        for frame in container.decode(video):
            if count in wanted:
                shots.append(Image.fromarray(frame.to_ndarray(format="rgb24")))
            count += 1
        rate = video.average_rate or Fraction(1)
        audio_seconds = 0.0
        if audio is not None and audio.duration is not None and audio.time_base is not None:
            audio_seconds = float(audio.duration * audio.time_base)
        facts = VideoFacts(
            width=video.width,
            height=video.height,
            frames=count,
            fps=float(rate),
            seconds=float(count / rate),
            video_codec=video.codec_context.name,
            audio_codec=audio.codec_context.name if audio is not None else "",
            audio_seconds=audio_seconds,
            size_bytes=path.stat().st_size,
        )
    sheet.write_bytes(contact_sheet(shots))
    return facts


def contact_sheet(shots: list[Image.Image], *, columns: int = 3, cell: int = 640) -> bytes:
    """Return one PNG with the pictures in rows of ``columns``."""
    if not shots:
        raise ValueError("no pictures")
    width = cell if shots[0].width >= shots[0].height else cell // 2
    height = round(width * shots[0].height / shots[0].width)
    gap = 8
    rows = -(-len(shots) // columns)
    sheet = Image.new(
        "RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), (24, 24, 27)
    )
    for index, shot in enumerate(shots):
        x = gap + (index % columns) * (width + gap)
        y = gap + (index // columns) * (height + gap)
        sheet.paste(shot.resize((width, height), Image.Resampling.LANCZOS), (x, y))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
