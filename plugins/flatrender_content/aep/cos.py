"""COS: the notation of text documents inside a project (PDF 32000-1:2008, section 7.3).

Objects are dictionaries, arrays, names, numbers, strings and words. Read with a stack of its own,
so that nesting costs no recursion, and bounded. Nothing is ever executed.
"""

import re
from typing import TypeAlias

from flatrender_content.aep.errors import ProjectRefused

Value: TypeAlias = "dict[str, Value] | list[Value] | str | float | bool | None"

_DEPTH = 64
_TOKENS = 500_000
_TOKEN = re.compile(
    rb"[\x00\t\n\x0c\r ]*(?:(<<)|(>>)|(\[)|(\])|/([^\x00\t\n\x0c\r ()<>\[\]/%]*)|(\()"
    rb"|<([0-9A-Fa-f\x00\t\n\x0c\r ]*)>|([^\x00\t\n\x0c\r ()<>\[\]/%]+))"
)
_SPACE = re.compile(rb"[\x00\t\n\x0c\r ]*")
_STRING_PART = re.compile(rb"[^()\\]+")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def parse(data: bytes, offset: int = 0) -> dict[str, Value]:
    """Return the dictionary whose entries ``data`` holds (it has no brackets of its own).

    Raises ``ProjectRefused`` (``text_invalid``) at ``offset`` plus the place.
    """
    root: dict[str, Value] = {}
    stack: list[dict[str, Value] | list[Value]] = [root]
    keys: list[str | None] = [None]
    at, tokens = 0, 0

    def refuse(reason: str) -> ProjectRefused:
        return ProjectRefused("text_invalid", offset + at, reason=reason)

    def put(value: Value) -> None:
        top = stack[-1]
        if isinstance(top, list):
            top.append(value)
            return
        key = keys[-1]
        if key is None:
            raise refuse("a value without a key")
        top[key] = value
        keys[-1] = None

    while at < len(data):
        found = _TOKEN.match(data, at)
        if found is None:
            rest = _SPACE.match(data, at)
            if rest is not None and rest.end() == len(data):
                break
            raise refuse("an unknown token")
        tokens += 1
        if tokens > _TOKENS:
            raise refuse("too many tokens")
        kind = found.lastindex
        if kind in (1, 3):
            fresh: dict[str, Value] | list[Value] = {} if kind == 1 else []
            put(fresh)
            stack.append(fresh)
            keys.append(None)
            if len(stack) > _DEPTH:
                raise refuse("nested too deep")
        elif kind in (2, 4):
            if len(stack) == 1 or isinstance(stack[-1], dict) != (kind == 2):
                raise refuse("a bracket that closes nothing")
            if kind == 2 and keys[-1] is not None:
                raise refuse("a key without a value")
            stack.pop()
            keys.pop()
        elif kind == 5:
            name = found.group(5).decode("latin-1")
            if isinstance(stack[-1], dict) and keys[-1] is None:
                keys[-1] = name
            else:
                put(name)
        elif kind == 6:
            text, at = _string(data, found.end(), offset)
            put(_decoded(text))
            continue
        elif kind == 7:
            digits = b"".join(found.group(7).replace(b"\0", b" ").split())
            put(_decoded(bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())))
        else:
            put(_word(found.group(8)))
        at = found.end()
    if len(stack) > 1:
        raise refuse("it ends inside a bracket")
    return root


def dig(value: Value, *path: str | int) -> Value:
    """Return what lies at ``path``, None where there is nothing."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _word(text: bytes) -> Value:
    if text in (b"true", b"false"):
        return text == b"true"
    try:
        return float(text)
    except ValueError:
        return None  # null, and words that nobody asks for


def _string(data: bytes, at: int, offset: int) -> tuple[bytes, int]:
    """Return a literal string and the place after it (7.3.4.2); parentheses may be nested."""
    parts: list[bytes] = []
    depth = 1
    while at < len(data):
        if found := _STRING_PART.match(data, at):
            parts.append(found.group())
            at = found.end()
            continue
        sign = data[at : at + 1]
        at += 1
        if sign == b"\\":
            escape = data[at : at + 1]
            at += 1
            if escape in b"01234567" and escape:
                digits = escape
                while len(digits) < 3 and data[at : at + 1] in {b"%d" % d for d in range(8)}:
                    digits += data[at : at + 1]
                    at += 1
                parts.append(bytes([int(digits, 8) & 0xFF]))
            elif escape == b"\r" and data[at : at + 1] == b"\n":
                at += 1
            elif escape not in (b"\r", b"\n"):
                parts.append(_ESCAPES.get(escape, escape))
            continue
        depth += 1 if sign == b"(" else -1
        if depth == 0:
            return b"".join(parts), at
        parts.append(sign)
    raise ProjectRefused("text_invalid", offset + at, reason="it ends inside a string")


def _decoded(text: bytes) -> str:
    if text.startswith(b"\xfe\xff"):
        return text[2:].decode("utf-16-be", "replace")
    return text.decode("latin-1")
