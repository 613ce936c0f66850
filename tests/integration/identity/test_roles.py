"""Roles and fine permissions: read, changed, and in force from the next call on."""

from typing import Any
from uuid import uuid4

from flatrender.testing.platform import Person, Platform

ROLE = "/v1/admin/roles/moderator"


async def _put(platform: Platform, who: Person, held: list[str], path: str = ROLE) -> Any:
    return await platform.client.put(
        path, json={"permissions": held, "reason": "as agreed"}, headers=who.headers
    )


def _held(view: Any) -> set[str]:
    return {line["name"] for line in view["permissions"] if line["allowed"]}


async def test_a_lost_permission_is_lost_from_the_next_call_on(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    elsewhere = await platform.staff("moderator")
    make = {"name": {"fa": "نام", "en": "Name"}, "slug": f"c-{uuid4().hex}"}

    async def category(who: Person) -> Any:
        return await platform.client.post("/v1/admin/categories", json=make, headers=who.headers)

    allowed = await category(moderator)
    assert allowed.status_code == 201, allowed.text
    view = (await platform.client.get(ROLE, headers=admin.headers)).json()
    held = _held(view)
    assert {"people.read", "content.taxonomy"} <= held
    assert "people.password" not in held
    assert all(line["description_fa"] and line["description_en"] for line in view["permissions"])
    changed = await _put(platform, admin, sorted(held - {"content.taxonomy"} | {"people.password"}))
    assert changed.status_code == 200, changed.text
    refused = await category(moderator)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_required")
    assert refused.json()["permission"] == "content.taxonomy"
    assert _held((await platform.client.get(ROLE, headers=admin.headers)).json()) == (
        held - {"content.taxonomy"} | {"people.password"}
    )
    stored = await platform.sql(
        "SELECT permission, allowed FROM identity.role_permissions WHERE tenant_id = $1 ORDER BY 1",
        admin.tenant_id,
    )
    assert [tuple(row) for row in stored] == [
        ("content.taxonomy", False),
        ("people.password", True),
    ]
    other = (await platform.client.get(ROLE, headers=(await platform.admin()).headers)).json()
    assert "content.taxonomy" in _held(other)
    assert (await category(elsewhere)).status_code != 403
    back = await _put(platform, admin, sorted(held))
    assert back.status_code == 200
    assert (await category(moderator)).status_code in (201, 409)
    lines = await platform.sql(
        "SELECT before, after, reason FROM identity.audit_log WHERE actor_id = $1 "
        "AND action = 'role.permissions.change' ORDER BY created_at",
        admin.id,
    )
    assert [line["reason"] for line in lines] == ["as agreed", "as agreed"]
    assert "content.taxonomy" in lines[0]["before"]
    assert "content.taxonomy" not in lines[0]["after"]


async def test_only_administrators_change_and_only_moderators_are_changed(
    platform: Platform,
) -> None:
    admin = await platform.admin()
    moderator = await platform.staff("moderator")
    for who, code in ((moderator, "forbidden"), (await platform.person(), "forbidden")):
        for method in ("GET", "PUT"):
            refused = await platform.client.request(
                method,
                ROLE,
                json={"permissions": [], "reason": "mine now"} if method == "PUT" else None,
                headers=who.headers,
            )
            assert (refused.status_code, refused.json()["code"]) == (403, code)
    for role in ("admin", "user"):
        fixed = await _put(platform, admin, [], f"/v1/admin/roles/{role}")
        assert (fixed.status_code, fixed.json()["code"]) == (409, "role_fixed")
    assert (await _put(platform, admin, [], "/v1/admin/roles/king")).status_code == 404
    strange = await _put(platform, admin, ["people.read", "everything.always"])
    assert (strange.status_code, strange.json()["errors"][0]["pointer"]) == (422, "/permissions/1")
    listed = (await platform.client.get("/v1/admin/roles", headers=admin.headers)).json()["data"]
    assert [(one["role"], one["editable"]) for one in listed] == [
        ("user", False),
        ("moderator", True),
        ("admin", False),
    ]
    assert _held(listed[0]) == set()
    assert len(_held(listed[2])) == len(listed[2]["permissions"])


async def test_changing_a_role_wants_a_fresh_factor(platform: Platform) -> None:
    admin = await platform.admin()
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    stale = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    refused = await platform.client.put(
        ROLE, json={"permissions": [], "reason": "as agreed"}, headers=stale
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")


async def test_a_moderator_with_the_permission_reaches_customers_and_gives_their_own_role(
    platform: Platform,
) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    second = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    peer = await platform.staff("moderator", tenant_key=key)
    customer = await platform.person(tenant_key=key)
    stranger = await platform.person()

    async def give(who: Person, whom: Any, role: str) -> tuple[int, Any]:
        answer = await platform.client.put(
            f"/v1/admin/members/{whom}/role",
            json={"role": role, "reason": "works here now"},
            headers=who.headers,
        )
        return answer.status_code, answer.json().get("code") if answer.content else None

    async def invite(who: Person, role: str) -> tuple[int, Any]:
        answer = await platform.client.post(
            "/v1/admin/invitations",
            json={"email": f"i-{uuid4().hex}@example.com", "role": role},
            headers=who.headers,
        )
        return answer.status_code, answer.json().get("code")

    lists = ("/v1/admin/members", "/v1/admin/invitations")
    for path in lists:
        shut = await platform.client.get(path, headers=moderator.headers)
        assert (shut.status_code, shut.json()["code"]) == (403, "permission_required")
    assert await give(moderator, customer.id, "moderator") == (403, "permission_required")
    assert await invite(moderator, "user") == (403, "permission_required")
    given = await _put(platform, admin, ["members.read", "members.manage"])
    assert given.status_code == 200
    for path in lists:
        assert (await platform.client.get(path, headers=moderator.headers)).status_code == 200
    for whom, role, answer in (
        (admin.id, "user", (403, "out_of_reach")),
        (peer.id, "user", (403, "out_of_reach")),
        (peer.id, "moderator", (403, "out_of_reach")),
        (customer.id, "admin", (403, "out_of_reach")),
        (moderator.id, "admin", (403, "not_oneself")),
        (stranger.id, "moderator", (404, "not_found")),
        (uuid4(), "moderator", (404, "not_found")),
        (customer.id, "moderator", (204, None)),
    ):
        assert await give(moderator, whom, role) == answer, (whom, role)
    assert await give(admin, second.id, "user") == (204, None)  # administrators reach their peers
    assert await invite(moderator, "admin") == (403, "out_of_reach")
    assert await invite(moderator, "moderator") == (201, None)
