"""An administrator resets the second factors of somebody who has lost them."""

import asyncio
from typing import Any

from flatrender.testing.platform import Person, Platform


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def reset(platform: Platform, who: Person, user_id: Any, reason: str = "lost phone") -> Any:
    return await platform.client.post(
        f"/v1/users/{user_id}/mfa/reset", json={"reason": reason}, headers=who.headers
    )


async def test_a_reset_takes_everything_and_tells_the_owner(
    platform: Platform, keyed: Any, post: Any
) -> None:
    _, key = await platform.tenant()
    admin, someone = await platform.admin(tenant_key=key), await keyed(tenant_key=key)
    pending = await someone.pending()
    trusted = await someone.verify(pending["mfa_token"], code=someone.codes[0], trust_device=True)
    token = trusted.json()["trusted_device_token"]
    assert token
    waiting = await someone.pending()
    done = await reset(platform, admin, someone.person.id)
    assert done.status_code == 204, done.text
    gone = await platform.client.get("/v1/me", headers=someone.person.headers)
    refused(gone, 401, "session_ended")
    refused(await someone.sign_in(), 401, "invalid_passkey")
    late = await someone.verify(waiting["mfa_token"], code=someone.codes[1])
    assert late.status_code == 401, late.text
    await post.last(someone.person.email, "mfa_reset")
    again = await platform.login(someone.person.email, tenant_key=key)
    me = await platform.client.get("/v1/me", headers=again.headers)
    assert me.json()["mfa_enabled"] is False
    rows = await platform.sql(
        "SELECT (SELECT count(*) FROM identity.mfa_factors WHERE user_id = $1) + "
        "(SELECT count(*) FROM identity.mfa_recovery_codes WHERE user_id = $1) + "
        "(SELECT count(*) FROM identity.trusted_devices WHERE user_id = $1 "
        "AND revoked_at IS NULL) AS n",
        someone.person.id,
    )
    assert rows[0]["n"] == 0
    (line,) = await platform.sql(
        "SELECT actor_id, before, after, reason, host(ip) AS ip FROM identity.audit_log "
        "WHERE action = 'user.mfa.reset' AND target_id = $1",
        str(someone.person.id),
    )
    assert (line["actor_id"], line["reason"]) == (admin.id, "lost phone")
    assert '"passkeys": 1' in str(line["before"])
    assert line["ip"]
    log = await platform.client.get("/v1/me/security-log", headers=again.headers)
    assert "mfa_reset" in [one["kind"] for one in log.json()["data"]]
    refused(await reset(platform, admin, someone.person.id), 409, "no_second_factor")


async def test_who_may_not_reset(platform: Platform, keyed: Any, bare: Any) -> None:
    _, key = await platform.tenant()
    admin, foreign = await platform.admin(tenant_key=key), await platform.admin()
    someone = await keyed(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    customer = await keyed(tenant_key=key)
    refused(await reset(platform, admin, admin.id), 403, "not_oneself")
    refused(await reset(platform, moderator, someone.person.id), 403, "permission_required")
    refused(await reset(platform, customer.person, someone.person.id), 403, "forbidden")
    missing = "00000000-0000-4000-8000-000000000000"
    answers = [await reset(platform, foreign, one) for one in (someone.person.id, missing)]
    found = [{**one.json(), "request_id": "", "instance": ""} for one in answers]
    assert found[0] == found[1]
    refused(answers[0], 404, "not_found")
    for reason in ("", "ab", "two\nlines", "x" * 501):
        answer = await reset(platform, admin, someone.person.id, reason)
        assert answer.status_code == 422, reason
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '16 minutes' WHERE user_id = $1",
        admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    stale = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    answer = await platform.client.post(
        f"/v1/users/{someone.person.id}/mfa/reset",
        json={"reason": "lost phone"},
        headers=stale,
    )
    refused(answer, 403, "step_up_required")
    assert answer.json()["methods"] == ["totp", "recovery_code"]
    assert (await someone.sign_in()).status_code == 200


async def test_a_moderator_with_the_permission_reaches_customers_only(
    platform: Platform, keyed: Any
) -> None:
    _, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    peer = await platform.staff("moderator", tenant_key=key)
    someone = await keyed(tenant_key=key)
    held = (await platform.client.get("/v1/admin/roles/moderator", headers=admin.headers)).json()
    names = [one["name"] for one in held["permissions"] if one["allowed"]]
    given = await platform.client.put(
        "/v1/admin/roles/moderator",
        json={"permissions": sorted({*names, "people.mfa"}), "reason": "front desk"},
        headers=admin.headers,
    )
    assert given.status_code == 200, given.text
    for staff in (peer, admin):
        refused(await reset(platform, moderator, staff.id), 403, "out_of_reach")
    assert (await reset(platform, moderator, someone.person.id)).status_code == 204
    assert (await reset(platform, admin, peer.id)).status_code == 204  # staff: by administrators


async def test_twenty_resets_at_once_are_one(platform: Platform, keyed: Any, post: Any) -> None:
    _, key = await platform.tenant()
    admin, someone = await platform.admin(tenant_key=key), await keyed(tenant_key=key)
    answers = await asyncio.gather(*(reset(platform, admin, someone.person.id) for _ in range(20)))
    assert sorted(one.status_code for one in answers) == [204] + [409] * 19
    rows = await platform.sql(
        "SELECT count(*) AS n FROM identity.audit_log WHERE action = 'user.mfa.reset' "
        "AND target_id = $1",
        str(someone.person.id),
    )
    assert rows[0]["n"] == 1
    assert len(await post.all(someone.person.email, "mfa_reset")) == 1
