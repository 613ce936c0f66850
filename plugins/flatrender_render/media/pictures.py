"""Stills: PNG and JPEG of drawn frames, live previews, posters, contact sheets.

Owns encoding of single pictures and the timecodes on a contact sheet. Pixels are BGRA,
premultiplied (see ``engines.Pixels``); for PNG they may be transparent.
"""

import base64
import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skia
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

from flatrender.fonts import catalogue
from flatrender_render.media.errors import EncodeFailed, MediaUnreadable

Pixels = NDArray[np.uint8]

PREVIEW_BYTES = 15 * 1024
# Long side and quality, best first; the first that fits is sent.
_PREVIEW_LADDER = (
    (640, 82), (640, 68), (560, 62), (480, 58), (400, 52), (320, 48), (240, 40), (160, 30), (96, 20)
)  # fmt: skip


def image_of(pixels: Pixels) -> skia.Image:
    """Copy pixels into an immutable picture."""
    height, width = pixels.shape[:2]
    info = skia.ImageInfo.Make(
        width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType, skia.ColorSpace.MakeSRGB()
    )
    # A snapshot of memory that Skia does not own is a copy; MakeRasterData of the binding keeps
    # no hold on its data (seen: pictures full of other pictures).
    surface = skia.Surface.MakeRasterDirect(info, np.ascontiguousarray(pixels))
    return surface.makeImageSnapshot()


def scaled(image: skia.Image, width: int, height: int) -> skia.Image:
    """Return the picture at another size, filtered with mipmaps when it shrinks."""
    surface = skia.Surface.MakeRaster(
        skia.ImageInfo.Make(
            width,
            height,
            skia.kBGRA_8888_ColorType,
            skia.kPremul_AlphaType,
            skia.ColorSpace.MakeSRGB(),
        )
    )
    surface.getCanvas().drawImageRect(
        image,
        skia.Rect.MakeWH(width, height),
        skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear),
    )
    return surface.makeImageSnapshot()


def png(pixels: Pixels) -> bytes:
    """Return the pixels as PNG, without an alpha channel where all is opaque.

    Light compression: a snapshot is waited for, and Skia's own (zlib 6) takes up to ten times as
    long for a tenth of the size.
    """
    height, width = pixels.shape[:2]
    straight = np.empty_like(pixels, order="C")
    info = skia.ImageInfo.Make(
        width,
        height,
        skia.kRGBA_8888_ColorType,
        skia.kUnpremul_AlphaType,
        skia.ColorSpace.MakeSRGB(),
    )
    if not image_of(pixels).readPixels(info, straight, width * 4, 0, 0):
        raise EncodeFailed(f"no picture of {width}x{height}")
    picture = Image.frombuffer("RGBA", (width, height), straight, "raw", "RGBA", 0, 1)
    if int(straight[..., 3].min(initial=255)) == 255:
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def jpeg(pixels: Pixels, width: int | None = None, quality: int = 85) -> bytes:
    """Return the pixels as JPEG, ``width`` pixels wide where given; transparency shows black."""
    image = image_of(pixels)
    if width is not None and width != image.width():
        image = scaled(image, width, max(1, round(image.height() * width / image.width())))
    return _encoded(image, skia.EncodedImageFormat.kJPEG, quality)


def _encoded(image: skia.Image, kind: skia.EncodedImageFormat, quality: int) -> bytes:
    data = image.encodeToData(kind, quality)
    if data is None:
        raise EncodeFailed(f"no picture of {image.width()}x{image.height()}")
    return bytes(data)


