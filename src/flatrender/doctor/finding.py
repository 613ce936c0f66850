"""What the doctor says."""

import asyncio
from collections.abc import Awaitable
from typing import Literal, TypeVar

from msgspec import Struct

Level = Literal["ok", "warning", "error"]
T = TypeVar("T")

#: Seconds that one question to one server may take.
PATIENCE = 5.0
#: Clocks further apart than this break signatures (S3 refuses 15 minutes) and one-time codes.
CLOCK_WARNING = 2.0
CLOCK_ERROR = 60.0


class Finding(Struct, frozen=True):
    """One line: what was found and, unless all is well, what to do about it."""

    level: Level
    what: str
    fix: str = ""


def ok(what: str) -> Finding:
    """All is well."""
    return Finding("ok", what)


def warning(what: str, fix: str) -> Finding:
    """It works and will bite."""
    return Finding("warning", what, fix)


def error(what: str, fix: str) -> Finding:
    """It does not work."""
    return Finding("error", what, fix)


def judge_clock(name: str, skew: float) -> Finding:
    """Judge the difference of a server's clock and ours, in seconds (theirs minus ours)."""
    shown = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine"
    if abs(skew) >= CLOCK_ERROR:
        return error(
            f"the clock of {name} is {shown}", "run a time service (chrony, systemd-timesyncd)"
        )
    if abs(skew) >= CLOCK_WARNING:
        return warning(f"the clock of {name} is {shown}", "run a time service on both machines")
    return ok(f"the clock of {name} agrees")


async def limited(work: Awaitable[T]) -> T:
    """Await with the doctor's patience. Raises TimeoutError."""
    return await asyncio.wait_for(work, PATIENCE)


def reason(fault: BaseException) -> str:
    """Say an exception in one line; asyncio's timeouts have no text of their own."""
    if isinstance(fault, TimeoutError) and not str(fault):
        return f"no answer within {PATIENCE:.0f} s"
    return " ".join(str(fault).split()) or type(fault).__name__
