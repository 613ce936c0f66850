"""Runs alone in a process that bounds itself: what a picture, sound, video or font is, as JSON.

Memory and time are capped by the kernel before a byte is read, so a hostile file costs this
process and nothing else. A picture is decoded whole once its pixels are known to be few enough;
of a sound or video no more than its first frame, of a font its tables and some of its outlines.
Imports nothing of ours: it is run by path.
"""

import contextlib
import json
import sys
from typing import Any

SECONDS = 20
MEMORY = 1 << 30
_FONT_TABLES = {"head", "hhea", "hmtx", "maxp", "cmap", "name"}
_OUTLINES = {"glyf", "CFF ", "CFF2", "CBDT", "sbix", "SVG "}
_GLYPHS_TRIED = 64


def main(kind: str, path: str, pixel_cap: int, side_cap: int) -> None:
    """Print the facts of ``path``; any failure is a non-zero exit."""
    _bound()
    if kind == "picture":
        found = _picture(path, pixel_cap, side_cap)
    else:
        found = {"sound": _sound, "font": _font}[kind](path)
    print(json.dumps(found))


def _bound() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # no rlimits on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def _picture(path: str, pixel_cap: int, side_cap: int) -> dict[str, object]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # our own cap answers with the size
    with Image.open(path) as image:
        width, height = image.size
        if width * height > pixel_cap or max(width, height) > side_cap:
            return {"too_large": True, "width": width, "height": height}
        image.load()
        alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # EXIF: shown on its side
            width, height = height, width
        return {"width": width, "height": height, "alpha": alpha}


def _sound(path: str) -> dict[str, object]:
    import av

    with av.open(path, options={"protocol_whitelist": "file"}) as container:
        streams = [*container.streams.audio, *container.streams.video]
        next(container.decode(streams[0]))
        if container.duration is not None:
            seconds = container.duration / 1_000_000
        else:
            stream = streams[0]
            seconds = float((stream.duration or 0) * (stream.time_base or 0))
        return {"duration": seconds, "video": bool(container.streams.video)}


def _font(path: str) -> dict[str, object]:
    """Open a font as the engine will (OpenType 1.9): its tables, its characters, its outlines."""
    import uharfbuzz
    from fontTools.pens.boundsPen import ControlBoundsPen
    from fontTools.ttLib import TTFont

    hb: Any = uharfbuzz  # its stubs name nothing of the native module
    pen: Any = ControlBoundsPen  # has no types
    head: Any

    with TTFont(path, lazy=True) as font:
        tables = set(font.keys())
        if not tables >= _FONT_TABLES or not tables & _OUTLINES:
            raise ValueError("tables are missing")
        head = font["head"]  # tables know their fields by what they read
        if not 16 <= head.unitsPerEm <= 16_384 or not font["maxp"].numGlyphs:
            raise ValueError("no usable size")
        characters = font.getBestCmap() or {}
        if not characters:
            raise ValueError("no characters")
        names = list(dict.fromkeys(characters.values()))
        glyphs = font.getGlyphSet()
        for name in names[:: max(1, len(names) // _GLYPHS_TRIED)]:
            font["hmtx"][name]
            if tables & {"glyf", "CFF ", "CFF2"}:
                glyphs[name].draw(pen(glyphs))
        sample = "".join(map(chr, list(characters)[:_GLYPHS_TRIED]))
    shaper = hb.Font(hb.Face(hb.Blob.from_file_path(path)))
    buffer = hb.Buffer()
    buffer.add_str(sample)
    buffer.guess_segment_properties()
    hb.shape(shaper, buffer)
    return {}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
