"""Changing what protects one's own account: password, addresses; the log and the mails of it."""

import asyncio
import secrets
from typing import Any
from uuid import uuid4

import pytest

from flatrender.testing.platform import PASSWORD, Person, Platform

NEW_PASSWORD = "another-long-passphrase-7"


def _mobile() -> str:
    return f"+98913{secrets.randbelow(10**7):07d}"


async def _me(platform: Platform, person: Person, path: str = "", **body: Any) -> Any:
    return await platform.client.post(f"/v1/me/{path}", json=body, headers=person.headers)


async def _log(platform: Platform, headers: dict[str, str]) -> list[dict[str, Any]]:
    answer = await platform.client.get("/v1/me/security-log?page_size=100", headers=headers)
    assert answer.status_code == 200, answer.text
    lines: list[dict[str, Any]] = answer.json()["data"]
    return lines


async def test_a_changed_password_ends_every_session_and_opens_one(
    platform: Platform, post: Any
) -> None:
    person = await platform.person()
    other = await platform.login(person.email)
    for wrong in (None, "not the password"):
        body = {"new_password": NEW_PASSWORD} | ({"current_password": wrong} if wrong else {})
        refused = await _me(platform, person, "password", **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "proof_required")
    weak = await _me(platform, person, "password", current_password=PASSWORD, new_password="short")
    assert [(e["pointer"], e["code"]) for e in weak.json()["errors"]] == [
        ("/new_password", "password_too_short")
    ]
    changed = await _me(
        platform, person, "password", current_password=PASSWORD, new_password=NEW_PASSWORD
    )
    assert changed.status_code == 200, changed.text
    for headers in (person.headers, other.headers):
        gone = await platform.client.get("/v1/me", headers=headers)
        assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    fresh = {"Authorization": f"Bearer {changed.json()['access_token']}"}
    assert (await platform.client.get("/v1/me", headers=fresh)).status_code == 200
    assert len(await post.all(person.email, "password_changed")) == 1
    kinds = [line["kind"] for line in await _log(platform, fresh)]
    assert kinds == ["signed_in", "password_changed", "signed_in", "signed_in"]


async def test_one_of_ten_password_changes_at_once_wins(platform: Platform) -> None:
    person = await platform.person()
    answers = await asyncio.gather(
        *(
            _me(
                platform,
                person,
                "password",
                current_password=PASSWORD,
                new_password=f"{NEW_PASSWORD}-{n}",
            )
            for n in range(5)
        )
    )
    codes = [a.status_code for a in answers]
    assert codes.count(200) == 1, codes
    assert set(codes) <= {200, 401, 403}


async def test_the_present_password_is_guessed_at_ten_times(platform: Platform) -> None:
    person = await platform.person()
    body = {"current_password": "guess", "new_password": NEW_PASSWORD}
    codes = [(await _me(platform, person, "password", **body)).status_code for _ in range(11)]
    assert codes == [403] * 10 + [429]


async def test_with_a_second_factor_only_a_fresh_one_counts(platform: Platform, arm: Any) -> None:
    someone = await arm()
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    for path, more in (
        ("password", body),
        ("email", {"email": "x@example.com", "current_password": PASSWORD}),
        ("mobile", {"mobile": _mobile(), "current_password": PASSWORD}),
    ):
        refused = await _me(platform, someone.person, path, **more)
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required"), path
    stepped = await _me(platform, someone.person, "mfa/step-up", code=someone.next_code())
    headers = {"Authorization": f"Bearer {stepped.json()['access_token']}"}
    changed = await platform.client.post(
        "/v1/me/password", json={"new_password": NEW_PASSWORD}, headers=headers
    )
    assert changed.status_code == 200, changed.text


async def test_an_account_without_a_password_shows_a_fresh_sign_in(
    platform: Platform, session_of: Any
) -> None:
    person = await platform.person()
    await platform.sql("UPDATE identity.users SET password_hash = NULL WHERE id = $1", person.id)
    await platform.sql(
        "UPDATE identity.sessions SET created_at = now() - interval '16 minutes' WHERE id = $1",
        await session_of(person),
    )
    stale = await _me(platform, person, "password", new_password=NEW_PASSWORD)
    assert stale.json()["code"] == "proof_required"
    await platform.sql(
        "UPDATE identity.sessions SET created_at = now() - interval '14 minutes' WHERE id = $1",
        await session_of(person),
    )
    fresh = await _me(platform, person, "password", new_password=NEW_PASSWORD)
    assert fresh.status_code == 200, fresh.text


