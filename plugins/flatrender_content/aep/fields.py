"""Where facts lie inside the chunks of a project file, and how they are decoded.

Offsets are public knowledge (LottieFiles' lottie-docs, "Parsing AEP Files"), checked against
projects whose Bodymovin exports are known. Times are fractions: a 32-bit number over another.
"""

import struct
from dataclasses import dataclass
from pathlib import PureWindowsPath

import msgspec
from msgspec import Struct

from flatrender.template.project_scan import FootageKind
from flatrender_content.aep.errors import ProjectRefused
from flatrender_content.aep.rifx import Chunk, Rifx

FOLDER, COMP, FOOTAGE = 1, 4, 7
ASSET_LAYER, LIGHT_LAYER, CAMERA_LAYER, TEXT_LAYER, SHAPE_LAYER = range(5)
_FRACTION = struct.Struct(">II")
_SIGNED = struct.Struct(">iI")
_TO_THE_END = 0xFFFFFFFF
_YEARS = 86_400.0  # no comp is longer than a day
_NAME_MAX = 1024

_PICTURES = frozenset(
    {
        "ai",
        "bmp",
        "cin",
        "dng",
        "dpx",
        "eps",
        "exr",
        "gif",
        "heic",
        "hdr",
        "iff",
        "jpeg",
        "jpg",
        "pdf",
        "png",
        "psb",
        "psd",
        "pct",
        "rla",
        "rpf",
        "sgi",
        "svg",
        "tga",
        "tif",
        "tiff",
        "webp",
    }
)
_SOUNDS = frozenset({"aac", "aif", "aiff", "flac", "m4a", "mp3", "ogg", "wav", "wma"})
_VIDEOS = frozenset(
    {
        "3gp",
        "avi",
        "crm",
        "dv",
        "flv",
        "m2t",
        "m2ts",
        "m4v",
        "mkv",
        "mov",
        "mp4",
        "mpeg",
        "mpg",
        "mts",
        "mxf",
        "r3d",
        "ts",
        "vob",
        "webm",
        "wmv",
    }
)


@dataclass(frozen=True, slots=True)
class CompFacts:
    """``cdta``."""

    width: int
    height: int
    fps: float
    duration: float
    work_start: float
    work_end: float


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """``ldta``; times are the comp's seconds. ``start`` is where the source begins, ``audible``
    the switch of its sound."""

    id: int
    in_point: float
    out_point: float
    enabled: bool
    is_null: bool
    is_adjustment: bool
    source_id: int
    name: str
    kind: int
    parent_id: int
    start: float
    audible: bool


class Alias(Struct, frozen=True):
    """``alas``: where a footage file lay, as JSON."""

    fullpath: str = ""
    target_is_folder: bool = False


def item_facts(file: Rifx, chunk: Chunk) -> tuple[int, int]:
    """Return kind and id of an item (``idta``)."""
    data = file.bytes(chunk, 20)
    return int.from_bytes(data[0:2], "big"), int.from_bytes(data[16:20], "big")


def comp_facts(file: Rifx, chunk: Chunk) -> CompFacts:
    """Return what a comp is (``cdta``). Raises ``ProjectRefused`` for what cannot be."""
    data = file.bytes(chunk, 160)
    duration = _seconds(data, 44, chunk)
    width, height = struct.unpack_from(">HH", data, 140)
    whole, part = struct.unpack_from(">HH", data, 156)
    fps = whole + part / 65_536
    for what, value in (("width", width), ("height", height), ("duration", duration), ("fps", fps)):
        if not value > 0:
            raise ProjectRefused("value_invalid", chunk.start, what=what, value=value)
    if fps > 999:
        raise ProjectRefused("value_invalid", chunk.start, what="fps", value=fps)
    to_end = int.from_bytes(data[36:40], "big") == _TO_THE_END
    return CompFacts(
        width=width,
        height=height,
        fps=round(fps, 4),
        duration=duration,
        work_start=_seconds(data, 28, chunk),
        work_end=duration if to_end else _seconds(data, 36, chunk),
    )


def layer_facts(file: Rifx, chunk: Chunk) -> LayerFacts:
    """Return what a layer is (``ldta``)."""
    data = file.bytes(chunk, 136)
    begins = _signed_seconds(data, 12, chunk)  # in and out count from here
    flags = data[37:40]
    return LayerFacts(
        id=int.from_bytes(data[0:4], "big"),
        in_point=_rounded(begins + _signed_seconds(data, 20, chunk)),
        out_point=_rounded(begins + _signed_seconds(data, 28, chunk)),
        enabled=bool(flags[2] & 0x01),
        is_null=bool(flags[1] & 0x80),
        is_adjustment=bool(flags[1] & 0x02),
        source_id=int.from_bytes(data[40:44], "big"),
        name=text_of(data[64:96]),
        kind=data[131],
        parent_id=int.from_bytes(data[132:136], "big"),
        start=begins,
        audible=bool(flags[2] & 0x02),
    )


def source_facts(file: Rifx, chunk: Chunk) -> tuple[int, int, float]:
    """Return width, height and duration of footage (``sspc``); stills last 0 seconds."""
    data = file.bytes(chunk, 46)
    width, _, height = struct.unpack_from(">HHH", data, 32)
    above, below = _FRACTION.unpack_from(data, 38)
    return width, height, _rounded(above / below) if below else 0.0


def option_facts(file: Rifx, chunk: Chunk) -> tuple[bytes, str]:
    """Return the format of footage and, of a solid, its name (``opti``)."""
    data = file.bytes(chunk, 4)
    return data[:4], text_of(data[26:282]) if data[:4] == b"Soli" else ""


def alias_of(file: Rifx, chunk: Chunk) -> Alias:
    """Return where a footage file lay; empty when that is not written as it should be."""
    try:
        return msgspec.json.decode(file.bytes(chunk), type=Alias)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Alias()


def kind_of(path: str, form: bytes) -> FootageKind:
    """Return what a footage file is, by its name."""
    if form == b"Soli":
        return "solid"
    if not path:
        return "placeholder"
    suffix = PureWindowsPath(path.replace("/", "\\")).suffix[1:].lower()
    kinds: tuple[tuple[frozenset[str], FootageKind], ...] = (
        (_PICTURES, "image"),
        (_VIDEOS, "video"),
        (_SOUNDS, "audio"),
    )
    return next((kind for suffixes, kind in kinds if suffix in suffixes), "other")


def text_of(data: bytes) -> str:
    """Return a name: UTF-8 up to a NUL, without control characters, of bounded length."""
    text = data.split(b"\0", 1)[0].decode("utf-8", "replace")[:_NAME_MAX]
    return "".join(c for c in text if c.isprintable() or c in "\u200c\u200d")


def _seconds(data: bytes, at: int, chunk: Chunk) -> float:
    above, below = _FRACTION.unpack_from(data, at)
    return _checked(above, below, chunk.start + at)


def _signed_seconds(data: bytes, at: int, chunk: Chunk) -> float:
    above, below = _SIGNED.unpack_from(data, at)
    return _checked(above, below, chunk.start + at)


def _checked(above: int, below: int, offset: int) -> float:
    if below == 0 or abs(above) > below * _YEARS:
        raise ProjectRefused("value_invalid", offset, what="time", value=f"{above}/{below}")
    return _rounded(above / below)


def _rounded(seconds: float) -> float:
    return round(seconds, 6)
