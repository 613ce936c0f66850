"""Old files brought to the present form before anything is read.

Bodymovin changed its format over the years; the version that wrote a file stands in ``v``. Each
function here undoes one change and says when it came. The raw JSON given is never changed: what
differs is copied.
"""

from collections.abc import Callable
from typing import Any

Raw = dict[str, Any]


def version_of(raw: Raw) -> tuple[int, ...]:
    """Return ``v`` as numbers; a missing or unreadable one counts as present."""
    text = raw.get("v")
    if not isinstance(text, str):
        return (99, 0, 0)
    parts: list[int] = []
    for piece in text.split(".")[:3]:
        digits = "".join(c for c in piece if c.isdigit())[:6]
        if not digits:
            return (99, 0, 0)
        parts.append(int(digits))
    return (*parts, 0, 0)[:3]


def upgrade(raw: Raw) -> Raw:
    """Return the file as the present version would write it."""
    version = version_of(raw)
    steps: list[Callable[[Raw], Raw]] = []
    if version < (4, 1, 9):
        steps.append(_colors)
    if version < (4, 4, 14):
        steps.append(_text)
    if version < (4, 4, 18):
        steps.append(_closed)
    for step in steps:
        raw = _each_layer(raw, step)
    return raw


def _each_layer(raw: Raw, change: Callable[[Raw], Raw]) -> Raw:
    """Apply a change to the layers of all compositions."""

    def layers(holder: object) -> object:
        if not isinstance(holder, dict) or not isinstance(holder.get("layers"), list):
            return holder
        changed = [change(v) if isinstance(v, dict) else v for v in holder["layers"]]
        return {**holder, "layers": changed}

    result = layers(raw)
    assert isinstance(result, dict)  # noqa: S101 - layers() returns what it was given or a dict
    if isinstance(result.get("assets"), list):
        result = {**result, "assets": [layers(asset) for asset in result["assets"]]}
    return result


def _each_shape(items: object, change: Callable[[Raw], Raw]) -> object:
    if not isinstance(items, list):
        return items
    out: list[object] = []
    for item in items:
        if not isinstance(item, dict):
            out.append(item)
        elif item.get("ty") == "gr":
            out.append({**item, "it": _each_shape(item.get("it"), change)})
        else:
            out.append(change(item))
    return out


def _colors(layer: Raw) -> Raw:
    """Before 4.1.9, colours of fills and strokes ran from 0 to 255."""

    def scaled(value: object) -> object:
        if isinstance(value, list):
            return [
                v / 255 if isinstance(v, int | float) and not isinstance(v, bool) else v
                for v in value
            ]
        return value

    def change(item: Raw) -> Raw:
        color = item.get("c")
        if item.get("ty") not in {"fl", "st"} or not isinstance(color, dict):
            return item
        value = color.get("k")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            frames = [
                {**f, **{key: scaled(f[key]) for key in ("s", "e") if key in f}}
                if isinstance(f, dict)
                else f
                for f in value
            ]
            return {**item, "c": {**color, "k": frames}}
        return {**item, "c": {**color, "k": scaled(value)}}

    if "shapes" not in layer:
        return layer
    return {**layer, "shapes": _each_shape(layer["shapes"], change)}


def _text(layer: Raw) -> Raw:
    """Before 4.4.14, a text layer held its document itself instead of keyframes of it."""
    text = layer.get("t")
    if not isinstance(text, dict) or not isinstance(text.get("d"), dict):
        return layer
    document = text["d"]
    if "k" in document:
        return layer
    return {**layer, "t": {**text, "d": {"k": [{"s": document, "t": 0}]}}}


def _closed(layer: Raw) -> Raw:
    """Before 4.4.18, ``closed`` stood on the shape and the mask instead of in the path."""

    def close(path: object, closed: bool) -> object:
        if isinstance(path, dict) and "v" in path:
            return {"c": closed, **path}
        if isinstance(path, list):
            return [close(p, closed) for p in path]
        return path

    def with_closed(prop: object, closed: bool) -> object:
        if not isinstance(prop, dict):
            return prop
        value = prop.get("k")
        if isinstance(value, list):
            frames = [
                {**f, **{key: close(f[key], closed) for key in ("s", "e") if key in f}}
                if isinstance(f, dict)
                else f
                for f in value
            ]
            return {**prop, "k": frames}
        return {**prop, "k": close(value, closed)}

    def change(item: Raw) -> Raw:
        if item.get("ty") == "sh" and "closed" in item:
            return {**item, "ks": with_closed(item.get("ks"), bool(item["closed"]))}
        return item

    result = layer
    if "shapes" in result:
        result = {**result, "shapes": _each_shape(result["shapes"], change)}
    masks = result.get("masksProperties")
    if isinstance(masks, list):
        changed = [
            {**m, "pt": with_closed(m.get("pt"), bool(m["cl"]))}
            if isinstance(m, dict) and "cl" in m and "pt" in m
            else m
            for m in masks
        ]
        result = {**result, "masksProperties": changed}
    return result
