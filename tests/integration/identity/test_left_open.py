"""What was begun with powers that are gone leads nowhere: sign-ins under way, support, tokens."""

import asyncio
from typing import Any
from uuid import UUID

import jwt
import pytest

from flatrender.security.ports import SessionLedger
from flatrender.testing.platform import PASSWORD, Person, Platform

WHY = {"reason": "a ticket"}
ROLE = "/v1/admin/roles/moderator"


@pytest.mark.parametrize("way", ["recovery", "sessions"])
async def test_a_sign_in_under_way_ends_with_what_began_it(
    platform: Platform, arm: Any, post: Any, way: str
) -> None:
    armed = await arm()
    token, passed = await armed.pending(), await armed.pending()
    assert (await armed.verify(passed, armed.codes[0])).status_code == 200
    if way == "recovery":
        asked = {"identifier": armed.person.email}
        await platform.client.post("/v1/auth/recovery", json=asked)
        link = await post.token(armed.person.email, "reset_password")
        done = await platform.client.post(
            "/v1/auth/recovery/complete", json={"token": link, "password": f"{PASSWORD}-new"}
        )
    else:
        done = await platform.client.delete("/v1/me/sessions", headers=armed.person.headers)
    assert done.status_code == 204, done.text
    options = await platform.client.post("/v1/auth/mfa/passkey/options", json={"mfa_token": token})
    assert (options.status_code, options.json()["code"]) == (401, "invalid_mfa_token")
    refused = await armed.verify(token, armed.codes[1])
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_mfa_token")


async def _support(platform: Platform, by: Person, owner: Person) -> Any:
    begun = await platform.client.post(
        f"/v1/users/{owner.id}/impersonation", json=WHY, headers=by.headers
    )
    assert begun.status_code == 201, begun.text
    return begun.json()


async def _status(platform: Platform, tokens: Any) -> int:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return (await platform.client.get("/v1/me", headers=headers)).status_code


async def test_support_is_out_when_it_may_act_no_longer(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    owner = await platform.person(tenant_key=key)

    async def allow(*held: str) -> None:
        body = {"permissions": ["people.read", *held], "reason": "another desk"}
        answer = await platform.client.put(ROLE, json=body, headers=admin.headers)
        assert answer.status_code == 200, answer.text

    await allow("support.act")
    theirs, admins = [await _support(platform, by, owner) for by in (moderator, admin)]
    assert [await _status(platform, one) for one in (theirs, admins)] == [200, 200]
    await allow("support.act", "people.crm")
    assert await _status(platform, theirs) == 200
    await allow()
    assert [await _status(platform, one) for one in (theirs, admins)] == [401, 200]
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": theirs["refresh_token"]}
    )
    assert renewed.status_code == 401


async def test_support_does_not_outlive_a_session_that_ended_while_it_began(
    platform: Platform,
) -> None:
    admin, owner = await platform.admin(), await platform.person()
    tokens = await _support(platform, admin, owner)
    session = UUID(tokens["session_id"])
    ledger = platform.runtime.port(SessionLedger)
    assert await ledger.session_live(session) is True
    # As a sign-out leaves it that had looked for support's sessions a moment before.
    await platform.sql(
        "UPDATE identity.sessions SET revoked_at = now() WHERE id = "
        "(SELECT impersonator_session_id FROM identity.sessions WHERE id = $1)",
        session,
    )
    assert await ledger.session_live(session) is False
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    assert renewed.status_code == 401


