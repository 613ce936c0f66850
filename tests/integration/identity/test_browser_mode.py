"""Sessions in a browser: cookies that no script reads, believed from our own pages only."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pyotp
import pytest

from flatrender.testing.platform import PASSWORD, Platform, run_platform

APP = "https://app.example.ir"
EVIL = "https://evil.example"


class Browser:
    """A client with a cookie jar of its own, and what its page remembers."""

    def __init__(self, platform: Platform, **headers: str) -> None:
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=cast("Any", platform.app)),
            base_url=str(platform.client.base_url),
            event_hooks=platform.client.event_hooks,
            timeout=60,
            headers=headers,
        )
        self.csrf = ""

    @property
    def jar(self) -> dict[str, str]:
        return dict(self.client.cookies.items())

    async def sign_in(self, email: str, **more: str) -> httpx.Response:
        body = {"email": email, "password": PASSWORD, "mode": "browser"}
        answer = await self.client.post("/v1/auth/login", json=body, headers=more)
        self.csrf = answer.json().get("csrf_token", "")
        return answer

    async def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.get(path, headers=named)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        tokens = {"x-csrf-token": self.csrf} if self.csrf else {}
        return await self.client.post(path, json=body, headers={**tokens, **named})


@pytest.fixture
async def browser(platform: Platform) -> AsyncIterator[Browser]:
    """A browser that is signed in nowhere."""
    made = Browser(platform)
    async with made.client:
        yield made


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_signing_in_sets_cookies_and_shows_no_token(
    platform: Platform, browser: Browser
) -> None:
    person = await platform.person()
    answer = await browser.sign_in(person.email)
    body = answer.json()
    assert body["mode"] == "browser"
    assert body["user"]["id"] == str(person.id)
    assert not {"access_token", "refresh_token"} & body.keys()
    set_cookies = answer.headers.get_list("set-cookie")
    assert len(set_cookies) == 2
    for told in set_cookies:
        assert "HttpOnly" in told
        assert "SameSite=strict" in told
        assert "Path=/" in told
        assert "Domain" not in told
    for held in browser.jar.values():
        assert held not in answer.text
    me = await browser.get("/v1/me")
    assert (me.status_code, me.json()["id"]) == (200, str(person.id))


async def test_token_mode_has_no_cookies(platform: Platform) -> None:
    person = await platform.person()
    answer = await platform.client.post(
        "/v1/auth/login", json={"email": person.email, "password": PASSWORD}
    )
    assert "set-cookie" not in answer.headers
    assert answer.json()["access_token"]
    renewed = await platform.client.post(
        "/v1/auth/refresh",
        json={"refresh_token": answer.json()["refresh_token"]},
        headers={"origin": EVIL, "sec-fetch-site": "cross-site", "cookie": "_ga=1"},
    )
    assert renewed.status_code == 200
    assert "set-cookie" not in renewed.headers
    left = await platform.client.post("/v1/auth/logout", headers=person.headers)
    assert (left.status_code, "set-cookie" in left.headers) == (204, False)


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_a_foreign_page_does_nothing_with_a_cookie(
    platform: Platform, browser: Browser, foreign: dict[str, str]
) -> None:
    person = await platform.person()
    await browser.sign_in(person.email)
    before = browser.jar
    refused(await browser.get("/v1/me", **foreign), 403, "foreign_origin")
    refused(await browser.get("/v1/auth/csrf", **foreign), 403, "foreign_origin")
    for path in ("/v1/auth/logout", "/v1/auth/refresh", "/v1/me/sessions/end-others"):
        refused(await browser.post(path, {}, **foreign), 403, "foreign_origin")
    assert browser.jar == before
    assert (await browser.get("/v1/me")).status_code == 200


async def test_a_form_does_nothing_with_a_cookie(platform: Platform, browser: Browser) -> None:
    person = await platform.person()
    await browser.sign_in(person.email)
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        for path in ("/v1/auth/logout", "/v1/auth/refresh"):
            sent = await browser.client.post(
                path, content=b"{}", headers={"content-type": kind, "x-csrf-token": browser.csrf}
            )
            assert sent.status_code in (403, 415), (path, kind, sent.text)
    sent = await browser.client.post(
        "/v1/auth/logout",
        content=b"a=1",
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "x-csrf-token": browser.csrf,
        },
    )
    refused(sent, 403, "foreign_origin")
    assert (await browser.get("/v1/me")).status_code == 200


async def test_a_change_wants_the_sessions_csrf_token(platform: Platform, browser: Browser) -> None:
    person = await platform.person()
    await browser.sign_in(person.email)
    other = Browser(platform)
    async with other.client:
        await other.sign_in((await platform.person()).email)
    for wrong in ("", other.csrf, browser.csrf[:-2]):
        for path in ("/v1/auth/logout", "/v1/auth/refresh"):
            sent = await browser.client.post(path, json={}, headers={"x-csrf-token": wrong})
            refused(sent, 403, "csrf_token_invalid")
    changed = await browser.client.patch("/v1/me", json={"display_name": "Mallory"})
    refused(changed, 403, "csrf_token_invalid")
    changed = await browser.client.patch(
        "/v1/me", json={"display_name": "Sara"}, headers={"x-csrf-token": browser.csrf}
    )
    assert (changed.status_code, changed.json()["display_name"]) == (200, "Sara")


async def test_the_refusals_speak_persian(platform: Platform, browser: Browser) -> None:
    await browser.sign_in((await platform.person()).email)
    answer = await browser.client.post("/v1/auth/logout", headers={"accept-language": "fa"})
    refused(answer, 403, "csrf_token_invalid")
    assert "CSRF" in answer.json()["title"]
    assert "X-CSRF-Token" in answer.json()["detail"]
    assert answer.headers["content-language"] == "fa"


async def test_a_page_loaded_anew_learns_its_csrf_token(
    platform: Platform, browser: Browser
) -> None:
    refused(await browser.get("/v1/auth/csrf"), 401, "invalid_refresh_token")
    await browser.sign_in((await platform.person()).email)
    browser.client.cookies.delete("fr_access")  # its fifteen minutes are over
    told = await browser.get("/v1/auth/csrf", sec_fetch_site="same-origin")
    assert told.json() == {"csrf_token": browser.csrf}
    assert told.headers["cache-control"] == "no-store"
    assert (await browser.get("/v1/me")).status_code == 401
    assert (await browser.post("/v1/auth/refresh", {})).status_code == 200
    assert (await browser.get("/v1/me")).status_code == 200


async def test_refreshing_rotates_the_cookie(platform: Platform, browser: Browser) -> None:
    await browser.sign_in((await platform.person()).email)
    first = browser.jar
    answer = await browser.post("/v1/auth/refresh", {})
    assert answer.status_code == 200
    assert answer.json()["csrf_token"] == browser.csrf
    assert not {"access_token", "refresh_token"} & answer.json().keys()
    second = browser.jar
    assert first["fr_refresh"] != second["fr_refresh"]
    assert first["fr_access"] != second["fr_access"]
    await browser.post("/v1/auth/refresh", {})
    browser.client.cookies.set("fr_refresh", first["fr_refresh"], domain="testserver.local")
    stolen = await browser.client.post(
        "/v1/auth/refresh",
        json={},
        headers={"x-csrf-token": browser.csrf},
    )
    refused(stolen, 401, "invalid_refresh_token")
    assert browser.jar == {}
    assert len(stolen.headers.get_list("set-cookie")) == 2


async def test_logging_out_takes_the_cookies_away(platform: Platform, browser: Browser) -> None:
    await browser.sign_in((await platform.person()).email)
    held = browser.jar
    left = await browser.post("/v1/auth/logout")
    assert left.status_code == 204
    assert browser.jar == {}
    browser.client.cookies.update(held)
    refused(await browser.get("/v1/me"), 401, "session_ended")


async def test_a_session_that_was_ended_elsewhere_loses_its_cookies(
    platform: Platform, browser: Browser
) -> None:
    person = await platform.person()
    await browser.sign_in(person.email)
    assert (await browser.get("/v1/me")).status_code == 200
    await platform.client.post("/v1/me/sessions/end-others", headers=person.headers)
    refused(await browser.get("/v1/me"), 401, "session_ended")
    assert browser.jar == {}


async def test_a_bearer_token_wins_over_cookies(platform: Platform, browser: Browser) -> None:
    other = await platform.person()
    await browser.sign_in((await platform.person()).email)
    both = await browser.client.get("/v1/me", headers={**other.headers, "origin": EVIL})
    assert both.json()["id"] == str(other.id)
    bad = await browser.client.get("/v1/me", headers={"authorization": "Bearer x.y.z"})
    refused(bad, 401, "invalid_token")
    jar = browser.jar
    left = await browser.client.post("/v1/auth/logout", headers=other.headers)
    assert left.status_code == 204
    assert browser.jar == jar
    assert (await browser.get("/v1/me")).status_code == 200


async def test_what_everybody_may_see_is_anonymous_for_a_foreign_page(
    platform: Platform, browser: Browser
) -> None:
    await browser.sign_in((await platform.person()).email)
    seen = await browser.get("/v1/plans", origin=EVIL, sec_fetch_site="cross-site")
    assert seen.status_code == 200
    assert "access-control-allow-origin" not in seen.headers


async def test_a_foreign_page_signs_nobody_in(platform: Platform, browser: Browser) -> None:
    person = await platform.person()
    refused(await browser.sign_in(person.email, origin=EVIL), 403, "foreign_origin")
    assert browser.jar == {}
    unknown = await browser.client.post(
        "/v1/auth/login", json={"email": person.email, "password": PASSWORD, "mode": "cookie"}
    )
    assert unknown.status_code == 422


async def test_the_second_factor_and_what_follows_it_stay_in_cookies(
    platform: Platform, browser: Browser
) -> None:
    person = await platform.person()
    await browser.sign_in(person.email)
    enrolled = (await browser.post("/v1/me/mfa/totp")).json()
    totp, clock = pyotp.TOTP(enrolled["secret"]), platform.runtime.infra.clock
    confirmed = await browser.post(
        f"/v1/me/mfa/totp/{enrolled['factor_id']}/confirm", {"code": totp.at(clock.now())}
    )
    assert confirmed.status_code == 200, confirmed.text
    codes = confirmed.json()["recovery_codes"]
    assert len(codes) == 10
    assert "access_token" not in confirmed.json()
    assert len(confirmed.headers.get_list("set-cookie")) == 2
    assert (await browser.post("/v1/auth/refresh", {})).status_code == 200
    stepped = await browser.post("/v1/me/mfa/step-up", {"code": codes[0]})
    assert (stepped.status_code, stepped.json()["mode"]) == (200, "browser")

    pending = await browser.sign_in(person.email)
    assert pending.json()["mfa_required"] is True
    assert "set-cookie" not in pending.headers
    proof = {"mfa_token": pending.json()["mfa_token"], "code": codes[1], "mode": "browser"}
    refused(
        await browser.client.post("/v1/auth/mfa/verify", json=proof, headers={"origin": EVIL}),
        403,
        "foreign_origin",
    )
    opened = await browser.client.post("/v1/auth/mfa/verify", json=proof)
    assert (opened.status_code, opened.json()["mode"]) == (200, "browser")
    assert (await browser.get("/v1/me")).status_code == 200


async def test_a_link_opens_a_browsers_session(
    platform: Platform, browser: Browser, post: Any
) -> None:
    person = await platform.person()
    await platform.client.post("/v1/auth/magic-link", json={"identifier": person.email})
    proof = {"identifier": person.email, "code": await post.code(person.email, "magic_link")}
    body = {**proof, "mode": "browser"}
    foreign = await browser.client.post(
        "/v1/auth/magic-link/complete", json=body, headers={"origin": EVIL}
    )
    refused(foreign, 403, "foreign_origin")
    opened = await browser.client.post("/v1/auth/magic-link/complete", json=body)
    assert (opened.status_code, opened.json()["mode"]) == (200, "browser"), opened.text
    assert (await browser.get("/v1/me")).json()["id"] == str(person.id)


async def test_a_changed_password_opens_the_new_session_the_same_way(
    platform: Platform, browser: Browser
) -> None:
    person = await platform.person()
    await browser.sign_in(person.email)
    old = browser.csrf
    body = {"current_password": PASSWORD, "new_password": "another-long-password-7"}
    changed = await browser.post("/v1/me/password", body)
    assert (changed.status_code, changed.json()["mode"]) == (200, "browser"), changed.text
    assert "access_token" not in changed.json()
    browser.csrf = changed.json()["csrf_token"]
    assert browser.csrf != old
    assert (await browser.post("/v1/auth/logout")).status_code == 204


@pytest.fixture(scope="module")
async def secure(server_environment: dict[str, str]) -> AsyncIterator[Platform]:
    """A deployment behind https whose frontend has an origin of its own."""
    async with run_platform(
        {
            **server_environment,
            "AUTH_COOKIE_SECURE": "true",
            "FLATRENDER_HTTP_CORS_ORIGINS": APP,
            "FLATRENDER_HTTP_PUBLIC_URL": "https://testserver.local",
        },
        worker=False,
    ) as running:
        running.client.base_url = httpx.URL("https://testserver.local")
        yield running


async def test_behind_https_the_cookies_are_secure_and_of_the_host(secure: Platform) -> None:
    person = await secure.person()
    browser = Browser(secure, origin=APP)
    async with browser.client:
        answer = await browser.sign_in(person.email)
        assert answer.headers["access-control-allow-origin"] == APP
        assert answer.headers["access-control-allow-credentials"] == "true"
        for told in answer.headers.get_list("set-cookie"):
            assert told.startswith(("__Host-fr_access=", "__Host-fr_refresh="))
            assert {"Secure", "HttpOnly", "Path=/"} <= set(told.split("; "))
        assert (await browser.get("/v1/me")).status_code == 200
        jar = browser.jar
        refused(await browser.get("/v1/me", origin=EVIL), 403, "foreign_origin")
        evil = await browser.get("/v1/me", origin=EVIL)
        assert "access-control-allow-credentials" not in evil.headers
        assert (await browser.post("/v1/auth/refresh", {})).status_code == 200
        assert (await browser.post("/v1/auth/logout")).status_code == 204
        assert browser.jar == {}
        plain = {name.removeprefix("__Host-"): value for name, value in jar.items()}
        browser.client.cookies.update(plain)  # what a neighbouring host could set
        assert (await browser.get("/v1/me")).status_code == 401
