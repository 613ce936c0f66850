"""Slots: the places of an animation that a customer fills (Lottie "Slots", member ``sid``).

Owns finding them in the raw file, telling their kind, and putting values in. Values go into a copy
of the file that shares everything they do not touch, so that reading it again is cheap.

Colour on ``c.sid`` of fills and strokes (and of any property that holds a colour), text on
``t.d.sid`` of a text layer, image on ``assets[i].sid``, gradient on ``g.sid`` or ``g.k.sid``,
number on any property's ``sid``. A layer may accompany a text slot and go with it when it is empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flatrender.template.composition import ImageRef, SlotValue
from flatrender.template.counter import count_of, counting
from flatrender.template.manifest import GradientStop

from .assets import AssetSource, ImageValue
from .errors import LottieAssetError, LottieSlotError
from .reader import MAX_NUMBER
from .text import fill_text

Kind = Literal["text", "color", "image", "gradient", "number"]
Path = tuple[str | int, ...]
Raw = dict[str, Any]

HEX_LENGTHS = (4, 7, 9)  # with the leading #


@dataclass(frozen=True, slots=True)
class TextValue:
    """Words for a text slot, with the slot's own bounds (``TextSlot`` of the manifest)."""

    text: str
    max_lines: int | None = None
    min_scale: float = 0.4


Value = SlotValue | ImageValue | TextValue | bytes


@dataclass(frozen=True, slots=True)
class SlotInfo:
    """One slot: its kind, what it holds by default, an image's box, how often it is used."""

    kind: Kind
    default: object
    width: float = 0.0
    height: float = 0.0
    uses: int = 1


@dataclass(frozen=True, slots=True)
class SlotUse:
    """One place of a slot in the raw file: the path to the object that carries ``sid``."""

    sid: str
    kind: Kind | None
    path: Path


def find_uses(raw: Raw) -> list[SlotUse]:
    """Find every object that carries a ``sid``, in file order."""
    found: list[SlotUse] = []
    stack: list[tuple[object, Path]] = [
        (raw[key], (key,)) for key in ("layers", "assets") if key in raw
    ]
    while stack:
        value, path = stack.pop()
        if isinstance(value, list):
            children: list[tuple[str | int, object]] = list(enumerate(value))
        elif isinstance(value, dict):
            sid = value.get("sid")
            if isinstance(sid, str) and sid:
                found.append(SlotUse(sid, kind_of(value, path), path))
            children = list(value.items())
        else:
            continue
        stack.extend((v, (*path, k)) for k, v in reversed(children) if isinstance(v, dict | list))
    return found


def kind_of(holder: Raw, path: Path) -> Kind | None:
    """Tell a slot's kind from where it stands and what it holds; ``None`` for none we fill."""
    if len(path) == 2 and path[0] == "assets":
        return "image"
    if path[-2:] == ("t", "d"):
        return "text" if count_of(holder) is None else "number"
    if path[-1] == "g" or path[-2:] == ("g", "k"):
        return "gradient"
    value: object = holder.get("k")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0].get("s")
    if isinstance(value, str):
        return "color"
    if isinstance(value, list):
        numbers = len(value)
        if path[-1] in {"c", "fc", "sc"} or (path[-1] == "v" and numbers == 4):
            return "color"
        return "number" if numbers == 1 else None
    if value is None and path[-1] == "c":
        return "color"
    return "number"


def describe(raw: Raw, uses: Sequence[SlotUse]) -> dict[str, SlotInfo]:
    """Return what each slot is. Slots used as two kinds are errors."""
    infos: dict[str, SlotInfo] = {}
    for use in uses:
        if use.kind is None:
            continue
        known = infos.get(use.sid)
        if known is not None:
            if known.kind != use.kind:
                pointer = "/" + "/".join(map(str, use.path))
                raise LottieSlotError(
                    f"slot {use.sid!r} is used as {known.kind} and as {use.kind}", pointer
                )
            infos[use.sid] = SlotInfo(
                known.kind, known.default, known.width, known.height, known.uses + 1
            )
            continue
        holder = at_path(raw, use.path)
        width, height = 0.0, 0.0
        if use.kind == "image":
            width, height = (_plain_number(holder.get(k)) for k in ("w", "h"))
        infos[use.sid] = SlotInfo(use.kind, _default(holder, use.kind), width, height)
    return infos


