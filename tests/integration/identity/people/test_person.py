"""One person's whole picture, and what staff note about them."""

import asyncio
from typing import Any
from uuid import uuid4

from flatrender.testing.platform import Person, Platform

ENTRY = {"tags": ["VIP"], "note": "<p>Called.</p>", "pipeline_status": "Contacted"}


async def _get(platform: Platform, who: Person, path: str, **headers: str) -> Any:
    return await platform.client.get(f"/v1/users/{path}", headers={**who.headers, **headers})


async def _put(platform: Platform, who: Person, whom: Any, tag: str | None, **body: Any) -> Any:
    return await platform.client.put(
        f"/v1/users/{whom}/crm",
        json={**ENTRY, **body},
        headers={**who.headers, **({"If-Match": tag} if tag else {})},
    )


async def test_the_whole_picture_and_no_secret(platform: Platform, arm: Any) -> None:
    admin, armed = await platform.admin(), await arm()
    person: Person = armed.person
    await platform.grant(person.email, "plus")
    await platform.sql(
        "INSERT INTO identity.oauth_identities (tenant_id, user_id, provider, issuer, subject, "
        "email) VALUES ($1, $2, 'google', 'https://accounts.example', $3, 'g@example.com')",
        person.tenant_id,
        person.id,
        uuid4().hex,
    )
    assert (await _put(platform, admin, person.id, '"v0"')).status_code == 200
    answer = await _get(platform, admin, str(person.id))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["profile"]["id"] == str(person.id)
    assert (told["profile"]["role"], told["profile"]["status"]) == ("user", "Active")
    assert told["addresses"] == [{"kind": "Email", "value": person.email, "proven_at": None}]
    sign_in = told["sign_in"]
    assert (sign_in["has_password"], sign_in["mfa_enabled"]) == (True, True)
    assert sign_in["recovery_codes_left"] == 10
    assert [factor["kind"] for factor in sign_in["factors"]] == ["totp"]
    assert [one["provider"] for one in sign_in["identities"]] == ["google"]
    assert len(told["sessions"]) == 1
    assert told["plan"]["code"] == told["limits"]["plan_code"] == "plus"
    assert told["balances"]["currency"] == "IRR"
    assert told["renders"] == {"total": 0, "last_30_days": 0, "seconds": 0.0}
    assert (told["crm"]["tags"], told["crm"]["version"]) == (["VIP"], 1)
    assert told["ban"] is None
    assert {"signed_in"} <= {event["kind"] for event in told["security_events"]}
    assert told["permissions"] == []
    stored = await platform.sql(
        "SELECT u.password_hash, encode(f.secret_enc, 'hex') AS secret FROM identity.users u "
        "JOIN identity.mfa_factors f ON f.user_id = u.id WHERE u.id = $1",
        person.id,
    )
    for secret in (stored[0]["password_hash"], stored[0]["secret"], armed.totp.secret):
        assert secret not in answer.text
    for code in armed.codes:
        assert code not in answer.text
    banned = await platform.client.post(
        f"/v1/users/{person.id}/ban", json={"reason": "spam here"}, headers=admin.headers
    )
    assert banned.status_code == 204
    after = (await _get(platform, admin, str(person.id))).json()
    assert (after["ban"]["reason"], after["ban"]["by"]) == ("spam here", str(admin.id))
    assert (after["profile"]["status"], after["sessions"], after["limits"]) == ("Banned", [], None)


