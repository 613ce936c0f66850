"""From a layer to a slot, and from the text of a ``frshare`` layer to a colour. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flatrender.template.project_scan import ScanComp, ScanFootage, ScanLayer, ScanNote
from flatrender_content.aep.proposal import LayerRef, ProposedContent
from flatrender_content.aep.words import note

_MEDIA = frozenset({"image", "video", "placeholder", "solid", "other"})
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?")
_CHARS = 2000


def content_of(
    key: str,
    wanted: str,
    placed: Sequence[tuple[ScanComp, ScanLayer]],
    companions: list[LayerRef],
    footage: Mapping[int, ScanFootage],
) -> tuple[ProposedContent | None, list[ScanNote]]:
    """Return the slot of the layers of one key, and what is wrong with them.

    ``wanted`` is ``t`` (text), ``m`` (media) or ``d`` (data).
    """
    problems = [
        note("layer_kind_mismatch", f"{comp.name}/{layer.name}", key=key, kind=layer.kind)
        for comp, layer in placed
        if (layer.kind == "text") != (wanted != "m") or (wanted == "m" and layer.kind not in _MEDIA)
    ]
    if problems:
        return None, problems
    first = placed[0][1]
    layers = [
        LayerRef(comp=comp.name, comp_id=comp.id, layer=layer.name, layer_id=layer.id)
        for comp, layer in placed
    ]
    text = (first.text or "")[:_CHARS]
    kind: Literal["text", "image", "number"] = "text"
    default: str | float | None = text
    limits: dict[str, Any] = {}
    width = height = 0
    if wanted == "m":
        kind, default, limits = "image", None, {"fit": "cover"}
        source = footage.get(first.source_id or 0)
        width, height = (source.width, source.height) if source else (0, 0)
    elif wanted == "d" and _NUMBER.fullmatch(text.strip()):
        kind, default = "number", float(text)
        limits = {"minimum": min(0.0, default), "maximum": max(100.0, default * 10)}
    else:
        lines = text.count("\n") + 1
        limits = {
            "max_chars": min(_CHARS, max(40, 2 * len(text))),
            "max_lines": min(40, max(3, lines)),
            "multiline": lines > 1,
        }
    return (
        ProposedContent(
            key=key,
            type=kind,
            name=key.replace("_", " "),
            default=default,
            layers=layers,
            companions=companions,
            limits=limits,
            width=width,
            height=height,
        ),
        [],
    )


def shared_color(
    text: str,
) -> tuple[Literal["color", "switch"], str, Literal[1, 255]] | None:
    """Return kind, value and scale of a ``frshare`` text, None when it is neither.

    Four numbers are RGBA, counting to 1 or to 255; one integer 0-3 is a switch.
    """
    cleaned = text.strip().strip("[]()")
    parts = [part for part in re.split(r"[\s,;]+", cleaned) if part]
    if len(parts) == 1 and parts[0] in {"0", "1", "2", "3"}:
        return "switch", parts[0], 1
    if len(parts) != 4 or not all(
        re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?|\.[0-9]{1,9}", p) for p in parts
    ):
        return None
    numbers = [float(part) for part in parts]
    scale: Literal[1, 255] = 255 if max(numbers) > 1 else 1
    if max(numbers) > scale:
        return None
    digits = "".join(f"{round(n / scale * 255):02x}" for n in numbers)
    return (
        "color",
        "#" + digits.removesuffix("ff") if digits.endswith("ff") else "#" + digits,
        scale,
    )
