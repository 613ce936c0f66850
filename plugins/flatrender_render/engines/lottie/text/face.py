"""One font: what it covers, shapes and draws. HarfBuzz reads it; Skia only ever sees outlines.

Owns checking of font data, which may come from anyone: size and container are checked here,
HarfBuzz sanitises each table as it reads it, and outlines are cut off at a bound. All lengths are
in ems; y grows downward, as on the canvas.
"""

import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import skia
import uharfbuzz

from .errors import BadFontError

hb: Any = uharfbuzz  # its stubs name nothing of the native module

MAX_FONT_BYTES = 24 * 1024 * 1024
MAX_GLYPH_SEGMENTS = 20_000
_MAGIC = frozenset({b"\x00\x01\x00\x00", b"OTTO", b"true", b"ttcf"})
_CONTEXT = 8
_LANGUAGES = {"Arab": "fa", "Hebr": "he", "Latn": "en"}

Color = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Glyph:
    """A shaped glyph: its number, the code point index it belongs to, advance and offset (em)."""

    gid: int
    cluster: int
    advance: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class ColorLayer:
    """One flat piece of a colour glyph; ``color`` None takes the text's own."""

    path: skia.Path
    color: Color | None


class _Pen:
    """Collects an outline from HarfBuzz's callbacks."""

    __slots__ = ("count", "path", "unit")

    def __init__(self, unit: float) -> None:
        self.path = skia.Path()
        self.unit = unit
        self.count = 0


def _move(x: float, y: float, pen: _Pen) -> None:
    pen.path.moveTo(x * pen.unit, -y * pen.unit)


def _line(x: float, y: float, pen: _Pen) -> None:
    pen.count += 1
    if pen.count <= MAX_GLYPH_SEGMENTS:
        pen.path.lineTo(x * pen.unit, -y * pen.unit)


def _quad(cx: float, cy: float, x: float, y: float, pen: _Pen) -> None:
    pen.count += 1
    u = pen.unit
    if pen.count <= MAX_GLYPH_SEGMENTS:
        pen.path.quadTo(cx * u, -cy * u, x * u, -y * u)


def _cubic(  # noqa: PLR0917 - HarfBuzz's callback
    ax: float, ay: float, bx: float, by: float, x: float, y: float, pen: _Pen
) -> None:
    pen.count += 1
    u = pen.unit
    if pen.count <= MAX_GLYPH_SEGMENTS:
        pen.path.cubicTo(ax * u, -ay * u, bx * u, -by * u, x * u, -y * u)


def _close(pen: _Pen) -> None:
    pen.path.close()


def _draw_funcs() -> Any:
    funcs = hb.DrawFuncs()
    funcs.set_move_to_func(_move)
    funcs.set_line_to_func(_line)
    funcs.set_quadratic_to_func(_quad)
    funcs.set_cubic_to_func(_cubic)
    funcs.set_close_path_func(_close)
    return funcs


class _Paint:
    """Collects flat colour layers; anything richer (gradients, groups) marks it as refused."""

    __slots__ = ("layers", "refused")

    def __init__(self) -> None:
        self.layers: list[tuple[int, Color | None]] = []
        self.refused = False


def _fill(gid: int, color: Any, foreground: bool, paint: _Paint) -> None:
    rgba = (color.red / 255, color.green / 255, color.blue / 255, color.alpha / 255)
    paint.layers.append((gid, None if foreground else rgba))


def _refuse(*args: object) -> None:
    paint = args[-1]
    if isinstance(paint, _Paint):
        paint.refused = True


def _paint_funcs() -> Any:
    funcs = hb.PaintFuncs()
    funcs.set_fill_glyph_func(_fill)
    funcs.set_push_transform_func(_refuse)
    funcs.set_push_clip_rectangle_func(_refuse)
    funcs.set_linear_gradient_func(_refuse)
    funcs.set_radial_gradient_func(_refuse)
    funcs.set_sweep_gradient_func(_refuse)
    funcs.set_push_group_func(_refuse)
    return funcs


_DRAW = _draw_funcs()
_PAINT = _paint_funcs()