def at_path(raw: Any, path: Path) -> Raw:
    """Return the object at a path."""
    for key in path:
        raw = raw[key]
    result: Raw = raw
    return result


def _plain_number(value: object) -> float:
    if not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        return 0.0
    return float(value)


def _default(holder: Raw, kind: Kind) -> object:
    value: Any = holder.get("k")
    if kind == "image":
        return holder.get("p")
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0].get("s")
    if kind == "number" and isinstance(value, dict):
        return None  # a counting text: its last words are the number, but not as one
    if kind == "text":
        return value.get("t", "") if isinstance(value, dict) else ""
    if kind == "number" and isinstance(value, list):
        return value[0] if value else 0.0
    if kind == "color" and isinstance(value, list):
        rgb = [min(max(_plain_number(v), 0.0), 1.0) for v in value[:3]]
        return "#" + "".join(f"{round(v * 255):02x}" for v in rgb)
    if kind == "gradient" and isinstance(value, dict):
        return value.get("k")
    return value


def replace(raw: Raw, changes: Mapping[Path, Raw]) -> Raw:
    """Return the file with the objects at some paths replaced; the rest is shared."""
    if not changes:
        return raw
    copied: dict[Path, Any] = {(): dict(raw)}
    # Outer objects first: what lies within them is then put into their new form.
    for path, new in sorted(changes.items(), key=lambda change: len(change[0])):
        for depth in range(1, len(path)):
            if path[:depth] in copied:
                continue
            parent = copied[path[: depth - 1]]
            child = parent[path[depth - 1]]
            child = dict(child) if isinstance(child, dict) else list(child)
            parent[path[depth - 1]] = child
            copied[path[:depth]] = child
        copied[path[:-1]][path[-1]] = new
        copied[path] = new
    result: Raw = copied[()]
    return result


def apply_file_slots(raw: Raw, uses: Sequence[SlotUse]) -> Raw:
    """Put the file's own slot values (member ``slots``, each with ``p``) into their places."""
    slots = raw.get("slots")
    if not isinstance(slots, dict):
        return raw
    changes: dict[Path, Raw] = {}
    for use in uses:
        entry = slots.get(use.sid)
        value = entry.get("p") if isinstance(entry, dict) else None
        if isinstance(value, dict):
            changes[use.path] = {**at_path(raw, use.path), **value, "sid": use.sid}
    return replace(raw, changes)


def fill(
    raw: Raw,
    uses: Sequence[SlotUse],
    values: Mapping[str, Value],
    assets: AssetSource | None,
) -> tuple[Raw, dict[str, ImageValue]]:
    """Return the file with values put in, and the pictures by slot.

    Raises ``LottieSlotError`` for ids that the file does not have and values of a wrong kind.
    """
    by_sid: dict[str, list[SlotUse]] = {}
    for use in uses:
        if use.kind is not None:
            by_sid.setdefault(use.sid, []).append(use)
    changes: dict[Path, Raw] = {}
    images: dict[str, ImageValue] = {}
    for sid, value in values.items():
        places = by_sid.get(sid)
        if not places:
            raise LottieSlotError(f"there is no slot {sid!r}")
        for use in places:
            holder = at_path(raw, use.path)
            if use.kind == "image":
                images[sid] = image_value(sid, value, assets)
                # A new object, so that what was read from the old one is not used again.
                changes[use.path] = dict(holder)
            elif use.kind == "text":
                # The slot stands on the documents; the text layer's data is around them.
                place = use.path[:-1]
                changes[place] = text_value(sid, value, at_path(raw, place))
            else:
                changes[use.path] = substitute(sid, use.kind, holder, value, use.path)
    return _hide_companions(replace(raw, changes), values), images


