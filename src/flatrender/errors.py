"""Errors with a stable code. Contexts subclass them in ``errors.py``; HTTP turns them into
``application/problem+json`` (RFC 9457), the CLI into one line.

A code is part of the API: it never changes once released. ``messages`` carries the title in
Persian and English; ``detail`` may be a template filled from ``params`` in the same languages.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from msgspec import Struct


class FieldError(Struct, frozen=True, kw_only=True):
    """One refused field. ``pointer`` is a JSON Pointer (RFC 6901) into the request body, or
    ``?name`` for a query parameter."""

    pointer: str
    code: str
    message_fa: str = ""
    message_en: str = ""


class FieldInvalid(ValueError):
    """A rule of a Struct's own, raised in ``__post_init__``; msgspec adds the place.

    ``code`` is stable; ``at`` is the place below the Struct (``name``, ``keywords/0``).
    """

    def __init__(self, code: str, *, fa: str, en: str, at: str = "") -> None:
        super().__init__(en)
        self.code = code
        self.fa = fa
        self.en = en
        self.at = at


class DomainError(Exception):
    """Base of every expected refusal.

    Class attributes: ``status`` (HTTP), ``code`` (snake_case, stable), ``title_fa``/``title_en``
    and ``detail_fa``/``detail_en`` (``str.format`` templates over ``params``). ``headers`` are
    extra response headers, for example Retry-After; ``cookies`` are set beside them.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title_fa: ClassVar[str] = "درخواست نادرست است"
    title_en: ClassVar[str] = "Bad request"
    detail_fa: ClassVar[str] = ""
    detail_en: ClassVar[str] = ""

    def __init__(
        self,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
        **params: object,
    ) -> None:
        super().__init__(self.code)
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.cookies: list[Any] = []
        self.extra = dict(extra or {})
        self.params = params

    def title(self, language: str) -> str:
        """Return the title in ``fa`` or ``en``."""
        return self.title_fa if language == "fa" else self.title_en

    def detail(self, language: str) -> str:
        """Return the filled detail text in ``fa`` or ``en``; empty when the title says it all."""
        template = self.detail_fa if language == "fa" else self.detail_en
        return template.format(**self.params) if template else ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail('en') or self.title('en')}"


class NotFound(DomainError):
    """What a missing thing answers, and byte for byte what another tenant's thing answers."""

    status = 404
    code = "not_found"
    title_fa = "پیدا نشد"
    title_en = "Not found"


class Conflict(DomainError):
    """The change does not fit the present state."""

    status = 409
    code = "conflict"
    title_fa = "با وضعیت کنونی سازگار نیست"
    title_en = "Conflict with the current state"


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"
    title_fa = "اجازهٔ این کار را ندارید"
    title_en = "Forbidden"


class Unauthorized(DomainError):
    """No credential, or one that does not hold."""

    status = 401
    code = "unauthorized"
    title_fa = "ورود لازم است"
    title_en = "Authentication required"


class PreconditionFailed(DomainError):
    """If-Match names another version than the stored one (RFC 9110 section 13.1.1)."""

    status = 412
    code = "version_conflict"
    title_fa = "نسخهٔ شما قدیمی است"
    title_en = "The resource has changed since you read it"


class Invalid(DomainError):
    """The input is well-formed and still refused; ``errors`` names each field."""

    status = 422
    code = "validation_failed"
    title_fa = "ورودی پذیرفته نشد"
    title_en = "Validation failed"


class Unavailable(DomainError):
    """A part this call cannot do without is down; the caller may try again."""

    status = 503
    code = "unavailable"
    title_fa = "سرویس موقتاً در دسترس نیست"
    title_en = "Temporarily unavailable"
