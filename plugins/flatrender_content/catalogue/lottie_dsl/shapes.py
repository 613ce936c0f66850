"""Shape items and their modifiers, as Bodymovin writes them.

Owns the vocabulary of shape layers (Lottie specification 1.0, "Shapes"). Every function returns
one item; ``group`` and ``shape_layer`` hold them. Points are pixels, angles degrees, percentages
0..100.
"""

import math
from collections.abc import Sequence
from typing import Literal

from flatrender_content.catalogue.lottie_dsl.values import (
    Animated,
    Json,
    Slotted,
    Value,
    Vec,
    color_prop,
    number,
    plain,
    prop,
    rgb,
)

Color = str | Slotted | Animated
Cap = Literal["butt", "round", "square"]
_CAPS: dict[Cap, int] = {"butt": 1, "round": 2, "square": 3}


def transform_members(
    *,
    position: Value = (0.0, 0.0),
    anchor: Value = (0.0, 0.0),
    scale: Value = (100.0, 100.0),
    rotation: Value = 0.0,
    opacity: Value = 100.0,
    skew: Value = 0.0,
    position_x: Value | None = None,
    position_y: Value | None = None,
) -> Json:
    """Return the members every transform shares; ``position_x``/``_y`` split the position."""
    place: Json = prop(position)
    if position_x is not None or position_y is not None:
        base = position if isinstance(position, tuple) else (0.0, 0.0)
        place = {
            "s": True,
            "x": prop(base[0] if position_x is None else position_x),
            "y": prop(base[1] if position_y is None else position_y),
        }
    return {
        "a": prop(anchor),
        "p": place,
        "s": prop(scale),
        "r": prop(rotation),
        "o": prop(opacity),
        "sk": prop(skew),
        "sa": prop(0.0),
    }


def group(
    items: Sequence[Json],
    *,
    name: str = "group",
    position: Value = (0.0, 0.0),
    anchor: Value = (0.0, 0.0),
    scale: Value = (100.0, 100.0),
    rotation: Value = 0.0,
    opacity: Value = 100.0,
    position_x: Value | None = None,
    position_y: Value | None = None,
) -> Json:
    """Group items under a transform of their own."""
    members = transform_members(
        position=position,
        anchor=anchor,
        scale=scale,
        rotation=rotation,
        opacity=opacity,
        position_x=position_x,
        position_y=position_y,
    )
    return {"ty": "gr", "nm": name, "it": [*items, {"ty": "tr", **members}]}


def rect(size: Value, *, position: Value = (0.0, 0.0), radius: Value = 0.0) -> Json:
    """Rectangle around its centre."""
    return {"ty": "rc", "d": 1, "p": prop(position), "s": prop(size), "r": prop(radius)}


def ellipse(size: Value, *, position: Value = (0.0, 0.0)) -> Json:
    """Ellipse around its centre; ``size`` are the diameters."""
    return {"ty": "el", "d": 1, "p": prop(position), "s": prop(size)}


def star(
    points: Value,
    outer: Value,
    inner: Value,
    *,
    rotation: Value = 0.0,
    roundness: Value = 0.0,
    position: Value = (0.0, 0.0),
) -> Json:
    """Star of ``points`` tips between two radii."""
    return {
        "ty": "sr",
        "sy": 1,
        "d": 1,
        "pt": prop(points),
        "p": prop(position),
        "r": prop(rotation),
        "or": prop(outer),
        "ir": prop(inner),
        "os": prop(roundness),
        "is": prop(roundness),
    }


def polygon(points: Value, radius: Value, *, rotation: Value = 0.0) -> Json:
    """Regular polygon."""
    return {
        "ty": "sr",
        "sy": 2,
        "d": 1,
        "pt": prop(points),
        "p": prop((0.0, 0.0)),
        "r": prop(rotation),
        "or": prop(radius),
        "os": prop(0.0),
    }


