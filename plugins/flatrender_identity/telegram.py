"""Telegram's Login Widget as rules: what its signed answer must be. Pure.

https://core.telegram.org/widgets/login#checking-authorization: the fields that came, sorted, one
``name=value`` a line, under HMAC-SHA256 with the SHA-256 of the bot's token as its key. There is no
nonce in it, so an answer is good for minutes, once, and only in the browser that began.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from flatrender.text import line_fault
from flatrender_identity.errors import OauthFailed
from flatrender_identity.oidc import SKEW_SECONDS, Person

#: In whose name accounts are kept: ids of people are the same for every bot.
TELEGRAM_ISSUER = "https://oauth.telegram.org"
TELEGRAM_API = "https://api.telegram.org"
#: An answer is this old at most, seconds.
OLDEST_SECONDS = 300

#: What Telegram signs; all that may come.
FIELDS = ("auth_date", "first_name", "id", "last_name", "photo_url", "username")
BOT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{4,31}")
BOT_TOKEN = re.compile(r"[0-9]{5,20}:[A-Za-z0-9_-]{20,80}")
_ID = re.compile(r"[1-9][0-9]{0,19}")
_TIME = re.compile(r"[0-9]{1,11}")
_HASH = re.compile(r"[0-9a-f]{64}")


def signature(told: dict[str, str], token: str) -> str:
    """Return the signature of an answer's fields in hex."""
    lines = "\n".join(f"{name}={told[name]}" for name in sorted(told))
    key = hashlib.sha256(token.encode()).digest()
    return hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()


def person_of_answer(pairs: Sequence[tuple[str, str]], *, token: str, now: float) -> Person:
    """Return who Telegram says has signed in; ``pairs`` are the query's, ours taken out.

    Raises :class:`OauthFailed`.
    """
    told = dict(pairs)
    if len(told) != len(pairs):
        raise OauthFailed("telegram: a field came twice")
    given = told.pop("hash", "")
    if set(told) - set(FIELDS) or not {"id", "auth_date"} <= set(told):
        raise OauthFailed("telegram: fields")
    # A line break in a value would let one answer be read as another with the same signature.
    if any(line_fault(value) == "control_character" for value in told.values()):
        raise OauthFailed("telegram: a value breaks its line")
    if not _HASH.fullmatch(given) or not hmac.compare_digest(given, signature(told, token)):
        raise OauthFailed("telegram: hash")
    if not _TIME.fullmatch(told["auth_date"]) or not _ID.fullmatch(told["id"]):
        raise OauthFailed("telegram: id or auth_date")
    if not now - OLDEST_SECONDS <= int(told["auth_date"]) <= now + SKEW_SECONDS:
        raise OauthFailed("telegram: too old, or of the future")
    name = " ".join(filter(None, (told.get("first_name"), told.get("last_name")))).strip()[:120]
    return Person(
        issuer=TELEGRAM_ISSUER,
        subject=told["id"],
        email=None,
        name="" if line_fault(name) else name,
        locale="fa",
    )


def widget_url(public: str, *, provider: str, bot: str, state: str) -> str:
    """Return our page with the widget. All it needs is in the fragment: no log holds the state."""
    fragment = urlencode({"provider": provider, "bot": bot, "state": state}, quote_via=quote)
    return f"{public}/v1/auth/telegram-widget#{fragment}"