async def test_a_changed_email_is_told_to_both_sides(platform: Platform, post: Any) -> None:
    person, stranger = await platform.person(), await platform.person()
    new = f"New-{uuid4().hex}@example.com"
    unproven = await _me(platform, person, "email", email=new)
    assert unproven.json()["code"] == "proof_required"
    same = await _me(platform, person, "email", email=person.email, current_password=PASSWORD)
    assert same.json()["errors"][0]["code"] == "address_unchanged"
    await platform.client.post("/v1/auth/recovery", json={"identifier": person.email})
    old_link = await post.token(person.email, "reset_password")
    asked = await _me(platform, person, "email", email=new, current_password=PASSWORD)
    assert asked.status_code == 202, asked.text
    new = new.lower()
    code = await post.code(new, "change_email")
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.json()["email"] == person.email  # nothing before the code
    theirs = await _me(platform, stranger, "email/confirm", email=new, code=code)
    assert theirs.json()["code"] == "invalid_code"
    done = await _me(platform, person, "email/confirm", email=new, code=code)
    assert (done.status_code, done.json()["email"]) == (200, new), done.text
    assert done.json()["email_verified"] is True
    for address in (person.email, new):
        (told,) = await post.all(address, "email_changed")
        assert told["params"]["new"] == f"{new[0]}•••@example.com"
    void = await platform.client.post(
        "/v1/auth/recovery/complete", json={"token": old_link, "password": NEW_PASSWORD}
    )
    assert void.json()["code"] == "invalid_link"
    assert (await platform.login(new)).id == person.id


async def test_an_email_of_somebody_else_answers_alike_and_is_not_given(
    platform: Platform, post: Any
) -> None:
    person, owner = await platform.person(), await platform.person()
    free = f"free-{uuid4().hex}@example.com"
    answers = [
        await _me(platform, person, "email", email=address, current_password=PASSWORD)
        for address in (owner.email, free)
    ]
    assert [(a.status_code, a.text) for a in answers] == [(202, answers[0].text)] * 2
    await post.last(owner.email, "address_in_use")
    assert await post.all(owner.email, "change_email") == []
    token = await post.token(free, "change_email")
    await platform.person(email=free)  # somebody registers it meanwhile
    taken = await platform.client.post("/v1/auth/address-change/complete", json={"token": token})
    assert (taken.status_code, taken.json()["code"]) == (409, "address_taken")


async def test_a_link_changes_the_email_too(platform: Platform, post: Any) -> None:
    person = await platform.person()
    new = f"link-{uuid4().hex}@example.com"
    await _me(platform, person, "email", email=new, current_password=PASSWORD)
    token = await post.token(new, "change_email")
    done = await platform.client.post("/v1/auth/address-change/complete", json={"token": token})
    assert done.status_code == 204, done.text
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.json()["email"] == new


async def test_a_changed_mobile_is_told_to_both_and_to_the_mailbox(
    platform: Platform, post: Any
) -> None:
    person = await platform.person()
    first, second = _mobile(), _mobile()
    for number, mobile in enumerate((first, second), start=1):
        asked = await _me(platform, person, "mobile", mobile=mobile, current_password=PASSWORD)
        assert asked.status_code == 202, asked.text
        code = await post.code(mobile, "change_mobile")
        done = await _me(platform, person, "mobile/confirm", mobile=mobile, code=code)
        assert (done.status_code, done.json()["mobile"]) == (200, mobile), done.text
        assert len(await post.all(person.email, "mobile_changed")) == number
    assert len(await post.all(first, "mobile_changed")) == 2
    assert len(await post.all(second, "mobile_changed")) == 1


