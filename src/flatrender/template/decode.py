"""Strict decoding that finds every fault, not only the first.

msgspec stops at its first error; a designer wants them all. ``collect`` walks the value along the
Struct's own type annotations and lets msgspec judge each leaf, so there is one truth (the Struct)
and no second schema. Owns no rules of its own; never reads a file.
"""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from flatrender.template.problems import PackageProblem, problem

_MAX_PROBLEMS = 200


def escape(token: str) -> str:
    """Escape one reference token of a JSON Pointer (RFC 6901 section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def collect(value: object, kind: Any, path: str, pointer: str = "") -> list[PackageProblem]:
    """Return every reason why ``value`` (plain JSON data) is not a ``kind``; empty when it is.

    ``kind`` is a type annotation msgspec understands. At most 200 problems are returned.
    """
    return _walk(value, kind, path, pointer)[:_MAX_PROBLEMS]


def _walk(value: object, kind: Any, path: str, pointer: str) -> list[PackageProblem]:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    found = _children(value, bare, path, pointer)
    if found:
        return found
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        return [_from_msgspec(str(error), path, pointer)]
    return []


def _children(value: object, bare: Any, path: str, pointer: str) -> list[PackageProblem]:
    origin = get_origin(bare)
    if origin in (Union, types.UnionType):
        chosen = _choose(value, get_args(bare))
        return [] if chosen is None else _walk(value, chosen, path, pointer)
    if origin is list and isinstance(value, list):
        (item,) = get_args(bare)
        return [
            p
            for index, element in enumerate(value)
            for p in _walk(element, item, path, f"{pointer}/{index}")
        ]
    if origin is dict and isinstance(value, Mapping):
        _, item = get_args(bare)
        return [
            p
            for key, element in value.items()
            for p in _walk(element, item, path, f"{pointer}/{escape(str(key))}")
        ]
    if isinstance(bare, type) and issubclass(bare, Struct) and isinstance(value, Mapping):
        return _struct(value, bare, path, pointer)
    return []


def _struct(
    value: Mapping[str, object], kind: type[Struct], path: str, pointer: str
) -> list[PackageProblem]:
    found: list[PackageProblem] = []
    known = {field.encode_name: field for field in fields(kind)}
    tag_field = kind.__struct_config__.tag_field
    for name in value:
        if name not in known and name != tag_field:
            found.append(
                problem("field_unknown", path, f"{pointer}/{escape(str(name))}", field=name)
            )
    for name, field in known.items():
        if name in value:
            found += _walk(value[name], field.type, path, f"{pointer}/{name}")
        elif field.default is NODEFAULT and field.default_factory is NODEFAULT:
            found.append(problem("field_missing", path, pointer, field=name))
    return found


def _choose(value: object, options: tuple[Any, ...]) -> Any | None:
    """Return the member of a union that the value means to be, or None when it fits none."""
    if value is None or not isinstance(value, Mapping):
        plain = [o for o in options if not (isinstance(o, type) and issubclass(o, Struct))]
        real = [o for o in plain if o is not type(None)]
        return real[0] if value is not None and len(real) == 1 else None
    structs = [o for o in options if isinstance(o, type) and issubclass(o, Struct)]
    for option in structs:
        config = option.__struct_config__
        if config.tag_field is not None and value.get(config.tag_field) == config.tag:
            return option
    return structs[0] if len(structs) == 1 else None


def _from_msgspec(text: str, path: str, pointer: str) -> PackageProblem:
    # msgspec appends " - at `$.x`", which is relative to the leaf and says less than the pointer.
    reason = text.split(" - at `", 1)[0]
    code = "type_invalid" if ", got `" in reason else "value_invalid"
    return problem(code, path, pointer, reason=reason)
