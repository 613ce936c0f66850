"""Support in a customer's account: who may, what it may, who learns of it, and how it ends."""

from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from flatrender.security.ports import SessionLedger
from flatrender.testing.platform import Person, Platform

WHY = {"reason": "پیگیری تیکت ۴۲"}


class Desk:
    """An administrator of a tenant of their own, a customer, and support in the account."""

    def __init__(self, platform: Platform, key: str, admin: Person, owner: Person) -> None:
        self.platform = platform
        self.key = key
        self.admin = admin
        self.owner = owner
        self.tokens: dict[str, Any] = {}

    async def begin(self, user: UUID | None = None, by: Person | None = None) -> Any:
        """Ask for a session in an account."""
        return await self.platform.client.post(
            f"/v1/users/{user or self.owner.id}/impersonation",
            json=WHY,
            headers=(by or self.admin).headers,
        )

    async def act(self) -> dict[str, str]:
        """Return the headers of support acting in the owner's account."""
        begun = await self.begin()
        assert begun.status_code == 201, begun.text
        self.tokens = begun.json()
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    async def status(self, headers: dict[str, str]) -> int:
        """Return what a call with these headers gets."""
        return (await self.platform.client.get("/v1/me", headers=headers)).status_code

    async def audit(self, action: str) -> list[dict[str, Any]]:
        """Return what the audit log says of the owner's account."""
        listed = await self.platform.client.get(
            "/v1/admin/audit",
            params={"action": action, "target_id": str(self.owner.id)},
            headers=self.admin.headers,
        )
        told: list[dict[str, Any]] = listed.json()["data"]
        return told


@pytest.fixture
async def desk(platform: Platform) -> Desk:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    return Desk(platform, key, admin, await platform.person(tenant_key=key))


async def test_support_acts_as_the_customer_and_everybody_can_see_it(
    platform: Platform, desk: Desk, post: Any
) -> None:
    support = await desk.act()
    claims = jwt.decode(desk.tokens["access_token"], options={"verify_signature": False})
    assert claims["sub"] == str(desk.owner.id)
    assert claims["act"] == {"sub": str(desk.admin.id)}
    assert (claims["role"], claims["mfa_at"]) == ("user", 0)
    assert claims["exp"] - claims["iat"] <= 900
    me = (await platform.client.get("/v1/me", headers=support)).json()
    assert me["id"] == str(desk.owner.id)
    assert (me["support"]["name"], me["support"]["reason"]) == ("Test Person", WHY["reason"])
    own = await platform.client.get("/v1/me", headers=desk.owner.headers)
    assert own.json()["support"] is None

    told = await post.last(desk.owner.email, "support_began")
    assert told["params"] == WHY
    listed = await platform.client.get("/v1/me/sessions", headers=desk.owner.headers)
    lines = {line["id"]: line["by_support"] for line in listed.json()["data"]}
    assert lines.pop(desk.tokens["session_id"]) is True
    assert list(lines.values()) == [False]
    log = await platform.client.get("/v1/me/security-log", headers=desk.owner.headers)
    newest = log.json()["data"][0]
    assert (newest["kind"], newest["detail"], newest["by_support"]) == (
        "support_began",
        WHY,
        True,
    )
    (line,) = await desk.audit("impersonation.begin")
    assert (line["actor_id"], line["reason"]) == (str(desk.admin.id), WHY["reason"])
    assert line["after"] == {"session_id": desk.tokens["session_id"]}

    left = await platform.client.post("/v1/auth/logout", headers=support)
    assert left.status_code == 204, left.text
    (line,) = await desk.audit("impersonation.end")
    assert (line["actor_id"], line["impersonator_id"]) == (
        str(desk.owner.id),
        str(desk.admin.id),
    )
    assert await desk.status(support) == 401
    assert await desk.status(desk.owner.headers) == 200


