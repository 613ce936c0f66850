"""Scans on nodes outside, spoken by hand: each is one node's at a time, and nobody else's."""

from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from flatrender.errors import FieldError
from flatrender.template.project_scan import ProjectScan, ScanComp, ScanFootage, ScanLayer
from flatrender_render.farm import wire
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.link import Failure
from flatrender_render.farm.remote import FarmRefused
from flatrender_render.farm.remote_scans import HttpScanLink
from flatrender_render.farm.scan_wire import SCANS

FOUND = ProjectScan(
    kind="full",
    project="project.aep",
    comps=[
        ScanComp(
            id=1, name="frfinal", width=1920, height=1080, fps=30.0, duration=2.0,
            layers=[ScanLayer(id=2, name="frl_c1t1", kind="text", in_point=0.0, out_point=2.0,
                              text="سلام")],
        )
    ],
)  # fmt: skip


@pytest.fixture
async def scan(shop: Any, film_bundle: Any) -> Any:
    """A full scan that waits, alone."""
    await shop.platform.sql(
        "UPDATE render.scan_jobs SET state = 'Cancelled', epoch = epoch + 1, lease_until = NULL "
        "WHERE state IN ('Queued', 'Running')"
    )
    return await shop.ask(await shop.draft(), film_bundle(uuid4().hex))


async def refused(link: HttpScanLink, path: str, body: Any = None) -> tuple[int, str]:
    """Return how a call is refused."""
    with pytest.raises(FarmRefused) as caught:
        await link._client.call(path, body, dict)
    return caught.value.status, caught.value.code


