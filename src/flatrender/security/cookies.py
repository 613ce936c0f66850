"""Sessions in a browser: both tokens in cookies that no script can read.

A browser sends cookies whoever asks it to, so a call by cookie is believed only from pages that
may make one (Origin, Sec-Fetch-Site, no form bodies), and one that changes something only with
the session's CSRF token in a header, which no other page can know or set. Nothing here looks at
calls that carry a bearer token.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from litestar.datastructures import Cookie
from litestar.types import Scope

from flatrender.security.errors import AmbiguousCredentials, CsrfTokenInvalid, ForeignOrigin
from flatrender.security.secrets import KeyedHash
from flatrender.security.settings import SecuritySettings

ACCESS_COOKIE = "fr_access"
REFRESH_COOKIE = "fr_refresh"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: What a form, or a script without asking first, may send anywhere (Fetch standard).
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_BY_COOKIE = "flatrender.session_by_cookie"


class BrowserSessions:
    """The cookies of sessions and the rules of calls that carry them; one per process.

    ``origins`` are the pages that may call beside our own; a page of the host that is called is
    always ours, because the cookies belong to that very host.
    """

    def __init__(self, settings: SecuritySettings, origins: Iterable[str] = ()) -> None:
        self._secure = settings.cookie_secure
        self._prefix = "__Host-" if settings.cookie_secure else ""
        self._access = self._prefix + ACCESS_COOKIE
        self._refresh = self._prefix + REFRESH_COOKIE
        self._origins = frozenset(origin_of(origin) for origin in origins)
        self._hash = KeyedHash.from_settings(settings, "csrf")

    def access_token(self, scope: Scope) -> str | None:
        """Return the access token in the call's cookies.

        Raises :class:`AmbiguousCredentials` for two of them: one is not from us.
        """
        return _cookie(scope, self._access)

    def refresh_token(self, scope: Scope) -> str | None:
        """Return the refresh token in the call's cookies; raises as :meth:`access_token`."""
        return _cookie(scope, self._refresh)

    def check_origin(self, scope: Scope) -> None:
        """Raise :class:`ForeignOrigin` unless a page of ours, or no page at all, makes this call.

        Browsers send Origin with every cross-origin call that is not a plain GET, and
        Sec-Fetch-Site always; clients that are no browsers send neither and have no foreign
        pages. A form can be sent from anywhere without asking, so what forms send is refused.
        """
        origin, site = _header(scope, b"origin"), _header(scope, b"sec-fetch-site")
        if site == "cross-site":
            raise ForeignOrigin()
        if origin is not None:
            if origin.lower() not in self._origins and origin.lower() != _own_origin(scope):
                raise ForeignOrigin()
        elif site not in (None, "same-origin", "none"):
            raise ForeignOrigin()
        content_type = (_header(scope, b"content-type") or "").partition(";")[0].strip().lower()
        if content_type in _FORM_TYPES:
            raise ForeignOrigin()

    def check_csrf(self, scope: Scope, session_id: UUID) -> None:
        """Raise :class:`CsrfTokenInvalid` unless the call only reads or names the session's
        token."""
        if scope.get("method") in _SAFE_METHODS:
            return
        sent = (_header(scope, CSRF_HEADER.encode()) or "")[:100]
        try:
            digest = urlsafe_b64decode(sent + "=" * (-len(sent) % 4))
        except (binascii.Error, ValueError):
            digest = b""
        if not self._hash.matches(session_id.bytes, digest):
            raise CsrfTokenInvalid()

    def csrf_token(self, session_id: UUID) -> str:
        """Return the token that calls of this session's cookies name; it opens nothing itself."""
        return urlsafe_b64encode(self._hash.digest(session_id.bytes)).rstrip(b"=").decode()

    def cookies(
        self, *, access: str, access_seconds: int, refresh: str, refresh_seconds: int
    ) -> list[Cookie]:
        """Return the cookies that hold a session; each ends with its token."""
        return [
            self._made(self._access, access, access_seconds),
            self._made(self._refresh, refresh, refresh_seconds),
        ]

    def keep(self, name: str, value: str, seconds: int) -> Cookie:
        """Return a cookie for something else that a browser keeps for us, as shut as these."""
        return self._made(self._prefix + name, value, seconds)

    def kept(self, scope: Scope, name: str) -> str | None:
        """Return what :meth:`keep` gave; raises as :meth:`access_token`."""
        return _cookie(scope, self._prefix + name)

    def cleared(self) -> list[Cookie]:
        """Return what takes both cookies away."""
        return [self._made(self._access, "", 0), self._made(self._refresh, "", 0)]

    def _made(self, name: str, value: str, seconds: int) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )


def note_cookie_call(scope: Scope) -> None:
    """Remember that a cookie authenticated this call. Not in ``scope["state"]``: a server may
    share that among calls."""
    cast("dict[str, Any]", scope)[_BY_COOKIE] = True


def is_cookie_call(scope: Scope) -> bool:
    """True when a cookie authenticated this call."""
    return bool(cast("dict[str, Any]", scope).get(_BY_COOKIE))


def origin_of(url: str) -> str:
    """Return the origin of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _own_origin(scope: Scope) -> str:
    return f"{scope['scheme']}://{_header(scope, b'host') or ''}".lower()


def _header(scope: Scope, wanted: bytes) -> str | None:
    """Return a header; several of one name are joined, and then fit no list."""
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return ", ".join(found) if found else None


def _cookie(scope: Scope, wanted: str) -> str | None:
    found: list[str] = []
    for name, value in scope["headers"]:
        if name == b"cookie":  # HTTP/2 may send several
            pairs = (pair.strip().partition("=") for pair in value.decode("latin-1").split(";"))
            found += [text.strip('"') for key, _, text in pairs if key == wanted]
    if len(found) > 1:
        raise AmbiguousCredentials()
    return found[0] or None if found else None