async def test_who_may_and_in_whose_account(platform: Platform, desk: Desk) -> None:
    colleague = await platform.admin(tenant_key=desk.key)
    stranger = await platform.person()
    for user, by, status, code in (
        (desk.admin.id, desk.admin, 403, "not_oneself"),
        (colleague.id, desk.admin, 403, "not_a_customer"),
        (stranger.id, desk.admin, 404, "not_found"),
        (uuid4(), desk.admin, 404, "not_found"),
        (desk.owner.id, desk.owner, 403, "forbidden"),
        (stranger.id, desk.owner, 403, "forbidden"),
    ):
        refused = await desk.begin(user, by)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    await platform.sql("UPDATE identity.users SET role = 'moderator' WHERE id = $1", colleague.id)
    assert (await desk.begin(colleague.id)).json()["code"] == "not_a_customer"
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", stranger.id)
    banned = await platform.person(tenant_key=desk.key)
    await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", banned.id)
    assert (await desk.begin(banned.id)).json()["code"] == "account_not_active"
    for body in ({}, {"reason": "x"}, {**WHY, "role": "admin"}):
        answer = await platform.client.post(
            f"/v1/users/{desk.owner.id}/impersonation", json=body, headers=desk.admin.headers
        )
        assert answer.status_code == 422, body
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        desk.admin.id,
    )
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": desk.admin.refresh_token}
    )
    stale = await platform.client.post(
        f"/v1/users/{desk.owner.id}/impersonation",
        json=WHY,
        headers={"Authorization": f"Bearer {renewed.json()['access_token']}"},
    )
    assert (stale.status_code, stale.json()["code"]) == (403, "step_up_required")
    rows = await platform.sql(
        "SELECT count(*) AS n FROM identity.sessions WHERE tenant_id = $1 "
        "AND impersonator_id IS NOT NULL",
        desk.admin.tenant_id,
    )
    assert rows[0]["n"] == 0


async def test_a_moderator_needs_the_permission(platform: Platform, desk: Desk) -> None:
    moderator = await platform.admin(tenant_key=desk.key)
    await platform.sql("UPDATE identity.users SET role = 'moderator' WHERE id = $1", moderator.id)
    renewed = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": moderator.refresh_token}
    )
    headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    path = f"/v1/users/{desk.owner.id}/impersonation"
    for method in ("POST", "DELETE"):
        refused = await platform.client.request(
            method, path, json=WHY if method == "POST" else None, headers=headers
        )
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_required")


OWNERS = [
    ("POST", "/v1/me/password", {"current_password": "x", "new_password": "y" * 20}),
    ("POST", "/v1/me/email", {"email": "new@example.com"}),
    ("POST", "/v1/me/email/confirm", {"email": "new@example.com", "code": "123456"}),
    ("POST", "/v1/me/mobile", {"mobile": "+989121234567"}),
    ("POST", "/v1/me/mfa/totp", None),
    ("POST", f"/v1/me/mfa/totp/{uuid4()}/confirm", {"code": "123456"}),
    ("POST", "/v1/me/deletion", {}),
    ("DELETE", "/v1/me/deletion", None),
    ("POST", "/v1/me/data-exports", {}),
    ("GET", f"/v1/me/data-exports/{uuid4()}/download", None),
    ("POST", "/v1/me/identities", {"provider": "google"}),
    ("POST", f"/v1/me/identities/{uuid4()}/unlink", {}),
    ("DELETE", "/v1/me/sessions", None),
    ("POST", "/v1/me/sessions/end-others", None),
    ("PATCH", "/v1/me", {"display_name": "Somebody else"}),
]