def bezier(
    vertices: Sequence[Vec],
    *,
    ins: Sequence[Vec] | None = None,
    outs: Sequence[Vec] | None = None,
    closed: bool = True,
) -> Json:
    """Return a bezier value; tangents are relative to their vertex."""
    zero = [(0.0, 0.0)] * len(vertices)
    return {
        "v": [plain(v) for v in vertices],
        "i": [plain(v) for v in (ins or zero)],
        "o": [plain(v) for v in (outs or zero)],
        "c": closed,
    }


def path(shape: Json) -> Json:
    """Free path of one bezier value."""
    return {"ty": "sh", "ks": {"a": 0, "k": shape}}


def line(start: Vec, end: Vec) -> Json:
    """Open path of two points."""
    return path(bezier([start, end], closed=False))


def smooth(points: Sequence[Vec], *, tension: float = 0.35, closed: bool = False) -> Json:
    """Path through points with horizontal-ish tangents (Catmull-Rom with a tension)."""
    count = len(points)
    ins: list[Vec] = []
    outs: list[Vec] = []
    for i in range(count):
        before = points[(i - 1) % count] if closed or i else points[i]
        after = points[(i + 1) % count] if closed or i + 1 < count else points[i]
        dx, dy = (after[0] - before[0]) * tension / 2, (after[1] - before[1]) * tension / 2
        ins.append((-dx, -dy))
        outs.append((dx, dy))
    return path(bezier(points, ins=ins, outs=outs, closed=closed))


def arch(width: float, height: float) -> Json:
    """Return the bezier of an arch: half a circle on top of straight sides, around its centre."""
    r, k = width / 2, width / 2 * 0.5523
    top, bottom = -height / 2, height / 2
    return bezier(
        [(-r, bottom), (-r, top + r), (0, top), (r, top + r), (r, bottom)],
        ins=[(0, 0), (0, 0), (-k, 0), (0, -k), (0, 0)],
        outs=[(0, 0), (0, -k), (k, 0), (0, 0), (0, 0)],
    )


def rounded(width: float, height: float, radius: float, at: Vec = (0.0, 0.0)) -> Json:
    """Return the bezier of a rounded rectangle around ``at`` (for masks)."""
    r = min(radius, width / 2, height / 2)
    k = r * 0.5523
    x0, x1 = at[0] - width / 2, at[0] + width / 2
    y0, y1 = at[1] - height / 2, at[1] + height / 2
    vertices = [
        (x0 + r, y0),
        (x1 - r, y0),
        (x1, y0 + r),
        (x1, y1 - r),
        (x1 - r, y1),
        (x0 + r, y1),
        (x0, y1 - r),
        (x0, y0 + r),
    ]
    outs = [(0, 0), (k, 0), (0, 0), (0, k), (0, 0), (-k, 0), (0, 0), (0, -k)]
    ins = [(-k, 0), (0, 0), (0, -k), (0, 0), (k, 0), (0, 0), (0, k), (0, 0)]
    return bezier(vertices, ins=ins, outs=outs)


def box(width: float, height: float, at: Vec = (0.0, 0.0)) -> Json:
    """Return the bezier of a rectangle around ``at`` (for masks)."""
    w, h = width / 2, height / 2
    x, y = at[0], at[1]
    return bezier([(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)])


def circle_bezier(radius: float, at: Vec = (0.0, 0.0)) -> Json:
    """Return the bezier of a circle (for masks)."""
    k = radius * 0.5523
    x, y, r = at[0], at[1], radius
    return bezier(
        [(x, y - r), (x + r, y), (x, y + r), (x - r, y)],
        ins=[(-k, 0), (0, -k), (k, 0), (0, k)],
        outs=[(k, 0), (0, k), (-k, 0), (0, -k)],
    )


def fill(color: Color, *, opacity: Value = 100.0, even_odd: bool = False) -> Json:
    """Fill with one colour."""
    return {"ty": "fl", "c": color_prop(color), "o": prop(opacity), "r": 2 if even_odd else 1}


