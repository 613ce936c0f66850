"""Finished videos and what follows: further formats, the end of exports, deletion."""

import contextlib
import json
import os
import secrets
import signal
from datetime import timedelta
from typing import Any
from uuid import UUID

import av
import httpx
import pytest
from msgspec.structs import replace

from flatrender_render.farm import expiry
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.farm.runner import Runner
from flatrender_render.media.transcode import Transcoded
from flatrender_render.services.renditions import RenditionService


async def finished(lot: Any, customer: Any = None, **body: Any) -> tuple[Any, Any]:
    """Return a customer and one finished export."""
    customer = customer or await lot.customer()
    answer = await customer.ask(**body)
    assert answer.status_code == 202, answer.text
    job = await customer.ended(answer.json()["id"])
    assert job["step"] == "Done", job
    return customer, await customer.get(f"/v1/exports/{job['export_id']}")


async def want(customer: Any, export: Any, *formats: str) -> Any:
    return await customer.call(
        "POST",
        f"/v1/exports/{export['id']}/renditions",
        {"formats": list(formats)},
        **{"Idempotency-Key": secrets.token_hex(8)},
    )


async def made(customer: Any, export: Any, count: int) -> list[Any]:
    """Return the renditions once ``count`` are over."""

    async def look() -> Any:
        found = (await customer.get(f"/v1/exports/{export['id']}/renditions"))["data"]
        over = [one for one in found if one["state"] in {"Done", "Failed"}]
        return found if len(over) == count else None

    found: list[Any] = await customer.platform.until(look, within=90)
    return found


async def fetched(customer: Any, path: str) -> httpx.Response:
    answer = await customer.call("GET", path)
    assert answer.status_code == 302, answer.text
    async with httpx.AsyncClient() as store:
        return await store.get(answer.headers["location"])


async def test_further_formats_asked_for_at_submit_follow_the_video(
    lot: Any, tmp_path: Any
) -> None:
    customer, export = await finished(lot, extras=["gif", "webm"])
    found = await made(customer, export, 2)
    assert {(one["format"], one["state"]) for one in found} == {("webm", "Done"), ("gif", "Done")}
    for one in found:
        twin = await customer.get(f"/v1/exports/{one['export_id']}")
        assert (twin["format"], twin["job_id"]) == (one["format"], export["job_id"])
        assert twin["expires_at"] == export["expires_at"]
        assert twin["watermark"] is True
        got = await fetched(customer, f"/v1/exports/{one['export_id']}/download")
        kind = {"webm": "video/webm", "gif": "image/gif"}[one["format"]]
        assert got.headers["content-type"] == kind
        assert f".{one['format']}" in got.headers["content-disposition"]
        assert len(got.content) == twin["size_bytes"] == one["size_bytes"]
        path = tmp_path / one["format"]
        path.write_bytes(got.content)
        with av.open(str(path)) as media:
            assert sum(1 for _ in media.decode(video=0)) == twin["frames"]


async def test_frames_do_not_wait_behind_a_transcode(lot: Any) -> None:
    """The one slot of this worker makes a video while a process stands still over a GIF."""
    customer, export = await finished(lot)
    runner = customer.platform.runtime.plugins["render"].context.get(Runner)
    await runner.extras.warm_up()
    (process,) = runner.extras._workers
    os.kill(process.process.pid, signal.SIGSTOP)
    try:
        assert (await want(customer, export, "gif")).status_code == 202

        async def begun() -> bool:
            (one,) = (await customer.get(f"/v1/exports/{export['id']}/renditions"))["data"]
            return bool(one["state"] == "Claimed")

        await customer.platform.until(begun)
        await finished(lot, customer)
        assert await begun()
    finally:
        with contextlib.suppress(ProcessLookupError):  # a slow machine may have given it up
            os.kill(process.process.pid, signal.SIGCONT)
    (gif,) = await made(customer, export, 1)
    assert gif["state"] == "Done"


