"""Small Lottie files for tests, built from words instead of pages of JSON.

``everything()`` holds one of each feature, so that fuzzing and determinism tests meet them all.
"""

import base64
import struct
import zlib
from typing import Any

Raw = dict[str, Any]


def still(value: object) -> Raw:
    """Return a property that does not move."""
    return {"a": 0, "k": value}


def moving(*frames: tuple[float, object]) -> Raw:
    """Return a property with linear keyframes ``(frame, value)``."""
    keys: list[Raw] = [
        {
            "t": t,
            "s": v if isinstance(v, list) else [v],
            "i": {"x": 1, "y": 1},
            "o": {"x": 0, "y": 0},
        }
        for t, v in frames
    ]
    return {"a": 1, "k": keys}


def rect(x: float, y: float, w: float, h: float, r: float = 0) -> Raw:
    """Return a rectangle around a centre."""
    return {"ty": "rc", "d": 1, "p": still([x, y]), "s": still([w, h]), "r": still(r)}


def ellipse(x: float, y: float, w: float, h: float) -> Raw:
    """Return an ellipse around a centre."""
    return {"ty": "el", "d": 1, "p": still([x, y]), "s": still([w, h])}


def path(points: list[list[float]], closed: bool = True) -> Raw:
    """Return a polygon or polyline."""
    return {"ty": "sh", "ks": still(contour(points, closed))}


def contour(points: list[list[float]], closed: bool = True) -> Raw:
    """Return a Bezier value with straight sides."""
    zero = [[0, 0] for _ in points]
    return {"c": closed, "v": points, "i": zero, "o": zero}


def fill(r: float, g: float, b: float, opacity: float = 100) -> Raw:
    """Return a fill."""
    return {"ty": "fl", "c": still([r, g, b, 1]), "o": still(opacity), "r": 1}


def stroke(r: float, g: float, b: float, width: float, **more: object) -> Raw:
    """Return a stroke with butt caps and mitre joins unless told otherwise."""
    return {
        "ty": "st",
        "c": still([r, g, b, 1]),
        "o": still(100),
        "w": still(width),
        "lc": 1,
        "lj": 1,
        "ml": 4,
        **more,
    }


def transform(**more: object) -> Raw:
    """Return a transform; members as in the file (``p a s r o sk sa``)."""
    base: Raw = {
        "p": still([0, 0]),
        "a": still([0, 0]),
        "s": still([100, 100]),
        "r": still(0),
        "o": still(100),
    }
    return {**base, **more}


def group(*items: Raw, **more: object) -> Raw:
    """Return a group; ``more`` goes to its transform."""
    return {"ty": "gr", "it": [*items, {"ty": "tr", **transform(**more)}]}


def layer(kind: int, **more: object) -> Raw:
    """Return a layer of a type, on from frame 0 to 60."""
    return {
        "ty": kind,
        "nm": f"layer {kind}",
        "ks": transform(),
        "ip": 0,
        "op": 60,
        "st": 0,
        **more,
    }


def shapes(*items: Raw, **more: object) -> Raw:
    """Return a shape layer."""
    return layer(4, shapes=list(items), **more)


def solid(color: str, w: float, h: float, **more: object) -> Raw:
    """Return a solid layer."""
    return layer(1, sc=color, sw=w, sh=h, **more)


def mask(points: list[list[float]], mode: str = "a", **more: object) -> Raw:
    """Return a mask with straight sides."""
    base: Raw = {"mode": mode, "pt": still(contour(points)), "o": still(100), "x": still(0)}
    return {**base, **more}


def effect(kind: int, *values: object, name: str = "") -> Raw:
    """Return an effect with its values in order."""
    return {"ty": kind, "mn": name, "en": 1, "ef": [{"ty": 0, "v": still(v)} for v in values]}


def square(x: float, y: float, size: float) -> list[list[float]]:
    """Return the corners of a square by its top left corner."""
    return [[x, y], [x + size, y], [x + size, y + size], [x, y + size]]


def document(*layers: Raw, size: int = 64, assets: list[Raw] | None = None, **more: object) -> Raw:
    """Return a whole file of 60 frames at 30 frames a second."""
    return {
        "v": "5.12.0",
        "fr": 30,
        "ip": 0,
        "op": 60,
        "w": size,
        "h": size,
        "assets": assets or [],
        "layers": list(layers),
        **more,
    }


