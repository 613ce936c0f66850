"""Verify, recover and sign in by links and codes that are good once and tell nobody anything."""

import asyncio
import re
import secrets
from typing import Any
from uuid import uuid4

import pytest

from flatrender.tasks.task import Nothing
from flatrender.testing.platform import PASSWORD, Person, Platform
from flatrender_identity.services.tidy import tidy

NEW_PASSWORD = "another-long-passphrase-7"


def _bare(answer: Any) -> tuple[int, str]:
    return answer.status_code, re.sub(r'"(request_id|instance)":"[^"]*",?', "", answer.text)


def _mobile() -> str:
    return f"+98912{secrets.randbelow(10**7):07d}"


async def _say(platform: Platform, path: str, **body: Any) -> Any:
    return await platform.client.post(f"/v1/auth/{path}", json=body)


async def _registered(platform: Platform) -> str:
    email = f"r-{uuid4().hex}@example.com"
    answer = await _say(platform, "register", email=email, password=PASSWORD)
    assert answer.status_code == 202, answer.text
    return email


async def _login(platform: Platform, name: str, password: str) -> Any:
    return await _say(platform, "login", identifier=name, password=password)


async def _verified(platform: Platform, email: str) -> bool:
    rows = await platform.sql(
        "SELECT email_verified_at IS NOT NULL AS yes FROM identity.users WHERE email_key = $1",
        email,
    )
    return bool(rows[0]["yes"])


async def test_a_code_proves_the_address_once(platform: Platform, post: Any) -> None:
    email = await _registered(platform)
    code = await post.code(email, "verify_email")
    assert not await _verified(platform, email)
    done = await _say(platform, "verification/complete", identifier=email.upper(), code=code)
    assert done.status_code == 204, done.text
    assert await _verified(platform, email)
    again = await _say(platform, "verification/complete", identifier=email, code=code)
    assert (again.status_code, again.json()["code"]) == (401, "invalid_code")
    told = await platform.sql(
        "SELECT 1 FROM identity.outbox o JOIN identity.users u "
        "ON o.payload->'data'->>'user_id' = u.id::text "
        "WHERE o.name = 'identity.user.email_verified.v1' AND u.email_key = $1",
        email,
    )
    assert len(told) == 1


async def test_the_page_of_a_link_uses_nothing_up(platform: Platform, post: Any) -> None:
    email = await _registered(platform)
    told = await post.last(email, "verify_email")
    link = told["secrets"]["link"]
    page_url, _, fragment = link.partition("#")
    assert fragment.startswith("verify_email=fo1.")
    for _ in range(3):  # scanners, previews, prefetchers
        page = await platform.client.get(page_url)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in page.headers["content-security-policy"]
    for name in ("link.js", "link.css"):
        assert (await platform.client.get(f"/v1/auth/link/{name}")).status_code == 200
    assert (await platform.client.get("/v1/auth/link/link.html")).status_code == 404
    assert not await _verified(platform, email)
    token = await post.token(email, "verify_email")
    for path in ("verification/complete", "recovery/complete", "magic-link/complete"):
        got = await platform.client.get(f"/v1/auth/{path}", params={"token": token})
        assert got.status_code in (404, 405)
    assert (await _say(platform, "verification/complete", token=token)).status_code == 204
    assert await _verified(platform, email)
    again = await _say(platform, "verification/complete", token=token)
    assert (again.status_code, again.json()["code"]) == (401, "invalid_link")


async def test_a_token_is_good_for_its_purpose_only_and_never_stored(
    platform: Platform, post: Any
) -> None:
    email = await _registered(platform)
    token = await post.token(email, "verify_email")
    code = await post.code(email, "verify_email")
    for path, more in (
        ("recovery/complete", {"password": NEW_PASSWORD}),
        ("magic-link/complete", {}),
    ):
        for proof in ({"token": token}, {"identifier": email, "code": code}):
            refused = await _say(platform, path, **proof, **more)
            assert refused.status_code == 401, (path, proof)
    secret = token.rpartition(".")[2]
    held = await platform.sql(
        "SELECT (SELECT count(*) FROM identity.one_time_tokens t WHERE t::text LIKE $1) "
        "+ (SELECT count(*) FROM identity.outbox t WHERE t::text LIKE $1) AS n",
        f"%{secret}%",
    )
    assert held[0]["n"] == 0
    for broken in (
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        "fo1.x.y",
        f"fo1.{uuid4().hex}.x",
    ):
        refused = await _say(platform, "verification/complete", token=broken)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_link")
    await platform.sql(
        "UPDATE identity.one_time_tokens SET expires_at = now() WHERE target = $1", email
    )
    late = await _say(platform, "verification/complete", token=token)
    assert (late.status_code, late.json()["code"]) == (401, "invalid_link")


