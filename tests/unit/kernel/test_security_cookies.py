"""Cookies of sessions: how they look, and which calls they are believed from."""

from typing import Any
from uuid import UUID

import pytest

from flatrender.errors import DomainError
from flatrender.security.cookies import BrowserSessions
from flatrender.security.settings import SecuritySettings

ORIGIN = "https://app.example.ir"
SESSION, OTHER = UUID(int=1), UUID(int=2)
SECURE = BrowserSessions(SecuritySettings(), [ORIGIN])
PLAIN = BrowserSessions(SecuritySettings(cookie_secure=False), [ORIGIN])


def call(headers: dict[str, str] | list[tuple[str, str]], method: str = "POST") -> Any:
    pairs = headers.items() if isinstance(headers, dict) else headers
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    if not any(name == b"host" for name, _ in raw):
        raw.append((b"host", b"api.example.ir"))
    return {"type": "http", "scheme": "https", "method": method, "headers": raw}


def refusal(act: Any, *args: Any) -> str:
    try:
        act(*args)
    except DomainError as error:
        return error.code
    return "passes"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "passes"),
        ({"origin": ORIGIN}, "passes"),
        ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, "passes"),
        ({"origin": ORIGIN, "content-type": "application/json"}, "passes"),
        ({"origin": ORIGIN, "content-type": "application/zip"}, "passes"),  # asks before it sends
        ({"origin": "https://api.example.ir"}, "passes"),  # the host's own pages
        ({"sec-fetch-site": "same-origin"}, "passes"),
        ({"sec-fetch-site": "none"}, "passes"),
        ({"origin": "http://api.example.ir"}, "foreign_origin"),
        ({"origin": "https://evil.example"}, "foreign_origin"),
        ({"origin": "null"}, "foreign_origin"),
        ({"origin": f"{ORIGIN}.evil.example"}, "foreign_origin"),
        ({"origin": "http://app.example.ir"}, "foreign_origin"),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, "foreign_origin"),
        ({"sec-fetch-site": "cross-site"}, "foreign_origin"),
        ({"sec-fetch-site": "same-site"}, "foreign_origin"),
        ({"content-type": "application/x-www-form-urlencoded"}, "foreign_origin"),
        ({"origin": ORIGIN, "content-type": "text/plain"}, "foreign_origin"),
        ({"origin": ORIGIN, "content-type": "multipart/form-data; boundary=x"}, "foreign_origin"),
    ],
)
def test_a_cookie_is_believed_from_our_pages_only(headers: dict[str, str], expected: str) -> None:
    assert refusal(SECURE.check_origin, call(headers)) == expected


def test_two_origins_are_none() -> None:
    twice = call([("origin", ORIGIN), ("origin", ORIGIN)])
    assert refusal(SECURE.check_origin, twice) == "foreign_origin"


def test_the_csrf_token_is_the_sessions_own() -> None:
    token = SECURE.csrf_token(SESSION)
    assert refusal(SECURE.check_csrf, call({"x-csrf-token": token}), SESSION) == "passes"
    for wrong in (SECURE.csrf_token(OTHER), token[:-1], "", "*", "é", token + "A" * 200):
        sent = call({"x-csrf-token": wrong})
        assert refusal(SECURE.check_csrf, sent, SESSION) == "csrf_token_invalid", wrong
    assert refusal(SECURE.check_csrf, call({}), SESSION) == "csrf_token_invalid"
    for method in ("GET", "HEAD", "OPTIONS"):
        assert refusal(SECURE.check_csrf, call({}, method), SESSION) == "passes"


def test_secure_cookies_belong_to_the_host_alone() -> None:
    made = SECURE.cookies(access="a.b.c", access_seconds=900, refresh="fr1.x", refresh_seconds=60)
    access, refresh = (cookie.to_header(header="") for cookie in made)
    assert access.startswith("__Host-fr_access=a.b.c; ")
    assert refresh.startswith("__Host-fr_refresh=fr1.x; ")
    for told in (access, refresh):
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=strict"} <= set(told.split("; "))
        assert "Domain" not in told
    assert "Max-Age=900" in access
    assert all("Max-Age=0" in cookie.to_header(header="") for cookie in SECURE.cleared())


def test_without_secure_the_names_have_no_prefix() -> None:
    made = PLAIN.cookies(access="a", access_seconds=1, refresh="r", refresh_seconds=1)
    assert [cookie.key for cookie in made] == ["fr_access", "fr_refresh"]
    assert "Secure" not in made[0].to_header(header="")


def test_cookies_are_read_by_their_whole_name() -> None:
    mixed = call({"cookie": "x=1; fr_access=plain; __Host-fr_access=good; __Host-fr_refresh=r"})
    assert (SECURE.access_token(mixed), SECURE.refresh_token(mixed)) == ("good", "r")
    crumbs = call([("cookie", "a=1"), ("cookie", "__Host-fr_access=good")])
    assert SECURE.access_token(crumbs) == "good"
    for none in ({}, {"cookie": "fr_access=plain"}, {"cookie": "__Host-fr_access="}):
        assert SECURE.access_token(call(none)) is None
    tossed = call({"cookie": "fr_access=one; fr_access=two"})
    assert refusal(PLAIN.access_token, tossed) == "ambiguous_credentials"