def png(width: int, height: int, rgba: tuple[int, int, int, int] = (255, 0, 0, 255)) -> bytes:
    """Return a PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\0" + bytes(rgba) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def data_uri(data: bytes, kind: str = "image/png") -> str:
    """Return bytes as a ``data:`` URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def everything() -> Raw:
    """Return a file that holds every feature the engine draws, once."""
    star: Raw = {
        "ty": "sr",
        "sy": 1,
        "d": 3,
        "p": still([30, 30]),
        "pt": still(5),
        "r": moving((0, 0), (60, 90)),
        "or": still(20),
        "os": still(10),
        "ir": still(9),
        "is": still(5),
    }
    gradient: Raw = {
        "o": still(100),
        "s": still([0, 0]),
        "e": still([60, 0]),
        "t": 1,
        "g": {"p": 2, "k": {"a": 0, "k": [0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0.2], "sid": "sky"}},
    }
    radial: Raw = {**gradient, "t": 2, "h": still(40), "a": still(30)}
    dashes = [
        {"n": "d", "v": still(4)},
        {"n": "g", "v": still(3)},
        {"n": "o", "v": moving((0, 0), (60, 20))},
    ]
    repeater: Raw = {
        "ty": "rp",
        "c": still(4),
        "o": still(0.5),
        "m": 2,
        "tr": transform(
            p=still([8, 2]), s=still([90, 110]), r=still(10), so=still(100), eo=still(30)
        ),
    }
    easing: Raw = {"i": {"x": [0.6], "y": [1.2]}, "o": {"x": [0.3], "y": [0]}}
    travel: Raw = {
        "a": 1,
        "k": [
            {"t": 0, "s": [5, 5, 0], "to": [10, 0, 0], "ti": [0, -10, 0], **easing},
            {"t": 30, "s": [40, 40, 0], "h": 1},
            {"t": 45, "s": [20, 10, 0]},
        ],
    }
    inside = [
        shapes(
            group(rect(20, 20, 30, 20, 4), fill(0.2, 0.7, 0.4)), group(star, fill(1, 1, 0)), ind=1
        ),
        solid("#3366cc", 50, 50, ind=2, bm=3),
    ]
    layers = [
        shapes(
            group(
                star,
                {
                    "ty": "tm",
                    "s": still(10),
                    "e": moving((0, 20), (60, 100)),
                    "o": still(40),
                    "m": 2,
                },
                stroke(1, 0, 0, 3, d=dashes),
            ),
            group(
                rect(20, 20, 20, 10),
                {"ty": "rd", "r": still(3)},
                {**gradient, "ty": "gf", "r": 2},
                sk=still(20),
                sa=still(30),
            ),
            group(
                ellipse(40, 40, 20, 10),
                {"ty": "zz", "s": still(2), "r": still(3), "pt": still(2)},
                {**gradient, "ty": "gs", "w": still(2), "lc": 2, "lj": 2},
            ),
            group(
                path(square(5, 40, 15)),
                {"ty": "pb", "a": still(30)},
                {**radial, "ty": "gf", "r": 1},
            ),
            group(
                path([[0, 0], [30, 30], [60, 0]], closed=False),
                {"ty": "op", "a": still(3), "lj": 2, "ml": still(4)},
                stroke(0, 0, 1, 1),
            ),
            group(
                rect(45, 15, 10, 10),
                {"ty": "tw", "a": still(60), "c": still([45, 15])},
                fill(0, 1, 1),
                o=still(60),
            ),
            group(
                rect(20, 50, 14, 14),
                ellipse(26, 50, 14, 14),
                {"ty": "mm", "mm": 5},
                fill(0.5, 0, 0.5),
            ),
            group(rect(10, 10, 6, 6), fill(0, 0, 0), repeater),
            ind=1,
            ao=1,
            ks=transform(p=travel, r=still(5)),
        ),
        solid(
            "#ff8800",
            40,
            40,
            ind=2,
            parent=6,
            masksProperties=[
                mask(square(2, 2, 30), "a", f=still([4, 8])),
                mask(square(10, 10, 30), "s", o=still(50)),
                mask(square(4, 4, 20), "f", inv=True, x=still(2)),
                mask(square(4, 4, 30), "l", x=still(-1)),
                mask(square(0, 0, 60), "d"),
                mask(square(1, 1, 38), "i"),
            ],
        ),
        shapes(group(ellipse(30, 30, 40, 40), fill(1, 1, 1)), ind=3, td=1),
        layer(
            0,
            refId="comp",
            w=60,
            h=60,
            ind=4,
            tt=3,
            tm=moving((0, 0), (60, 1)),
            sr=1,
            ef=[
                effect(29, 4, 1, 0),
                effect(25, [0, 0, 0, 1], 128, 135, 5, 6, 0),
                effect(20, [0, 0, 0, 1], [1, 0, 0, 1], 50),
                effect(23, [1, 1, 1, 1], [0.5, 0, 0, 1], [0, 0, 0, 1], 20),
            ],
        ),
        layer(
            2,
            refId="pic",
            ind=5,
            bm=1,
            ks=transform(p=still([30, 30]), o=moving((0, 0), (30, 100))),
            ef=[
                effect(21, 0, 0, [0, 1, 0, 1], 0, 0, 0, 0.5),
                effect(5, 10, 20, name="ADBE Brightness & Contrast 2"),
                effect(5, 1, 30, name="ADBE Invert"),
                effect(24, *([0] * 3), 0.1, 0.9, 1.2, 0, 1),
            ],
            sy=[
                {
                    "ty": 1,
                    "c": still([0, 0, 0, 1]),
                    "o": still(75),
                    "a": still(120),
                    "d": still(4),
                    "s": still(5),
                }
            ],
        ),
        layer(3, ind=6, ks=transform(p={"s": True, "x": moving((0, 0), (60, 20)), "y": still(3)})),
        layer(
            0,
            refId="comp",
            w=60,
            h=60,
            ind=7,
            st=5,
            sr=2,
            tt=2,
            tp=3,
            ks=transform(s=still([80, 80]), o=still(70)),
        ),
    ]
    assets: list[Raw] = [
        {"id": "comp", "layers": inside},
        {"id": "pic", "w": 20, "h": 16, "p": data_uri(png(10, 8)), "e": 1, "sid": "photo"},
    ]
    return document(*layers, assets=assets)
