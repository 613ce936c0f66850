"""Stretches of time in queries: from a moment on, until before another."""

from datetime import UTC, datetime

from flatrender.errors import FieldError, Invalid

#: What a database and every time zone can hold with room to spare.
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(2200, 1, 1, tzinfo=UTC)


def check_stretch(**ends: datetime | None) -> None:
    """Refuse query parameters, the beginning named first, that are no stretch of time: without a
    zone, out of all time, or with an end that is not after the beginning. Raises ``Invalid``."""
    for name, moment in ends.items():
        if moment is None:
            continue
        if moment.tzinfo is None:
            raise _refused(name, "zone_missing", "منطقهٔ زمانی لازم است", "Needs a time zone")
        if not _FIRST <= moment <= _LAST:
            raise _refused(
                name, "time_invalid", "زمان باید میان ۱۹۰۰ و ۲۲۰۰ باشد", "Between 1900 and 2200"
            )
    given = [moment for moment in ends.values() if moment is not None]
    if len(given) > 1 and given[1] <= given[0]:
        raise _refused(
            list(ends)[1],
            "range_invalid",
            "پایان پیش از آغاز است",
            "The end is before the beginning",
        )


def _refused(name: str, code: str, fa: str, en: str) -> Invalid:
    return Invalid(errors=[FieldError(pointer=f"?{name}", code=code, message_fa=fa, message_en=en)])
