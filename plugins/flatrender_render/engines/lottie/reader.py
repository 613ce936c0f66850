"""Typed access to the raw JSON of a Lottie file: bounded, and exact about where a fault lies.

Owns decoding and the ``Obj`` cursor, through which every other module reads. Never knows what a
member means. A member of a wrong type raises ``InvalidLottieError`` with its JSON pointer; a
missing member gives the caller's default, as players do.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from .errors import InvalidLottieError, LottieLimitError, Unsupported
from .limits import Deadline, Limits

# Skia computes in 32-bit floats: beyond this a coordinate means nothing and overflows follow.
MAX_NUMBER = 1e7


def decode(data: bytes, limits: Limits) -> dict[str, Any]:
    """Decode UTF-8 JSON to a dict. Raises ``LottieLimitError`` or ``InvalidLottieError``."""
    if len(data) > limits.json_bytes:
        raise LottieLimitError(f"the file is larger than {limits.json_bytes} bytes")
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    # A flood of brackets is refused before the parser recurses into it.
    try:
        raw = msgspec.json.decode(data)
    except RecursionError:
        raise LottieLimitError(f"nested deeper than {limits.depth}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidLottieError(f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise InvalidLottieError("the file is not a JSON object")
    return raw


def check_bounds(raw: object, limits: Limits) -> None:
    """Check depth and number of values of a decoded file without recursion.

    A value met again inside itself (possible only in a mapping built by hand) is a fault of depth.
    """
    stack: list[tuple[object, int]] = [(raw, 0)]
    count = 0
    while stack:
        value, depth = stack.pop()
        if isinstance(value, Mapping):
            children: Sequence[object] = list(value.values())
        elif isinstance(value, list | tuple):
            children = value
        else:
            continue
        count += len(children)
        if depth >= limits.depth:
            raise LottieLimitError(f"nested deeper than {limits.depth}")
        if count > limits.values:
            raise LottieLimitError(f"more than {limits.values} values")
        deeper = depth + 1
        stack.extend((c, deeper) for c in children if isinstance(c, Mapping | list | tuple))


class Document:
    """What is shared while one file is read: limits, running counts, the report."""

    __slots__ = (
        "_seen",
        "counts",
        "deadline",
        "fps",
        "limits",
        "motions",
        "unsupported",
        "version",
    )

    def __init__(self, limits: Limits, deadline: Deadline | None = None) -> None:
        self.limits = limits
        self.deadline = deadline or Deadline(limits.frame_seconds)
        self.counts: dict[str, int] = {}
        self.unsupported: list[Unsupported] = []
        self._seen: set[tuple[str, str]] = set()
        self.version: tuple[int, ...] = ()
        self.fps = 60.0
        # Spans of motion of the properties read since the last reset (see ``stillness``).
        self.motions: list[tuple[float, float]] = []

    def count(self, what: str, amount: int, limit: int, where: "Obj") -> None:
        """Add to a running count; raise ``LottieLimitError`` beyond ``limit``."""
        total = self.counts.get(what, 0) + amount
        self.counts[what] = total
        if total > limit:
            raise LottieLimitError(f"more than {limit} {what}", where.pointer)

    def report(self, name: str, where: "Obj") -> None:
        """Note that a feature is not drawn; once per feature and layer."""
        layer = where.layer_name()
        key = (name, layer)
        if key in self._seen or len(self.unsupported) >= self.limits.unsupported:
            return
        self._seen.add(key)
        place = f"{layer}: {where.pointer}" if layer else where.pointer
        self.unsupported.append(Unsupported(name, place))


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


class Obj:
    """A cursor on one JSON object; knows its path from the root for error messages."""

    __slots__ = ("doc", "key", "parent", "raw")

    def __init__(
        self,
        raw: Mapping[str, Any],
        doc: Document,
        parent: "Obj | None" = None,
        key: tuple[str | int, ...] = (),
    ) -> None:
        self.raw = raw
        self.doc = doc
        self.parent = parent
        self.key = key

    @property
    def pointer(self) -> str:
        """JSON pointer (RFC 6901) of this object."""
        parts: list[str] = []
        node: Obj | None = self
        while node is not None:
            parts[:0] = [str(k).replace("~", "~0").replace("/", "~1") for k in node.key]
            node = node.parent
        return "".join(f"/{p}" for p in parts)

    def layer_name(self) -> str:
        """Name of the layer that holds this object, or an empty string."""
        node: Obj | None = self
        while node is not None:
            if node.key and len(node.key) == 2 and node.key[0] == "layers":
                name = node.raw.get("nm")
                return name if isinstance(name, str) else f"layer {node.key[1]}"
            node = node.parent
        return ""

    def fail(self, key: str | int | None, message: str) -> InvalidLottieError:
        """Build the error for a member (``None``: this object itself)."""
        at = self.pointer if key is None else f"{self.pointer}/{key}"
        return InvalidLottieError(message, at)

    def report(self, name: str) -> None:
        """Report an unsupported feature here."""
        self.doc.report(name, self)

    def has(self, key: str) -> bool:
        """Whether the member exists and is not null."""
        return self.raw.get(key) is not None

    def child(self, key: str) -> "Obj | None":
        """Return the object member, or ``None`` where absent."""
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.fail(key, f"expected an object, not {_kind(value)}")
        return Obj(value, self.doc, self, (key,))

    def need(self, key: str) -> "Obj":
        """Return the object member; absent is an error."""
        found = self.child(key)
        if found is None:
            raise self.fail(key, "missing")
        return found

    def objects(self, key: str) -> "Iterator[Obj]":
        """Yield the objects of a list member (absent: none)."""
        for i, value in enumerate(self.list(key)):
            if not isinstance(value, Mapping):
                raise self.fail(f"{key}/{i}", f"expected an object, not {_kind(value)}")
            yield Obj(value, self.doc, self, (key, i))

    def list(self, key: str) -> list[Any]:
        """Return the list member (absent: an empty list)."""
        value = self.raw.get(key)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise self.fail(key, f"expected a list, not {_kind(value)}")
        return value if isinstance(value, list) else list(value)

    def num(self, key: str, default: float = 0.0) -> float:
        """Return a finite number. Booleans count as 0 and 1; numeric text as its number."""
        value = self.raw.get(key)
        return default if value is None else number(self, key, value)

    def int(self, key: str, default: int = 0) -> int:
        """Return a whole number (a fraction is cut off, as JavaScript players do)."""
        return int(self.num(key, default))

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a boolean; numbers count as in JavaScript."""
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        return number(self, key, value) != 0

    def text(self, key: str, default: str = "") -> str:
        """Return a string; a number becomes its decimal text (ids are sometimes numbers)."""
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise self.fail(key, f"expected text, not {_kind(value)}")


def number(obj: Obj, key: str | int, value: object) -> float:
    """Check one number: finite, clamped to what 32-bit floats can draw."""
    if isinstance(value, str):  # "sw", "sh" and version-like numbers occur as text
        try:
            value = float(value)
        except ValueError:
            raise obj.fail(key, "expected a number, not text") from None
    if not isinstance(value, int | float):
        raise obj.fail(key, f"expected a number, not {_kind(value)}")
    try:
        result = float(value)
    except OverflowError:
        raise obj.fail(key, "the number is too large") from None
    if not math.isfinite(result):
        raise obj.fail(key, "the number is not finite")
    if -MAX_NUMBER <= result <= MAX_NUMBER:
        return result
    return math.copysign(MAX_NUMBER, result)


def numbers(obj: Obj, key: str | int, value: object) -> tuple[float, ...]:
    """Check a list of numbers, or one number standing for a list of one."""
    if isinstance(value, list | tuple):
        return tuple(
            float(v)
            if type(v) is float and -MAX_NUMBER <= v <= MAX_NUMBER
            else number(obj, f"{key}/{i}", v)
            for i, v in enumerate(value)
        )
    return (number(obj, key, value),)
