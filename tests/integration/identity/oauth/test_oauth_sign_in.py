"""Signing in with an OpenID provider: what works, and every way of cheating that we know."""

import asyncio
import json
import secrets
from typing import Any
from uuid import UUID

import pytest
from joserfc.jwk import RSAKey
from openid_provider import HOME, PAGE, bearer, query_of, someone

from flatrender.tasks.task import Nothing
from flatrender.testing.platform import PASSWORD
from flatrender_identity.services.oidc_client import OidcClient
from flatrender_identity.services.tidy import tidy


async def _no_account(deployment: Any, person: dict[str, Any]) -> bool:
    rows = await deployment.platform.sql(
        "SELECT 1 FROM identity.users WHERE email_key = $1 UNION ALL "
        "SELECT 1 FROM identity.oauth_identities WHERE subject = $2",
        person["email"],
        person["sub"],
    )
    return not rows


async def test_a_new_person_signs_in_and_comes_back_as_the_same(
    deployment: Any, browser: Any
) -> None:
    person = deployment.google.person = someone()
    page = await browser.begin(return_to=PAGE)
    asked = query_of(page)
    assert asked["redirect_uri"] == f"{HOME}/v1/auth/google/callback"
    assert asked["code_challenge_method"] == "S256"
    assert asked["scope"] == "openid email profile"
    fragment = await browser.back(await browser.consent(page))
    assert fragment["token_type"] == "Bearer"
    me = await browser.me(fragment)
    assert (me["email"], me["email_verified"]) == (person["email"], True)
    assert (me["display_name"], me["locale"]) == ("Sara Test", "en")
    async with deployment.browser() as elsewhere:
        again = await elsewhere.me(await elsewhere.sign_in())
    assert again["id"] == me["id"]
    rows = await deployment.platform.sql(
        "SELECT register_mode, password_hash FROM identity.users WHERE email_key = $1",
        person["email"],
    )
    assert [tuple(row) for row in rows] == [("Google", None)]
    listed = await browser.client.get("/v1/me/identities", headers=bearer(fragment))
    assert [line["provider"] for line in listed.json()["data"]] == ["google"]
    log = await browser.client.get("/v1/me/security-log", headers=bearer(fragment))
    assert "identity_linked" in [line["kind"] for line in log.json()["data"]]


