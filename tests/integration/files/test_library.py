"""Files that are there: names, trash, strangers, plans."""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.storage import StoreError
from flatrender.testing.platform import Person, Platform


def _service(platform: Platform) -> Any:
    from flatrender_files.services.library import LibraryService

    return platform.runtime.plugins["files"].context.get(LibraryService)


def _bare(answer: Any) -> tuple[int, str]:
    """An answer without what names the very request."""
    return answer.status_code, re.sub(r'"(request_id|instance)":"[^"]*",?', "", answer.text)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a\r\nSet-Cookie: x=1", "\u202egnp.exe", "گل" * 2048, 'a"b;c', "%00%2e"],
)
async def test_names_come_back_safely(platform: Platform, uploader: Any, name: str) -> None:
    person = await platform.person()
    file = await uploader.file(person, name=name)
    assert file["name"] == name  # data: any text
    link = await platform.client.get(f"/v1/files/{file['id']}/download", headers=person.headers)
    came = await uploader.store.get(link.headers["location"])
    assert came.status_code == 200
    assert "set-cookie" not in came.headers
    told = came.headers["content-disposition"]
    assert told.startswith("attachment; filename=")
    assert len(told) < 4000
    plain = re.fullmatch(r"attachment; filename=\"([^\"]*)\"; filename\*=UTF-8''(\S*)", told)
    assert plain is not None, told
    assert not re.search(r"[/\\\x00-\x1f\x7f]|%0[0-9AD]|%2F|%E2%80%AE", told[12:], re.I)
    key = await platform.sql(
        "SELECT object_key FROM file_mgr.files WHERE id = $1", UUID(file["id"])
    )
    assert re.fullmatch(r"files/[0-9a-f-]{36}/[0-9a-f-]{36}\.png", key[0][0])


