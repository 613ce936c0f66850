"""Bans: who may, what dies at once, what signing in answers, and how they end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.testing.platform import PASSWORD, Person, Platform
from flatrender_identity.errors import LastAdmin
from flatrender_identity.operator import ban_user


async def act(platform: Platform, who: Person, whom: Any, what: str = "ban", **body: Any) -> Any:
    """Do something to somebody."""
    return await platform.client.post(
        f"/v1/users/{whom}/{what}",
        json={"reason": "spam from this account", **body},
        headers=who.headers,
    )


async def sign_in(platform: Platform, person: Person, password: str = PASSWORD) -> Any:
    headers = {"X-Tenant-Key": person.tenant_key} if person.tenant_key else {}
    return await platform.client.post(
        "/v1/auth/login", json={"identifier": person.email, "password": password}, headers=headers
    )


def _same(one: Any, other: Any) -> bool:
    """True when two answers differ in nothing but the request's id."""
    told = [answer.json() | {"request_id": ""} for answer in (one, other)]
    return one.status_code == other.status_code and told[0] == told[1]


async def test_everything_of_a_banned_person_is_dead_from_the_next_call_on(
    platform: Platform, post: Any, arm: Any
) -> None:
    admin = await platform.admin()
    person = await platform.person()
    second = await platform.login(person.email)
    for one in (person, second):
        assert (await platform.client.get("/v1/me", headers=one.headers)).status_code == 200
    asked = await platform.client.post("/v1/auth/recovery", json={"identifier": person.email})
    assert asked.status_code == 202
    link = await post.token(person.email, "reset_password")
    key = uuid4()
    await platform.sql(
        "INSERT INTO identity.tenant_api_keys (id, tenant_id, name, prefix, key_hash, created_by) "
        "VALUES ($1, $2, 'theirs', $3, 'x', $4)",
        key,
        person.tenant_id,
        key.hex[:12],
        person.id,
    )
    done = await act(platform, admin, person.id)
    assert done.status_code == 204, done.text
    for one in (person, second):
        refused = await platform.client.get("/v1/me", headers=one.headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")
        renewed = await platform.client.post(
            "/v1/auth/refresh", json={"refresh_token": one.refresh_token}
        )
        assert renewed.status_code == 401
    void = await platform.client.post(
        "/v1/auth/recovery/complete", json={"token": link, "password": f"{PASSWORD}-new"}
    )
    assert (void.status_code, void.json()["code"]) == (401, "invalid_link")
    rows = await platform.sql(
        "SELECT revoked_at IS NOT NULL AS dead FROM identity.tenant_api_keys WHERE id = $1", key
    )
    assert rows[0]["dead"]
    told = await post.last(person.email, "banned")
    assert told["params"] == {"reason": "spam from this account"}
    events = await platform.sql(
        "SELECT name, payload->'data' AS data FROM identity.outbox "
        "WHERE payload->'data'->>'user_id' = $1 AND name = 'identity.user.banned.v1'",
        str(person.id),
    )
    assert len(events) == 1
    lines = await platform.sql(
        "SELECT action, reason, actor_id, before, after, host(ip) AS ip FROM identity.audit_log "
        "WHERE target_id = $1",
        str(person.id),
    )
    assert [(r["action"], r["reason"], r["actor_id"]) for r in lines] == [
        ("user.ban", "spam from this account", admin.id)
    ]
    assert '"Active"' in lines[0]["before"]
    assert str(key) in lines[0]["after"]
    assert lines[0]["ip"]


async def test_signing_in_answers_as_a_wrong_password_does(platform: Platform) -> None:
    admin, person = await platform.admin(), await platform.person()
    wrong = await sign_in(platform, person, "not-the-password-1")
    assert (await act(platform, admin, person.id)).status_code == 204
    banned = await sign_in(platform, person)
    assert wrong.status_code == 401
    assert _same(wrong, banned)


async def test_a_half_finished_sign_in_is_void(platform: Platform, arm: Any) -> None:
    admin, armed = await platform.admin(), await arm()
    token = await armed.pending()
    assert (await act(platform, admin, armed.person.id)).status_code == 204
    finished = await armed.verify(token, armed.next_code())
    assert finished.status_code == 401
    rows = await platform.sql(
        "SELECT count(*) AS live FROM identity.sessions WHERE user_id = $1 AND revoked_at IS NULL",
        armed.person.id,
    )
    assert rows[0]["live"] == 0


async def test_what_was_begun_before_a_ban_stays_void_after_it(
    platform: Platform, post: Any, arm: Any
) -> None:
    admin, armed = await platform.admin(), await arm()
    person: Person = armed.person
    asked = await platform.client.post("/v1/auth/recovery", json={"identifier": person.email})
    assert asked.status_code == 202
    link = await post.token(person.email, "reset_password")
    pending = await armed.pending()
    assert (await act(platform, admin, person.id)).status_code == 204
    assert (await act(platform, admin, person.id, "unban")).status_code == 204
    late = await platform.client.post(
        "/v1/auth/recovery/complete", json={"token": link, "password": f"{PASSWORD}-new"}
    )
    assert (late.status_code, late.json()["code"]) == (401, "invalid_link")
    finished = await armed.verify(pending, armed.next_code())
    assert finished.status_code == 401
    old = await platform.client.get("/v1/me", headers=person.headers)
    assert old.status_code == 401


async def test_who_reaches_whom(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    peer = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    fellow = await platform.staff("moderator", tenant_key=key)
    customer = await platform.person(tenant_key=key)
    stranger = await platform.person()
    missing = await act(platform, admin, uuid4())
    for who, whom, code in (
        (admin, admin, "not_oneself"),
        (moderator, moderator, "not_oneself"),
        (admin, peer, "out_of_reach"),
        (moderator, admin, "out_of_reach"),
        (moderator, fellow, "out_of_reach"),
        (customer, stranger, "forbidden"),
    ):
        for what in ("ban", "unban"):
            refused = await act(platform, who, whom.id, what)
            assert (refused.status_code, refused.json()["code"]) == (403, code), (code, what)
    foreign = await act(platform, admin, stranger.id)
    assert _same(foreign, missing)
    assert foreign.status_code == 404
    for untouched in (admin, peer, fellow, customer, stranger):
        me = await platform.client.get("/v1/me", headers=untouched.headers)
        assert me.status_code == 200
    assert (await act(platform, moderator, customer.id)).status_code == 204
    assert (await act(platform, admin, moderator.id)).status_code == 204


@pytest.mark.parametrize("what", ["ban", "unban", "moderator"])
async def test_it_wants_permission_a_fresh_factor_and_a_reason(
    platform: Platform, what: str
) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    customer = await platform.person(tenant_key=key)
    more = {"moderator": True} if what == "moderator" else {}
    changed = await platform.client.put(
        "/v1/admin/roles/moderator",
        json={"permissions": ["people.read"], "reason": "only looking"},
        headers=admin.headers,
    )
    assert changed.status_code == 200
    refused = await act(platform, moderator, customer.id, what, **more)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_required")
    for body in ({"reason": ""}, {"reason": "a\nb"}, {"role": "admin"}):
        bad = await act(platform, admin, customer.id, what, **more, **body)  # type: ignore[arg-type]  # of a table
        assert bad.status_code == 422, body
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    stale = await platform.client.post(
        f"/v1/users/{customer.id}/{what}",
        json={"reason": "spam from here", **more},
        headers={"Authorization": f"Bearer {renewed.json()['access_token']}"},
    )
    assert (stale.status_code, stale.json()["code"]) == (403, "step_up_required")


async def test_an_end_is_in_the_future_and_lifts_by_itself(platform: Platform, post: Any) -> None:
    admin, person = await platform.admin(), await platform.person()
    now = datetime.now(UTC)
    for until in (now - timedelta(minutes=1), now + timedelta(days=3_700), "tomorrow"):
        text = until if isinstance(until, str) else until.isoformat()
        refused = await act(platform, admin, person.id, until=text)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/until")
    naive = await act(platform, admin, person.id, until="2036-01-01T00:00:00")
    assert naive.status_code == 422
    until = now + timedelta(days=2)
    assert (await act(platform, admin, person.id, until=until.isoformat())).status_code == 204
    told = await post.last(person.email, "banned_until")
    assert told["params"]["until"] == f"{until:%Y-%m-%d %H:%M} UTC"
    assert (await sign_in(platform, person)).status_code == 401
    longer = until + timedelta(days=1)
    again = await act(platform, admin, person.id, until=longer.isoformat(), reason="again, worse")
    assert again.status_code == 204
    await platform.sql(
        "UPDATE identity.users SET banned_until = now() - interval '1 second' WHERE id = $1",
        person.id,
    )
    await post.last(person.email, "unbanned")
    assert (await sign_in(platform, person)).status_code == 200
    old = await platform.client.get("/v1/me", headers=person.headers)
    assert old.status_code == 401
    rows = await platform.sql(
        "SELECT actor_kind, action FROM identity.audit_log WHERE target_id = $1 "
        "ORDER BY created_at, id",
        str(person.id),
    )
    assert [tuple(row) for row in rows] == [
        ("user", "user.ban"),
        ("user", "user.ban"),
        ("system", "user.unban"),
    ]


async def test_a_ban_is_lifted_by_hand_once(platform: Platform, post: Any) -> None:
    admin, person = await platform.admin(), await platform.person()
    nothing = await act(platform, admin, person.id, "unban")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_banned")
    assert (await act(platform, admin, person.id)).status_code == 204
    answers = await asyncio.gather(*(act(platform, admin, person.id, "unban") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
    await post.last(person.email, "unbanned")
    assert len(await post.all(person.email, "unbanned")) == 1
    assert (await sign_in(platform, person)).status_code == 200


async def test_a_session_that_opens_while_its_owner_is_banned_is_dead(platform: Platform) -> None:
    admin, person = await platform.admin(), await platform.person()
    statement = "SELECT FROM identity.users WHERE id = $1 FOR UPDATE"
    async with platform.held(statement, person.id):
        banning = asyncio.create_task(act(platform, admin, person.id))
        await platform.waiters(1, of="banned_at, banned_until")
        opening = asyncio.create_task(sign_in(platform, person))
        await platform.waiters(1, of="INSERT INTO identity.sessions")
    opened = await opening
    assert (await banning).status_code == 204
    assert opened.status_code == 200  # its password was looked at before
    # Whoever got in between stays out, also once the ban is lifted.
    assert (await act(platform, admin, person.id, "unban")).status_code == 204
    headers = {"Authorization": f"Bearer {opened.json()['access_token']}"}
    refused = await platform.client.get("/v1/me", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")


async def test_a_moderator_is_made_and_unmade(platform: Platform, post: Any) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    peer = await platform.admin(tenant_key=key)
    person = await platform.person(tenant_key=key)
    stranger = await platform.person()

    async def role_of(user_id: UUID) -> str:
        rows = await platform.sql("SELECT role FROM identity.users WHERE id = $1", user_id)
        found: str = rows[0]["role"]
        return found

    for whom, code in (
        (admin, (403, "not_oneself")),
        (peer, (403, "out_of_reach")),
        (stranger, (404, "not_found")),
    ):
        for moderator in (True, False):
            refused = await act(platform, admin, whom.id, "moderator", moderator=moderator)
            assert (refused.status_code, refused.json()["code"]) == code
    assert (await role_of(peer.id), await role_of(stranger.id)) == ("admin", "user")
    made = await act(platform, admin, person.id, "moderator", moderator=True)
    assert made.status_code == 204, made.text
    dead = await platform.client.get("/v1/me", headers=person.headers)
    assert (dead.status_code, dead.json()["code"]) == (401, "session_ended")
    assert await role_of(person.id) == "moderator"
    again = await platform.login(person.email, tenant_key=key)
    unmade = await act(platform, admin, person.id, "moderator", moderator=False)
    assert unmade.status_code == 204
    gone = await platform.client.get("/v1/me", headers=again.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    told = await post.last(person.email, "role_changed", number=2)
    assert told["params"] == {"before": "moderator", "after": "user"}
    lines = await platform.sql(
        "SELECT before, after FROM identity.audit_log WHERE target_id = $1 ORDER BY created_at",
        str(person.id),
    )
    assert ["moderator" in line["after"] for line in lines] == [True, False]


async def test_the_operator_reaches_staff_and_leaves_the_tenant_an_administrator(
    platform: Platform,
) -> None:
    tenant_id, key = await platform.tenant()
    first = await platform.admin(tenant_key=key)
    second = await platform.admin(tenant_key=key)
    context = platform.runtime.plugins["identity"].context
    await ban_user(context, first.email, reason="left us", until=None, tenant_id=tenant_id)
    dead = await platform.client.get("/v1/me", headers=first.headers)
    assert dead.status_code == 401
    with pytest.raises(LastAdmin):
        await ban_user(context, second.email, reason="as well", until=None, tenant_id=tenant_id)
    assert (await platform.client.get("/v1/me", headers=second.headers)).status_code == 200
