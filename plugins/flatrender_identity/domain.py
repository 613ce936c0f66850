"""Identity's pure rules: tiers, charges, the day of a tenant, refresh tokens. No I/O.

Money is in minor units of one currency and never a float. Days are cut in the tenant's own time
zone.
"""

import hashlib
import hmac
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import idna
from msgspec import Struct

Resolution = Literal["360p", "540p", "720p", "1080p", "4K"]
RESOLUTIONS: tuple[Resolution, ...] = ("360p", "540p", "720p", "1080p", "4K")

#: A refresh token one step behind is answered with the current one for this long: tabs race.
REFRESH_GRACE = timedelta(seconds=10)

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
#: RFC 5322 section 3.2.3, in lower case.
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def allows(resolutions: Sequence[str], wanted: str) -> bool:
    """True when a plan with these resolutions may render ``wanted``."""
    return wanted in resolutions


def render_charge(seconds: float, per_second_minor: int, minimum_minor: int) -> int:
    """Return the charge of a render: output seconds (each begun second counts) by tier.

    Raises ``ValueError`` for a negative or non-finite duration.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("seconds must be finite and not negative")
    return max(minimum_minor, math.ceil(seconds) * per_second_minor)


def refund(charge_minor: int, fraction: float) -> int:
    """Return what goes back of a charge; rounded up, in the customer's favour."""
    bounded = min(1.0, max(0.0, fraction))
    return min(charge_minor, math.ceil(charge_minor * bounded))


def zone(name: str) -> ZoneInfo:
    """Return a tenant's time zone; an unknown name means Asia/Tehran, the product's home."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("Asia/Tehran")


def is_zone(name: str) -> bool:
    """True for an IANA time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
        return False
    return True


def local_day(now: datetime, timezone: str) -> date:
    """Return the tenant's calendar day at ``now``."""
    return now.astimezone(zone(timezone)).date()


def day_ends(now: datetime, timezone: str) -> datetime:
    """Return the instant (UTC) at which the tenant's present day ends."""
    home = zone(timezone)
    tomorrow = local_day(now, timezone) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), tzinfo=home).astimezone(UTC)


def normalise_email(text: str) -> str | None:
    """Return the address in the form it is compared in and sent to, or None when it is none.

    ``dot-atom@domain`` (RFC 5321 section 4.1.2, RFC 5322 section 3.4.1) without quoted local
    parts, comments and address literals; 64 octets before the ``@``, 254 in all (RFC 5321
    section 4.5.3.1). An international domain becomes its A-labels (IDNA 2008 over UTS #46); a
    local part beyond ASCII would need SMTPUTF8 of every server on the way and is refused.
    """
    if len(text) > 1_000:
        return None
    local, at, domain = text.strip().rpartition("@")
    local = local.lower()
    if not at or len(local) > 64 or not _DOT_ATOM.fullmatch(local):
        return None
    try:
        host = idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = host.split(".")
    if len(labels) < 2 or labels[-1].isdecimal() or not all(map(_LABEL.fullmatch, labels)):
        return None
    address = f"{local}@{host}"
    return address if len(address) <= 254 else None


class RefreshToken(Struct, frozen=True):
    """The two facts inside a refresh token."""

    session_id: UUID
    counter: int


def issue_refresh(key: bytes, token: RefreshToken) -> str:
    """Return the refresh token of a session at a counter: nothing has to be stored.

    ``fr1.<session hex>.<counter>.<hex HMAC-SHA256 over both>``.
    """
    body = f"fr1.{token.session_id.hex}.{token.counter}"
    return f"{body}.{_refresh_mac(key, body)}"


def read_refresh(key: bytes, text: str) -> RefreshToken | None:
    """Return what a refresh token says, or None when it is not one of ours."""
    parts = text.split(".")
    if len(parts) != 4 or parts[0] != "fr1" or len(parts[1]) != 32 or not parts[2].isdecimal():
        return None
    if len(parts[2]) > 9 or not text.isascii():
        return None
    body = ".".join(parts[:3])
    if not hmac.compare_digest(_refresh_mac(key, body), parts[3]):
        return None
    try:
        return RefreshToken(UUID(hex=parts[1]), int(parts[2]))
    except ValueError:
        return None


def _refresh_mac(key: bytes, body: str) -> str:
    return hmac.new(key, b"refresh:" + body.encode(), hashlib.sha256).hexdigest()


class RefreshVerdict(Struct, frozen=True):
    """What to do with a refresh token: rotate, answer the current one again, or end the session."""

    action: Literal["rotate", "repeat", "kill"]


def judge_refresh(
    presented: int, stored: int, rotated_at: datetime, now: datetime
) -> RefreshVerdict:
    """Decide by the counter: current rotates, one behind within the grace repeats, else theft."""
    if presented == stored:
        return RefreshVerdict("rotate")
    if presented == stored - 1 and now - rotated_at <= REFRESH_GRACE:
        return RefreshVerdict("repeat")
    return RefreshVerdict("kill")