async def test_what_belongs_to_the_account_is_the_owners_alone(
    platform: Platform, desk: Desk
) -> None:
    support = await desk.act()
    for method, path, body in OWNERS:
        refused = await platform.client.request(method, path, json=body, headers=support)
        assert (refused.status_code, refused.json()["code"]) == (403, "owner_required"), path
    for path in ("/v1/admin/audit", "/v1/admin/members", "/v1/admin/policy"):
        assert (await platform.client.get(path, headers=support)).status_code == 403
    again = await platform.client.post(
        f"/v1/users/{uuid4()}/impersonation", json=WHY, headers=support
    )
    assert again.status_code == 403
    assert (await platform.client.get("/v1/me/limits", headers=support)).status_code == 200
    projects = await platform.client.get("/v1/saved-projects", headers=support)
    assert projects.status_code == 200, projects.text


async def test_what_support_asks_for_is_written_down_before_it_is_done(
    platform: Platform, desk: Desk
) -> None:
    support = await desk.act()
    request = f"req-{uuid4().hex}"
    path = f"/v1/saved-projects/{uuid4()}"
    assert (await platform.client.get(path, headers=support)).status_code == 404
    gone = await platform.client.delete(path, headers={**support, "X-Request-ID": request})
    assert gone.status_code == 404, gone.text
    listed = await platform.client.get(
        "/v1/admin/audit",
        params={"action": "impersonation.act", "actor": str(desk.admin.id)},
        headers=desk.admin.headers,
    )
    (line,) = listed.json()["data"]
    assert (
        line.items()
        >= {
            "actor_id": str(desk.owner.id),
            "impersonator_id": str(desk.admin.id),
            "target_id": request,
            "request_id": request,
            "session_id": desk.tokens["session_id"],
            "after": {"method": "DELETE", "path": path},
        }.items()
    )


async def test_every_change_below_me_is_the_owners_alone(platform: Platform) -> None:
    """A new one cannot be forgotten."""
    from flatrender.security.guards import owner_changes

    open_ones = []
    for route in _routes(platform):
        if not route.path.startswith("/v1/me"):
            continue
        for handler in route.route_handlers:
            if handler.opt.get("context") != "identity" or handler.http_methods <= {
                "GET",
                "HEAD",
                "OPTIONS",
            }:
                continue
            guards = [getattr(guard, "func", guard) for guard in handler.resolve_guards()]
            if owner_changes not in guards:
                open_ones.append(f"{route.path} {handler.handler_name}")
    assert open_ones == []


def _routes(platform: Platform) -> list[Any]:
    from litestar.routes import HTTPRoute

    app = platform.app
    while not hasattr(app, "routes"):
        app = app.app
    return [route for route in app.routes if isinstance(route, HTTPRoute)]


async def test_an_hour_at_most_and_a_quarter_unused(platform: Platform, desk: Desk) -> None:
    await desk.act()
    assert desk.tokens["refresh_expires_in"] == 900

    async def renew() -> Any:
        answer = await platform.client.post(
            "/v1/auth/refresh", json={"refresh_token": desk.tokens["refresh_token"]}
        )
        if answer.status_code == 200:
            desk.tokens |= answer.json()
        return answer

    session = UUID(desk.tokens["session_id"])
    renewed = await renew()
    assert renewed.status_code == 200, renewed.text
    assert renewed.json()["refresh_expires_in"] <= 900
    claims = jwt.decode(desk.tokens["access_token"], options={"verify_signature": False})
    assert claims["act"] == {"sub": str(desk.admin.id)}
    await platform.sql(
        "UPDATE identity.sessions SET absolute_expires_at = now() + interval '100 seconds' "
        "WHERE id = $1",
        session,
    )
    assert (await renew()).json()["refresh_expires_in"] <= 100
    rows = await platform.sql(
        "SELECT absolute_expires_at - created_at < interval '61 minutes' AS hour, "
        "idle_expires_at <= absolute_expires_at AS within FROM identity.sessions WHERE id = $1",
        session,
    )
    assert (rows[0]["hour"], rows[0]["within"]) == (True, True)
    await platform.sql(
        "UPDATE identity.sessions SET absolute_expires_at = now() - interval '1 second', "
        "idle_expires_at = now() - interval '1 second' WHERE id = $1",
        session,
    )
    assert (await renew()).status_code == 401


