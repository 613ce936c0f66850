"""What changed between two values, for people to read. Pure; no I/O."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value that an act changed. ``path`` is a JSON pointer; ``was`` or ``is_now`` is absent
    where there was or is nothing; ``line`` says it in one line."""

    path: str
    line: str
    was: Any = msgspec.UNSET
    is_now: Any = msgspec.UNSET


def changes(before: Any, after: Any) -> list[Change]:
    """Return what differs, in the order of the paths; objects are compared by key, lists whole."""
    return list(_walk("", {} if before is None else before, {} if after is None else after))


def _walk(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            step = key.replace("~", "~0").replace("/", "~1")  # RFC 6901 section 3
            was, now = before.get(key, msgspec.UNSET), after.get(key, msgspec.UNSET)
            if msgspec.UNSET in (was, now):
                yield _change(f"{path}/{step}", was, now)
            else:
                yield from _walk(f"{path}/{step}", was, now)
    elif before != after or type(before) is not type(after):
        yield _change(path, before, after)


def _change(path: str, was: Any, now: Any) -> Change:
    name = path.lstrip("/").replace("/", ".")
    if was is msgspec.UNSET:
        line = f"+ {name}: {_text(now)}"
    elif now is msgspec.UNSET:
        line = f"- {name}: {_text(was)}"
    else:
        line = f"{name}: {_text(was)} \u2192 {_text(now)}"
    return Change(path=path, line=line, was=was, is_now=now)


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
