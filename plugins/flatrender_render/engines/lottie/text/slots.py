"""A customer's text in a text layer's slot (Lottie "Slots": ``layer.t.d.sid``).

Owns the one substitution: every document of the layer shows the new text in the designer's style.
"""

from collections.abc import Mapping
from typing import Any

from .document import EXTENSION

PARAGRAPH_END = "\r"  # what Lottie ends paragraphs with


def fill_text(
    text: Mapping[str, Any], value: str, *, max_lines: int | None = None, min_scale: float = 0.4
) -> dict[str, Any]:
    """Return a copy of a layer's ``t`` with ``value`` in its documents; the original stays.

    ``max_lines`` and ``min_scale`` are the slot's (``TextSlot``): they travel in the member
    ``flatrender`` of ``t``, which players ignore. Line feeds become Lottie's paragraph ends.
    """
    shown = value.replace("\r\n", "\n").replace("\n", PARAGRAPH_END)
    data = text.get("d")
    data = dict(data) if isinstance(data, Mapping) else {}
    keys = data.get("k")
    data["k"] = [
        {**key, "s": {**key["s"], "t": shown}}
        if isinstance(key, Mapping) and isinstance(key.get("s"), Mapping)
        else key
        for key in (keys if isinstance(keys, list) else [])
    ]
    data.pop("x", None)  # an expression would speak for the designer's text
    told: dict[str, Any] = {"min_scale": min_scale}
    if max_lines is not None:
        told["max_lines"] = max_lines
    return {**text, "d": data, EXTENSION: told}
