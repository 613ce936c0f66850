"""Many at once: whatever is good once is taken once, whatever is counted is counted exactly, and
what was ended stays ended. Every test ends with the rows that are there afterwards."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from flatrender.testing.platform import PASSWORD, Person, Platform

MANY = 50


def codes(answers: list[Any]) -> Counter[int]:
    """Count the answers by status."""
    return Counter(answer.status_code for answer in answers)


async def at_once(*calls: Awaitable[Any]) -> list[Any]:
    """Run calls side by side; returns their answers."""
    return list(await asyncio.gather(*calls))


async def number(platform: Platform, sql: str, *args: object) -> int:
    """Return the count that a query gives."""
    return int((await platform.sql(sql, *args))[0][0])


async def test_fifty_refreshes_make_one_successor(
    platform: Platform, session_of: Callable[[Person], Awaitable[UUID]]
) -> None:
    person = await platform.person()
    session = await session_of(person)

    def refresh() -> Awaitable[Any]:
        return platform.client.post(
            "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
        )

    row = "SELECT FROM identity.sessions WHERE id = $1 FOR UPDATE"
    async with platform.held(row, session):
        running = [asyncio.ensure_future(refresh()) for _ in range(MANY)]
        await platform.waiters(2, of="identity.sessions")
    answers = await at_once(*running)
    assert codes(answers) == {200: MANY}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    counter = await number(platform, "SELECT counter FROM identity.sessions WHERE id = $1", session)
    assert counter == 1
    headers = {"Authorization": f"Bearer {answers[-1].json()['access_token']}"}
    assert (await platform.client.get("/v1/me", headers=headers)).status_code == 200


async def test_fifty_guesses_of_a_code_get_five_looks(platform: Platform, post: Any) -> None:
    person = await platform.person()
    right = await post.code(person.email, "verify_email")
    wrong = "000000" if right != "000000" else "111111"

    def guess(code: str) -> Awaitable[Any]:
        return platform.client.post(
            "/v1/auth/verification/complete", json={"identifier": person.email, "code": code}
        )

    answers = await at_once(*(guess(wrong) for _ in range(MANY)))
    assert codes(answers) == {401: 10, 429: MANY - 10}  # ten an hour to an address
    looked = await number(
        platform,
        "SELECT attempts FROM identity.one_time_tokens WHERE target = $1 "
        "AND purpose = 'verify_email'",
        person.email,
    )
    assert looked == 5  # five for a code
    assert (await guess(right)).status_code == 429
    proven = "SELECT count(*) FROM identity.users WHERE id = $1 AND email_verified_at IS NOT NULL"
    assert await number(platform, proven, person.id) == 0


async def test_fifty_uses_of_a_link_burn_it_once(platform: Platform, post: Any) -> None:
    person = await platform.person()
    await platform.client.post("/v1/auth/recovery", json={"identifier": person.email})
    token = await post.token(person.email, "reset_password")
    used = [f"{PASSWORD}-{attempt}" for attempt in range(MANY)]
    answers = await at_once(
        *(
            platform.client.post(
                "/v1/auth/recovery/complete", json={"token": token, "password": password}
            )
            for password in used
        )
    )
    assert codes(answers) == {204: 1, 401: MANY - 1}
    winner = used[[answer.status_code for answer in answers].index(204)]
    entered = await platform.client.post(
        "/v1/auth/login", json={"identifier": person.email, "password": winner}
    )
    assert entered.status_code == 200, entered.text
    told = "SELECT count(*) FROM identity.security_events WHERE user_id = $1 AND kind = $2"
    assert await number(platform, told, person.id, "password_reset") == 1
    assert len(await post.all(person.email, "password_changed")) == 1


async def _sessions(platform: Platform, user: UUID) -> int:
    return await number(
        platform,
        "SELECT count(*) FROM identity.sessions WHERE user_id = $1 AND revoked_at IS NULL",
        user,
    )


async def test_fifty_shows_of_one_totp_code_open_one_session(platform: Platform, arm: Any) -> None:
    someone = await arm()
    before = await _sessions(platform, someone.person.id)
    tokens = [await someone.pending() for _ in range(8)]
    code = someone.next_code()
    answers = await at_once(*(someone.verify(tokens[n % 8], code) for n in range(MANY)))
    seen = codes(answers)
    assert seen[200] == 1
    assert set(seen) <= {200, 401, 429}
    assert await _sessions(platform, someone.person.id) == before + 1


async def test_fifty_burns_of_one_recovery_code_open_one_session(
    platform: Platform, arm: Any
) -> None:
    someone = await arm()
    before = await _sessions(platform, someone.person.id)
    tokens = [await someone.pending() for _ in range(8)]
    answers = await at_once(*(someone.verify(tokens[n % 8], someone.codes[0]) for n in range(MANY)))
    seen = codes(answers)
    assert seen[200] == 1
    assert set(seen) <= {200, 401, 429}
    assert await _sessions(platform, someone.person.id) == before + 1
    left = "SELECT count(*) FROM identity.mfa_recovery_codes WHERE user_id = $1 AND used_at IS NULL"
    assert await number(platform, left, someone.person.id) == 9


async def test_a_session_ended_in_the_middle_of_its_use_is_dead_for_all_that_comes_later(
    platform: Platform,
) -> None:
    person = await platform.person()
    other = await platform.login(person.email)
    session = await number_of_session(platform, person, other)

    def look() -> Awaitable[Any]:
        return platform.client.get("/v1/me", headers=person.headers)

    assert (await look()).status_code == 200  # and remembered as live
    early = [asyncio.ensure_future(look()) for _ in range(MANY // 2)]
    refreshing = [
        asyncio.ensure_future(
            platform.client.post("/v1/auth/refresh", json={"refresh_token": person.refresh_token})
        )
        for _ in range(10)
    ]
    ended = await platform.client.delete(f"/v1/me/sessions/{session}", headers=other.headers)
    assert ended.status_code == 204, ended.text
    late = await at_once(*(look() for _ in range(MANY // 2)))
    assert codes(late) == {401: MANY // 2}
    assert set(codes(await at_once(*early))) <= {200, 401}
    for answer in await at_once(*refreshing):
        if answer.status_code == 200:  # it was faster; what it got is dead all the same
            headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            assert (await platform.client.get("/v1/me", headers=headers)).status_code == 401
        else:
            assert answer.status_code == 401
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": person.refresh_token}
    )
    assert renewed.status_code == 401
    assert await _sessions(platform, person.id) == 1
    assert (await platform.client.get("/v1/me", headers=other.headers)).status_code == 200


async def number_of_session(platform: Platform, person: Person, other: Person) -> UUID:
    """Return the session of ``person``'s tokens, not of ``other``'s."""
    listed = await platform.client.get("/v1/me/sessions", headers=person.headers)
    (mine,) = [line["id"] for line in listed.json()["data"] if line["current"]]
    assert other.id == person.id
    return UUID(mine)


async def test_fifty_acceptances_make_one_member(platform: Platform, post: Any) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    email = f"i-{uuid4().hex}@example.com"
    await platform.client.post(
        "/v1/admin/invitations",
        json={"email": email, "role": "moderator"},
        headers=admin.headers,
    )
    token = await post.token(email, "invitation")
    answers = await at_once(
        *(
            platform.client.post(
                "/v1/auth/invitations/accept",
                json={"token": token, "password": PASSWORD, "display_name": f"S{attempt}"},
            )
            for attempt in range(MANY)
        )
    )
    assert codes(answers) == {204: 1, 401: MANY - 1}
    members = "SELECT count(*) FROM identity.users WHERE email_key = $1"
    assert await number(platform, members, email) == 1
    lines = (
        "SELECT count(*) FROM identity.audit_log a JOIN identity.users u ON u.id = a.actor_id "
        "WHERE u.email_key = $1 AND a.action = 'invitation.accept'"
    )
    assert await number(platform, lines, email) == 1


async def test_eight_invitations_of_one_address_leave_one_open(
    platform: Platform, post: Any
) -> None:
    tenant, key = await platform.tenant()
    admins = [await platform.admin(tenant_key=key) for _ in range(2)]
    email = f"i-{uuid4().hex}@example.com"
    answers = await at_once(
        *(
            platform.client.post(
                "/v1/admin/invitations",
                json={"email": email, "role": "user"},
                headers=admins[n % 2].headers,
            )
            for n in range(8)
        )
    )
    assert codes(answers) == {201: 1, 409: 7}
    there = "SELECT count(*) FROM identity.invitations WHERE tenant_id = $1"
    assert await number(platform, there, tenant) == 1
    assert len(await post.all(email, "invitation")) == 1


async def test_two_administrators_who_demote_each_other_leave_one(platform: Platform) -> None:
    tenant, key = await platform.tenant()
    pair = [await platform.admin(tenant_key=key) for _ in range(2)]

    def demote(by: Person, whom: Person) -> Awaitable[Any]:
        return platform.client.put(
            f"/v1/admin/members/{whom.id}/role",
            json={"role": "user", "reason": "both at once"},
            headers=by.headers,
        )

    rows = "SELECT FROM identity.users WHERE tenant_id = $1 FOR UPDATE"
    async with platform.held(rows, tenant):
        running = [
            asyncio.ensure_future(demote(pair[0], pair[1])),
            asyncio.ensure_future(demote(pair[1], pair[0])),
        ]
        await platform.waiters(2, of="identity.users")
    answers = await at_once(*running)
    assert codes(answers) == {204: 1, 409: 1}
    left = "SELECT count(*) FROM identity.users WHERE tenant_id = $1 AND role = 'admin'"
    assert await number(platform, left, tenant) == 1


async def test_support_that_begins_while_its_customer_is_banned_gets_nothing(
    platform: Platform,
) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    owner = await platform.person(tenant_key=key)
    ban = "UPDATE identity.users SET status = 'Banned' WHERE id = $1"
    async with platform.held(ban, owner.id):
        asked = asyncio.ensure_future(
            platform.client.post(
                f"/v1/users/{owner.id}/impersonation",
                json={"reason": "at the wrong moment"},
                headers=admin.headers,
            )
        )
        await platform.waiters(1, of="identity.users")
    refused = await asked
    assert (refused.status_code, refused.json()["code"]) == (409, "account_not_active")
    opened = "SELECT count(*) FROM identity.sessions WHERE impersonator_id = $1"
    assert await number(platform, opened, admin.id) == 0
