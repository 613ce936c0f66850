"""Folders: the tree keeps its shape, and the trash takes and gives whole branches."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx

from flatrender.testing.platform import Person, Platform


class Tree:
    """A person's folders over HTTP."""

    def __init__(self, platform: Platform, person: Person) -> None:
        self.client = platform.client
        self.person = person

    async def make(self, name: str, parent: str | None = None) -> str:
        """Make a folder and return its id."""
        answer = await self.call("POST", "", {"name": name, "parent_id": parent})
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["id"]
        return made

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call below /v1/folders."""
        url = f"/v1/folders{path}"
        return await self.client.request(method, url, json=body, headers=self.person.headers)

    async def names(self, query: str = "") -> list[str]:
        """Return the names of a list."""
        return [row["name"] for row in (await self.call("GET", query)).json()["data"]]


async def test_folders_are_made_listed_renamed_and_moved(platform: Platform) -> None:
    tree = Tree(platform, await platform.person())
    a = await tree.make("a")
    b = await tree.make("b", a)
    await tree.make("c")
    assert await tree.names() == ["a", "b", "c"]
    assert await tree.names("?top=true") == ["a", "c"]
    assert await tree.names(f"?parent_id={a}") == ["b"]
    moved = await tree.call("PATCH", f"/{b}", {"parent_id": None, "name": "B ../"})
    assert (moved.status_code, moved.json()["parent_id"], moved.json()["name"]) == (
        200,
        None,
        "B ../",
    )
    same = await tree.call("PATCH", f"/{b}", {})
    assert same.json()["name"] == "B ../"


async def test_siblings_have_names_of_their_own(platform: Platform) -> None:
    tree = Tree(platform, await platform.person())
    a = await tree.make("Sea")
    inner = await tree.make("sea", a)
    taken = await tree.call("POST", "", {"name": "SEA"})
    assert (taken.status_code, taken.json()["code"]) == (409, "folder_exists")
    up = await tree.call("PATCH", f"/{inner}", {"parent_id": None})
    assert (up.status_code, up.json()["code"]) == (409, "folder_exists")
    answers = await asyncio.gather(*(tree.call("POST", "", {"name": "x"}) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [201, *[409] * 9]


async def test_a_folder_never_lies_in_itself(platform: Platform) -> None:
    tree = Tree(platform, await platform.person())
    a = await tree.make("a")
    b = await tree.make("b", a)
    c = await tree.make("c", b)
    for inside in (a, b, c):
        answer = await tree.call("PATCH", f"/{a}", {"parent_id": inside})
        assert (answer.status_code, answer.json()["code"]) == (409, "folder_cycle")


async def test_moves_at_once_make_no_cycle(platform: Platform) -> None:
    tree = Tree(platform, await platform.person())
    for _ in range(5):
        a, b = await tree.make(uuid4().hex), await tree.make(uuid4().hex)
        answers = await asyncio.gather(
            tree.call("PATCH", f"/{a}", {"parent_id": b}),
            tree.call("PATCH", f"/{b}", {"parent_id": a}),
        )
        assert sorted(x.status_code for x in answers) == [200, 409]


async def test_the_tree_is_bounded(platform: Platform) -> None:
    tree = Tree(platform, await platform.person())
    path = [await tree.make("0")]
    for level in range(1, 16):
        path.append(await tree.make(str(level), path[-1]))
    deeper = await tree.call("POST", "", {"name": "16", "parent_id": path[-1]})
    assert (deeper.status_code, deeper.json()["code"]) == (409, "too_many_folders")
    side = await tree.make("side")
    await tree.make("below", side)
    heavy = await tree.call("PATCH", f"/{side}", {"parent_id": path[-2]})
    assert (heavy.status_code, heavy.json()["code"]) == (409, "too_many_folders")
    await platform.sql(
        "INSERT INTO file_mgr.folders (tenant_id, user_id, name) "
        "SELECT $1, $2, 'n' || i FROM generate_series(1, 982) i",
        tree.person.tenant_id,
        tree.person.id,
    )
    more = await tree.call("POST", "", {"name": "one more"})
    assert (more.status_code, more.json()["code"]) == (409, "too_many_folders")


async def test_a_branch_goes_into_the_trash_and_comes_back(
    platform: Platform, uploader: Any
) -> None:
    person = await platform.person()
    tree = Tree(platform, person)
    a = await tree.make("a")
    b = await tree.make("b", a)
    file, before = await uploader.file(person), await uploader.file(person)
    for found in (file, before):
        moved = await platform.client.patch(
            f"/v1/files/{found['id']}", json={"folder_id": b}, headers=person.headers
        )
        assert (moved.status_code, moved.json()["folder_id"]) == (200, b)
    assert (await tree.call("GET", f"/{b}")).json()["file_count"] == 2
    await platform.client.delete(f"/v1/files/{before['id']}", headers=person.headers)
    assert (await tree.call("DELETE", f"/{a}")).status_code == 204
    assert await tree.names() == []
    assert await tree.names("?trashed=true") == ["a", "b"]
    listed = await platform.client.get("/v1/files", headers=person.headers)
    assert listed.json()["data"] == []
    into = await tree.call("POST", "", {"name": "in the trash", "parent_id": b})
    assert into.status_code == 404
    assert (await tree.call("POST", f"/{a}/restore")).status_code == 200
    assert await tree.names() == ["a", "b"]
    listed = await platform.client.get(f"/v1/files?folder_id={b}", headers=person.headers)
    assert [row["id"] for row in listed.json()["data"]] == [file["id"]]
    trash = await platform.client.get("/v1/files?trashed=true", headers=person.headers)
    assert [row["id"] for row in trash.json()["data"]] == [before["id"]]  # it went there alone


async def test_what_comes_back_alone_finds_a_place(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    tree = Tree(platform, person)
    a = await tree.make("a")
    b = await tree.make("b", a)
    file = await uploader.file(person)
    await platform.client.patch(
        f"/v1/files/{file['id']}", json={"folder_id": b}, headers=person.headers
    )
    await tree.call("DELETE", f"/{a}")
    alone = await platform.client.post(f"/v1/files/{file['id']}/restore", headers=person.headers)
    assert (alone.status_code, alone.json()["folder_id"]) == (200, None)
    await tree.make("b")
    clash = await tree.call("POST", f"/{b}/restore")
    assert (clash.status_code, clash.json()["code"]) == (409, "folder_exists")
    assert await tree.names("?trashed=true") == ["a", "b"]


async def test_old_folders_go_with_what_was_in_them(platform: Platform, uploader: Any) -> None:
    person = await platform.person()
    tree = Tree(platform, person)
    a = await tree.make("a")
    b = await tree.make("b", a)
    file = await uploader.file(person)
    await platform.client.patch(
        f"/v1/files/{file['id']}", json={"folder_id": b}, headers=person.headers
    )
    await tree.call("DELETE", f"/{a}")
    for table in ("folders", "files"):
        await platform.sql(
            f"UPDATE file_mgr.{table} SET trashed_at = now() - interval '31 days' "
            "WHERE user_id = $1",
            person.id,
        )
    from flatrender_files.services.library import LibraryService

    library = platform.runtime.plugins["files"].context.get(LibraryService)

    async def gone() -> bool:
        await library.purge_trash()
        rows = await platform.sql(
            "SELECT 1 FROM file_mgr.folders WHERE id = ANY($1::uuid[])", [UUID(a), UUID(b)]
        )
        return not rows

    await platform.until(gone)
    assert (await uploader.quota(person))["used_bytes"] == 0


async def test_the_same_key_makes_one_folder(platform: Platform) -> None:
    person = await platform.person()
    headers = {**person.headers, "Idempotency-Key": uuid4().hex}
    answers = [
        await platform.client.post("/v1/folders", json={"name": name}, headers=headers)
        for name in ("a", "a", "b")
    ]
    assert [a.status_code for a in answers] == [201, 201, 422]
    assert answers[0].content == answers[1].content
    assert await Tree(platform, person).names() == ["a"]


async def test_fields_nobody_may_set_are_refused(platform: Platform) -> None:
    tree = Tree(platform, await platform.person())
    for extra in ("tenant_id", "user_id", "id"):
        answer = await tree.call("POST", "", {"name": "x", extra: str(uuid4())})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{extra}"
    assert await tree.names() == []