async def test_trash_counts_and_a_purge_gives_back(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    file, kept = await uploader.file(person), await uploader.file(person)
    size = file["size_bytes"]
    url = f"/v1/files/{file['id']}"
    assert (await platform.client.delete(url, headers=person.headers)).status_code == 204
    assert (await uploader.quota(person))["used_bytes"] == 2 * size
    trash = await platform.client.get("/v1/files?trashed=true", headers=person.headers)
    assert [row["id"] for row in trash.json()["data"]] == [file["id"]]
    back = await platform.client.post(f"{url}/restore", headers=person.headers)
    assert (back.status_code, back.json()["trashed_at"]) == (200, None)
    await platform.client.delete(url, headers=person.headers)
    await platform.sql(
        "UPDATE file_mgr.files SET trashed_at = now() - interval '31 days' WHERE id = $1",
        UUID(file["id"]),
    )
    await asyncio.gather(*(_service(platform).purge_trash() for _ in range(3)))
    counted = await uploader.quota(person)
    assert (counted["used_bytes"], counted["file_count"]) == (size, 1)
    assert (await platform.client.get(url, headers=person.headers)).status_code == 404
    key = await platform.sql(
        "SELECT object_key FROM file_mgr.files WHERE id = $1", UUID(file["id"])
    )

    async def removed() -> bool:
        await _service(platform).delete_objects()
        return not await platform.runtime.infra.storage.keys(key[0][0])

    await platform.until(removed)
    told = await platform.sql(
        "SELECT payload FROM file_mgr.outbox WHERE name = 'file.deleted.v1' AND payload::text "
        "LIKE '%' || $1 || '%'",
        file["id"],
    )
    assert len(told) == 1
    still = await platform.client.get(f"/v1/files/{kept['id']}/download", headers=person.headers)
    assert (await uploader.store.get(still.headers["location"])).status_code == 200


async def test_deleting_for_good_frees_at_once_and_once(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    file, kept = await uploader.file(person), await uploader.file(person)
    url = f"/v1/files/{file['id']}?permanently=true"
    answers = await asyncio.gather(
        *(platform.client.delete(url, headers=person.headers) for _ in range(10))
    )
    assert sorted(a.status_code for a in answers) == [204, *[404] * 9]
    counted = await uploader.quota(person)
    assert (counted["used_bytes"], counted["file_count"]) == (kept["size_bytes"], 1)


async def test_an_object_that_cannot_go_holds_up_no_other(
    platform: Platform, uploader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await platform.person()
    stuck, free = await uploader.file(person), await uploader.file(person)
    for file in (stuck, free):
        await platform.client.delete(
            f"/v1/files/{file['id']}?permanently=true", headers=person.headers
        )
    rows = await platform.sql(
        "SELECT id, object_key FROM file_mgr.files WHERE user_id = $1", person.id
    )
    keys = {str(row["id"]): row["object_key"] for row in rows}
    service = _service(platform)
    storage = platform.runtime.infra.storage
    delete = storage.delete

    async def broken(key: str) -> None:
        if key == keys[stuck["id"]]:
            raise StoreError("AccessDenied")
        await delete(key)

    monkeypatch.setattr(storage, "delete", broken)
    await platform.sql("UPDATE file_mgr.pending_deletions SET due_at = now() WHERE "
                       "object_key = ANY($1::text[])", list(keys.values()))  # fmt: skip

    async def tried() -> Any:
        await service.delete_objects()
        return await platform.sql(
            "SELECT attempts, last_error, due_at > now() AS later FROM file_mgr.pending_deletions "
            "WHERE object_key = ANY($1::text[]) AND attempts > 0",
            list(keys.values()),
        )

    left = await platform.until(tried)
    assert [tuple(row) for row in left] == [(1, "AccessDenied", True)]
    assert await platform.runtime.infra.storage.keys(keys[free["id"]]) == []


async def test_restoring_over_a_lowered_limit_is_refused(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    file = await uploader.file(person)
    await platform.client.delete(f"/v1/files/{file['id']}", headers=person.headers)
    await platform.sql("UPDATE file_mgr.quotas SET limit_bytes = 10 WHERE user_id = $1", person.id)
    answer = await platform.client.post(f"/v1/files/{file['id']}/restore", headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "quota_exceeded")
    still = await platform.client.get(f"/v1/files/{file['id']}", headers=person.headers)
    assert still.json()["trashed_at"] is not None


async def test_a_plan_decides_how_much_may_be_stored(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    await platform.grant(person.email, "plus")

    async def raised() -> bool:
        return bool((await uploader.quota(person))["limit_bytes"] == 10 * 2**30)

    await platform.until(raised)
    await platform.sql(
        "UPDATE identity.user_plans SET starts_at = now() - interval '2 days', "
        "expires_at = now() - interval '1 day' WHERE user_id = $1",
        person.id,
    )
    from flatrender_identity.services.plans import PlanService

    await platform.runtime.plugins["identity"].context.get(PlanService).expire_due()

    async def lowered() -> bool:
        return bool((await uploader.quota(person))["limit_bytes"] == 512 * 2**20)

    await platform.until(lowered)


async def _strangers(platform: Platform) -> list[Person]:
    _tenant, key = await platform.tenant()
    return [await platform.person(), await platform.person(tenant_key=key)]


async def test_what_is_anothers_is_not_there(platform: Platform, uploader: Any) -> None:
    owner = await platform.person()
    file = await uploader.file(owner)
    open_upload = await uploader.begun(owner, uploader.png())
    made = await platform.client.post("/v1/folders", json={"name": "x"}, headers=owner.headers)
    folder = made.json()["id"]
    missing = str(uuid4())
    for stranger in await _strangers(platform):
        own = await uploader.file(stranger)
        calls: list[tuple[str, str, str, Any]] = [
            ("GET", "/v1/files/{}", file["id"], None),
            ("GET", "/v1/files/{}/download", file["id"], None),
            ("PATCH", "/v1/files/{}", file["id"], {"name": "mine"}),
            ("POST", "/v1/files/{}/restore", file["id"], None),
            ("DELETE", "/v1/files/{}", file["id"], None),
            ("DELETE", "/v1/files/{}?permanently=true", file["id"], None),
            ("POST", "/v1/uploads/{}/complete", open_upload["upload_id"], None),
            ("DELETE", "/v1/uploads/{}", open_upload["upload_id"], None),
            ("GET", "/v1/folders/{}", folder, None),
            ("PATCH", "/v1/folders/{}", folder, {"name": "mine"}),
            ("DELETE", "/v1/folders/{}", folder, None),
            ("POST", "/v1/folders/{}/restore", folder, None),
        ]
        for method, url, found, body in calls:
            theirs = await platform.client.request(
                method, url.format(found), json=body, headers=stranger.headers
            )
            nobodys = await platform.client.request(
                method, url.format(missing), json=body, headers=stranger.headers
            )
            assert theirs.status_code == 404, (method, url, theirs.text)
            assert _bare(theirs) == _bare(nobodys), (method, url)
            assert theirs.text.replace(found, "ID").count("ID") == nobodys.text.replace(
                missing, "ID"
            ).count("ID")
        for url, body in (
            (f"/v1/files/{own['id']}", "folder_id"),
            ("/v1/folders", "parent_id"),
        ):
            method = "PATCH" if "files" in url else "POST"
            named = {} if method == "PATCH" else {"name": "y"}
            theirs, nobodys = [
                await platform.client.request(
                    method, url, json={**named, body: found}, headers=stranger.headers
                )
                for found in (folder, missing)
            ]
            assert theirs.status_code == 404
            assert _bare(theirs) == _bare(nobodys)
        listed = await platform.client.get(
            f"/v1/files?folder_id={folder}", headers=stranger.headers
        )
        assert listed.json()["data"] == []
    unchanged = await platform.client.get(f"/v1/files/{file['id']}", headers=owner.headers)
    assert unchanged.json() == file
    state = await platform.sql(
        "SELECT state FROM file_mgr.upload_sessions WHERE id = $1", UUID(open_upload["upload_id"])
    )
    assert state[0][0] == "Open"
    finished = await uploader.complete(owner, open_upload["upload_id"])
    assert finished.status_code == 201


async def test_a_list_pages_and_filters(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    for name in ("sea one.png", "sea two.png", "hill.png"):
        await uploader.file(person, name=name)
    client = platform.client
    first = (await client.get("/v1/files?sort=name&page_size=2", headers=person.headers)).json()
    assert [row["name"] for row in first["data"]] == ["hill.png", "sea one.png"]
    found = (await client.get("/v1/files?q=SEA", headers=person.headers)).json()
    assert len(found["data"]) == 2
    none = (await client.get("/v1/files?purpose=audio", headers=person.headers)).json()
    assert none["data"] == []
    unknown = await client.get("/v1/files?sort=object_key", headers=person.headers)
    assert unknown.status_code == 422


async def test_nobody_reads_without_a_credential(platform: Platform) -> None:
    for url in ("/v1/files", "/v1/files/quota", "/v1/folders"):
        assert (await platform.client.get(url)).status_code == 401