async def test_a_code_is_guessed_at_five_times_also_at_once(platform: Platform, post: Any) -> None:
    email = await _registered(platform)
    code = await post.code(email, "verify_email")
    wrong = "000000" if code != "000000" else "111111"
    answers = await asyncio.gather(
        *(_say(platform, "verification/complete", identifier=email, code=wrong) for _ in range(5))
    )
    assert {a.json()["code"] for a in answers} == {"invalid_code"}
    right = await _say(platform, "verification/complete", identifier=email, code=code)
    assert (right.status_code, right.json()["code"]) == (401, "invalid_code")
    assert not await _verified(platform, email)


async def test_an_hour_has_ten_guesses_whatever_is_sent_anew(platform: Platform, post: Any) -> None:
    email = await _registered(platform)
    nobody = f"nobody-{uuid4().hex}@example.com"
    for name in (email, nobody):
        codes = [
            (
                await _say(platform, "verification/complete", identifier=name, code="0000000")
            ).status_code
            for _ in range(12)
        ]
        assert codes[:10] == [401] * 10, name
        assert codes[-1] == 429, name
    other = await _registered(platform)
    code = await post.code(other, "verify_email")
    fine = await _say(platform, "verification/complete", identifier=other, code=code)
    assert fine.status_code == 204


async def test_the_newest_code_counts(platform: Platform, post: Any) -> None:
    email = await _registered(platform)
    first = await post.token(email, "verify_email")
    assert (await _say(platform, "verification", identifier=email)).status_code == 202
    second = await post.token(email, "verify_email", number=2)
    old = await _say(platform, "verification/complete", token=first)
    assert old.json()["code"] == "invalid_link"
    assert (await _say(platform, "verification/complete", token=second)).status_code == 204
    # who is verified gets no further code
    assert (await _say(platform, "verification", identifier=email)).status_code == 202
    marker = await _registered(platform)
    await post.last(marker, "verify_email")
    assert len(await post.all(email, "verify_email")) == 2


@pytest.mark.parametrize("path", ["verification", "recovery", "magic-link"])
async def test_asking_answers_alike_for_everybody(platform: Platform, post: Any, path: str) -> None:
    fine, banned, google = [await platform.person() for _ in range(3)]
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", banned.id)
    await platform.sql(
        "UPDATE identity.users SET password_hash = NULL, register_mode = 'Google' WHERE id = $1",
        google.id,
    )
    nobody = f"nobody-{uuid4().hex}@example.com"
    names = [fine.email, banned.email, google.email, nobody, "no address", _mobile()]
    answers = [await _say(platform, path, identifier=name) for name in names]
    assert {_bare(a) for a in answers} == {(202, '{"status":"accepted"}')}
    wanted = {"verification": "verify_email", "recovery": "reset_password"}.get(path, "magic_link")
    number = 2 if path == "verification" else 1
    await post.last(google.email, wanted, number=number)
    assert await post.all(nobody) == []
    assert await post.all(banned.email, "reset_password") == []
    assert await post.all(banned.email, "magic_link") == []


async def test_messages_are_limited_by_recipient_known_or_not(platform: Platform) -> None:
    person = await platform.person()  # registering was its first message
    for name, left in ((person.email, 9), (f"nobody-{uuid4().hex}@example.com", 10)):
        codes = [
            (await _say(platform, "magic-link", identifier=name)).status_code for _ in range(11)
        ]
        assert codes == [202] * left + [429] * (11 - left)
    for name in ((await platform.person()).email, f"nobody-{uuid4().hex}@example.com"):
        asked = [await _say(platform, "recovery", identifier=name) for _ in range(6)]
        assert [a.status_code for a in asked] == [202] * 5 + [429]
        assert int(asked[-1].headers["retry-after"]) > 3600


async def test_recovery_sets_a_password_and_ends_every_session(
    platform: Platform, post: Any
) -> None:
    person = await platform.person()
    assert (await _say(platform, "recovery", identifier=person.email)).status_code == 202
    token = await post.token(person.email, "reset_password")
    weak = await _say(platform, "recovery/complete", token=token, password="short")
    assert (weak.status_code, weak.json()["errors"][0]["code"]) == (422, "password_too_short")
    own = await _say(platform, "recovery/complete", token=token, password=person.email)
    assert own.json()["errors"][0]["code"] == "password_is_identifier"
    live = await platform.client.get("/v1/me", headers=person.headers)
    assert live.status_code == 200  # and remembered as such
    done = await _say(platform, "recovery/complete", token=token, password=NEW_PASSWORD)
    assert done.status_code == 204, done.text
    ended = await platform.client.get("/v1/me", headers=person.headers)
    assert (ended.status_code, ended.json()["code"]) == (401, "session_ended")
    refreshed = await _say(platform, "refresh", refresh_token=person.refresh_token)
    assert refreshed.status_code == 401
    assert (await _login(platform, person.email, PASSWORD)).status_code == 401
    assert (await _login(platform, person.email, NEW_PASSWORD)).status_code == 200
    assert await _verified(platform, person.email)
    await post.last(person.email, "password_changed")
    again = await _say(platform, "recovery/complete", token=token, password=PASSWORD)
    assert again.json()["code"] == "invalid_link"