def _hide_companions(raw: Raw, values: Mapping[str, Value]) -> Raw:
    """Hide the layers that only accompany a text (a button, a badge) where that text is empty.

    A layer names the slot it accompanies: ``"flatrender": {"with": sid}``.
    """
    words = {k: v.text if isinstance(v, TextValue) else v for k, v in values.items()}
    empty = {k for k, v in words.items() if isinstance(v, str) and not v.strip()}
    if not empty:
        return raw
    hidden: dict[Path, Raw] = {}
    stacks: list[tuple[Path, object]] = [(("layers",), raw.get("layers"))]
    assets = raw.get("assets")
    for number, asset in enumerate(assets if isinstance(assets, list) else []):
        if isinstance(asset, dict):
            stacks.append((("assets", number, "layers"), asset.get("layers")))
    for path, layers in stacks:
        for number, layer in enumerate(layers if isinstance(layers, list) else []):
            told = layer.get("flatrender") if isinstance(layer, dict) else None
            slot = told.get("with") if isinstance(told, dict) else None
            if isinstance(slot, str) and slot in empty:
                hidden[*path, number] = {**layer, "hd": True}
    return replace(raw, hidden)


def image_value(sid: str, value: Value, assets: AssetSource | None) -> ImageValue:
    """Return the picture that a value names or is."""
    if isinstance(value, ImageValue):
        return value
    if isinstance(value, bytes):
        return ImageValue(value)
    if isinstance(value, ImageRef):
        data = assets.read(value.object_key) if assets is not None else None
        if data is None:
            raise LottieAssetError(f"the picture of slot {sid!r} cannot be found")
        return ImageValue(data, value.focus_x, value.focus_y, value.zoom)
    raise LottieSlotError(f"slot {sid!r} takes a picture")


def text_value(sid: str, value: Value, data: Raw) -> Raw:
    """Return a text layer's data holding the words."""
    if isinstance(value, str):
        value = TextValue(value)
    if not isinstance(value, TextValue):
        raise LottieSlotError(f"slot {sid!r} takes text")
    return fill_text(data, value.text, max_lines=value.max_lines, min_scale=value.min_scale)


def substitute(sid: str, kind: Kind | None, holder: Raw, value: Value, path: Path) -> Raw:
    """Return the object of a slot holding the value."""
    if kind == "color":
        if not isinstance(value, str) or not _is_hex(value):
            raise LottieSlotError(f"slot {sid!r} takes a colour #rrggbb")
        return {"a": 0, "k": value, "sid": sid}
    if kind == "number":
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise LottieSlotError(f"slot {sid!r} takes a number")
        if not -MAX_NUMBER <= value <= MAX_NUMBER:  # not a number fails this as well
            raise LottieSlotError(f"slot {sid!r} takes a finite number")
        if path[-2:] == ("t", "d"):
            return counting(holder, value)
        return {"a": 0, "k": value, "sid": sid}
    if not isinstance(value, list) or len(value) < 2:
        raise LottieSlotError(f"slot {sid!r} takes a gradient of at least two stops")
    if not all(isinstance(stop, GradientStop) for stop in value):
        raise LottieSlotError(f"slot {sid!r} takes a list of gradient stops")
    flat = _gradient(sid, value)
    colors: Raw = {"p": len(value), "k": {"a": 0, "k": flat}}
    if path[-1] == "g":
        return {**colors, "sid": sid}
    # On ``g.k`` the count lies outside; every stop brings its alpha, so the reader finds it.
    return {"a": 0, "k": flat, "sid": sid, "p": len(value)}


def _is_hex(text: str) -> bool:
    return (
        len(text) in HEX_LENGTHS
        and text[0] == "#"
        and all(c in "0123456789abcdefABCDEF" for c in text[1:])
    )


def _channels(text: str) -> list[float]:
    digits = text[1:] if len(text) > 4 else "".join(c * 2 for c in text[1:])
    values = [v / 255 for v in bytes.fromhex(digits)]
    return values if len(values) == 4 else [*values, 1.0]


def _gradient(sid: str, stops: Sequence[GradientStop]) -> list[float]:
    if not all(_is_hex(s.color) for s in stops):
        raise LottieSlotError(f"slot {sid!r} takes a list of gradient stops")
    ordered = sorted(stops, key=lambda s: s.at)
    colors = [_channels(s.color) for s in ordered]
    flat = [v for s, c in zip(ordered, colors, strict=True) for v in (s.at, *c[:3])]
    return flat + [v for s, c in zip(ordered, colors, strict=True) for v in (s.at, c[3])]