async def test_sessions_are_named_and_ended_one_others_all(platform: Platform, post: Any) -> None:
    person, stranger = await platform.person(), await platform.person()
    others = [await platform.login(person.email) for _ in range(3)]
    listed = await platform.client.get("/v1/me/sessions", headers=person.headers)
    lines = listed.json()["data"]
    assert [line["current"] for line in lines].count(True) == 1
    current = next(line for line in lines if line["current"])
    assert current["methods"] == ["pwd"]
    assert current["ip"].startswith("10.")
    path = f"/v1/me/sessions/{current['id']}"
    foreign = await platform.client.patch(path, json={"device_name": "x"}, headers=stranger.headers)
    assert foreign.status_code == 404
    broken = await platform.client.patch(path, json={"device_name": "a\nb"}, headers=person.headers)
    assert broken.json()["errors"][0]["pointer"] == "/device_name"
    named = await platform.client.patch(path, json={"device_name": "لپ‌تاپ"}, headers=person.headers)
    assert named.status_code == 200, named.text
    again = await platform.client.get("/v1/me/sessions", headers=person.headers)
    assert "لپ‌تاپ" in [line["device_name"] for line in again.json()["data"]]
    ended = await platform.client.post("/v1/me/sessions/end-others", headers=person.headers)
    assert ended.json() == {"ended": 3}
    for other in others:
        gone = await platform.client.get("/v1/me", headers=other.headers)
        assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    assert (await platform.client.get("/v1/me", headers=person.headers)).status_code == 200
    last = await platform.login(person.email)
    all_ended = await platform.client.delete("/v1/me/sessions", headers=person.headers)
    assert all_ended.status_code == 204
    for headers in (person.headers, last.headers):
        assert (await platform.client.get("/v1/me", headers=headers)).status_code == 401
    assert len(await post.all(person.email, "sessions_ended")) == 1
    assert (await platform.client.get("/v1/me", headers=stranger.headers)).status_code == 200


async def test_the_log_is_ones_own_and_pages(platform: Platform) -> None:
    person, stranger = await platform.person(), await platform.person()
    await platform.login(person.email)
    lines = await _log(platform, person.headers)
    assert [line["kind"] for line in lines] == ["signed_in", "signed_in"]
    assert lines[0]["detail"] == {"methods": ["pwd"]}
    assert lines[0]["ip"].startswith("10.")
    page = await platform.client.get(
        "/v1/me/security-log?page=2&page_size=1", headers=person.headers
    )
    assert page.json()["data"] == lines[1:]
    assert len(await _log(platform, stranger.headers)) == 1


async def test_a_sign_in_from_a_new_device_is_told(platform: Platform, post: Any) -> None:
    person = await platform.person()
    await platform.login(person.email)
    assert await post.all(person.email, "new_sign_in") == []
    for _ in range(2):
        answer = await platform.client.post(
            "/v1/auth/login",
            json={"identifier": person.email, "password": PASSWORD},
            headers={"User-Agent": "Other Browser/7", "X-Forwarded-For": "203.0.113.9"},
        )
        assert answer.status_code == 200
    (told,) = await post.all(person.email, "new_sign_in")
    assert told["params"] == {"device": "Other Browser/7", "address": "203.0.113.9"}


async def test_a_refresh_token_that_comes_back_is_told(platform: Platform, post: Any) -> None:
    person = await platform.person()
    token = person.refresh_token
    for _ in range(2):
        answer = await platform.client.post("/v1/auth/refresh", json={"refresh_token": token})
        token = answer.json()["refresh_token"]
    theft = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    assert theft.status_code == 401
    assert len(await post.all(person.email, "session_stolen")) == 1


