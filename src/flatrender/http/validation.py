"""From msgspec's words to stable field codes and JSON Pointers.

msgspec stops at the first fault and tells it as text with a path like ``$.scenes[3].key``. This
module turns that into :class:`FieldError` (RFC 6901 pointers, codes that never change) and looks
for the faults of the other fields, so that a form is corrected once. It knows no rule of any
context; a rule in a Struct's ``__post_init__`` raises :class:`FieldInvalid` to choose its own code.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Any, get_args, get_origin

import msgspec

from flatrender.errors import FieldError, FieldInvalid
from flatrender.text import PERSIAN_NUMERALS

MOST_FAULTS = 20  # of one body that are told
#: A body longer than this is no form: it is not read once more for faults behind its first one.
LONGEST_FORM = 64 * 1024

_PATH = re.compile(r" - at (?:`key` in )?`\$([^`]*)`\Z")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_LIMIT = re.compile(r"Expected `.*` (?:of length )?([<>]=) (-?[\d.]+)")
_BOUNDS = {">=": ("دست‌کم", "at least"), "<=": ("حداکثر", "at most")}
_TEXT = {
    "required": ("این فیلد لازم است", "This field is required"),
    "unknown_field": ("این فیلد پذیرفته نمی‌شود", "This field is not accepted"),
    "wrong_type": ("نوع مقدار درست نیست", "The value has the wrong type"),
    "too_small": ("مقدار کمتر از حد مجاز است", "The value is too small"),
    "too_large": ("مقدار بیشتر از حد مجاز است", "The value is too large"),
    "out_of_range": ("مقدار خارج از بازه است", "The value is out of range"),
    "too_short": ("کوتاه‌تر از حد مجاز است", "Too short"),
    "too_long": ("بلندتر از حد مجاز است", "Too long"),
    "wrong_length": ("تعداد یا طول درست نیست", "The length is wrong"),
    "pattern": ("قالب مقدار درست نیست", "The value does not match its pattern"),
    "not_multiple": ("مقدار مضرب درستی نیست", "The value is not a multiple of its step"),
    "not_allowed": ("این مقدار مجاز نیست", "The value is not one of those allowed"),
    "invalid_format": ("قالب مقدار درست نیست", "The value is not well-formed"),
    "timezone_required": ("منطقهٔ زمانی لازم است", "A time zone is required"),
    "nul_character": ("نویسهٔ تهی پذیرفته نمی‌شود", "The NUL character is not accepted"),
    "invalid": ("مقدار پذیرفته نشد", "The value is not accepted"),
}
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), code)
    for pattern, code in (
        (r"Object missing required field", "required"),
        (r"Object contains unknown field", "unknown_field"),
        (r"Expected `.*` of length >=", "too_short"),
        (r"Expected `.*` of length <=", "too_long"),
        (r"Expected `.*` of (?:at least )?length", "wrong_length"),
        (r"Expected `.*` of at most length", "too_long"),
        (r"Expected `.*` matching regex", "pattern"),
        (r"Expected `.*` that's a multiple of", "not_multiple"),
        (r"Expected `.*` >=? ", "too_small"),
        (r"Expected `.*` <=? ", "too_large"),
        (r"Expected `.*` with (?:a|no) timezone", "timezone_required"),
        (r"Expected `.*`, got", "wrong_type"),
        (r"Invalid enum value|Invalid value ", "not_allowed"),
        (r"(?:Integer value|Number|Timestamp|Duration) (?:is )?out of range", "out_of_range"),
        (r"Invalid (?:UUID|RFC3339|ISO8601|base64|decimal|epoch)", "invalid_format"),
    )
)


def field_error(pointer: str, code: str) -> FieldError:
    """Return a field error with the usual words of ``code``."""
    fa, en = _TEXT.get(code, _TEXT["invalid"])
    return FieldError(pointer=pointer, code=code, message_fa=fa, message_en=en)


def from_msgspec(error: msgspec.ValidationError, *, root: str = "") -> FieldError:
    """Translate one msgspec error; ``root`` is the pointer of the value that was converted."""
    text = str(error)
    place = _PATH.search(text)
    pointer = root + (to_pointer(place.group(1)) if place else "")
    message = text[: place.start()] if place else text
    own = error.__cause__
    if isinstance(own, FieldInvalid):
        at = f"{pointer}/{own.at}" if own.at else pointer
        return FieldError(pointer=at, code=own.code, message_fa=own.fa, message_en=own.en)
    for extra in (_MISSING, _UNKNOWN):
        if found := extra.match(message):
            pointer = f"{pointer}/{escape(found.group(1))}"
    return _from_message(pointer, message)


def every_fault(
    error: msgspec.ValidationError,
    body: bytes,
    kind: Any,
    hook: Callable[[type, Any], Any] | None = None,
) -> list[FieldError]:
    """Return the fault that stopped the decoding of a JSON body as ``kind``, then those of its
    other fields, at most :data:`MOST_FAULTS`. Rules over several fields are not asked again.
    """
    first = from_msgspec(error)
    if len(body) > LONGEST_FORM:
        return [first]
    found = {first.pointer: first}
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Behind the fault it is not even JSON.
        return [first]
    for fault in islice(_faults(value, kind, hook, ""), MOST_FAULTS):
        found.setdefault(fault.pointer, fault)
    return [*found.values()][:MOST_FAULTS]


def _faults(
    value: Any, kind: Any, hook: Callable[[type, Any], Any] | None, pointer: str
) -> Iterator[FieldError]:
    struct = _plain_struct(kind)
    if struct is None or not isinstance(value, dict):
        try:
            msgspec.json.decode(msgspec.json.encode(value), type=kind, dec_hook=hook)
        except msgspec.ValidationError as error:
            yield from_msgspec(error, root=pointer)
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in fields.items():
        place = f"{pointer}/{escape(name)}"
        if name in value:
            yield from _faults(value[name], field.type, hook, place)
        elif field.required:
            yield field_error(place, "required")
    if struct.__struct_config__.forbid_unknown_fields:
        for name in value:
            if name not in fields:
                yield field_error(f"{pointer}/{escape(name)}", "unknown_field")


def _plain_struct(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct that a JSON object becomes, when no tag decides which."""
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    is_struct = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
    return inner if is_struct and inner.__struct_config__.tag is None else None