async def test_the_hour_is_written_when_it_begins(platform: Platform, desk: Desk) -> None:
    await desk.act()
    rows = await platform.sql(
        "SELECT extract(epoch FROM absolute_expires_at - created_at)::int AS hour, "
        "extract(epoch FROM idle_expires_at - created_at)::int AS quarter "
        "FROM identity.sessions WHERE id = $1",
        UUID(desk.tokens["session_id"]),
    )
    assert (rows[0]["hour"], rows[0]["quarter"]) == (3600, 900)


@pytest.mark.parametrize(
    "how",
    [
        *("staff", "owner", "owner's sessions", "owner's ban"),
        *("admin's logout", "admin's sessions", "admin's demotion", "admin's ban"),
    ],
)
async def test_it_ends_at_once(platform: Platform, desk: Desk, how: str) -> None:
    support = await desk.act()
    assert await desk.status(support) == 200  # the session is known to be alive now
    client = platform.client
    if how == "staff":
        colleague = await platform.admin(tenant_key=desk.key)
        ended = await client.delete(
            f"/v1/users/{desk.owner.id}/impersonation", headers=colleague.headers
        )
        assert ended.json() == {"ended": 1}
        (line,) = await desk.audit("impersonation.end")
        assert line["actor_id"] == str(colleague.id)
    elif how == "owner":
        ended = await client.delete(
            f"/v1/me/sessions/{desk.tokens['session_id']}", headers=desk.owner.headers
        )
    elif how == "owner's sessions":
        ended = await client.delete("/v1/me/sessions", headers=desk.owner.headers)
    elif how == "admin's logout":
        ended = await client.post("/v1/auth/logout", headers=desk.admin.headers)
    elif how == "admin's sessions":
        ended = await client.delete("/v1/me/sessions", headers=desk.admin.headers)
    elif how == "admin's demotion":
        boss = await platform.admin(tenant_key=desk.key)
        ended = await client.put(
            f"/v1/admin/members/{desk.admin.id}/role",
            json={"role": "moderator", "reason": "another desk"},
            headers=boss.headers,
        )
    elif how == "owner's ban":
        ended = await client.post(
            f"/v1/users/{desk.owner.id}/ban", json=WHY, headers=desk.admin.headers
        )
    else:  # what ends no session by itself is seen when the cache is asked anew, and at renewal
        await platform.sql(
            "UPDATE identity.users SET status = 'Banned' WHERE id = $1", desk.admin.id
        )
        ledger = platform.runtime.port(SessionLedger)
        assert await ledger.session_live(UUID(desk.tokens["session_id"])) is False
        ended = await client.post(
            "/v1/auth/refresh", json={"refresh_token": desk.tokens["refresh_token"]}
        )
        assert ended.status_code == 401
        return
    assert ended.status_code in (200, 204), ended.text
    assert await desk.status(support) == 401
    renewed = await client.post(
        "/v1/auth/refresh", json={"refresh_token": desk.tokens["refresh_token"]}
    )
    assert renewed.status_code == 401


async def test_every_mail_meanwhile_says_so(platform: Platform, desk: Desk) -> None:
    await desk.act()
    asked = await platform.client.post(
        "/v1/auth/recovery",
        json={"identifier": desk.owner.email},
        headers={"X-Tenant-Key": desk.key},
    )
    assert asked.status_code == 202

    async def written() -> Any:
        rows = await platform.sql(
            "SELECT template, params->>'by_support' AS marked FROM notification.deliveries "
            "WHERE recipient = $1",
            desk.owner.email,
        )
        told = {row["template"]: row["marked"] for row in rows}
        return told if {"support_began", "reset_password"} <= told.keys() else None

    told = await platform.until(written)
    assert (told["support_began"], told["reset_password"]) == (None, "1")
