"""Full scans over HTTP: brought, read by a node of either kind, previewed, applied, rendered."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.tasks.service import WorkerService
from flatrender.template.after_effects import open_bundle
from flatrender_render.farm.node import Node

Json = dict[str, Any]
ADDED = {
    "project",
    "colors/box",
    "colors/primary",
    "scenes/c1",
    "scenes/c1/contents/c1m1",
    "scenes/c1/contents/c1t1",
}


def paths(entries: list[Json]) -> set[str]:
    return {entry["path"] for entry in entries}


async def test_a_node_outside_reads_a_bundle_that_is_then_applied(
    shop: Any, film_bundle: Any
) -> None:
    shop.ae.behave()
    base = await shop.draft()
    scan = await shop.ask(base, film_bundle("سلام"))
    assert (scan["state"], scan["kind"]) == ("Queued", "full")
    assert scan["waits_for"]["code"] == "no_node_with_engine"
    async with shop.at_work():
        done = await shop.ended(scan)
    assert done["state"] == "Done", done
    assert shop.ae.runs("AfterFX") == 1
    seen, _ = await shop.preview(scan)
    assert seen["problems"] == []
    assert seen["missing_footage"] == []
    assert seen["fonts"] == ["Vazirmatn"]
    assert (seen["comp"], seen["aspect"], seen["fps"], seen["duration"]) == (
        "frfinal", "16:9", 30, 0.4,
    )  # fmt: skip
    assert paths(seen["added"]) == ADDED
    digest = (await shop.apply(scan))["package_sha256"]
    rows = await shop.platform.sql(
        "SELECT source_object_key FROM content.projects WHERE source_sha256 = $1", digest
    )
    stored = await shop.platform.runtime.infra.storage.get(rows[0]["source_object_key"])
    archive = open_bundle(stored)
    try:
        assert {*archive.names} == {"flatrender.json", "project.aep", "footage/photo.png"}
    finally:
        archive.close()


async def test_a_second_full_scan_keeps_what_was_edited_by_hand(
    shop: Any, film_bundle: Any
) -> None:
    shop.ae.behave()
    base = await shop.draft()
    async with shop.at_work():
        first = await shop.ask(base, film_bundle("سلام"))
        assert (await shop.ended(first))["state"] == "Done"
        await shop.apply(first)
        rows = await shop.platform.sql(
            "SELECT id FROM content.scenes WHERE container_id = $1 AND key = 'c1'",
            UUID(base.rpartition("/")[2]),
        )
        edit = {"name": {"fa": "آغاز", "en": "Opening"}}
        changed = await shop.call("PATCH", f"{base}/scenes/{rows[0]['id']}", json=edit)
        assert changed.status_code == 204, changed.text
        second = await shop.ask(base, film_bundle("درود"))
        assert (await shop.ended(second))["state"] == "Done"
    seen, _ = await shop.preview(second)
    assert "scenes/c1" in paths(seen["kept"])
    assert "scenes/c1/contents/c1t1" in paths(seen["changed"])
    assert not seen["orphans"]
    await shop.apply(second)
    after = await shop.platform.sql(
        "SELECT s.name_en, x.default_value FROM content.scenes s "
        "JOIN content.scene_contents x ON x.scene_id = s.id AND x.key = 'c1t1' WHERE s.id = $1",
        rows[0]["id"],
    )
    assert after[0]["name_en"] == "Opening"
    assert "درود" in str(after[0]["default_value"])


async def test_the_same_again_changes_nothing(shop: Any, film_bundle: Any) -> None:
    shop.ae.behave()
    base = await shop.draft()
    async with shop.at_work():
        scan = await shop.ask(base, film_bundle())
        await shop.ended(scan)
        await shop.apply(scan)
        again = await shop.ask(base, film_bundle())
        await shop.ended(again)
    seen, _ = await shop.preview(again)
    assert not any(seen[k] for k in ("added", "changed", "revived", "kept", "orphans"))


async def test_a_worker_of_the_pool_reads_and_then_renders_it(
    shop: Any, film_bundle: Any, make_lot: Any
) -> None:
    shop.ae.behave()
    base = await shop.draft()
    scan = await shop.ask(base, film_bundle("سلام"))
    worker = WorkerService(shop.platform.runtime)
    running = asyncio.create_task(worker.run(handle_signals=False))
    try:
        assert (await shop.ended(scan))["state"] == "Done"
        await shop.apply(scan)
        assert (await shop.call("POST", f"{base}/publish")).status_code == 204
        rows = await shop.platform.sql(
            "SELECT id FROM content.projects WHERE container_id = $1",
            UUID(base.rpartition("/")[2]),
        )
        person = await shop.platform.person()
        saved = await shop.platform.client.post(
            "/v1/saved-projects", json={"project_id": str(rows[0]["id"])}, headers=person.headers
        )
        assert saved.status_code == 201, saved.text
        job = await shop.platform.client.post(
            "/v1/renders",
            json={"saved_project_id": saved.json()["id"], "resolution": "360p"},
            headers={**person.headers, "Idempotency-Key": uuid4().hex},
        )
        assert job.status_code == 202, job.text

        async def ended() -> Json | None:
            url = f"/v1/renders/{job.json()['id']}"
            found: Json = (await shop.platform.client.get(url, headers=person.headers)).json()
            return found if found["step"] in {"Done", "Failed", "Cancelled"} else None

        rendered = await shop.platform.until(ended, within=120)
        assert rendered["step"] == "Done", rendered
        assert rendered["total_frames"] == 12
    finally:
        worker.stop()
        await asyncio.wait_for(running, timeout=60)
        await shop.platform.runtime.plugins["render"].context.get(Node).leave()


async def test_a_bundle_that_is_none_fails_with_every_reason_and_its_place(
    shop: Any, film_bundle: Any
) -> None:
    import io
    import zipfile

    data = io.BytesIO(film_bundle())
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("../out.txt", b"x")
        archive.writestr("CON.png", b"x")
    shop.ae.behave()
    scan = await shop.ask(await shop.draft(), data.getvalue())
    async with shop.at_work():
        done = await shop.ended(scan)
    assert done["state"] == "Failed"
    assert {(error["pointer"], error["code"]) for error in done["errors"]} == {
        ("../out.txt", "path_traversal"),
        ("CON.png", "name_reserved"),
    }


async def test_a_crash_is_tried_again_and_three_are_enough(shop: Any, film_bundle: Any) -> None:
    shop.ae.behave(AfterFX=[{"crash": 11, "at": 1}, {}])
    scan = await shop.ask(await shop.draft(), film_bundle())
    async with shop.at_work():
        done = await shop.ended(scan)
        assert done["state"] == "Done", done
        assert done["errors"] == []  # what an earlier attempt died of is over
        assert (await shop.row(scan))["attempts"] == 2
        shop.ae.behave(AfterFX={"result": "truncated"})
        lost = await shop.ask(await shop.draft(), film_bundle("lost"))
        done = await shop.ended(lost)
    assert (done["state"], done["errors"][0]["code"]) == ("Failed", "process_died")
    assert shop.ae.runs("AfterFX") == 3


async def test_what_is_the_designers_fails_at_once(shop: Any, film_bundle: Any) -> None:
    shop.ae.behave(AfterFX={"lines": ["After Effects error: Missing footage: a.mov"], "exit": 9})
    scan = await shop.ask(await shop.draft(), film_bundle())
    async with shop.at_work():
        done = await shop.ended(scan)
    assert (done["state"], done["errors"][0]["code"]) == ("Failed", "footage_missing")
    assert (await shop.row(scan))["attempts"] == 1


async def test_a_cancelled_scan_ends_the_programs_that_read_it(shop: Any, film_bundle: Any) -> None:
    shop.ae.behave(AfterFX=[{"hang": "open"}, {}])
    async with shop.at_work() as agent:
        scan = await shop.ask(await shop.draft(), film_bundle())
        await shop.until(scan, "Running")

        async def started() -> bool:
            return bool(shop.ae.runs("AfterFX"))

        async def idle() -> bool:
            return agent.performer.busy == 0

        await shop.platform.until(started, within=30)
        answer = await shop.call("POST", f"{scan['path']}/cancel")
        assert answer.status_code == 200, answer.text
        await shop.platform.until(idle, within=30)
        # And the node takes the next one.
        other = await shop.ask(await shop.draft(), film_bundle("other"))
        assert (await shop.ended(other))["state"] == "Done"
    after = await shop.row(scan)
    assert (after["state"], after["result"]) == ("Cancelled", None)
    assert after["stale_reports"] >= 1  # the heartbeat that came after


async def test_a_node_that_stops_gives_its_scan_back(shop: Any, film_bundle: Any) -> None:
    shop.ae.behave(AfterFX=[{"hang": "open"}, {}])
    scan = await shop.ask(await shop.draft(), film_bundle())

    async def started() -> bool:
        return bool(shop.ae.runs("AfterFX"))

    async with shop.at_work():
        await shop.platform.until(started, within=30)
    row = await shop.row(scan)
    assert (row["state"], row["attempts"]) == ("Queued", 0)
    async with shop.at_work():
        assert (await shop.ended(scan))["state"] == "Done"


async def test_an_after_effects_that_is_closed_gives_its_scan_back(
    shop: Any, film_bundle: Any
) -> None:
    shop.ae.behave(AfterFX=[{"hang": "open"}, {}])
    scan = await shop.ask(await shop.draft(), film_bundle())

    async def started() -> bool:
        return bool(shop.ae.runs("AfterFX"))

    async with shop.at_work() as agent:
        await shop.platform.until(started, within=30)
        assert await agent.performer.close_after_effects() == {"ended": 1}
        assert (await shop.ended(scan))["state"] == "Done"
    row = await shop.row(scan)
    assert (row["attempts"], row["epoch"]) == (1, 2)


@pytest.mark.parametrize("kind", ["quick", "full"])
async def test_no_after_effects_runs_for_a_quick_scan(
    shop: Any, film_bundle: Any, kind: str
) -> None:
    shop.ae.behave()
    scan = await shop.ask(await shop.draft(), film_bundle(), kind)
    async with shop.node() as link:
        claim = await link.claim("aerender")
        assert (claim is not None) is (kind == "full")
    await shop.call("POST", f"{scan['path']}/cancel")
