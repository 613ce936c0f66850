"""A customer's value against a template's slot: pure validation and normalisation.

Studio asks on every edit, render once more at submit, the CLI for ``--slots``. Owns the codes a
value can be refused with. Never reads a file: a picture's size is told by the caller.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping

import icu
import msgspec

from flatrender.errors import FieldError
from flatrender.template.composition import ImageRef, SlotValue
from flatrender.template.decode import escape
from flatrender.template.manifest import (
    ColorSlot,
    GradientSlot,
    GradientStop,
    ImageSlot,
    NumberSlot,
    Slot,
    TextSlot,
)

_MESSAGES: dict[str, tuple[str, str]] = {
    "unknown_slot": ("There is no slot {key} in this scene", "این صحنه اسلات {key} را ندارد"),
    "unknown_color": ("There is no shared colour {key}", "رنگ مشترک {key} وجود ندارد"),
    "required": ("This value is required", "این مقدار لازم است"),
    "text_invalid": ("Text is expected", "متن لازم است"),
    "text_control_character": (
        "Control characters are not accepted; lines are broken by a line feed",
        "نویسهٔ کنترلی پذیرفته نمی‌شود؛ سطر تنها با خط تازه شکسته می‌شود",
    ),
    "text_too_long": (
        "{count} characters; at most {limit} are allowed",
        "{count} نویسه است؛ حداکثر {limit} نویسه مجاز است",
    ),
    "text_too_many_lines": (
        "{count} lines; at most {limit} are allowed",
        "{count} سطر است؛ حداکثر {limit} سطر مجاز است",
    ),
    "color_invalid": (
        "A colour is #rrggbb or #rrggbbaa",
        "رنگ باید به شکل ‎#rrggbb‎ یا ‎#rrggbbaa‎ باشد",
    ),
    "number_invalid": ("A finite number is expected", "عدد لازم است"),
    "number_out_of_range": (
        "The number must lie in {minimum}..{maximum}",
        "عدد باید بین {minimum} و {maximum} باشد",
    ),
    "number_off_step": (
        "The number must be {minimum} plus a multiple of {step}",
        "عدد باید {minimum} به‌علاوهٔ مضربی از {step} باشد",
    ),
    "image_invalid": ("A picture reference is expected: {reason}", "تصویر درست نیست: {reason}"),
    "image_too_small": (
        "The picture is {width}x{height}; at least {min_width}x{min_height} is needed",
        "تصویر {width}x{height} است؛ دست‌کم {min_width}x{min_height} لازم است",
    ),
    "gradient_invalid": (
        "A gradient is a list of 2 to 8 stops {{at, color}}",
        "گرادیان فهرستی از ۲ تا ۸ ایستگاه {{at, color}} است",
    ),
    "duration_out_of_range": (
        "The duration must lie in {minimum}..{maximum} seconds",
        "مدت باید بین {minimum} و {maximum} ثانیه باشد",
    ),
}

_HEX = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LINE_BREAKS = re.compile("\r\n|[\r\n\u000b\u000c\u0085\u2028\u2029]")


def field_error(code: str, pointer: str, **params: object) -> FieldError:
    """Make the error with its Persian and English words. Raises KeyError for an unknown code."""
    english, persian = _MESSAGES[code]
    return FieldError(
        pointer=pointer,
        code=code,
        message_en=english.format(**params),
        message_fa=persian.format(**params),
    )


def count_graphemes(text: str) -> int:
    """Count user-perceived characters: extended grapheme clusters of UAX #29 section 3 (by ICU)."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    breaks = icu.BreakIterator.createCharacterInstance(icu.Locale.getRoot())  # type: ignore[attr-defined]  # PyICU has no stubs for these
    breaks.setText(text)
    return sum(1 for _ in breaks)


def normalise_color(raw: object, pointer: str = "") -> str | FieldError:
    """Return ``#rrggbb`` or ``#rrggbbaa`` in lower case, or ``color_invalid``. ``#abc`` expands."""
    if not isinstance(raw, str) or not _HEX.fullmatch(raw.strip()):
        return field_error("color_invalid", pointer)
    digits = raw.strip()[1:].lower()
    return "#" + (digits if len(digits) > 3 else "".join(c * 2 for c in digits))


def check_value(
    slot: Slot, raw: object, pointer: str = "", image_size: tuple[int, int] | None = None
) -> SlotValue | FieldError:
    """Return the normalised value, or why it is refused.

    ``raw`` is JSON data or an ``ImageRef``; ``image_size`` (pixels) lets a picture be refused as
    too small.
    """
    if isinstance(slot, TextSlot):
        return _text(slot, raw, pointer)
    if isinstance(slot, ColorSlot):
        return normalise_color(raw, pointer)
    if isinstance(slot, NumberSlot):
        return _number(slot, raw, pointer)
    if isinstance(slot, GradientSlot):
        return _gradient(raw, pointer)
    return _image(slot, raw, pointer, image_size)


