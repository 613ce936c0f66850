"""What the package checks must know of a Lottie file: its length, its slots, its files and fonts.

Owns a shallow reading only: the drawing engine judges the rest. Slots are found where Bodymovin
and dotLottie v2 write them (``sid``): ``layer.t.d`` text, ``assets[]`` image, ``g`` or ``g.k``
gradient, ``c`` colour, any other property a number or colour; a text that counts is a number.
"""

import math
from typing import Literal

import msgspec
from msgspec import Struct

from flatrender.template.counter import count_of

SlotKind = Literal["text", "image", "gradient", "color", "property"]


class AnimationFacts(Struct, frozen=True, kw_only=True):
    """Facts of one ``a/<id>.json``: ``length`` in seconds, sizes in pixels, slots by ``sid``.

    ``images`` are the base names of outside pictures; ``fonts`` the families it names.
    """

    width: float
    height: float
    fps: float
    length: float
    slots: dict[str, frozenset[SlotKind]]
    images: tuple[str, ...]
    fonts: tuple[str, ...]


class NotAnAnimation(ValueError):
    """The bytes are no Lottie animation; the text says why."""


def read_facts(data: bytes) -> AnimationFacts:
    """Read the facts. Raises ``NotAnAnimation``."""
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnAnimation(f"not JSON: {error}") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("layers"), list):
        raise NotAnAnimation("no list of layers")
    width, height, fps, first, last = (_number(raw.get(k)) for k in ("w", "h", "fr", "ip", "op"))
    if width <= 0 or height <= 0 or fps <= 0 or last <= first:
        raise NotAnAnimation("w, h, fr must be positive and op above ip")
    assets = raw.get("assets")
    assets = [a for a in assets if isinstance(a, dict)] if isinstance(assets, list) else []
    return AnimationFacts(
        width=width,
        height=height,
        fps=fps,
        length=(last - first) / fps,
        slots=_slots(raw),
        images=tuple(sorted({_outside(a) for a in assets} - {""})),
        fonts=_fonts(raw),
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(value)


def _outside(asset: dict[str, object]) -> str:
    """Return the file name of a picture that is not embedded, else an empty string."""
    name = asset.get("p")
    if not isinstance(name, str) or not name or asset.get("e") == 1 or name.startswith("data:"):
        return ""
    return name.rpartition("/")[2]


def _fonts(raw: dict[str, object]) -> tuple[str, ...]:
    fonts = raw.get("fonts")
    listed = fonts.get("list") if isinstance(fonts, dict) else None
    families = {
        font["fFamily"]
        for font in (listed if isinstance(listed, list) else [])
        if isinstance(font, dict) and isinstance(font.get("fFamily"), str)
    }
    return tuple(sorted(families))


def _slots(raw: object) -> dict[str, frozenset[SlotKind]]:
    """Collect every ``sid`` and the kind of place it stands in, without recursion."""
    found: dict[str, set[SlotKind]] = {}
    stack: list[tuple[object, str, str]] = [(raw, "", "")]
    while stack:
        value, key, above = stack.pop()
        if isinstance(value, list):
            # Elements of a list keep the list's own name: assets[3] is an "assets".
            stack += [(item, key, above) for item in value if isinstance(item, dict | list)]
        elif isinstance(value, dict):
            sid = value.get("sid")
            if isinstance(sid, str) and sid:
                counts = key == "d" and above == "t" and count_of(value) is not None
                found.setdefault(sid, set()).add("property" if counts else _kind(key, above))
            stack += [
                (item, name, key) for name, item in value.items() if isinstance(item, dict | list)
            ]
    return {sid: frozenset(kinds) for sid, kinds in found.items()}


def _kind(key: str, above: str) -> SlotKind:
    if key == "assets":
        return "image"
    if key == "d" and above == "t":
        return "text"
    if key == "g" or (key == "k" and above == "g"):
        return "gradient"
    return "color" if key == "c" else "property"