async def test_a_format_is_made_once_however_often_it_is_asked_for(lot: Any) -> None:
    customer, export = await finished(lot)
    first = await want(customer, export, "gif")
    assert first.status_code == 202, first.text
    again = await want(customer, export, "gif", "gif")
    assert len(again.json()["data"]) == 1
    (one,) = await made(customer, export, 1)
    late = (await want(customer, export, "gif")).json()["data"]
    assert late[0]["export_id"] == one["export_id"]
    rows = await customer.platform.sql(
        "SELECT epoch FROM render.renditions WHERE source_export_id = $1", UUID(export["id"])
    )
    assert [row["epoch"] for row in rows] == [1]


async def test_formats_are_made_of_the_mp4_only_and_not_by_strangers(lot: Any) -> None:
    customer, export = await finished(lot)
    await want(customer, export, "gif")
    (one,) = await made(customer, export, 1)
    refused = await want(customer, {"id": one["export_id"]}, "webm")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_the_mp4")
    wrong = await customer.call("POST", f"/v1/exports/{export['id']}/renditions", {"formats": []})
    assert wrong.status_code == 422
    stranger = await lot.customer()
    for method, path in (
        ("GET", "renditions"), ("POST", "renditions"), ("GET", "shares"), ("POST", "shares"),
    ):  # fmt: skip
        body = {"formats": ["gif"]} if (method, path) == ("POST", "renditions") else {}
        answer = await stranger.call(
            method, f"/v1/exports/{export['id']}/{path}", body if method == "POST" else None
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    gone = await stranger.call("DELETE", f"/v1/exports/{export['id']}")
    assert gone.status_code == 404


async def _claimed(customer: Any, export: Any, epoch: int) -> RenditionClaim:
    """Return a claim of a rendition that somebody makes."""
    (row,) = await customer.platform.sql(
        "INSERT INTO render.renditions (tenant_id, user_id, job_id, source_export_id, format, "
        "state, epoch, lease_until) SELECT tenant_id, user_id, job_id, id, 'webm', 'Claimed', $2, "
        "now() + interval '1 hour' FROM render.exports WHERE id = $1 RETURNING id, tenant_id",
        UUID(export["id"]),
        epoch,
    )
    return RenditionClaim(
        id=row["id"],
        tenant_id=row["tenant_id"],
        job_id=UUID(export["job_id"]),
        format="webm",
        epoch=epoch,
        source_object_key="-",
        source_sha256="0" * 64,
    )


RESULT = Transcoded(width=2, height=2, fps=30, frames=1, duration=1, size=1, sha256="0" * 64)


async def test_a_late_report_of_a_rendition_changes_nothing(lot: Any) -> None:
    customer, export = await finished(lot)
    platform = customer.platform
    claim = await _claimed(customer, export, 2)
    service = platform.runtime.plugins["render"].context.get(RenditionService)
    assert not await service.finish(replace(claim, epoch=1), RESULT, 0.0, claim.result_key)
    assert await service.finish(claim, RESULT, 0.0, claim.result_key)
    assert not await service.finish(claim, RESULT, 0.0, claim.result_key)
    found = await platform.sql(
        "SELECT object_key FROM render.exports WHERE job_id = $1 AND format = 'webm'",
        UUID(export["job_id"]),
    )
    assert [row["object_key"] for row in found] == [claim.result_key]


async def test_a_rendition_whose_video_was_deleted_meanwhile_is_dropped(lot: Any) -> None:
    customer, export = await finished(lot)
    claim = await _claimed(customer, export, 1)
    deleted = await customer.call("DELETE", f"/v1/exports/{export['id']}")
    assert deleted.status_code == 204
    service = customer.platform.runtime.plugins["render"].context.get(RenditionService)
    assert not await service.finish(claim, RESULT, 0.0, claim.result_key)


async def objects(platform: Any, export: Any) -> list[str]:
    """Return the keys of a job's exports in the store."""
    store = platform.runtime.infra.storage
    found: list[str] = await store.keys(f"exports/{export['tenant']}/{export['job_id']}/")
    return found


async def test_a_deleted_video_is_not_there_and_its_objects_go(lot: Any) -> None:
    customer, export = await finished(lot)
    export["tenant"] = str(customer.person.tenant_id)
    await want(customer, export, "gif")
    (gif,) = await made(customer, export, 1)
    assert len(await objects(customer.platform, export)) == 5
    assert (await customer.call("DELETE", f"/v1/exports/{export['id']}")).status_code == 204
    assert (await customer.call("DELETE", f"/v1/exports/{export['id']}")).status_code == 404
    assert (await customer.call("GET", f"/v1/exports/{export['id']}/download")).status_code == 404
    context = customer.platform.runtime.plugins["render"].context
    later = context.clock.now() + timedelta(hours=1)
    await expiry.remove_objects(context, now=later, limit=10_000)
    left = await objects(customer.platform, export)
    assert len(left) == 4, "the GIF and the pictures that it shares"
    assert not any(key.endswith(".mp4") for key in left)
    assert (await customer.call("DELETE", f"/v1/exports/{gif['export_id']}")).status_code == 204
    await expiry.remove_objects(context, now=later, limit=10_000)
    assert await objects(customer.platform, export) == []
    told = await customer.platform.sql(
        "SELECT payload FROM render.outbox WHERE name = 'render.export.deleted.v1' "
        "AND payload->'data'->>'job_id' = $1",
        export["job_id"],
    )
    assert len(told) == 2


@pytest.mark.parametrize(("days", "told"), [(6.9, []), (2.9, [3]), (0.9, [1])])
async def test_the_owner_is_reminded_before_the_end(lot: Any, days: float, told: Any) -> None:
    customer, export = await finished(lot)
    context = customer.platform.runtime.plugins["render"].context
    rows = await customer.platform.sql(
        "SELECT expires_at FROM render.exports WHERE id = $1", UUID(export["id"])
    )
    moment = rows[0]["expires_at"] - timedelta(days=days)
    for _ in range(2):  # the second time nothing is told again
        async with context.db.system("test") as work:
            await expiry.remind(work, now=moment)
    assert [event["days_left"] for event in await _told(customer, export, "expiry_approached")] == (
        told
    )


async def test_both_reminders_then_the_end_then_the_objects(lot: Any) -> None:
    customer, export = await finished(lot)
    export["tenant"] = str(customer.person.tenant_id)
    platform = customer.platform
    context = platform.runtime.plugins["render"].context
    rows = await platform.sql(
        "SELECT expires_at FROM render.exports WHERE id = $1", UUID(export["id"])
    )
    end = rows[0]["expires_at"]
    for days in (2.5, 2.0, 0.5, 0.2):
        async with context.db.system("test") as work:
            await expiry.remind(work, now=end - timedelta(days=days))
    found = await _told(customer, export, "expiry_approached")
    assert sorted(event["days_left"] for event in found) == [1, 3]
    for _ in range(2):
        async with context.db.system("test") as work:
            await expiry.expire(work, now=end + timedelta(seconds=1))
    (deleted,) = await _told(customer, export, "deleted")
    assert (deleted["reason"], deleted["freed_bytes"]) == ("expired", export["size_bytes"])
    await expiry.remove_objects(context, now=end + timedelta(hours=1), limit=10_000)
    assert await objects(platform, export) == []
    answer = await customer.call("GET", f"/v1/exports/{export['id']}")
    assert answer.status_code == 404

    async def notices() -> Any:
        listed = await customer.get("/v1/notifications")
        kinds = [one["type"] for one in listed["data"]]
        return kinds if "ExportDeleted" in kinds else None

    kinds = await platform.until(notices)
    assert kinds.count("ExportExpiring") == 2


async def _told(customer: Any, export: Any, verb: str) -> list[Any]:
    rows = await customer.platform.sql(
        "SELECT payload FROM render.outbox WHERE name = $1 AND payload->'data'->>'export_id' = $2",
        f"render.export.{verb}.v1",
        export["id"],
    )
    return [json.loads(row["payload"])["data"] for row in rows]
