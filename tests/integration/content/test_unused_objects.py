"""Packages and previews that nobody needs are removed from a real store, and no others.

A platform with a database and a bucket of its own: what is unused here is somebody's elsewhere.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.storage import ObjectMissing
from flatrender.testing import packages as build
from flatrender.testing.platform import Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender_content.services.importer import ImportService
from flatrender_content.services.previews import PreviewService
from flatrender_content.services.unused import GRACE, UnusedService

DAY = timedelta(days=1)
KEY_OF = "SELECT package_object_key AS key FROM content.project_containers WHERE id = $1"


class Shelf:
    """The platform, its store, and templates in it."""

    def __init__(self, platform: Platform, environment: dict[str, str]) -> None:
        self.platform = platform
        self.environment = environment
        self.store = platform.runtime.infra.storage
        self.context = platform.runtime.plugins["content"].context
        self.unused = self.context.get(UnusedService)

    async def template(self, slug: str = "", version: str = "1.0.0") -> tuple[UUID, str]:
        """Import a template (a new version of the slug's) and return it with its package's key."""
        return await self.bring(self.package(slug, version))

    def package(self, slug: str = "", version: str = "1.0.0") -> bytes:
        name = slug or f"t-{secrets.token_hex(4)}"
        return build.package(build.manifest(slug=name, version=version))

    async def bring(self, data: bytes) -> tuple[UUID, str]:
        made = await self.context.get(ImportService).import_bytes(
            DEFAULT_TENANT_ID, data, publish=True
        )
        rows = await self.platform.sql(KEY_OF, made.container_id)
        return made.container_id, rows[0]["key"]

    async def replaced(self) -> tuple[UUID, str, bytes]:
        """Return a template with the key and bytes of a package that is not current any more."""
        slug = f"t-{secrets.token_hex(4)}"
        data = self.package(slug)
        container, old = await self.bring(data)
        _, new = await self.template(slug, "1.1.0")
        assert old != new
        return container, old, data

    async def there(self, key: str) -> bool:
        try:
            await self.store.stat(key)
        except ObjectMissing:
            return False
        return True

    async def noted(self, key: str) -> bool:
        rows = await self.platform.sql(
            "SELECT 1 FROM content.unused_objects WHERE object_key = $1", key
        )
        return bool(rows)


@pytest.fixture(scope="module")
async def shelf(
    server_environment: dict[str, str], clone_database: Callable[[], TestDatabase]
) -> AsyncIterator[Shelf]:
    """Content's own corner of the store."""
    mark = secrets.token_hex(4)
    environment = {
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": f"{server_environment['FLATRENDER_VALKEY_PREFIX']}gc{mark}",
        "FLATRENDER_STORAGE_BUCKET": f"gc-{mark}",
    }
    async with run_platform(environment, worker=False) as platform:
        await platform.runtime.infra.storage.ensure_bucket()
        yield Shelf(platform, environment)


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


async def test_what_is_unused_for_long_goes_and_the_current_version_stays(shelf: Shelf) -> None:
    container, old, _ = await shelf.replaced()
    current = (await shelf.platform.sql(KEY_OF, container))[0]["key"]
    await shelf.unused.look()
    assert await shelf.noted(old)
    assert not await shelf.noted(current)
    await shelf.unused.look(now=later(30))  # looked at again: the first note counts
    gone = await shelf.unused.sweep(now=datetime.now(UTC) + GRACE + DAY)
    assert old in gone
    assert current not in gone
    assert not await shelf.there(old)
    assert await shelf.there(current)
    assert not await shelf.noted(old)


async def test_what_is_unused_and_young_stays(shelf: Shelf) -> None:
    _, old, _ = await shelf.replaced()
    await shelf.unused.look()
    assert old not in await shelf.unused.sweep(now=datetime.now(UTC) + GRACE - DAY)
    assert await shelf.there(old)
    assert await shelf.noted(old)


async def test_what_was_stored_within_the_grace_stays(shelf: Shelf) -> None:
    """Noted long ago, stored again a moment ago by somebody who has not committed."""
    _, old, _ = await shelf.replaced()
    await shelf.unused.look(now=later(-30))
    assert await shelf.unused.sweep() == []
    assert await shelf.there(old)


async def test_removed_templates_let_go_of_their_package(shelf: Shelf) -> None:
    container, key = await shelf.template()
    await shelf.platform.sql(
        "UPDATE content.project_containers SET deleted_at = now() WHERE id = $1", container
    )
    await shelf.unused.look()
    assert key in await shelf.unused.sweep(now=datetime.now(UTC) + GRACE + DAY)


async def saved_project(shelf: Shelf, container: UUID) -> tuple[Any, UUID]:
    """Save a project of a template; returns the person and its id."""
    person = await shelf.platform.person()
    rows = await shelf.platform.sql(
        "SELECT id FROM content.projects WHERE container_id = $1", container
    )
    answer = await shelf.platform.client.post(
        "/v1/saved-projects", json={"project_id": str(rows[0]["id"])}, headers=person.headers
    )
    assert answer.status_code == 201, answer.text
    return person, UUID(answer.json()["id"])


async def test_saved_projects_keep_their_package_also_in_the_trash(shelf: Shelf) -> None:
    slug = f"t-{secrets.token_hex(4)}"
    container, old = await shelf.template(slug)
    person, saved = await saved_project(shelf, container)
    await shelf.template(slug, "1.1.0")
    await shelf.unused.look()
    assert not await shelf.noted(old)
    trashed = await shelf.platform.client.delete(
        f"/v1/saved-projects/{saved}", headers={**person.headers, "If-Match": "*"}
    )
    assert trashed.status_code in {200, 204}, trashed.text
    await shelf.unused.look()
    assert not await shelf.noted(old)
    assert await shelf.there(old)


async def render_of(shelf: Shelf, key: str, step: str, **more: Any) -> UUID:
    """Make a render's row that refers to a package."""
    job = UUID(bytes=secrets.token_bytes(16))
    values: dict[str, Any] = {
        "id": job, "tenant_id": DEFAULT_TENANT_ID, "user_id": job, "saved_project_id": job,
        "project_name": "x", "container_id": job, "engine": "lottie", "package_object_key": key,
        "package_sha256": "0" * 64, "composition_sha256": "0" * 64, "composition": "{}",
        "resolution": "360p", "aspect": "16:9", "duration": 1.0, "width": 640, "height": 360,
        "fps": 30, "total_frames": 30, "watermark": False, "step": step,
        "finished_at": datetime.now(UTC) if step in {"Failed", "Cancelled"} else None,
        **more,
    }  # fmt: skip
    names = ", ".join(values)
    marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await shelf.platform.sql(
        f"INSERT INTO render.render_jobs ({names}) VALUES ({marks})", *values.values()
    )
    return job


@pytest.mark.parametrize(
    ("step", "more", "kept"),
    [
        ("Queued", {}, True),
        ("Rendering", {}, True),
        ("Failed", {"retryable": True}, True),
        ("Failed", {"retryable": False}, False),
        ("Cancelled", {}, False),
    ],
)
async def test_renders_that_may_go_on_keep_their_package(
    shelf: Shelf, step: str, more: dict[str, Any], *, kept: bool
) -> None:
    _, old, _ = await shelf.replaced()
    job = await render_of(shelf, old, step, **more)
    await shelf.unused.look()
    assert await shelf.noted(old) is not kept
    await shelf.platform.sql("DELETE FROM render.render_jobs WHERE id = $1", job)


async def test_batches_keep_their_package(shelf: Shelf) -> None:
    _, old, _ = await shelf.replaced()
    await shelf.platform.sql(
        "INSERT INTO render.batches (tenant_id, user_id, saved_project_id, name, resolution, "
        "total, failed, state, source) VALUES ($1, $1, $1, 'b', '360p', 2, 1, 'Done', $2)",
        DEFAULT_TENANT_ID,
        f'{{"package_object_key": "{old}"}}',
    )
    await shelf.unused.look()
    assert not await shelf.noted(old)


async def test_what_came_into_use_between_look_and_removal_stays(shelf: Shelf) -> None:
    _, old, _ = await shelf.replaced()
    await shelf.unused.look()
    assert await shelf.noted(old)
    await render_of(shelf, old, "Queued")
    assert old not in await shelf.unused.sweep(now=datetime.now(UTC) + GRACE + DAY)
    assert await shelf.there(old)
    assert not await shelf.noted(old)


async def test_who_stores_a_package_again_takes_its_note_away(shelf: Shelf) -> None:
    _, old, data = await shelf.replaced()
    await shelf.unused.look(now=later(-30))
    assert await shelf.noted(old)
    await shelf.bring(data)
    assert not await shelf.noted(old)


async def test_who_stores_a_package_again_waits_for_its_removal(shelf: Shelf) -> None:
    """The removal holds the note: an import in the middle of it stores after it, not before."""
    _, old, data = await shelf.replaced()
    await shelf.unused.look()
    statement = "SELECT FROM content.unused_objects WHERE object_key = $1 FOR UPDATE"
    async with shelf.platform.held(statement, old):
        before = (await shelf.store.stat(old)).modified
        again = asyncio.create_task(shelf.bring(data))
        await shelf.platform.waiters(1, of="unused_objects")
        assert (await shelf.store.stat(old)).modified == before
        await shelf.store.delete(old)
    await again
    assert await shelf.there(old)


async def test_previews_of_former_versions_go(shelf: Shelf) -> None:
    slug = f"t-{secrets.token_hex(4)}"
    current = "SELECT current_version_id AS id FROM content.project_containers WHERE id = $1"
    keys: list[set[str]] = []
    for version in ("1.0.0", "1.1.0"):
        container, _ = await shelf.template(slug, version)
        row = (await shelf.platform.sql(current, container))[0]
        await shelf.context.get(PreviewService).draw(DEFAULT_TENANT_ID, container, row["id"])
        keys.append(set(await shelf.store.keys(f"previews/{container}/")))
    old, new = keys[0], keys[1] - keys[0]
    assert old
    assert new
    await shelf.unused.look()
    gone = set(await shelf.unused.sweep(now=datetime.now(UTC) + GRACE + DAY))
    assert old <= gone
    assert not new & gone


async def test_the_command_says_what_would_go_and_removes_nothing(shelf: Shelf) -> None:
    _, old, _ = await shelf.replaced()
    before = await shelf.store.keys("packages/")
    for words, line in ((["--dry-run"], f"{old}  unused first seen now"), ([], "0 of ")):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "flatrender", "template", "gc", *words,
            env={**os.environ, **shelf.environment},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out = (await process.communicate())[0].decode()
        assert process.returncode == 0, out
        assert line in out
        assert await shelf.store.keys("packages/") == before
        assert await shelf.noted(old) is not bool(words)


async def test_keys_go_on_after_a_key(shelf: Shelf) -> None:
    for name in ("a", "b", "c"):
        await shelf.store.put(f"page/{name}", name.encode())
    assert await shelf.store.keys("page/", limit=2) == ["page/a", "page/b"]
    assert await shelf.store.keys("page/", limit=2, after="page/b") == ["page/c"]
    assert await shelf.store.keys("page/", after="page/c") == []