async def test_who_sees_whom(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    fellow = await platform.staff("moderator", tenant_key=key)
    customer = await platform.person(tenant_key=key)
    stranger = await platform.person()
    for who, whom, status in (
        (admin, admin, 200),
        (admin, moderator, 200),
        (moderator, moderator, 200),
        (moderator, customer, 200),
        (moderator, fellow, 403),
        (moderator, admin, 403),
        (customer, customer, 403),
        (admin, stranger, 404),
    ):
        assert (await _get(platform, who, str(whom.id))).status_code == status
    held = (await _get(platform, admin, str(moderator.id))).json()["permissions"]
    assert "people.read" in held
    assert "people.password" not in held
    changed = await platform.client.put(
        "/v1/admin/roles/moderator",
        json={"permissions": ["people.read"], "reason": "no notes"},
        headers=admin.headers,
    )
    assert changed.status_code == 200
    assert (await _get(platform, moderator, str(customer.id))).json()["crm"] is None
    for path in (f"{customer.id}/crm", "crm-tags"):
        shut = await _get(platform, moderator, path)
        assert shut.json()["permission"] == "people.crm"
    foreign = await _get(platform, admin, str(stranger.id))
    missing = await _get(platform, admin, str(uuid4()))
    assert foreign.json() | {"request_id": ""} == missing.json() | {"request_id": ""}


async def test_an_entry_is_read_and_written_by_its_version(platform: Platform) -> None:
    admin, person = await platform.admin(), await platform.person()
    empty = await _get(platform, admin, f"{person.id}/crm")
    assert (empty.headers["etag"], empty.json()["pipeline_status"]) == ('"v0"', "New")
    without = await _put(platform, admin, person.id, None)
    assert (without.status_code, without.json()["code"]) == (428, "precondition_required")
    at_once = await asyncio.gather(*(_put(platform, admin, person.id, '"v0"') for _ in range(5)))
    assert sorted(answer.status_code for answer in at_once) == [200] + [412] * 4
    read = await _get(platform, admin, f"{person.id}/crm")
    assert read.headers["etag"] == '"v1"'
    same = await _get(platform, admin, f"{person.id}/crm", **{"If-None-Match": '"v1"'})
    assert same.status_code == 304
    body = {
        "tags": ["مشتري  ويژه", "vip", "مشتری ویژه", " VIP "],
        "note": '<p onclick="x()">سلام <script>alert(1)</script>'
        '<a href="javascript:x()">a</a><a href="https://example.com">b</a></p>',
        "pipeline_status": "Customer",
    }
    written = await _put(platform, admin, person.id, '"v1"', **body)
    assert (written.status_code, written.headers["etag"]) == (200, '"v2"'), written.text
    told = written.json()
    assert told["tags"] == ["مشتري ويژه", "vip"]
    assert told["note"] == (
        '<p>سلام <a rel="noopener noreferrer nofollow">a</a>'
        '<a href="https://example.com" rel="noopener noreferrer nofollow">b</a></p>'
    )
    assert (await _get(platform, admin, f"{person.id}/crm")).json() == told
    lines = await platform.sql(
        "SELECT before, after FROM identity.audit_log WHERE target_id = $1 "
        "AND action = 'user.crm.change' ORDER BY created_at",
        str(person.id),
    )
    assert len(lines) == 2
    assert "سلام" not in lines[1]["after"]  # the audit log outlives the account
    assert "Customer" in lines[1]["after"]
    history = await platform.sql(
        "SELECT kind FROM identity.user_crm_activities WHERE user_id = $1", person.id
    )
    assert sorted(row["kind"] for row in history) == sorted(
        ["Note", "StatusChange", "TagChange"] * 2
    )
    await _put(platform, admin, person.id, '"v2"', **{**body, "tags": told["tags"]})
    again = await platform.sql(
        "SELECT count(*) AS n FROM identity.audit_log WHERE target_id = $1", str(person.id)
    )
    assert again[0]["n"] == 2  # nothing changed


async def test_what_an_entry_refuses(platform: Platform) -> None:
    admin, person = await platform.admin(), await platform.person()
    for body, pointer in (
        ({"pipeline_status": "Rich"}, "/pipeline_status"),
        ({"tags": ["a", "\u200d"]}, "/tags/1"),
        ({"tags": ["\u202egnp"]}, "/tags/0"),
        ({"tags": ["x"] * 31}, "/tags"),
        ({"tags": ["x" * 61]}, "/tags/0"),
        ({"note": "&" * 20_000}, "/note"),
        ({"owner_id": str(admin.id)}, "/owner_id"),
    ):
        refused = await _put(platform, admin, person.id, '"v0"', **body)  # type: ignore[arg-type]  # of a table
        assert refused.status_code == 422, body
        assert refused.json()["errors"][0]["pointer"] == pointer
    stranger = await platform.admin(tenant_key=(await platform.tenant())[1])
    foreign = await _put(platform, stranger, person.id, '"v0"')
    missing = await _put(platform, stranger, uuid4(), '"v0"')
    assert foreign.status_code == 404
    assert foreign.json() | {"request_id": ""} == missing.json() | {"request_id": ""}
    rows = await platform.sql("SELECT FROM identity.user_crm WHERE user_id = $1", person.id)
    assert rows == []


async def test_tags_are_offered_while_typing(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    other = await platform.admin()
    for tags in (["VIP", "قدیمی"], ["vip", "new"], ["قديمي ترين"]):
        person = await platform.person(tenant_key=key)
        assert (await _put(platform, admin, person.id, '"v0"', tags=tags)).status_code == 200
    listed = (await _get(platform, admin, "crm-tags")).json()
    most = listed["data"][0]
    assert (most["tag"].lower(), most["users"]) == ("vip", 2)
    assert listed["meta"]["total"] == 4
    begun = (await _get(platform, admin, "crm-tags?q=قدي")).json()["data"]
    assert {one["tag"] for one in begun} == {"قدیمی", "قديمي ترين"}
    theirs = (await _get(platform, other, "crm-tags?q=قدي")).json()["data"]
    assert theirs == []
