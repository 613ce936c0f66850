"""Drawing snapshots: leases, fences, tries and the limit on what is drawn anew."""

import contextlib
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.security.errors import RateLimited
from flatrender.tasks.task import RetryLater
from flatrender.testing.platform import Platform
from flatrender_render.services.snapshots import SnapshotService


@pytest.fixture
def service(platform: Platform) -> SnapshotService:
    return platform.runtime.plugins["render"].context.get(SnapshotService)


@pytest.fixture
async def waiting(lot: Any, platform: Platform) -> UUID:
    """A snapshot like one that was drawn, which no worker sees (its engine is nobody's)."""
    customer = await lot.customer()
    body = {"saved_project_id": customer.saved["id"], "width": 64}
    answer = await customer.call("POST", "/v1/snapshots", body)
    snapshot_id = uuid4()
    await platform.sql(
        "INSERT INTO render.snapshots (id, tenant_id, user_id, cache_key, saved_project_id, "
        "engine, engine_version, package_object_key, package_sha256, composition, frame, width, "
        "height, state, node_id, lease_until) SELECT $1, tenant_id, user_id, $3, "
        "saved_project_id, engine, engine_version, package_object_key, package_sha256, "
        "composition, frame, width, height, 'Claimed', gen_random_uuid(), "
        "now() + interval '1 h' FROM render.snapshots WHERE id = $2",
        snapshot_id,
        UUID(answer.json()["id"]),
        uuid4().hex * 2,
    )
    return snapshot_id


async def _row(platform: Platform, snapshot_id: UUID) -> Any:
    (row,) = await platform.sql(
        "SELECT state, epoch, object_key, error_code, attempts FROM render.snapshots WHERE id = $1",
        snapshot_id,
    )
    return row


async def _expire(platform: Platform, snapshot_id: UUID) -> None:
    await platform.sql(
        "UPDATE render.snapshots SET lease_until = now() - interval '1 s' WHERE id = $1",
        snapshot_id,
    )


async def test_what_somebody_draws_is_not_taken_from_him(
    platform: Platform, service: SnapshotService, waiting: UUID
) -> None:
    assert await service.draw(waiting) is False
    assert (await _row(platform, waiting))["state"] == "Claimed"


@pytest.mark.parametrize("fails", [False, True])
async def test_a_late_drawing_changes_nothing(
    platform: Platform,
    service: SnapshotService,
    waiting: UUID,
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    async def picture(_self: Any, task: Any) -> tuple[str, bytes]:
        await platform.sql(  # while it draws, its lease runs out and another takes over
            "UPDATE render.snapshots SET epoch = epoch + 1, attempts = attempts + 1, "
            "lease_until = now() + interval '1 h' WHERE id = $1",
            task.id,
        )
        if fails:
            raise MemoryError
        return "late", b"late"

    monkeypatch.setattr(SnapshotService, "_picture", picture)
    await platform.sql("UPDATE render.snapshots SET attempts = 9 WHERE id = $1", waiting)
    before = (await _row(platform, waiting))["epoch"]
    # One statement between the lease's end and the claim: the sweep's worker may be quicker,
    # and finds the same late drawing.
    await _expire(platform, waiting)
    await service.draw(waiting)
    row = await _row(platform, waiting)
    assert (row["state"], row["object_key"], row["error_code"]) == ("Claimed", None, None)
    assert row["epoch"] >= before + 2


async def test_a_drawing_is_tried_three_times(
    platform: Platform, service: SnapshotService, waiting: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def picture(_self: Any, task: Any) -> tuple[str, bytes]:
        tries.append(task.attempts)
        raise MemoryError

    monkeypatch.setattr(SnapshotService, "_picture", picture)
    await _expire(platform, waiting)

    async def failed() -> bool:
        with contextlib.suppress(RetryLater):
            await service.draw(waiting)
        return bool((await _row(platform, waiting))["state"] == "Failed")

    await platform.until(failed)
    assert tries == [1, 2, 3]
    assert (await _row(platform, waiting))["error_code"] == "out_of_memory"


async def test_only_what_is_drawn_anew_is_limited(
    lot: Any, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await lot.customer()
    body = {"saved_project_id": customer.saved["id"], "width": 64}

    async def drawn() -> bool:
        return bool((await customer.call("POST", "/v1/snapshots", body)).status_code == 200)

    await platform.until(drawn)
    limiter = platform.runtime.infra.security.limiter
    check = limiter.check

    async def spent(name: str, *parties: str, **options: Any) -> None:
        if name == "snapshot" and parties == (f"account:{customer.person.id}",):
            raise RateLimited("snapshot", 7.0)
        await check(name, *parties, **options)

    monkeypatch.setattr(limiter, "check", spent)
    kept = await customer.call("POST", "/v1/snapshots", body)
    assert (kept.status_code, kept.json()["cached"]) == (200, True)
    refused = await customer.call("POST", "/v1/snapshots", {**body, "time": 0.1})
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