class Face:
    """A font ready to shape. Raises ``BadFontError`` for data that is no usable font."""

    def __init__(self, data: bytes, name: str = "", family: str = "", weight: int = 400) -> None:
        self.name = name
        self.family = family
        self.weight = weight
        data = check_font(data, name)
        tables = table_tags(data)
        if not {b"cmap", b"hmtx"} <= tables or not tables & {b"glyf", b"CFF ", b"CFF2"}:
            raise BadFontError(f"font {name!r} has no outlines or no character map")
        face = hb.Face(hb.Blob(data))
        upem = face.upem
        if face.glyph_count < 1 or not 16 <= upem <= 16384:
            raise BadFontError(f"font {name!r} has no glyphs")
        self._hb = hb.Font(face)
        self._unit = 1.0 / upem
        self._paths: dict[int, skia.Path] = {}
        self._colors: dict[int, tuple[ColorLayer, ...] | None] = {}
        self.coverage = frozenset(face.unicodes)
        self.colored: bool = face.has_color_layers

    @classmethod
    def from_file(cls, path: Path, family: str = "", weight: int = 400) -> "Face":
        """Read a font file."""
        return cls(path.read_bytes(), path.stem, family, weight)

    def covers(self, char: str) -> bool:
        """Whether the font has a glyph for the character."""
        return ord(char) in self.coverage

    @cached_property
    def ascent(self) -> float:
        """Height of ``d`` (After Effects' first baseline), else of alef, else of the font."""
        for char in "dا":
            gid = self._hb.get_nominal_glyph(ord(char))
            if gid:
                extents = self._hb.get_glyph_extents(gid)
                if extents is not None and extents.y_bearing > 0:
                    return float(extents.y_bearing * self._unit)
        return 0.75

    @cached_property
    def descent(self) -> float:
        """How far below the baseline the font reaches, positive."""
        extents = self._hb.get_font_extents("ltr")
        return float(min(max(-extents.descender * self._unit, 0.0), 1.0))

    def shape(
        self, text: list[int], start: int, end: int, *, rtl: bool, script: str
    ) -> list[Glyph]:
        """Shape a range of a paragraph's code points, from left to right.

        The text around the range is told to HarfBuzz, so that letters join across fonts.
        """
        # HarfBuzz looks at five characters of context; a long text of short runs must not be
        # handed over whole for each of them.
        low, high = max(start - _CONTEXT, 0), min(end + _CONTEXT, len(text))
        buffer = hb.Buffer()
        buffer.add_codepoints(text[low:high], start - low, end - start)
        buffer.direction = "rtl" if rtl else "ltr"
        buffer.script = script
        buffer.language = _LANGUAGES.get(script, "en")
        flags = hb.BufferFlags(0)
        if start == 0:
            flags |= hb.BufferFlags.BOT
        if end == len(text):
            flags |= hb.BufferFlags.EOT
        buffer.flags = flags
        hb.shape(self._hb, buffer, {})
        u = self._unit
        return [
            Glyph(i.codepoint, i.cluster + low, p.x_advance * u, p.x_offset * u, -p.y_offset * u)
            for i, p in zip(buffer.glyph_infos, buffer.glyph_positions or (), strict=True)
        ]

    def outline(self, gid: int) -> skia.Path:
        """Return the glyph's outline for one em. Shared: callers must not change it."""
        path = self._paths.get(gid)
        if path is None:
            pen = _Pen(self._unit)
            self._hb.draw_glyph(gid, _DRAW, pen)
            path = pen.path if pen.path.isFinite() else skia.Path()
            self._paths[gid] = path
        return path

    def color_layers(self, gid: int) -> tuple[ColorLayer, ...] | None:
        """Return the pieces of a colour glyph (COLR version 0), or ``None`` for a plain one."""
        if not self.colored:
            return None
        if gid not in self._colors:
            paint = _Paint()
            self._hb.paint_glyph(gid, _PAINT, paint)
            flat = not paint.refused and any(color is not None for _, color in paint.layers)
            self._colors[gid] = (
                tuple(ColorLayer(self.outline(g), c) for g, c in paint.layers[:1000])
                if flat
                else None
            )
        return self._colors[gid]


def check_font(data: bytes, name: str = "") -> bytes:
    """Check size and container; return plain OpenType (WOFF 1.0 is unpacked).

    Raises ``BadFontError``.
    """
    if len(data) > MAX_FONT_BYTES:
        raise BadFontError(f"font {name!r} is larger than {MAX_FONT_BYTES} bytes")
    magic = bytes(data[:4])
    if magic == b"wOFF":
        return _unpack_woff(data, name)
    if magic == b"wOF2":
        raise BadFontError(f"font {name!r} is WOFF2; packages carry TrueType or OpenType fonts")
    if magic not in _MAGIC or len(data) < 64:
        raise BadFontError(f"font {name!r} is no TrueType or OpenType font")
    return bytes(data)


def table_tags(data: bytes) -> set[bytes]:
    """Return the tags of the tables of the (first) font; an unreadable directory has none."""
    try:
        start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
        count = struct.unpack_from(">H", data, start + 4)[0]
        return {struct.unpack_from(">4s", data, start + 12 + 16 * n)[0] for n in range(count)}
    except struct.error:
        return set()


def _unpack_woff(data: bytes, name: str) -> bytes:
    """Unpack WOFF 1.0 (W3C recommendation, section 3), never beyond the size it declares."""
    bad = BadFontError(f"font {name!r} is a broken WOFF file")
    try:
        flavor, _, count = struct.unpack_from(">4sIH", data, 4)
        entries = [struct.unpack_from(">4sIIII", data, 44 + 20 * n) for n in range(count)]
    except struct.error:
        raise bad from None
    total = sum(length for _, _, _, length, _ in entries)
    if flavor not in _MAGIC or not 0 < count <= 256 or total > MAX_FONT_BYTES:
        raise bad
    head, body = b"", b""
    offset = 12 + 16 * count
    for tag, start, packed, length, checksum in sorted(entries):
        raw = data[start : start + packed]
        if packed < length:
            unpacker = zlib.decompressobj()
            try:
                raw = unpacker.decompress(raw, length)
            except zlib.error:
                raise bad from None
        if len(raw) != length:
            raise bad
        head += struct.pack(">4sIII", tag, checksum, offset + len(body), length)
        body += raw + b"\0" * (-length % 4)
    power = max(count.bit_length() - 1, 0)
    search = 16 << power
    header = struct.pack(">4sHHHH", flavor, count, search, power, count * 16 - search)
    return header + head + body
