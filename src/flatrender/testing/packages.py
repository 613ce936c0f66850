"""Tiny template packages for tests: a moving rectangle, a line of text, a picture, a sound.

Owns builders only; every value can be overridden so that a test says just what it is about.
"""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from PIL import Image

from flatrender.template.manifest import TemplateManifest
from flatrender.template.package import write_package

Json = dict[str, Any]


def color_slot(sid: str | None, rgb: Sequence[float]) -> Json:
    """Return a Lottie colour property, bound to a slot when ``sid`` is given."""
    prop: Json = {"a": 0, "k": [*rgb, 1]}
    if sid:
        prop["sid"] = sid
    return prop


def animation(
    *,
    width: int = 320,
    height: int = 180,
    fps: float = 30,
    frames: int = 60,
    background: Sequence[float] = (0.1, 0.1, 0.2),
    background_sid: str | None = "primary",
    box: Sequence[float] = (1.0, 0.8, 0.2),
    box_sid: str | None = "box",
    extra_layers: Sequence[Json] = (),
    assets: Sequence[Json] = (),
) -> Json:
    """Return a Lottie file: a filled background and a square that moves left to right.

    The square travels linearly over the whole animation, so any two frames differ.
    """

    def still(value: object) -> Json:
        return {"a": 0, "k": value}

    def shape(name: str, size: object, fill: Json, position: Json, index: int) -> Json:
        return {
            "ty": 4, "nm": name, "ind": index, "ip": 0, "op": frames, "st": 0, "sr": 1, "bm": 0,
            "ks": {"o": still(100), "r": still(0), "p": position, "a": still([0, 0, 0]),
                   "s": still([100, 100, 100])},
            "shapes": [{"ty": "gr", "nm": "g", "it": [
                {"ty": "rc", "nm": "r", "d": 1, "p": still([0, 0]), "s": still(size),
                 "r": still(0)},
                {"ty": "fl", "nm": "f", "c": fill, "o": still(100), "r": 1},
                {"ty": "tr", "p": still([0, 0]), "a": still([0, 0]), "s": still([100, 100]),
                 "r": still(0), "o": still(100), "sk": still(0), "sa": still(0)},
            ]}],
        }  # fmt: skip

    side = height // 3
    ease = {"x": [0.5], "y": [0.5]}
    travel: Json = {"a": 1, "k": [
        {"t": 0, "s": [side, height / 2, 0], "i": ease, "o": ease},
        {"t": frames, "s": [width - side, height / 2, 0]},
    ]}  # fmt: skip
    return {
        "v": "5.9.0", "fr": fps, "ip": 0, "op": frames, "w": width, "h": height, "nm": "t",
        "ddd": 0, "assets": list(assets),
        "layers": [
            *extra_layers,
            shape("box", [side, side], color_slot(box_sid, box), travel, 10),
            shape("background", [width, height], color_slot(background_sid, background),
                  still([width / 2, height / 2, 0]), 11),
        ],
    }  # fmt: skip


def picture(width: int = 128, height: int = 128, color: str = "#3366cc") -> bytes:
    """Return a plain PNG, see-through where the colour is (``#rrggbbaa``)."""
    buffer = io.BytesIO()
    Image.new("RGBA" if len(color) == 9 else "RGB", (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()


def silence(seconds: float = 0.1, rate: int = 8000) -> bytes:
    """Return a silent mono WAV."""
    frames = bytes(2 * int(seconds * rate))
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(frames), b"WAVE", b"fmt ", 16, 1,
                         1, rate, rate * 2, 2, 16, b"data", len(frames))  # fmt: skip
    return header + frames


def label(text: str) -> Json:
    """Return a bilingual name."""
    return {"fa": text, "en": text}


def scene(key: str = "intro", **changes: Any) -> Json:
    """Return a scene of 2 s (1..4 s) with a colour slot, for ``animation()`` named ``main``."""
    return {
        "key": key, "name": label(key), "animation": "main", "duration": 2, "min_duration": 1,
        "max_duration": 4, "slots": [
            {"type": "color", "id": "box", "name": label("box"), "default": "#ffcc33"},
        ], **changes,
    }  # fmt: skip


def variant(*scenes: Json, **changes: Any) -> Json:
    """Return a 16:9 variant of 320x180 at 30 fps."""
    return {"aspect": "16:9", "width": 320, "height": 180, "fps": 30,
            "scenes": list(scenes) or [scene()], **changes}  # fmt: skip


def manifest(**changes: Any) -> Json:
    """Return a ``flatrender.json`` as plain data, valid together with ``entries()``."""
    return {
        "format": 1, "slug": "tiny", "version": "1.0.0", "mode": "Flexible", "name": label("tiny"),
        "description": label("A tiny template"), "category": "tests", "variants": [variant()],
        "shared_colors": [{"key": "primary", "name": label("p"), "default": "#112233"}],
        "presets": [{"key": "sea", "name": label("sea"), "colors": {"primary": "#003366"}}],
        **changes,
    }  # fmt: skip


def entries(**animations: Json) -> dict[str, bytes]:
    """Return the files of the package; ``main`` is ``animation()`` unless given."""
    chosen = animations or {"main": animation()}
    return {f"a/{name}.json": msgspec.json.encode(data) for name, data in chosen.items()}


def package(data: Json | None = None, files: Mapping[str, bytes] | None = None) -> bytes:
    """Return package bytes from plain manifest data (must decode) and files."""
    decoded = msgspec.convert(data or manifest(), TemplateManifest)
    return write_package(decoded, entries() if files is None else files)


def deflated_zeros(count: int) -> bytes:
    """Return the raw deflate stream of ``count`` zero bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(count)) + packer.flush()