def preview(pixels: Pixels) -> str:
    """Return a data URL with a JPEG of at most 15 KB: as large and good as fits."""
    image = image_of(pixels)
    longest = max(image.width(), image.height())
    data = b""
    for side, quality in _PREVIEW_LADDER:
        scale = min(1.0, side / longest)
        small = scaled(
            image, max(1, round(image.width() * scale)), max(1, round(image.height() * scale))
        )
        data = _encoded(small, skia.EncodedImageFormat.kJPEG, quality)
        if len(data) <= PREVIEW_BYTES:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def frames_of(video: Path, wanted: Sequence[int]) -> list[Pixels]:
    """Decode the given frames of a video (any order, repeats allowed) as opaque BGRA.

    Raises ``MediaUnreadable`` when one of them does not exist.
    """
    found: dict[int, Pixels] = {}
    try:
        with av.open(str(video), format="mp4") as container:
            stream = container.streams.video[0]
            base = stream.time_base * Fraction(stream.average_rate or 0) if stream.time_base else 0
            if not base:
                raise MediaUnreadable(f"{video.name}: no frame rate")
            for number in sorted(set(wanted)):
                # Seeking lands on the key frame before; at most one GOP is decoded in vain.
                container.seek(int(number / base), stream=stream)
                for frame in container.decode(stream):
                    if frame.pts is not None and round(frame.pts * base) >= number:
                        found[number] = _bgra(frame)
                        break
    except (av.FFmpegError, IndexError, OSError) as error:
        raise MediaUnreadable(f"{video.name}: {error}") from error
    if missing := [number for number in wanted if number not in found]:
        raise MediaUnreadable(f"{video.name}: no frame {missing[0]}")
    return [found[number] for number in wanted]


def _bgra(frame: av.VideoFrame) -> Pixels:
    converted = frame.reformat(
        format="bgra",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return converted.to_ndarray().astype(np.uint8, copy=False)


def spread(total: int, count: int) -> list[int]:
    """Return ``count`` frame numbers spread evenly over ``total`` frames, in the middle of parts.

    The first and last frames often show nothing yet or nothing any more.
    """
    return [min(total - 1, int((i + 0.5) * total / count)) for i in range(count)]


def timecode(frame: int, fps: int) -> str:
    """Return ``m:ss:ff``."""
    seconds, rest = divmod(frame, fps)
    return f"{seconds // 60}:{seconds % 60:02d}:{rest:02d}"


def contact_sheet(
    pictures: Sequence[tuple[int, Pixels]], fps: int, columns: int = 3, cell: int = 480
) -> bytes:
    """Return a PNG with the pictures (frame number, pixels) in rows, each with its timecode.

    ``cell`` is the long side of each picture in pixels.
    """
    height, width = pictures[0][1].shape[:2]
    scale = cell / max(width, height)
    w, h = round(width * scale), round(height * scale)
    gap, strip = 12, 26
    rows = -(-len(pictures) // columns)
    surface = skia.Surface(
        gap + min(columns, len(pictures)) * (w + gap), gap + rows * (h + strip + gap)
    )
    canvas = surface.getCanvas()
    canvas.clear(0xFF17181C)
    font = skia.Font(label_typeface(), 15)
    ink = skia.Paint(Color=0xFFC9CCD6, AntiAlias=True)
    for index, (frame, pixels) in enumerate(pictures):
        x = gap + index % columns * (w + gap)
        y = gap + index // columns * (h + strip + gap)
        canvas.drawImage(scaled(image_of(pixels), w, h), x, y)
        canvas.drawString(f"{timecode(frame, fps)}   #{frame}", x + 2, y + h + 18, font, ink)
    return _encoded(surface.makeImageSnapshot(), skia.EncodedImageFormat.kPNG, 100)


def label_typeface(weight: int = 500) -> skia.Typeface:
    """Return the bundled Latin typeface: machines without any font draw the same letters."""
    fonts = [font for font in catalogue() if font.family == "Inter"]
    chosen = min(fonts, key=lambda font: abs(font.weight - weight))
    # A font manager of its own: the default one would read the system's font configuration.
    return skia.FontMgr.New_Custom_Empty().makeFromFile(str(chosen.path))


def sheet_of(video: Path, output: Path, count: int = 6) -> int:
    """Write a contact sheet of ``count`` frames of a video as PNG; return its size in bytes.

    Raises ``MediaUnreadable``.
    """
    try:
        with av.open(str(video), format="mp4") as container:
            stream = container.streams.video[0]
            total, fps = stream.frames, round(float(stream.average_rate or 0))
    except (av.FFmpegError, IndexError, OSError) as error:
        raise MediaUnreadable(f"{video.name}: {error}") from error
    if total < 1 or fps < 1:
        raise MediaUnreadable(f"{video.name}: no frames")
    wanted = spread(total, count)
    pictures = list(zip(wanted, frames_of(video, wanted), strict=True))
    return output.write_bytes(contact_sheet(pictures, fps))


def poster_of(video: Path, frame: int, width: int | None = None) -> bytes:
    """Return one frame of a video as JPEG. Raises ``MediaUnreadable``."""
    return jpeg(frames_of(video, [frame])[0], width)