def stroke(
    color: Color,
    width: Value,
    *,
    opacity: Value = 100.0,
    cap: Cap = "round",
    dash: Sequence[float] = (),
    dash_offset: Value = 0.0,
) -> Json:
    """Stroke with one colour; ``dash`` alternates dash and gap lengths."""
    out: Json = {
        "ty": "st",
        "c": color_prop(color),
        "o": prop(opacity),
        "w": prop(width),
        "lc": _CAPS[cap],
        "lj": 2,
    }
    if dash:
        parts = [
            {"n": "g" if i % 2 else "d", "nm": "gap" if i % 2 else "dash", "v": prop(v)}
            for i, v in enumerate(dash)
        ]
        out["d"] = [*parts, {"n": "o", "nm": "offset", "v": prop(dash_offset)}]
    return out


Stops = Sequence[tuple[float, str, float]]


def _gradient(stops: Stops, sid: str | None) -> Json:
    """Stops are (at, colour, alpha): Lottie lists colours first, then the alphas."""
    flat: list[float] = []
    for at, color, _ in stops:
        flat += [number(at), *rgb(color)[:3]]
    if any(alpha < 1 for _, _, alpha in stops):
        for at, _, alpha in stops:
            flat += [number(at), number(alpha)]
    out: Json = {"p": len(stops), "k": {"a": 0, "k": flat}}
    if sid:
        out["sid"] = sid
    return out


def gradient_fill(
    stops: Stops,
    start: Value,
    end: Value,
    *,
    radial: bool = False,
    opacity: Value = 100.0,
    sid: str | None = None,
) -> Json:
    """Fill with a gradient from ``start`` to ``end`` (radial: centre to rim)."""
    return {
        "ty": "gf",
        "o": prop(opacity),
        "r": 1,
        "t": 2 if radial else 1,
        "g": _gradient(stops, sid),
        "s": prop(start),
        "e": prop(end),
        "h": prop(0.0),
        "a": prop(0.0),
    }


def gradient_stroke(
    stops: Stops, start: Value, end: Value, width: Value, *, opacity: Value = 100.0
) -> Json:
    """Stroke with a linear gradient."""
    return {
        "ty": "gs",
        "o": prop(opacity),
        "w": prop(width),
        "lc": 2,
        "lj": 2,
        "t": 1,
        "g": _gradient(stops, None),
        "s": prop(start),
        "e": prop(end),
    }


def trim(start: Value = 0.0, end: Value = 100.0, *, offset: Value = 0.0) -> Json:
    """Keep only the part of the paths between two percentages."""
    return {"ty": "tm", "s": prop(start), "e": prop(end), "o": prop(offset), "m": 1}


def repeater(
    copies: Value,
    *,
    position: Value = (0.0, 0.0),
    rotation: Value = 0.0,
    scale: Value = (100.0, 100.0),
    offset: Value = 0.0,
    start_opacity: Value = 100.0,
    end_opacity: Value = 100.0,
) -> Json:
    """Repeat what stands above it in the group, each copy transformed once more."""
    members = transform_members(position=position, rotation=rotation, scale=scale)
    del members["o"], members["sk"], members["sa"]
    return {
        "ty": "rp",
        "c": prop(copies),
        "o": prop(offset),
        "m": 1,
        "tr": {"ty": "tr", **members, "so": prop(start_opacity), "eo": prop(end_opacity)},
    }


def round_corners(radius: Value) -> Json:
    """Round every corner of the paths above it."""
    return {"ty": "rd", "r": prop(radius)}


def rosette(points: int, radius: float) -> Json:
    """Eight-pointed (or more) star of Persian tiles: two squares' outline as one path."""
    inner = radius * math.cos(math.pi / 4) / math.cos(math.pi / points) if points == 8 else radius
    tips: list[Vec] = []
    for i in range(points * 2):
        angle = math.pi * i / points
        length = radius if i % 2 == 0 else inner
        tips.append((length * math.sin(angle), -length * math.cos(angle)))
    return path(bezier(tips))
