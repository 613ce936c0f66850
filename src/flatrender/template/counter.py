"""Numbers that count up in a text layer: a number slot on a text document.

Owns the member ``flatrender.count`` that a text layer's ``t.d`` may carry beside its ``sid``, and
the texts it stands for. An animation holds the keyframes of its default value, so that any player
shows it; the engine makes them anew for the customer's number. Times are frames.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from flatrender.text import PERSIAN_NUMERALS

MEMBER = "flatrender"
_MAX_STEPS = 120
# Next to digits the bidi algorithm takes a percent sign for a part of the number and sets it on
# the right (UAX #9, W5); a right-to-left mark between them keeps it on the left, where Persian
# has it.
_PERCENT, _RIGHT_TO_LEFT_MARK = "٪", "\u200f"


class Count(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a number counts: from ``start`` at frame ``first`` to its value at ``last``.

    ``decimals`` digits after the point; ``numerals`` ``fa`` writes Persian digits and separators,
    and a ``٪`` that follows stands to the left of the number.
    """

    first: float
    last: float
    start: float = 0.0
    decimals: int = 0
    grouped: bool = True
    numerals: Literal["fa", "en"] = "en"
    prefix: str = ""
    suffix: str = ""

    def text(self, value: float) -> str:
        """Return a number as the layer shows it."""
        digits = min(max(self.decimals, 0), 6)
        shown = f"{value:,.{digits}f}" if self.grouped else f"{value:.{digits}f}"
        if float(shown.replace(",", "")) == 0:
            shown = shown.removeprefix("-")
        if self.numerals == "fa":
            shown = shown.translate(PERSIAN_NUMERALS)
            if self.suffix.startswith(_PERCENT):
                shown += _RIGHT_TO_LEFT_MARK
        return f"{self.prefix}{shown}{self.suffix}"

    def steps(self, value: float) -> list[tuple[float, str]]:
        """Return (frame, text) wherever the text changes; quick at first, then settling."""
        out = [(self.first, self.text(self.start))]
        length = max(self.last - self.first, 0.0)
        count = min(int(length / 2), _MAX_STEPS)  # every second frame: faster cannot be read
        for step in range(1, count):
            at = step / count
            eased = 1.0 - (1.0 - at) ** 4
            text = self.text(self.start + (value - self.start) * eased)
            if text != out[-1][1]:
                out.append((self.first + length * at, text))
        final = self.text(value)
        if out[-1][1] != final:
            out.append((self.last, final))
        return out


def count_of(document: Any) -> Count | None:
    """Return the count of a text layer's ``t.d``, or None where it has none or it is malformed."""
    told = document.get(MEMBER) if isinstance(document, dict) else None
    count = told.get("count") if isinstance(told, dict) else None
    if count is None:
        return None
    try:
        return msgspec.convert(count, Count)
    except msgspec.ValidationError:
        return None


def counting(document: dict[str, Any], value: float) -> dict[str, Any]:
    """Return a copy of ``t.d`` that counts to ``value`` in the style of its first keyframe.

    Raises ValueError where the document has no count or no keyframe.
    """
    count = count_of(document)
    frames = document.get("k")
    if count is None or not isinstance(frames, list) or not frames:
        raise ValueError("the text does not count")
    style = frames[0].get("s") if isinstance(frames[0], dict) else None
    if not isinstance(style, dict):
        raise ValueError("the text has no style")
    keys = [
        {"t": at if i else min(at, 0.0), "s": {**style, "t": text}}
        for i, (at, text) in enumerate(count.steps(value))
    ]
    return {**document, "k": keys}
