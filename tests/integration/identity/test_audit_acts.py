"""Every act of staff leaves exactly one row: from where, why, before and after, and no secret."""

from typing import Any
from uuid import uuid4

from flatrender.testing.platform import Platform

WHY = {"reason": "as its owner asked"}
SECRET = "provider-secret-of-a-test-0123456789"
TEMPORARY = "temporary-horse-battery-77"


async def test_every_act_of_staff_leaves_its_row(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    person = await platform.person(tenant_key=key)
    guarded = await platform.admin(tenant_key=key)  # a second factor to take away
    await platform.sql("UPDATE identity.users SET role = 'user' WHERE id = $1", guarded.id)
    user = f"/v1/users/{person.id}"

    async def act(method: str, path: str, body: Any = None) -> Any:
        answer = await platform.client.request(
            method,
            path,
            json=body,
            headers={
                **admin.headers,
                "X-Forwarded-For": "198.51.100.9",
                "User-Agent": "Panel/3",
            },
        )
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    provider = {
        "driver": "google",
        "client_id": "an-id",
        "client_secret": SECRET,
        "return_urls": ["https://app.example.com/in"],
        **WHY,
    }
    email = f"x-{uuid4().hex}@example.com"
    invited = await act("POST", "/v1/admin/invitations", {"email": email, "role": "user"})
    await act("POST", f"/v1/admin/invitations/{invited['id']}/resend")
    await act("DELETE", f"/v1/admin/invitations/{invited['id']}")
    await act("PUT", "/v1/admin/policy", {"single_session": True, **WHY})
    await act("PUT", "/v1/admin/oauth/google", provider)
    await act("PUT", "/v1/admin/oauth/google", {**provider, "client_secret": SECRET + "x"})
    await act("PUT", "/v1/admin/roles/moderator", {"permissions": ["people.read"], **WHY})
    await act("POST", f"{user}/impersonation", WHY)
    await act("DELETE", f"{user}/impersonation")
    await act("POST", f"{user}/password", WHY)
    await act("POST", f"{user}/password", {"password": TEMPORARY, **WHY})
    await act("POST", f"{user}/ban", WHY)
    await act("POST", f"{user}/unban", WHY)
    await act("POST", f"{user}/moderator", {"moderator": True, **WHY})
    await act("PUT", f"/v1/admin/members/{person.id}/role", {"role": "user", **WHY})
    await act("POST", f"/v1/users/{guarded.id}/mfa/reset", WHY)
    await act("GET", "/v1/admin/audit/export?format=jsonl&action=nothing")

    listed = await act("GET", "/v1/admin/audit?page_size=100&sort=created_at")
    lines = listed["data"]
    assert [line["action"] for line in lines] == [
        "invitation.create",
        "invitation.resend",
        "invitation.revoke",
        "tenant.policy.change",
        "oauth_provider.change",
        "oauth_provider.change",
        "role.permissions.change",
        "impersonation.begin",
        "impersonation.end",
        "user.password.link",
        "user.password.set",
        "user.ban",
        "user.unban",
        "user.role.change",
        "user.role.change",
        "user.mfa.reset",
        "audit.export",
    ]
    for line in lines:
        assert line["actor_id"] == str(admin.id), line
        assert (line["ip"], line["user_agent"]) == ("198.51.100.9", "Panel/3"), line
        assert line["request_id"], line
        assert line["session_id"], line
        assert line["before"] is not None or line["after"] is not None or line["reason"], line
    assert {line["reason"] for line in lines[3:8]} == {WHY["reason"]}
    told = str(lines)
    for secret in (SECRET, TEMPORARY, admin.access_token, email):
        assert secret not in told
    changed = lines[5]["before"]["client_secret"], lines[5]["after"]["client_secret"]
    assert changed[1] == "changed"