@pytest.mark.parametrize("person_may", [False, True])
async def test_rules_are_an_admins_with_a_fresh_factor(
    platform: Platform, person_may: bool
) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    person = await platform.person(tenant_key=key)
    body = {"single_session": True, "reason": "one seat"}
    if not person_may:
        refused = await platform.client.put("/v1/admin/policy", json=body, headers=person.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        return
    for wrong, pointer in (
        ({"password_min_length": 5}, "/password_min_length"),
        ({"allowed_email_domains": ["ok.example", "no domain"]}, "/allowed_email_domains/1"),
        ({"link_page": "http://app.example/x"}, "/link_page"),
        ({"link_page": "https://app.example@evil.example/x"}, "/link_page"),
        ({"session_idle_seconds": 1}, "/session_idle_seconds"),
        ({"tenant_id": "x"}, "/tenant_id"),
    ):
        answer = await platform.client.put(
            "/v1/admin/policy", json={**wrong, "reason": "why"}, headers=admin.headers
        )
        assert answer.status_code == 422, wrong
        assert answer.json()["errors"][0]["pointer"] == pointer
    done = await platform.client.put("/v1/admin/policy", json=body, headers=admin.headers)
    assert (done.status_code, done.json()) == (200, {"single_session": True}), done.text
    rows = await platform.sql(
        "SELECT action, before, after, reason FROM identity.audit_log WHERE actor_id = $1", admin.id
    )
    assert [(r["action"], r["reason"]) for r in rows] == [("tenant.policy.change", "one seat")]
    # signing in ends the other session; another tenant's people keep theirs
    first = await platform.person(tenant_key=key)
    second = await platform.login(first.email, tenant_key=key)
    assert (await platform.client.get("/v1/me", headers=first.headers)).status_code == 401
    assert (await platform.client.get("/v1/me", headers=second.headers)).status_code == 200


async def test_a_tenants_rules_of_sessions_and_addresses(platform: Platform) -> None:
    tenant_id, key = await platform.tenant()
    await platform.sql(
        "UPDATE identity.tenants SET policy = $2::jsonb WHERE id = $1",
        tenant_id,
        '{"session_idle_seconds": 600, "session_lifetime_seconds": 3600, '
        '"password_min_length": 30, "allowed_email_domains": ["Corp.example"]}',
    )
    tenant = {"X-Tenant-Key": key}

    async def register(email: str, password: str) -> Any:
        return await platform.client.post(
            "/v1/auth/register", json={"email": email, "password": password}, headers=tenant
        )

    name = uuid4().hex
    foreign = await register(f"{name}@example.com", PASSWORD * 2)
    assert (foreign.status_code, foreign.json()["code"]) == (422, "address_not_allowed")
    below = await register(f"{name}@sub.corp.example", PASSWORD * 2)
    assert below.json()["code"] == "address_not_allowed"
    short = await register(f"{name}@corp.example", PASSWORD)
    assert short.json()["errors"][0]["code"] == "password_too_short"
    assert (await register(f"{name}@CORP.example", PASSWORD * 2)).status_code == 202
    opened = await platform.client.post(
        "/v1/auth/login",
        json={"identifier": f"{name}@corp.example", "password": PASSWORD * 2},
        headers=tenant,
    )
    assert opened.status_code == 200, opened.text
    assert opened.json()["refresh_expires_in"] == 600
    again = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": opened.json()["refresh_token"]}
    )
    assert again.json()["refresh_expires_in"] in (599, 600)
    rows = await platform.sql(
        "SELECT absolute_expires_at - created_at AS life FROM identity.sessions "
        "WHERE tenant_id = $1",
        tenant_id,
    )
    assert rows[0]["life"].total_seconds() == 3600


async def test_a_tenant_that_demands_a_second_factor_lets_nobody_act_without(
    platform: Platform,
) -> None:
    tenant_id, key = await platform.tenant()
    early = await platform.person(tenant_key=key)
    await platform.sql(
        """UPDATE identity.tenants SET policy = '{"require_mfa": true}' WHERE id = $1""", tenant_id
    )
    assert (await platform.client.get("/v1/me/limits", headers=early.headers)).status_code == 200
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": early.refresh_token}
    )
    person = await platform.person(tenant_key=key)
    for token in (renewed.json()["access_token"], person.access_token):
        headers = {"Authorization": f"Bearer {token}"}
        refused = await platform.client.get("/v1/me/limits", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "mfa_required")
        assert (await platform.client.get("/v1/me", headers=headers)).status_code == 200
    import pyotp

    enrolled = await platform.client.post("/v1/me/mfa/totp", headers=person.headers)
    body = enrolled.json()
    confirmed = await platform.client.post(
        f"/v1/me/mfa/totp/{body['factor_id']}/confirm",
        json={"code": pyotp.TOTP(body["secret"]).now()},
        headers=person.headers,
    )
    fresh = {"Authorization": f"Bearer {confirmed.json()['access_token']}"}
    assert (await platform.client.get("/v1/me/limits", headers=fresh)).status_code == 200
