"""The audit log: every act of staff leaves a line, lines are searched, taken away as files, and
changed by nobody."""

import csv
import io
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from flatrender.testing.platform import Person, Platform

AUDIT = "/v1/admin/audit"


class Office:
    """An administrator of a tenant of their own, so that its log is theirs alone."""

    def __init__(self, platform: Platform, tenant_id: UUID, key: str, admin: Person) -> None:
        self.platform = platform
        self.tenant_id = tenant_id
        self.key = key
        self.admin = admin

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Act as the administrator."""
        return await self.platform.client.request(
            method, path, json=body, headers={**self.admin.headers, **headers}
        )

    async def lines(self, **query: str) -> list[dict[str, Any]]:
        """Return what the log says."""
        answer = await self.platform.client.get(AUDIT, params=query, headers=self.admin.headers)
        assert answer.status_code == 200, answer.text
        data: list[dict[str, Any]] = answer.json()["data"]
        return data

    async def invite(self, email: str, **headers: str) -> dict[str, Any]:
        """Invite somebody."""
        made = await self.call(
            "POST", "/v1/admin/invitations", {"email": email, "role": "moderator"}, **headers
        )
        assert made.status_code == 201, made.text
        told: dict[str, Any] = made.json()
        return told


@pytest.fixture
async def office(platform: Platform) -> Office:
    tenant_id, key = await platform.tenant()
    return Office(platform, tenant_id, key, await platform.admin(tenant_key=key))


async def test_a_line_says_who_what_from_where_and_why(platform: Platform, office: Office) -> None:
    person = await platform.person(tenant_key=office.key)
    request = f"req-{uuid4().hex}"
    changed = await office.call(
        "PUT",
        f"/v1/admin/members/{person.id}/role",
        {"role": "moderator", "reason": "کمک در پشتیبانی"},
        **{
            "X-Request-ID": request,
            "User-Agent": "Panel/2.1",
            "X-Forwarded-For": "203.0.113.77",
        },
    )
    assert changed.status_code == 204, changed.text
    (line,) = await office.lines(action="user.role.change")
    session = await platform.sql(
        "SELECT id FROM identity.sessions WHERE user_id = $1 AND revoked_at IS NULL",
        office.admin.id,
    )
    assert (
        line.items()
        >= {
            "actor_kind": "user",
            "actor_id": str(office.admin.id),
            "actor_name": "Test Person",
            "actor_email": office.admin.email,
            "impersonator_id": None,
            "target_type": "user",
            "target_id": str(person.id),
            "before": {"role": "user"},
            "after": {"role": "moderator"},
            "reason": "کمک در پشتیبانی",
            "request_id": request,
            "session_id": str(session[0]["id"]),
            "ip": "203.0.113.77",
            "user_agent": "Panel/2.1",
        }.items()
    )
    one = await office.call("GET", f"{AUDIT}/{line['id']}")
    assert one.json() == {
        "entry": line,
        "changes": [
            {
                "path": "/role",
                "line": 'role: "user" \u2192 "moderator"',
                "was": "user",
                "is_now": "moderator",
            }
        ],
    }


async def test_every_filter_chooses_and_words_are_folded(
    platform: Platform, office: Office
) -> None:
    request = f"req-{uuid4().hex}"
    first = await office.invite(f"a-{uuid4().hex}@example.com", **{"X-Request-ID": request})
    second = await office.invite(
        f"b-{uuid4().hex}@example.org", **{"X-Forwarded-For": "2001:db8:7::9"}
    )
    policy = await office.call(
        "PUT", "/v1/admin/policy", {"single_session": True, "reason": "امنیتِ كاربران ۱۲"}
    )
    assert policy.status_code == 200, policy.text
    everything = [line["action"] for line in await office.lines()]
    assert everything == ["tenant.policy.change", "invitation.create", "invitation.create"]
    assert [line["action"] for line in await office.lines(sort="created_at")] == everything[::-1]

    async def targets(**query: str) -> list[str]:
        return [line["target_id"] for line in await office.lines(**query)]

    tenant = str(office.tenant_id)
    assert await targets(action="invitation") == [second["id"], first["id"]]
    assert await targets(action="invitation.create", request_id=request) == [first["id"]]
    assert await targets(action="invit") == []
    assert await targets(target_type="tenant") == [tenant]
    assert await targets(target_id=first["id"]) == [first["id"]]
    assert await targets(address="2001:db8:7::/48") == [second["id"]]
    assert await targets(address="2001:db8:7::9") == [second["id"]]
    assert await targets(actor=str(uuid4())) == []
    assert len(await targets(actor=str(office.admin.id), actor_kind="user")) == 3
    assert await targets(actor_kind="cli") == []
    assert await targets(q="امنیت کاربران 12") == [tenant]
    assert await targets(q="single") == [tenant]
    assert await targets(q="moder") == [second["id"], first["id"]]
    middle = (await office.lines(target_id=second["id"]))[0]["created_at"]
    assert await targets(since=middle) == [tenant, second["id"]]
    assert await targets(until=middle) == [first["id"]]
    for query, pointer in (
        ({"address": "300.1.1.1"}, "?address"),
        ({"since": middle, "until": middle}, "?until"),
        ({"sort": "reason"}, "?sort"),
        ({"cursor": "x" * 30}, "?cursor"),
    ):
        refused = await platform.client.get(AUDIT, params=query, headers=office.admin.headers)
        assert refused.status_code == 422, query
        assert refused.json()["errors"][0]["pointer"] == pointer


async def test_pages_follow_each_other_and_files_hold_them_all(
    platform: Platform, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatrender_identity.services.audit_views.BATCH", 2)
    reasons = ["=1+1", "two", "three, «۳»", "four", "five"]
    for number, reason in enumerate(reasons):
        done = await office.call(
            "PUT", "/v1/admin/policy", {"single_session": bool(number % 2), "reason": reason}
        )
        assert done.status_code == 200, done.text
    seen: list[str] = []
    query = {"page_size": "2", "action": "tenant"}
    for _ in range(3):
        page = (await office.call("GET", f"{AUDIT}?{_query(query)}")).json()
        seen += [line["reason"] for line in page["data"]]
        query = {**query, "cursor": str(page["meta"]["cursor"])}
    assert seen == reasons[::-1]
    assert page["meta"] == {"cursor": None, "has_more": False, "page_size": 2}

    lines = await office.call("GET", f"{AUDIT}/export?format=jsonl&action=tenant")
    told = [msgspec.json.decode(line) for line in lines.content.splitlines()]
    assert [line["reason"] for line in told] == seen
    assert [line["after"] for line in told[:2]] == [{}, {"single_session": True}]
    table = await office.call("GET", f"{AUDIT}/export?action=tenant")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.headers["content-disposition"].startswith('attachment; filename="audit.csv"')
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
    assert [row["reason"] for row in rows] == [*seen[:-1], "'=1+1"]
    taken = await office.lines(action="audit.export")
    assert [line["after"] for line in taken] == [
        {"format": "csv", "filter": {"action": "tenant"}},
        {"format": "jsonl", "filter": {"action": "tenant"}},
    ]


def _query(values: Mapping[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in values.items())


async def test_only_administrators_of_the_tenant_read_it(
    platform: Platform, office: Office
) -> None:
    await office.invite(f"c-{uuid4().hex}@example.com")
    (line,) = await office.lines()
    stranger = await platform.admin()
    foreign = await platform.client.get(f"{AUDIT}/{line['id']}", headers=stranger.headers)
    missing = await platform.client.get(f"{AUDIT}/{uuid4()}", headers=stranger.headers)
    assert foreign.status_code == missing.status_code == 404
    apart = ("request_id", "instance")
    told = [{k: v for k, v in a.json().items() if k not in apart} for a in (foreign, missing)]
    assert told[0] == told[1]
    listed = await platform.client.get(
        AUDIT, params={"target_id": line["target_id"]}, headers=stranger.headers
    )
    assert listed.json()["data"] == []
    customer = await platform.person(tenant_key=office.key)
    for path in (AUDIT, f"{AUDIT}/export", f"{AUDIT}/{line['id']}"):
        refused = await platform.client.get(path, headers=customer.headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_nobody_changes_or_deletes_a_line(platform: Platform, office: Office) -> None:
    """Neither of the context's roles has such a right, and the table refuses whoever has."""
    await office.invite(f"d-{uuid4().hex}@example.com")
    (line,) = await office.lines()
    one = UUID(line["id"])
    statements = [
        "UPDATE identity.audit_log SET reason = 'nothing happened' WHERE id = $1",
        "DELETE FROM identity.audit_log WHERE id = $1",
        "TRUNCATE identity.audit_log",
    ]
    database = platform.runtime.plugins["identity"].context.db
    for statement in statements:
        arguments = [one] if "$1" in statement else []
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            async with database.transaction(office.tenant_id) as connection:
                await connection.execute(statement, *arguments)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await database.system_fetch("a line rewritten", statement, *arguments)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="neither changed"):
            await platform.sql(statement, *arguments)
    assert await office.lines() == [line]


async def test_a_line_comes_and_goes_with_its_act(platform: Platform, office: Office) -> None:
    """What is refused at the end leaves neither the change nor the line."""
    refused = await office.call(
        "PUT", f"/v1/admin/members/{uuid4()}/role", {"role": "admin", "reason": "nobody"}
    )
    assert refused.status_code == 404
    policy = {"single_session": True, "reason": "in one transaction"}
    await platform.sql(
        "ALTER TABLE identity.audit_log ADD CONSTRAINT refuses CHECK "
        f"(tenant_id <> '{office.tenant_id}') NOT VALID"
    )
    try:
        failed = await office.call("PUT", "/v1/admin/policy", policy)
    finally:
        await platform.sql("ALTER TABLE identity.audit_log DROP CONSTRAINT refuses")
    assert failed.status_code == 500
    assert (await office.call("GET", "/v1/admin/policy")).json() == {}
    assert await office.lines() == []