async def test_one_of_twenty_recoveries_at_once_wins(platform: Platform, post: Any) -> None:
    person = await platform.person()
    await _say(platform, "recovery", identifier=person.email)
    token = await post.token(person.email, "reset_password")
    answers = await asyncio.gather(
        *(
            _say(platform, "recovery/complete", token=token, password=f"{NEW_PASSWORD}-{n}")
            for n in range(20)
        )
    )
    codes = sorted(a.status_code for a in answers)
    assert codes == [204] + [401] * 19


async def test_recovery_leaves_the_second_factor(platform: Platform, post: Any, arm: Any) -> None:
    someone = await arm()
    await _say(platform, "recovery", identifier=someone.person.email)
    code = await post.code(someone.person.email, "reset_password")
    done = await _say(
        platform,
        "recovery/complete",
        identifier=someone.person.email,
        code=code,
        password="short-1a",  # eight are enough beside a second factor
    )
    assert done.status_code == 204, done.text
    answer = await _login(platform, someone.person.email, "short-1a")
    assert answer.json()["mfa_required"] is True


async def test_a_banned_persons_link_is_void(platform: Platform, post: Any) -> None:
    person = await platform.person()
    await _say(platform, "recovery", identifier=person.email)
    await _say(platform, "magic-link", identifier=person.email)
    reset = await post.token(person.email, "reset_password")
    sign_in = await post.code(person.email, "magic_link")
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", person.id)
    refused = await _say(platform, "recovery/complete", token=reset, password=NEW_PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_link")
    refused = await _say(platform, "magic-link/complete", identifier=person.email, code=sign_in)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_code")


async def test_a_magic_link_signs_in_and_proves_the_address(platform: Platform, post: Any) -> None:
    person = await platform.person()
    await _say(platform, "magic-link", identifier=person.email)
    told = await post.last(person.email, "magic_link")
    assert "link" not in told["secrets"]  # the tenant names no page: the code does it
    code = told["secrets"]["code"].translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    answers = await asyncio.gather(
        *(
            _say(platform, "magic-link/complete", identifier=person.email, code=code, device="tab")
            for _ in range(4)
        )
    )
    assert sorted(a.status_code for a in answers) == [200, 401, 401, 401]
    opened = next(a for a in answers if a.status_code == 200).json()
    headers = {"Authorization": f"Bearer {opened['access_token']}"}
    me = await platform.client.get("/v1/me", headers=headers)
    assert (me.json()["id"], me.json()["email_verified"]) == (str(person.id), True)
    rows = await platform.sql(
        "SELECT amr, device_name FROM identity.sessions WHERE user_id = $1 "
        "ORDER BY created_at DESC LIMIT 1",
        person.id,
    )
    assert (rows[0]["amr"], rows[0]["device_name"]) == (["email"], "tab")


async def test_a_magic_link_still_wants_the_second_factor(
    platform: Platform, post: Any, arm: Any
) -> None:
    someone = await arm()
    await _say(platform, "magic-link", identifier=someone.person.email)
    code = await post.code(someone.person.email, "magic_link")
    answer = await _say(platform, "magic-link/complete", identifier=someone.person.email, code=code)
    assert answer.json()["mfa_required"] is True
    assert (await someone.verify(answer.json()["mfa_token"], someone.codes[0])).status_code == 200


async def test_links_name_the_tenants_own_page_and_stay_in_the_tenant(
    platform: Platform, post: Any
) -> None:
    tenant_id, key = await platform.tenant()
    await platform.sql(
        """UPDATE identity.tenants SET policy = '{"link_page": "https://app.example/auth", "x": 1}'
        WHERE id = $1""",
        tenant_id,
    )
    person = await platform.person(tenant_key=key)
    here = await platform.person(email=person.email)  # the same address in another tenant
    told = await post.last(person.email, "verify_email")
    await post.last(person.email, "verify_email", number=2)
    pages = {one["secrets"]["link"].partition("#")[0] for one in await post.all(person.email)}
    assert pages == {
        "https://app.example/auth",
        "http://testserver.local/v1/auth/link",
    }
    ask = await platform.client.post(
        "/v1/auth/magic-link", json={"identifier": person.email}, headers={"X-Tenant-Key": key}
    )
    assert ask.status_code == 202
    told = await post.last(person.email, "magic_link")
    # the code belongs to the tenant in which it was asked for, the link to the tenant it names
    foreign = await _say(
        platform,
        "magic-link/complete",
        identifier=person.email,
        code=told["secrets"]["code"],
    )
    assert foreign.json()["code"] == "invalid_code"
    assert "&lang=fa" in told["secrets"]["link"]
    token = await post.token(person.email, "magic_link")
    opened = await _say(platform, "magic-link/complete", token=token)
    assert opened.json()["user"]["id"] == str(person.id) != str(here.id)


async def test_registering_again_offers_a_way_in_that_ends_a_squatters(
    platform: Platform, post: Any
) -> None:
    squatter = await platform.person()
    again = await _say(platform, "register", email=squatter.email, password=NEW_PASSWORD)
    assert again.status_code == 202
    token = await post.token(squatter.email, "account_exists")
    assert (await _login(platform, squatter.email, NEW_PASSWORD)).status_code == 401
    done = await _say(platform, "recovery/complete", token=token, password=NEW_PASSWORD)
    assert done.status_code == 204, done.text
    gone = await platform.client.get("/v1/me", headers=squatter.headers)
    assert gone.status_code == 401
    assert (await _login(platform, squatter.email, PASSWORD)).status_code == 401


async def test_a_mobile_registers_and_signs_in_once_it_is_proven(
    platform: Platform, post: Any
) -> None:
    mobile = _mobile()
    typed = "۰" + mobile[3:].translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    made = await _say(platform, "register", mobile=typed, password=PASSWORD)
    assert made.status_code == 202, made.text
    told = await post.last(mobile, "verify_mobile")
    assert (told["channel"], "link" in told["secrets"]) == ("SMS", False)
    early = await _login(platform, mobile, PASSWORD)
    assert (early.status_code, early.json()["code"]) == (401, "invalid_credentials")
    done = await _say(
        platform, "verification/complete", identifier=typed, code=told["secrets"]["code"]
    )
    assert done.status_code == 204, done.text
    opened = await _login(platform, typed, PASSWORD)
    assert opened.status_code == 200, opened.text
    assert opened.json()["user"]["mobile"] == mobile
    assert opened.json()["user"]["mobile_verified"] is True
    home = await _say(
        platform,
        "login",
        identifier=mobile,
        password=PASSWORD,
        device_token=opened.json()["device_token"],
    )
    assert home.status_code == 200
    await _say(platform, "recovery", identifier=mobile)
    code = await post.code(mobile, "reset_password")
    changed = await _say(
        platform, "recovery/complete", identifier=mobile, code=code, password=NEW_PASSWORD
    )
    assert changed.status_code == 204
    assert (await post.last(mobile, "password_changed"))["channel"] == "SMS"
    assert (await _login(platform, mobile, NEW_PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"mobile": "12345678"}, "/mobile", "mobile_invalid"),
        ({"mobile": "+98912abc4567"}, "/mobile", "mobile_invalid"),
        ({}, "/email", "required"),
        ({"email": "a@example.com", "mobile": "+989121234567"}, "/email", "required"),
    ],
)
async def test_a_refused_mobile_is_named(
    platform: Platform, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await _say(platform, "register", password=PASSWORD, **body)
    assert answer.status_code == 422, answer.text
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    "body", [{}, {"token": "x", "code": "123456"}, {"identifier": "a@b.c"}, {"code": "123456"}]
)
async def test_a_proof_has_one_form(platform: Platform, body: dict[str, Any]) -> None:
    answer = await _say(platform, "verification/complete", **body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/token")


async def test_names_of_one_account_share_its_tries(platform: Platform) -> None:
    person: Person = await platform.person()
    mobile = _mobile()
    await platform.sql(
        "UPDATE identity.users SET mobile = $2, mobile_verified_at = now() WHERE id = $1",
        person.id,
        mobile,
    )
    for name in (person.email, mobile) * 5:
        assert (await _login(platform, name, "guess")).status_code == 401
    assert (await _login(platform, mobile, PASSWORD)).status_code == 429
    assert (await _login(platform, person.email, PASSWORD)).status_code == 429


async def test_tokens_are_removed_a_day_after_their_end(platform: Platform, post: Any) -> None:
    old, young = await _registered(platform), await _registered(platform)
    for email, age in ((old, 25), (young, 23)):
        await post.last(email, "verify_email")
        await platform.sql(
            "UPDATE identity.one_time_tokens SET expires_at = now() - make_interval(hours => $2) "
            "WHERE target = $1",
            email,
            age,
        )
    await tidy(platform.runtime.plugins["identity"].context, Nothing())
    left = await platform.sql(
        "SELECT target FROM identity.one_time_tokens WHERE target = ANY ($1::text[])", [old, young]
    )
    assert [row["target"] for row in left] == [young]
