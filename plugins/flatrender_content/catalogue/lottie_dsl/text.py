"""Text documents and their animators.

Owns text layers' ``t`` member (Lottie specification 1.0, "Text"). Persian letters join, so the
animators here work by word or by line; a range that names characters would fall back to words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from flatrender_content.catalogue.lottie_dsl.shapes import Color
from flatrender_content.catalogue.lottie_dsl.values import (
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

Align = Literal["left", "right", "center"]
VerticalAlign = Literal["top", "center", "bottom"]
By = Literal["characters", "words", "lines"]
_ALIGN: dict[Align, int] = {"left": 0, "right": 1, "center": 2}
_VERTICAL: dict[VerticalAlign, int] = {"top": 0, "center": 1, "bottom": 2}
_BY: dict[By, int] = {"characters": 1, "words": 3, "lines": 4}
_RAMP_UP, _SQUARE = 2, 1


@dataclass(frozen=True, slots=True)
class Face:
    """A font of the file: its name in ``fonts.list``, family and style."""

    name: str
    family: str
    style: str
    ascent: float = 75.0

    def entry(self) -> Json:
        """Return the row of Lottie's font list."""
        return {
            "fName": self.name,
            "fFamily": self.family,
            "fStyle": self.style,
            "ascent": self.ascent,
        }


def document(
    text: str,
    face: Face,
    size: float,
    *,
    color: str = "#ffffff",
    align: Align = "center",
    vertical: VerticalAlign = "center",
    area: Vec,
    leading: float = 1.3,
    tracking: float = 0.0,
    sid: str | None = None,
) -> Json:
    """Return the text document of a box text; ``area`` is x, y, width, height in the layer."""
    style: Json = {
        "t": text.replace("\n", "\r"),
        "f": face.name,
        "s": number(size),
        "fc": list(rgb(color)[:3]),
        "j": _ALIGN[align],
        "vj": _VERTICAL[vertical],
        "tr": number(tracking),
        "lh": number(size * leading),
        "ls": 0,
        "sz": plain(area[2:]),
        "ps": plain(area[:2]),
    }
    out: Json = {"k": [{"s": style, "t": 0}]}
    if sid:
        out["sid"] = sid
    return out


def selector(
    *,
    by: By = "words",
    start: Value = 0.0,
    end: Value = 100.0,
    offset: Value = 0.0,
    ramp: bool = False,
) -> Json:
    """Return a range selector in percent; ``ramp`` spreads it like After Effects' Ramp Up."""
    return {
        "t": 0,
        "xe": prop(0.0),
        "ne": prop(80.0 if ramp else 0.0),  # a ramp's arrivals settle instead of stopping
        "a": prop(100.0),
        "b": _BY[by],
        "rn": 0,
        "sh": _RAMP_UP if ramp else _SQUARE,
        "s": prop(start),
        "e": prop(end),
        "o": prop(offset),
        "sm": prop(100.0),
        "r": 1,
    }


def animator(
    select: Json,
    *,
    position: Value | None = None,
    scale: Value | None = None,
    rotation: Value | None = None,
    opacity: Value | None = None,
    color: Color | None = None,
    tracking: Value | None = None,
    name: str = "animator",
) -> Json:
    """Return one animator: what the selected letters look like at full effect."""
    change: Json = {}
    if position is not None:
        change["p"] = prop(position)
    if scale is not None:
        change["s"] = prop(scale)
    if rotation is not None:
        change["r"] = prop(rotation)
    if opacity is not None:
        change["o"] = prop(opacity)
    if color is not None:
        change["fc"] = color_prop(color)
    if tracking is not None:
        change["t"] = prop(tracking)
    return {"nm": name, "s": select, "a": change}


def paint(color: Slotted) -> Json:
    """Return the animator that gives the whole text a palette colour."""
    return animator(selector(), color=color, name="palette")


def text_member(doc: Json, animators: Sequence[Json], *, anchor: Vec = (0.0, 0.0)) -> Json:
    """Return the layer's ``t``: anchor grouping is by word, so scales grow from the word."""
    return {"d": doc, "p": {}, "m": {"g": 2, "a": prop(anchor)}, "a": list(animators)}
