"""Passwords: argon2id off the event loop, and the policy for choosing one.

Normalisation: NFKC (Unicode TR 15), as NIST SP 800-63B section 5.1.1.2 advises, so that the same
password typed on another keyboard or system has the same code points; it unifies full-width and
presentation forms. Nothing else is changed: no case folding, no trimming, and the Arabic and
Persian forms of yeh and kaf stay different letters.
"""

import asyncio
import contextvars
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

from flatrender.errors import FieldError, Invalid, Unavailable
from flatrender.security.settings import SecuritySettings

T = TypeVar("T")

MIN_LENGTH = 12
MIN_LENGTH_WITH_MFA = 8
#: Far above any passphrase; it bounds the work of normalising what a stranger sends.
MAX_BYTES = 1_024
#: Callers that may wait for a free thread; beyond it 503 is kinder than a queue of minutes.
_MAX_WAITING = 64
_LEEWAY = 4


class PasswordCheck(Struct, frozen=True):
    """Whether the password matched; ``rehash`` is the new hash to store when the stored one was
    made with other parameters, else None."""

    matched: bool
    rehash: str | None = None


class Passwords:
    """Hashes and verifies in a few threads of its own. Close it at shutdown."""

    def __init__(self, settings: SecuritySettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_passes,
            memory_cost=settings.password_memory_kib,
            parallelism=1,
            type=Type.ID,
        )
        self._pool = ThreadPoolExecutor(settings.password_threads, thread_name_prefix="argon2")
        self._waiting = 0
        self._limit = settings.password_threads + _MAX_WAITING
        # For people who do not exist: the same work under the same parameters.
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        """Return the encoded argon2id hash to store."""
        return await self._run(lambda: self._hasher.hash(_to_bytes(password)))

    async def verify(self, stored: str | None, password: str) -> PasswordCheck:
        """Check a password; takes as long for an unknown person (``stored`` None) as for a known
        one, and never matches then.

        Raises :class:`Unavailable` when too many wait already.
        """
        return await self._run(lambda: self._verify(stored, password))

    def close(self) -> None:
        """Stop the threads; hashes under way are finished."""
        self._pool.shutdown(wait=True)

    def _verify(self, stored: str | None, password: str) -> PasswordCheck:
        data = _to_bytes(password)
        if self._dummy is None:
            self._dummy = self._hasher.hash("nobody's password")
        real = stored if len(data) <= MAX_BYTES else None
        try:
            self._hasher.verify(real or self._dummy, data[:MAX_BYTES])
        except (VerificationError, InvalidHashError):
            return PasswordCheck(False)
        if not real:
            return PasswordCheck(False)
        stale = self._hasher.check_needs_rehash(real)
        return PasswordCheck(True, self._hasher.hash(data) if stale else None)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._limit:
            raise Unavailable(headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            context = contextvars.copy_context()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, context.run, work)
        finally:
            self._waiting -= 1


def normalise(password: str) -> str:
    """Return the password as it is hashed (NFKC). What is too long is left as it is."""
    if len(password) > MAX_BYTES:
        return password
    return unicodedata.normalize("NFKC", password)


def _to_bytes(password: str) -> bytes:
    # A lone surrogate cannot be encoded strictly; it is a wrong password, not a crash.
    return normalise(password).encode("utf-8", "surrogatepass")


def check_policy(
    password: str,
    *,
    has_mfa: bool = False,
    identifiers: Iterable[str] = (),
    pointer: str = "/password",
) -> None:
    """Refuse a password that must not be chosen; raises :class:`Invalid` with one field error.

    At least 12 characters (8 for people with a second factor), at most 1,024 bytes; not the
    person's own e-mail, phone or name, and not a common password, each also with a few
    characters around it. There are no rules about kinds of characters (NIST SP 800-63B).
    """
    text = normalise(password)
    least = MIN_LENGTH_WITH_MFA if has_mfa else MIN_LENGTH
    problem: tuple[str, str, str] | None = None
    if len(text) < least:
        problem = (
            "password_too_short",
            f"دست‌کم {least} نویسه لازم است.",
            f"At least {least} characters are needed.",
        )
    elif len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        problem = ("password_too_long", "گذرواژه بیش از حد بلند است.", "The password is too long.")
    elif _is_identifier(text, identifiers):
        problem = (
            "password_is_identifier",
            "گذرواژه نباید همان ایمیل، شماره یا نام شما باشد.",
            "The password must not be your own e-mail, phone or name.",
        )
    elif is_common(text):
        problem = (
            "password_too_common",
            "این گذرواژه بسیار رایج است و زود حدس زده می‌شود.",
            "This password is too common and quickly guessed.",
        )
    if problem is not None:
        code, fa, en = problem
        raise Invalid(errors=[FieldError(pointer=pointer, code=code, message_fa=fa, message_en=en)])


def is_common(password: str) -> bool:
    """True for listed passwords, for one with up to four characters around it, for repetitions
    of a short piece and for runs along the alphabet or the keyboard."""
    text = normalise(password).casefold()
    listed = _common()
    if text in listed or _is_run(text):
        return True
    piece = _repeated_piece(text)
    if piece is not None and (len(piece) <= 4 or piece in listed or _is_run(piece)):
        return True
    return any(
        text[start:end] in listed
        for start in range(_LEEWAY + 1)
        for end in range(len(text), len(text) - (_LEEWAY - start) - 1, -1)
        if end - start >= 4
    )


def _is_identifier(text: str, identifiers: Iterable[str]) -> bool:
    folded = text.casefold()
    for identifier in identifiers:
        whole = normalise(identifier).casefold().strip()
        for part in {whole, whole.partition("@")[0], whole.lstrip("+0")}:
            if len(part) >= 4 and part in folded and len(folded) - len(part) <= _LEEWAY:
                return True
    return False


_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789012345678901234567890",
    "qwertyuiop[]asdfghjkl;'zxcvbnm,./",
    "qwertyuiopasdfghjklzxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "ضصثقفغعهخحجچشسیبلاتنمکگظطزرذدپو",
    "ابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی",
    "۰۱۲۳۴۵۶۷۸۹۰۱۲۳۴۵۶۷۸۹۰",
)


def _is_run(text: str) -> bool:
    """True for a stretch of a row, in either direction."""
    return len(text) >= 4 and any(text in row or text in row[::-1] for row in _ROWS)


def _repeated_piece(text: str) -> str | None:
    """Return the shortest piece that ``text`` repeats two times or more (the last may be cut)."""
    for length in range(1, len(text) // 2 + 1):
        piece = text[:length]
        if (piece * (len(text) // length + 1))[: len(text)] == text:
            return piece
    return None


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    text = files("flatrender.security").joinpath("common_passwords.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return frozenset(normalise(line).casefold() for line in lines if line and line[0] != "#")
