"""A copy of one's own data: what is in it, who may have it, and for how long."""

import asyncio
import io
import zipfile
from typing import Any

import httpx
import msgspec

from flatrender.testing.platform import PASSWORD, Person, Platform
from flatrender_identity.services.data_exports import DataExportService


async def _ask(platform: Platform, person: Person, password: str | None = PASSWORD) -> Any:
    body = {"current_password": password} if password else {}
    return await platform.client.post("/v1/me/data-exports", json=body, headers=person.headers)


async def _ready(platform: Platform, person: Person) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        listed = await platform.client.get("/v1/me/data-exports", headers=person.headers)
        lines: list[dict[str, Any]] = listed.json()["data"]
        return lines[0] if lines and lines[0]["state"] == "Ready" else None

    return await platform.until(look)


async def _download(platform: Platform, person: Person, export_id: str) -> httpx.Response:
    return await platform.client.get(
        f"/v1/me/data-exports/{export_id}/download", headers=person.headers
    )


async def test_every_context_adds_its_part(platform: Platform, post: Any) -> None:
    person, stranger = await platform.person(), await platform.person()
    for owner, name in ((person, "holidays"), (stranger, "somebody else's")):
        await platform.sql(
            "INSERT INTO file_mgr.folders (tenant_id, user_id, name) VALUES ($1, $2, $3)",
            owner.tenant_id,
            owner.id,
            name,
        )
    refused = await _ask(platform, person, None)
    assert (refused.status_code, refused.json()["code"]) == (403, "proof_required")
    asked = await _ask(platform, person)
    assert (asked.status_code, asked.json()["state"]) == (202, "Running"), asked.text
    line = await _ready(platform, person)
    assert line["id"] == asked.json()["id"]
    await post.last(person.email, "data_export_ready")
    for somebody in (stranger, await platform.admin()):
        theirs = await _download(platform, somebody, line["id"])
        assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    answer = await _download(platform, person, line["id"])
    assert answer.status_code == 302
    async with httpx.AsyncClient() as client:
        fetched = await client.get(answer.headers["location"])
    assert fetched.headers["content-type"] == "application/zip"
    assert len(fetched.content) == line["size_bytes"]
    with zipfile.ZipFile(io.BytesIO(fetched.content)) as packed:
        parts = {name: msgspec.json.decode(packed.read(name)) for name in packed.namelist()}
    assert set(parts) == {
        f"{name}.json"
        for name in ("identity", "content", "files", "notification", "render", "studio")
    }
    (account,) = parts["identity.json"]["account"]
    assert account["email"] == person.email
    assert [event["kind"] for event in parts["identity.json"]["security_log"]] == [
        "signed_in",
        "data_export_asked",
    ]
    assert [folder["name"] for folder in parts["files.json"]["folders"]] == ["holidays"]
    whole = str(parts)
    for foreign in ("argon2", "password_hash", "somebody else's", stranger.email, "secret"):
        assert foreign not in whole, foreign


async def test_a_copy_that_is_being_made_is_not_made_twice(platform: Platform) -> None:
    person = await platform.person()
    async with platform.held(
        "SELECT id FROM identity.users WHERE id = $1 FOR UPDATE", person.id
    ):  # nothing is begun before both wait
        asking = [asyncio.create_task(_ask(platform, person)) for _ in range(2)]
        await platform.waiters(2, of="identity.users")
    answers = [await one for one in asking]
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["id"] for a in answers}) == 1
    await _ready(platform, person)


async def test_three_a_day(platform: Platform) -> None:
    person = await platform.person()
    codes = [(await _ask(platform, person)).status_code for _ in range(4)]
    assert codes == [202, 202, 202, 429]


async def test_a_copy_ends_after_seven_days_and_with_its_object(platform: Platform) -> None:
    person = await platform.person()
    await _ask(platform, person)
    line = await _ready(platform, person)
    rows = await platform.sql(
        "UPDATE identity.data_exports SET expires_at = now() WHERE id = $1::text::uuid "
        "RETURNING object_key, (SELECT expires_at - ready_at FROM identity.data_exports "
        "WHERE id = $1::text::uuid) AS life",
        line["id"],
    )
    assert rows[0]["life"].days == 7
    gone = await _download(platform, person, line["id"])
    assert gone.status_code == 404
    await platform.runtime.plugins["identity"].context.get(DataExportService).expire()
    store = platform.runtime.infra.storage

    async def removed() -> bool:
        found = await store.keys(f"data-exports/{line['id']}/")
        return not found

    await platform.until(removed)
    listed = await platform.client.get("/v1/me/data-exports", headers=person.headers)
    assert listed.json()["data"][0]["state"] == "Expired"