async def test_no_access_token_outlives_its_session(platform: Platform) -> None:
    admin, owner = await platform.admin(), await platform.person()
    tokens = await _support(platform, admin, owner)
    await platform.sql(
        "UPDATE identity.sessions SET absolute_expires_at = now() + interval '100 seconds' "
        "WHERE id = $1",
        UUID(tokens["session_id"]),
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    assert renewed.status_code == 200, renewed.text
    told = renewed.json()
    assert told["device_token"] == ""  # support's device is none of the owner's
    claims = jwt.decode(told["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == told["expires_in"] <= 100


async def test_support_keeps_no_message_from_the_owner(platform: Platform) -> None:
    admin, owner = await platform.admin(), await platform.person()
    tokens = await _support(platform, admin, owner)
    support = {"Authorization": f"Bearer {tokens['access_token']}"}
    path = "/v1/notification-preferences"
    body = {
        "preferences": [{"type": "RenderCompleted", "channel": "Email", "enabled": False}],
    }
    refused = await platform.client.put(path, json=body, headers=support)
    assert (refused.status_code, refused.json()["code"]) == (403, "owner_required")
    for seen in (f"/v1/notifications/{owner.id}/read", "/v1/notifications/read-all"):
        refused = await platform.client.post(seen, headers=support)
        assert (refused.status_code, refused.json()["code"]) == (403, "owner_required")
    assert (await platform.client.get(path, headers=support)).status_code == 200
    own = await platform.client.put(path, json=body, headers=owner.headers)
    assert own.status_code == 200, own.text


async def test_a_first_factor_wants_the_password_or_a_sign_in_of_just_now(
    platform: Platform,
) -> None:
    """A first factor stands for the password: whoever found a session must not make one."""
    person = await platform.person()
    path = "/v1/me/mfa/totp"
    fresh = await platform.client.post(path, headers=person.headers)
    assert fresh.status_code == 201, fresh.text
    await platform.sql(
        "UPDATE identity.sessions SET created_at = now() - interval '16 minutes' "
        "WHERE user_id = $1",
        person.id,
    )
    for body in (None, {}, {"current_password": f"{PASSWORD}-not"}):
        refused = await platform.client.post(path, json=body, headers=person.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "proof_required"), body
    known = {"current_password": PASSWORD}
    begun = await platform.client.post(path, json=known, headers=person.headers)
    assert begun.status_code == 201, begun.text
    odd = await platform.client.post(path, json={**known, "x": 1}, headers=person.headers)
    assert odd.status_code == 422


async def test_administrators_do_not_leave_a_tenant_one_after_the_other(
    platform: Platform,
) -> None:
    _tenant, key = await platform.tenant()
    first, second = [await platform.admin(tenant_key=key) for _ in range(2)]
    path = "/v1/me/deletion"

    async def leave(who: Person) -> Any:
        return await platform.client.post(path, json={}, headers=who.headers)

    assert (await leave(first)).status_code == 202
    refused = await leave(second)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    for role in ("moderator", "user"):  # whose own account ends leaves nobody behind
        demoted = await platform.client.put(
            f"/v1/admin/members/{second.id}/role",
            json={"role": role, "reason": "as agreed"},
            headers=first.headers,
        )
        assert (demoted.status_code, demoted.json()["code"]) == (409, "last_admin")
    back = await platform.client.delete(path, headers=first.headers)
    assert back.status_code == 204, back.text
    assert (await leave(second)).status_code == 202


async def test_support_that_begins_and_another_role_do_not_wait_for_each_other(
    platform: Platform,
) -> None:
    _tenant, key = await platform.tenant()
    owner = await platform.person(tenant_key=key)
    admin, boss = [await platform.admin(tenant_key=key) for _ in range(2)]
    role = f"/v1/admin/members/{owner.id}/role"
    begin = f"/v1/users/{owner.id}/impersonation"
    lock = "SELECT FROM identity.users WHERE id = $1 FOR UPDATE"
    async with asyncio.TaskGroup() as group, platform.held(lock, admin.id):
        change = {"role": "moderator", "reason": "joins the team"}
        changed = group.create_task(platform.client.put(role, json=change, headers=boss.headers))
        await platform.waiters(1, of="SELECT id, deletion_due_at FROM identity.users")
        begun = group.create_task(platform.client.post(begin, json=WHY, headers=admin.headers))
        await platform.waiters(1, of="FOR SHARE")
    assert changed.result().status_code == 204, changed.result().text
    refused = begun.result()
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_customer")
