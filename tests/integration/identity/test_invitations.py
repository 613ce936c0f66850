"""Invitations into a tenant, members and their roles."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from flatrender.testing.platform import PASSWORD, Platform


def _new() -> str:
    return f"i-{uuid4().hex}@example.com"


async def _invite(platform: Platform, admin: Any, email: str, role: str = "user") -> Any:
    return await platform.client.post(
        "/v1/admin/invitations",
        json={"email": email, "role": role, "message": "خوش آمدید"},
        headers=admin.headers,
    )


async def _accept(platform: Platform, token: str, **more: Any) -> Any:
    return await platform.client.post(
        "/v1/auth/invitations/accept",
        json={"token": token, "password": PASSWORD, "display_name": "Sara", **more},
    )


async def test_an_invited_person_comes_in_once_with_the_role(platform: Platform, post: Any) -> None:
    tenant_id, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    email = _new()
    made = await _invite(platform, admin, email.upper(), "moderator")
    assert made.status_code == 201, made.text
    assert (made.json()["email"], made.json()["state"]) == (email, "Open")
    told = await post.last(email, "invitation")
    assert told["params"] == {
        "tenant": "Reseller",
        "inviter": "Test Person",
        "message": "خوش آمدید",
    }
    token = await post.token(email, "invitation")
    weak = await _accept(platform, token, password="short")
    assert weak.json()["errors"][0]["code"] == "password_too_short"
    answers = await asyncio.gather(*(_accept(platform, token) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [204] + [401] * 4, answers[0].text
    rows = await platform.sql(
        "SELECT tenant_id, role, email_verified_at IS NOT NULL AS verified FROM identity.users "
        "WHERE email_key = $1",
        email,
    )
    assert [tuple(row) for row in rows] == [(tenant_id, "moderator", True)]
    member = await platform.login(email, tenant_key=key)
    refused = await platform.client.get("/v1/me/limits", headers=member.headers)
    assert refused.json()["code"] == "mfa_required"  # staff, and without a factor yet
    listed = await platform.client.get("/v1/admin/invitations", headers=admin.headers)
    assert [(i["state"], i["accepted_by"]) for i in listed.json()["data"]] == [
        ("Accepted", str(member.id))
    ]
    members = await platform.client.get("/v1/admin/members", headers=admin.headers)
    assert {m["id"]: m["role"] for m in members.json()["data"]} == {
        str(admin.id): "admin",
        str(member.id): "moderator",
    }


async def test_a_new_link_voids_the_old_and_a_revoked_one_is_dead(
    platform: Platform, post: Any
) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    stranger = await platform.admin()
    email = _new()
    made = (await _invite(platform, admin, email)).json()
    twice = await _invite(platform, admin, email)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_member")
    path = f"/v1/admin/invitations/{made['id']}"
    for method, url in (("POST", f"{path}/resend"), ("DELETE", path)):
        foreign = await platform.client.request(method, url, headers=stranger.headers)
        assert foreign.status_code == 404
    again = await platform.client.post(f"{path}/resend", headers=admin.headers)
    assert again.status_code == 200, again.text
    first = await post.token(email, "invitation")
    second = await post.token(email, "invitation", number=2)
    assert (await _accept(platform, first)).json()["code"] == "invalid_link"
    revoked = await platform.client.delete(path, headers=admin.headers)
    assert revoked.status_code == 204
    assert (await _accept(platform, second)).json()["code"] == "invalid_link"
    gone = await platform.client.post(f"{path}/resend", headers=admin.headers)
    assert gone.status_code == 404
    rows = await platform.sql(
        "SELECT action FROM identity.audit_log WHERE actor_id = $1 ORDER BY created_at", admin.id
    )
    assert [row["action"].removeprefix("invitation.") for row in rows] == [
        "create",
        "resend",
        "revoke",
    ]


async def test_a_member_accepts_a_higher_role_for_themselves_only(
    platform: Platform, post: Any
) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    member = await platform.person(tenant_key=key)
    other = await platform.person(tenant_key=key)
    namesake = await platform.person(email=member.email)  # of another tenant
    none = await _invite(platform, admin, member.email, "user")
    assert none.json()["code"] == "already_member"
    assert (await _invite(platform, admin, member.email, "moderator")).status_code == 201
    token = await post.token(member.email, "invitation")
    exists = await _accept(platform, token)
    assert (exists.status_code, exists.json()["code"]) == (409, "account_exists")
    for somebody in (other, namesake):
        theirs = await platform.client.post(
            "/v1/me/invitations/accept", json={"token": token}, headers=somebody.headers
        )
        assert (theirs.status_code, theirs.json()["code"]) == (401, "invalid_link")
    mine = await platform.client.post(
        "/v1/me/invitations/accept", json={"token": token}, headers=member.headers
    )
    assert mine.status_code == 204, mine.text
    gone = await platform.client.get("/v1/me", headers=member.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    again = await platform.login(member.email, tenant_key=key)
    me = await platform.client.get("/v1/me", headers=again.headers)
    assert me.json()["role"] == "moderator"


@pytest.mark.parametrize("path", ["/v1/admin/invitations", "/v1/admin/members"])
async def test_only_admins_see_them(platform: Platform, path: str) -> None:
    person = await platform.person()
    refused = await platform.client.get(path, headers=person.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def _stale(platform: Platform, admin: Any) -> dict[str, str]:
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '17 minutes' WHERE user_id = $1",
        admin.id,
    )
    answer = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def test_a_changed_role_ends_sessions_is_told_and_audited(
    platform: Platform, post: Any
) -> None:
    _tenant, key = await platform.tenant()
    admin, second = await platform.admin(tenant_key=key), await platform.admin(tenant_key=key)
    foreign = await platform.person()

    def put(user: Any, role: str, headers: dict[str, str]) -> Any:
        return platform.client.put(
            f"/v1/admin/members/{user.id}/role",
            json={"role": role, "reason": "left the team"},
            headers=headers,
        )

    assert (await put(foreign, "moderator", admin.headers)).status_code == 404
    own = await put(admin, "user", admin.headers)
    assert (own.status_code, own.json()["code"]) == (403, "not_oneself")
    live = await platform.client.get("/v1/admin/members", headers=second.headers)
    assert live.status_code == 200  # and remembered as such
    done = await put(second, "user", admin.headers)
    assert done.status_code == 204, done.text
    gone = await platform.client.get("/v1/admin/members", headers=second.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")
    (told,) = await post.all(second.email, "role_changed")
    assert told["params"] == {"before": "admin", "after": "user"}
    rows = await platform.sql(
        "SELECT action, before, after, reason FROM identity.audit_log WHERE target_id = $1",
        str(second.id),
    )
    assert [(r["action"], r["before"], r["after"], r["reason"]) for r in rows] == [
        ("user.role.change", '{"role": "admin"}', '{"role": "user"}', "left the team")
    ]
    stale = await _stale(platform, admin)
    refused = await put(second, "moderator", stale)
    assert refused.json()["code"] == "step_up_required"
    refused = await platform.client.post(
        "/v1/admin/invitations", json={"email": _new(), "role": "user"}, headers=stale
    )
    assert refused.json()["code"] == "step_up_required"


async def test_two_admins_who_demote_each_other_leave_one(platform: Platform) -> None:
    tenant_id, key = await platform.tenant()
    both = [await platform.admin(tenant_key=key) for _ in range(2)]
    answers = await asyncio.gather(
        *(
            platform.client.put(
                f"/v1/admin/members/{target.id}/role",
                json={"role": "user", "reason": "no trust"},
                headers=actor.headers,
            )
            for actor, target in ((both[0], both[1]), (both[1], both[0]))
        )
    )
    codes = sorted(a.status_code for a in answers)
    assert codes[0] == 204, answers[0].text
    assert codes[1] in (401, 409)  # the last one stays, or the act's own session was dead
    left = await platform.sql(
        "SELECT count(*) AS n FROM identity.users WHERE tenant_id = $1 AND role = 'admin'",
        tenant_id,
    )
    assert left[0]["n"] == 1