def check_values(
    slots: Iterable[Slot],
    values: Mapping[str, object],
    pointer: str = "",
    *,
    image_size: Callable[[ImageRef], tuple[int, int] | None] = lambda _ref: None,
    complete: bool = False,
) -> tuple[dict[str, SlotValue], list[FieldError]]:
    """Check one scene's values; return the normalised ones and every error.

    ``null`` means "as the template has it" and is dropped. With ``complete`` (at submit) a slot
    marked required must have a value of its own, and a text there must not be blank.
    """
    by_id = {slot.id: slot for slot in slots}
    good: dict[str, SlotValue] = {}
    errors: list[FieldError] = []
    for key, raw in values.items():
        place = f"{pointer}/{escape(key)}"
        slot = by_id.get(key)
        if slot is None:
            errors.append(field_error("unknown_slot", place, key=key))
            continue
        if raw is None:
            continue
        result = check_value(slot, raw, place)
        if isinstance(result, ImageRef):
            result = check_value(slot, result, place, image_size(result))
        if isinstance(result, FieldError):
            errors.append(result)
        else:
            good[key] = result
    if complete:
        refused = {error.pointer for error in errors}
        for key, slot in by_id.items():
            value = good.get(key)
            empty = value is None or (isinstance(value, str) and not value.strip())
            place = f"{pointer}/{escape(key)}"
            if slot.required and empty and place not in refused:
                errors.append(field_error("required", place))
    return good, errors


def check_colors(
    known: Iterable[str], values: Mapping[str, object], pointer: str = ""
) -> tuple[dict[str, str], list[FieldError]]:
    """Check shared colours by key; ``null`` is dropped and means the template's own."""
    keys = set(known)
    good: dict[str, str] = {}
    errors: list[FieldError] = []
    for key, raw in values.items():
        place = f"{pointer}/{escape(key)}"
        if key not in keys:
            errors.append(field_error("unknown_color", place, key=key))
        elif raw is not None:
            result = normalise_color(raw, place)
            if isinstance(result, FieldError):
                errors.append(result)
            else:
                good[key] = result
    return good, errors


def _text(slot: TextSlot, raw: object, pointer: str) -> str | FieldError:
    if not isinstance(raw, str) or any("\ud800" <= c <= "\udfff" for c in raw):
        return field_error("text_invalid", pointer)
    # A bound on the work below; no text within max_chars comes near it.
    if len(raw) > slot.max_chars * 64:
        return field_error("text_too_long", pointer, count=len(raw), limit=slot.max_chars)
    text = _LINE_BREAKS.sub("\n" if slot.multiline else " ", unicodedata.normalize("NFC", raw))
    # Marks of direction may stand: the engine orders text by UAX #9, one layer by itself.
    if any(unicodedata.category(c) == "Cc" and c != "\n" for c in text):
        return field_error("text_control_character", pointer)
    text = text.strip(" \n")
    count = count_graphemes(text)
    if count > slot.max_chars:
        return field_error("text_too_long", pointer, count=count, limit=slot.max_chars)
    lines = text.count("\n") + 1
    if lines > slot.max_lines:
        return field_error("text_too_many_lines", pointer, count=lines, limit=slot.max_lines)
    return text


def _number(slot: NumberSlot, raw: object, pointer: str) -> float | FieldError:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return field_error("number_invalid", pointer)
    try:
        number = float(raw)
    except OverflowError:
        return field_error("number_invalid", pointer)
    if not math.isfinite(number):
        return field_error("number_invalid", pointer)
    if not slot.minimum <= number <= slot.maximum:
        return field_error(
            "number_out_of_range", pointer, minimum=slot.minimum, maximum=slot.maximum
        )
    if slot.step is None:
        return number
    steps = (number - slot.minimum) / slot.step
    # Sliders send 0.30000000000000004: within a millionth of a step it is that step.
    if abs(steps - round(steps)) > 1e-6:
        return field_error("number_off_step", pointer, minimum=slot.minimum, step=slot.step)
    return min(slot.minimum + round(steps) * slot.step, slot.maximum)


def _gradient(raw: object, pointer: str) -> list[GradientStop] | FieldError:
    try:
        stops = msgspec.convert(raw, list[GradientStop], from_attributes=True)
    except msgspec.ValidationError:
        return field_error("gradient_invalid", pointer)
    if not 2 <= len(stops) <= 8:
        return field_error("gradient_invalid", pointer)
    ordered = sorted(stops, key=lambda stop: stop.at)
    return [GradientStop(at=stop.at, color=stop.color.lower()) for stop in ordered]


def _image(
    slot: ImageSlot, raw: object, pointer: str, size: tuple[int, int] | None
) -> ImageRef | FieldError:
    try:
        ref = raw if isinstance(raw, ImageRef) else msgspec.convert(raw, ImageRef, strict=True)
    except msgspec.ValidationError as error:
        return field_error("image_invalid", pointer, reason=error)
    if not _SHA256.fullmatch(ref.sha256) or not ref.object_key:
        return field_error("image_invalid", pointer, reason="sha256 and object_key are needed")
    if size is not None and (size[0] < slot.min_width or size[1] < slot.min_height):
        return field_error(
            "image_too_small",
            pointer,
            width=size[0],
            height=size[1],
            min_width=slot.min_width,
            min_height=slot.min_height,
        )
    return ref