def _from_message(pointer: str, message: str) -> FieldError:
    """Return the fault that msgspec tells; with how much is enough, which nobody can guess."""
    fault = field_error(pointer, code_of(message))
    found = _LIMIT.match(message)
    if found is None:
        return fault
    fa, en = _BOUNDS[found.group(1)]
    number = found.group(2)
    return msgspec.structs.replace(
        fault,
        message_fa=f"{fault.message_fa}: {fa} {number.translate(PERSIAN_NUMERALS)}",
        message_en=f"{fault.message_en}: {en} {number}",
    )


def code_of(message: str) -> str:
    """Return the stable code for a message of msgspec, ``invalid`` for unknown words."""
    for pattern, code in _RULES:
        if pattern.match(message):
            return code
    return "invalid"


def to_pointer(path: str) -> str:
    """Turn the part of a msgspec path behind ``$`` into a JSON Pointer.

    msgspec does not tell which key of a mapping failed (``[...]``): the pointer then ends at the
    mapping.
    """
    steps = []
    for name, index in _STEP.findall(path):
        if index == "...":
            break
        steps.append(escape(name) if name else index)
    return "".join(f"/{step}" for step in steps)


def escape(name: str) -> str:
    """Escape one reference token (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def from_litestar(extra: object) -> list[FieldError]:
    """Translate the ``extra`` list of Litestar's ValidationException.

    Body faults get a JSON Pointer, query parameters ``?name``, headers ``header:name``, cookies
    ``cookie:name``.
    """
    items = extra if isinstance(extra, list) else []
    return [_from_item(item) for item in items if isinstance(item, dict)]


def _from_item(item: dict[str, object]) -> FieldError:
    message, key = str(item.get("message", "")), str(item.get("key", ""))
    source = item.get("source", "query")
    source = str(getattr(source, "value", source))
    if source != "body":
        name = key.partition(".")[0]
        mark = {"header": "header:", "cookie": "cookie:", "path": "path:"}.get(source, "?")
        return _from_message(f"{mark}{name}", message)
    if message == "'data'":  # Litestar's KeyError text: no body at all
        return field_error("", "required")
    path = "" if key == "data" else key
    pointer = to_pointer(path if path.startswith("[") else f".{path}")
    for naming in (_MISSING, _UNKNOWN):
        if found := naming.match(message):
            pointer = f"{pointer}/{escape(found.group(1))}"
    return _from_message(pointer, message)