async def test_a_result_after_a_cancellation_is_refused_counted_and_changes_nothing(
    shop: Any, scan: Any
) -> None:
    async with shop.node() as link:
        claim = await link.claim("aerender")
        assert str(claim.scan_id) == scan["id"]
        await link.beat(claim)
        answer = await shop.call("POST", f"{scan['path']}/cancel")
        assert answer.json()["state"] == "Cancelled"
        with pytest.raises(StaleEpoch):
            await link.finish(claim, FOUND)
        with pytest.raises(StaleEpoch):
            await link.fail(claim, Failure(code="ae_runtime", message="late"))
        with pytest.raises(StaleEpoch):
            await link.refuse(claim, [FieldError(pointer="/", code="late")])
        with pytest.raises(StaleEpoch):
            await link.beat(claim)
        with pytest.raises(StaleEpoch):
            await link._client.call(
                f"{SCANS}/{claim.scan_id}/{claim.epoch}/links",
                wire.Links(get=[claim.source_object_key]),
                wire.PresignedLinks,
            )
        await link.give_back(claim)  # which is no report
    row = await shop.row(scan)
    assert (row["state"], row["result"], row["errors"], row["stale_reports"]) == (
        "Cancelled", None, [], 5,
    )  # fmt: skip
    again = await shop.call("POST", f"{scan['path']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "scan_over")


async def test_a_result_after_the_lease_is_the_next_ones(shop: Any, scan: Any) -> None:
    async with shop.node() as first, shop.node() as second:
        lost = await first.claim("aerender")
        assert await second.claim("aerender") is None  # it is taken
        await shop.lapse(scan)
        claim = await second.claim("aerender")
        assert (lost.epoch, claim.epoch) == (1, 2)
        with pytest.raises(StaleEpoch):
            await first.finish(lost, FOUND)
        # Nor does it help to guess the other one's epoch, or one that is to come.
        for epoch in (2, 3):
            guessed = f"{SCANS}/{scan['id']}/{epoch}/beat"
            assert await refused(first, guessed) == (404, "not_found")
        await second.finish(claim, FOUND)
        await second.finish(claim, FOUND)  # the answer got lost: the same report again is fine
        with pytest.raises(StaleEpoch):
            await second.finish(claim, replace(FOUND, fonts=["Other"]))
    row = await shop.row(scan)
    assert (row["state"], row["stale_reports"]) == ("Done", 2)
    assert row["result"]["fonts"] == []


async def test_a_scan_is_not_there_for_a_node_that_never_held_it(shop: Any, scan: Any) -> None:
    async with shop.node() as holder, shop.node() as stranger:
        claim = await holder.claim("aerender")
        base = f"{SCANS}/{scan['id']}/{claim.epoch}"
        links = wire.Links(get=[claim.source_object_key])
        nobody = f"{SCANS}/{uuid4()}/1/beat"
        assert await refused(stranger, f"{base}/beat") == await refused(stranger, nobody)
        assert await refused(stranger, f"{base}/links", links) == (404, "not_found")
        assert await refused(stranger, f"{base}/release") == (404, "not_found")
        for get, put in ((["packages/other.zip"], []), ([], ["renders/mine.mp4"])):
            asked = wire.Links(get=get, put=put)
            assert await refused(holder, f"{base}/links", asked) == (403, "object_not_of_claim")
        await holder.give_back(claim)
        again = await holder.claim("aerender")
        assert again.epoch == claim.epoch + 1
        # Nor an attempt that is over: to who had it it is late, to others it never was.
        assert await refused(stranger, f"{base}/beat") == (404, "not_found")
        with pytest.raises(StaleEpoch):
            await holder.beat(claim)
        await holder.give_back(again)
    person = await shop.platform.person()
    answer = await shop.platform.client.post(
        f"{SCANS}/", json={"engines": ["aerender"]}, headers=person.headers
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("result", "pointer"),
    [
        (replace(FOUND, project="../other.aep"), "/result/project"),
        (replace(FOUND, project="/etc/other.aep"), "/result/project"),
        (replace(FOUND, fonts=["nul\0"]), "/result"),
        (replace(FOUND, footage=[ScanFootage(id=1, name="a", kind="image", bundled="../../a")]),
         "/result/footage/0/bundled"),
        (replace(FOUND, footage=[ScanFootage(id=1, name="a", kind="image", bundled="CON.png")]),
         "/result/footage/0/bundled"),
    ],
)  # fmt: skip
async def test_a_node_cannot_say_what_no_bundle_holds(
    shop: Any, scan: Any, result: ProjectScan, pointer: str
) -> None:
    async with shop.node() as link:
        claim = await link.claim("aerender")
        with pytest.raises(FarmRefused) as caught:
            await link.finish(claim, result)
        assert (caught.value.status, caught.value.code) == (422, "validation_failed")
        await link.finish(claim, replace(FOUND, kind="quick"))
    assert (await shop.row(scan))["result"]["kind"] == "full"


async def test_another_node_comes_first_after_a_failure(shop: Any, scan: Any) -> None:
    async with shop.node() as bad:
        claim = await bad.claim("aerender")
        await bad.fail(claim, Failure(code="ae_runtime", message="crash", exit_code=9))
        row = await shop.row(scan)
        assert (row["state"], row["error_code"]) == ("Queued", "ae_runtime")
        assert row["not_before"] is not None
        await shop.platform.sql(
            "UPDATE render.scan_jobs SET not_before = now() + interval '1 hour'"
        )
        async with shop.node() as good:
            assert await good.claim("aerender") is None  # it rests
            await shop.platform.sql("UPDATE render.scan_jobs SET not_before = now()")
            assert await bad.claim("aerender") is None  # another one is heard of
            second = await good.claim("aerender")
            assert second.epoch == claim.epoch + 1
            await good.give_back(second)
            # It has other work for hours, it seems.
            await shop.platform.sql(
                "UPDATE render.scan_jobs SET not_before = now() - interval '3 minutes'"
            )
            await bad.give_back(await bad.claim("aerender"))
            await shop.platform.sql("UPDATE render.scan_jobs SET not_before = now()")
        third = await bad.claim("aerender")  # alone again, it may try
        await bad.refuse(third, [FieldError(pointer="a.txt", code="name_unsafe")])
    done = await shop.ended(scan)
    assert (done["state"], done["errors"][0]["pointer"]) == ("Failed", "a.txt")


async def test_a_failure_of_the_machine_counts_against_it(shop: Any, scan: Any) -> None:
    async with shop.node() as link:
        claim = await link.claim("aerender")
        await link.fail(claim, Failure(code="launch_timeout", message="no sign"))
        rows = await shop.platform.sql(
            "SELECT n.consecutive_failures, c.kind, c.engine, c.epoch, c.job_id "
            "FROM render.node_crashes c JOIN render.nodes n ON n.id = c.node_id "
            "WHERE n.id = $1",
            link._client._node_id,
        )
    assert [tuple(row) for row in rows] == [(1, "launch_timeout", "aerender", 1, None)]


@pytest.mark.parametrize(
    "change",
    ["drain_requested_at = now()", "status = 'Quarantined'",
     "rest_until = now() + interval '1 hour'", "only_tenant_id = gen_random_uuid()"],
)  # fmt: skip
async def test_who_drains_rests_is_set_aside_or_kept_for_others_gets_none(
    shop: Any, scan: Any, change: str
) -> None:
    async with shop.node() as link:
        await shop.platform.sql(
            f"UPDATE render.nodes SET {change} WHERE id = $1", link._client._node_id
        )
        assert await link.claim("aerender") is None


async def test_a_node_that_starts_anew_lets_go_of_what_it_held(shop: Any, scan: Any) -> None:
    async with shop.node() as link, shop.node() as other:
        await link.claim("aerender")
        await link._client.call(f"{wire.API}/bye", None, dict)
        claim = await other.claim("aerender")
        assert claim.epoch == 2
        await other.give_back(claim)