async def test_the_refresh_token_of_a_fragment_is_one(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    fragment = await browser.sign_in()
    renewed = await browser.client.post(
        "/v1/auth/refresh", json={"refresh_token": fragment["refresh_token"]}
    )
    assert renewed.status_code == 200, renewed.text


async def test_the_cookie_is_of_this_host_and_hidden_from_scripts(
    deployment: Any, browser: Any
) -> None:
    answer = await browser.get("/v1/auth/google/start")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-fr_sign_in=")
    for word in ("httponly", "secure", "samesite=lax", "path=/", "max-age=600"):
        assert word in cookie
    assert "domain" not in cookie


async def test_a_client_that_asks_gets_a_code_once(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    fragment = await browser.sign_in(delivery="code")
    assert set(fragment) == {"code"}
    answers = await asyncio.gather(
        *(
            browser.client.post("/v1/auth/oauth/token", json={"code": fragment["code"]})
            for _ in range(5)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]
    won = next(answer.json() for answer in answers if answer.status_code == 200)
    assert won["user"]["email"] == deployment.google.person["email"]
    lost = next(answer.json() for answer in answers if answer.status_code == 401)
    assert lost["code"] == "invalid_code"


async def test_a_code_is_over_after_a_minute_and_for_nothing_else(
    deployment: Any, browser: Any
) -> None:
    deployment.google.person = someone()
    code = (await browser.sign_in(delivery="code"))["code"]
    for path in ("recovery/complete", "magic-link/complete"):
        body = {"token": code} | ({"password": PASSWORD} if "recovery" in path else {})
        answer = await browser.client.post(f"/v1/auth/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_link")
    made = await deployment.platform.sql(
        "SELECT expires_at - created_at AS life FROM identity.one_time_tokens WHERE id = $1",
        _row_of(code),
    )
    assert 59 < made[0]["life"].total_seconds() < 61
    await deployment.platform.sql(
        "UPDATE identity.one_time_tokens SET expires_at = now() WHERE id = $1", _row_of(code)
    )
    answer = await browser.client.post("/v1/auth/oauth/token", json={"code": code})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_code")


async def test_a_code_opens_a_session_in_cookies_too(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    code = (await browser.sign_in(delivery="code"))["code"]
    body = {"code": code, "mode": "browser"}
    foreign = await browser.client.post(
        "/v1/auth/oauth/token", json=body, headers={"origin": "https://evil.example"}
    )
    assert foreign.status_code == 403, foreign.text
    opened = await browser.client.post("/v1/auth/oauth/token", json=body)
    assert opened.status_code == 200, opened.text
    assert "access_token" not in opened.json()
    me = await browser.client.get("/v1/me")
    assert me.json()["email"] == deployment.google.person["email"]


async def test_a_trusted_device_is_not_asked_for_the_second_factor(
    deployment: Any, browser: Any, with_totp: Any
) -> None:
    deployment.google.person = someone()
    totp = await with_totp(bearer(await browser.sign_in()))

    async def redeem(**more: str) -> dict[str, Any]:
        code = (await browser.sign_in(delivery="code"))["code"]
        answer = await browser.client.post("/v1/auth/oauth/token", json={"code": code, **more})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    now = deployment.platform.runtime.infra.clock.now()
    proof = {"mfa_token": (await redeem())["mfa_token"], "code": totp.at(now, counter_offset=1)}
    opened = await browser.client.post("/v1/auth/mfa/verify", json={**proof, "trust_device": True})
    token = opened.json()["trusted_device_token"]
    assert (await redeem(trusted_device_token=token))["mfa_required"] is False
    assert (await redeem())["mfa_required"] is True


def _row_of(token: str) -> UUID:
    return UUID(hex=token.split(".")[1])


@pytest.mark.parametrize("delivery", ["fragment", "code"])
async def test_the_second_factor_is_asked_for(
    deployment: Any, browser: Any, with_totp: Any, delivery: str
) -> None:
    deployment.google.person = someone()
    totp = await with_totp(bearer(await browser.sign_in()))
    fragment = await browser.sign_in(delivery=delivery)
    assert "access_token" not in fragment
    if delivery == "code":
        answer = await browser.client.post("/v1/auth/oauth/token", json={"code": fragment["code"]})
        fragment = answer.json()
        assert fragment["mfa_required"] is True
        assert "access_token" not in fragment
    assert int(fragment["trust_days"]) == 30
    now = deployment.platform.runtime.infra.clock.now()
    done = await browser.client.post(
        "/v1/auth/mfa/verify",
        json={"mfa_token": fragment["mfa_token"], "code": totp.at(now, counter_offset=1)},
    )
    assert done.status_code == 200, done.text


async def test_a_state_is_good_once(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    where = await browser.consent(await browser.begin())
    assert "access_token" in await browser.back(where)
    exchanges = len(deployment.google.token_requests)
    again = await browser.get(where)
    assert (again.status_code, again.json()["code"]) == (400, "oauth_state_invalid")
    assert len(deployment.google.token_requests) == exchanges


async def test_one_of_ten_ways_back_at_once_is_taken(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    where = await browser.consent(await browser.begin())
    answers = await asyncio.gather(*(browser.get(where) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [302] + [400] * 9


async def test_ten_first_sign_ins_at_once_make_one_account(deployment: Any) -> None:
    person = deployment.google.person = someone()
    browsers = [deployment.browser() for _ in range(10)]
    ways = [await one.consent(await one.begin()) for one in browsers]
    fragments = await asyncio.gather(
        *(one.back(where) for one, where in zip(browsers, ways, strict=True))
    )
    assert len({(await browsers[0].me(fragment))["id"] for fragment in fragments}) == 1
    assert await deployment.count("oauth_identities", person["email"]) == 1
    for one in browsers:
        await one.client.aclose()


async def test_a_state_is_of_one_browser(deployment: Any, browser: Any) -> None:
    person = deployment.google.person = someone()
    where = await browser.consent(await browser.begin())
    async with deployment.browser() as stranger:
        without = await stranger.get(where)
        await stranger.begin()  # a cookie, but of a sign-in of its own
        foreign = await stranger.get(where)
    for answer in (without, foreign):
        assert (answer.status_code, answer.json()["code"]) == (400, "oauth_state_invalid")
    assert await _no_account(deployment, person)
    assert "access_token" in await browser.back(where)  # nobody else has used it up


async def test_a_state_that_is_over_or_made_up_is_refused(deployment: Any, browser: Any) -> None:
    person = deployment.google.person = someone()
    where = await browser.consent(await browser.begin())
    state = query_of(where)["state"]
    changed = state[:-1] + ("B" if state.endswith("A") else "A")
    for other in ("x", state[:32], changed, f"{secrets.token_hex(16)}.{state[33:]}"):
        refused = await browser.get(where.replace(state, other))
        assert (refused.status_code, refused.json()["code"]) == (400, "oauth_state_invalid"), other
    name = state[:32]
    made = await deployment.platform.sql(
        "SELECT expires_at - created_at AS life FROM identity.oauth_states "
        "WHERE replace(id::text, '-', '') = $1",
        name,
    )
    assert 599 < made[0]["life"].total_seconds() < 601
    await deployment.platform.sql(
        "UPDATE identity.oauth_states SET expires_at = now() WHERE replace(id::text, '-', '') = $1",
        name,
    )
    late = await browser.get(where)
    assert (late.status_code, late.json()["code"]) == (400, "oauth_state_invalid")
    assert await _no_account(deployment, person)


async def test_no_other_provider_can_answer(deployment: Any, browser: Any) -> None:
    """Mix-up: a code of one provider is never sent to another one."""
    person = deployment.google.person = deployment.other.person = someone()
    where = await browser.consent(await browser.begin("google"))
    exchanges = len(deployment.other.token_requests)
    moved = await browser.get(where.replace("/google/", "/other/"))
    assert (moved.status_code, moved.json()["code"]) == (400, "oauth_state_invalid")
    for iss in (deployment.other.issuer, None):
        deployment.google.faults = {"iss": iss}
        fragment = await browser.sign_in("google")
        assert fragment == {"error": "oauth_failed"}
    assert len(deployment.other.token_requests) == exchanges
    assert await _no_account(deployment, person)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody-else"},
        {"aud": ["client-of-google", "somebody-else"]},
        {"aud": ["client-of-google", "somebody-else"], "azp": "somebody-else"},
        {"azp": "somebody-else"},
        {"iss": "https://accounts.google.com"},
        {"iss": None},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": 1_700_000_000},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
    ],
    ids=json.dumps,
)
async def test_an_id_token_for_something_else_opens_nothing(
    deployment: Any, browser: Any, claims: dict[str, Any]
) -> None:
    person = deployment.google.person = someone()
    deployment.google.faults = {"claims": claims}
    assert await browser.sign_in() == {"error": "oauth_failed"}
    assert await _no_account(deployment, person)


@pytest.mark.parametrize(
    "fault",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "ES256"}, {"foreign_key": True}],
    ids=json.dumps,
)
async def test_an_id_token_that_the_provider_did_not_sign_opens_nothing(
    deployment: Any, browser: Any, fault: dict[str, Any]
) -> None:
    person = deployment.google.person = someone()
    deployment.google.faults = fault
    assert await browser.sign_in() == {"error": "oauth_failed"}
    assert await _no_account(deployment, person)


async def test_a_code_of_another_sign_in_does_not_fit_the_verifier(
    deployment: Any, browser: Any
) -> None:
    """Somebody who put their own code, or a stolen one, into this browser's way back."""
    person = deployment.google.person = someone()
    async with deployment.browser() as other:
        stolen = query_of(await other.consent(await other.begin()))["code"]
    where = await browser.consent(await browser.begin())
    own = query_of(where)["code"]
    assert await browser.back(where.replace(own, stolen)) == {"error": "oauth_failed"}
    assert len(deployment.google.token_requests[-1]["code_verifier"]) >= 43
    assert await _no_account(deployment, person)


async def test_who_says_no_there_comes_back_without_a_session(
    deployment: Any, browser: Any
) -> None:
    deployment.google.person = None
    assert await browser.sign_in() == {"error": "oauth_denied"}


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/signed-in",
        "//evil.example",
        "https://app.example.com@evil.example/signed-in",
        "https://app.example.com\\@evil.example/signed-in",
        "https://app.example.com/signed-in/../other",
        "https://app.example.com/signed-in?next=//evil.example",
        "https://app.example.com/signed-in#x",
        "https://APP.example.com/signed-in",
        "http://app.example.com/signed-in",
        "javascript:alert(1)",
        "",
    ],
)
async def test_only_listed_pages_are_returned_to(deployment: Any, browser: Any, page: str) -> None:
    answer = await browser.client.get("/v1/auth/google/start", params={"return_to": page})
    assert (answer.status_code, answer.json()["code"]) == (400, "return_not_allowed")
    assert "set-cookie" not in answer.headers


async def test_a_page_that_left_the_list_gets_no_tokens(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    where = await browser.consent(await browser.begin())
    moved = await deployment.save(
        "google", deployment.google, return_urls=["https://new.example.com/"]
    )
    assert moved.status_code == 200, moved.text
    answer = await browser.get(where)
    assert (answer.status_code, answer.json()["code"]) == (400, "return_not_allowed")


async def test_a_provider_that_is_off_or_unknown_is_not_there(
    deployment: Any, browser: Any
) -> None:
    deployment.google.person = someone()
    where = await browser.consent(await browser.begin())
    await deployment.save("google", deployment.google, enabled=False)
    assert await browser.back(where) == {"error": "oauth_unavailable"}
    for name in ("google", "nobody"):
        answer = await browser.get(f"/v1/auth/{name}/start")
        assert answer.status_code == 404
    offers = await browser.get("/v1/auth/providers")
    shown = {one["provider"]: one["start_url"] for one in offers.json()["data"]}
    assert "google" not in shown
    assert shown["other"] == f"{HOME}/v1/auth/other/start"


async def test_another_tenants_provider_is_not_there(deployment: Any, browser: Any) -> None:
    _, key = await deployment.platform.tenant()
    answer = await browser.get(f"/v1/auth/google/start?tenant_key={key}")
    assert answer.status_code == 404
    unknown = await browser.get("/v1/auth/google/start?tenant_key=pk_nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "unknown_tenant_key")


async def test_claims_of_userinfo_count_only_for_the_same_person(
    deployment: Any, browser: Any
) -> None:
    person = deployment.google.person = someone()
    deployment.google.in_userinfo_only = ("email", "email_verified", "name")
    assert (await browser.me(await browser.sign_in()))["email"] == person["email"]
    deployment.google.person = someone()
    deployment.google.faults = {"claims": {"sub": secrets.token_hex(10)}}
    assert (await browser.me(await browser.sign_in()))["email"] is None


async def test_a_banned_person_does_not_get_in(deployment: Any, browser: Any) -> None:
    person = deployment.google.person = someone()
    await browser.sign_in()
    await deployment.platform.sql(
        "UPDATE identity.users SET status = 'Banned' WHERE email_key = $1", person["email"]
    )
    assert await browser.sign_in() == {"error": "invalid_credentials"}


async def test_new_keys_of_a_provider_are_found(deployment: Any, browser: Any) -> None:
    deployment.google.person = someone()
    await browser.sign_in()
    client = _oidc_client(deployment)
    known = client._keys[f"{deployment.google.issuer}/jwks"]
    client._keys[f"{deployment.google.issuer}/jwks"] = type(known)(known.at - 11, known.value)
    before = deployment.google.key
    try:
        deployment.google.key = RSAKey.generate_key(2048, {"use": "sig", "kid": "two"})
        fragment = await browser.sign_in()
    finally:
        deployment.google.key = before
        client._keys.clear()
    assert "access_token" in fragment


def _oidc_client(deployment: Any) -> Any:
    return deployment.platform.runtime.plugins["identity"].context.get(OidcClient)


async def test_sign_ins_that_are_over_are_removed_after_a_day(
    deployment: Any, browser: Any
) -> None:
    pages = [await browser.begin(), await browser.begin()]
    old, young = [query_of(page)["state"][:32] for page in pages]
    await deployment.platform.sql(
        "UPDATE identity.oauth_states SET expires_at = now() - interval '25 hours' "
        "WHERE replace(id::text, '-', '') = $1",
        old,
    )
    await tidy(deployment.platform.runtime.plugins["identity"].context, Nothing())
    left = await deployment.platform.sql(
        "SELECT replace(id::text, '-', '') AS id FROM identity.oauth_states "
        "WHERE replace(id::text, '-', '') = ANY ($1::text[])",
        [old, young],
    )
    assert [row["id"] for row in left] == [young]
