"""WebM and GIF of finished videos, made by machines outside: fenced, proven, nobody else's."""

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import av
import httpx
import pytest
from msgspec.structs import replace

from flatrender.testing.platform import FAST
from flatrender_render.farm import wire
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.link import Failure
from flatrender_render.farm.remote import FarmRefused
from flatrender_render.farm.remote_renditions import HttpRenditionLink
from flatrender_render.farm.rendition_wire import RENDITIONS, RenditionAsk
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.media.transcode import Transcoded, transcode

_CLOSE = (
    "UPDATE render.renditions SET state = 'Cancelled', lease_until = NULL, epoch = epoch + 1 "
    "WHERE state IN ('Waiting', 'Claimed')"
)


@pytest.fixture(scope="module")
async def film(farm: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A customer and a finished video, rendered by a node outside."""
    customer = await farm.lot.customer()
    node = await farm.enrol()
    async with node.at_work(tmp_path_factory.mktemp("node")):
        job = await customer.ended((await customer.submit())["id"])
    assert job["step"] == "Done", job
    export = await customer.get(f"/v1/exports/{job['export_id']}")
    answer = await customer.call("GET", f"/v1/exports/{job['export_id']}/download")
    folder = tmp_path_factory.mktemp("film")
    source, webm = folder / "film.mp4", folder / "film.webm"
    async with httpx.AsyncClient() as store:
        source.write_bytes((await store.get(answer.headers["location"])).content)
    made = await asyncio.to_thread(transcode, source, webm, "webm")
    return SimpleNamespace(
        customer=customer, export=export, made=made, source=source, webm=webm.read_bytes()
    )


@pytest.fixture
async def wanted(farm: Any, film: Any) -> AsyncIterator[Any]:
    """Ask for a format of the film, which then waits alone."""

    async def ask(form: str) -> Any:
        await farm.platform.sql(_CLOSE)
        await farm.platform.sql(
            "DELETE FROM render.renditions WHERE source_export_id = $1", UUID(film.export["id"])
        )
        answer = await film.customer.call(
            "POST",
            f"/v1/exports/{film.export['id']}/renditions",
            {"formats": [form]},
            **{"Idempotency-Key": uuid4().hex},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["data"][0]

    yield ask
    await farm.platform.sql(_CLOSE)


async def row_of(farm: Any, rendition: Any) -> Any:
    """Return a rendition's row."""
    rows = await farm.platform.sql(
        "SELECT * FROM render.renditions WHERE id = $1", UUID(rendition["id"])
    )
    return rows[0]


async def over(film: Any) -> Any:
    """Return the film's rendition once it is over."""

    async def look() -> Any:
        path = f"/v1/exports/{film.export['id']}/renditions"
        (found,) = (await film.customer.get(path))["data"]
        return found if found["state"] in {"Done", "Failed"} else None

    return await film.customer.platform.until(look, within=90)


@contextlib.asynccontextmanager
async def maker(farm: Any) -> AsyncIterator[Any]:
    """A node outside that is spoken by hand."""
    node = await farm.enrol()
    async with node.joined() as client:
        link = HttpRenditionLink(client, wait=0.0)
        yield SimpleNamespace(node=node, client=client, link=link)


def made_of(film: Any, **more: Any) -> Transcoded:
    """Return what a node that made a WebM of the film reports."""
    return replace(film.made, **more)


async def test_the_command_makes_what_a_customer_asks_for(
    farm: Any, film: Any, wanted: Any, tmp_path: Path
) -> None:
    rendition = await wanted("webm")
    node = await farm.enrol()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flatrender", "node", "--folder", str(tmp_path), "--slots", "1",
        env={
            **os.environ, **FAST,
            "FLATRENDER_NODE_URL": f"http://{farm.address}",
            "FLATRENDER_NODE_ID": str(node.id),
            "FLATRENDER_NODE_SECRET": node.secret.reveal(),
        },
    )  # fmt: skip
    try:
        found = await over(film)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert found["state"] == "Done"
    # What lies on a node is no business of the machine's other users.
    assert {path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")} == {0}
    row = await row_of(farm, rendition)
    assert (row["node_id"], row["maker_nodes"], row["stale_reports"]) == (node.id, [node.id], 0)
    twin = await film.customer.get(f"/v1/exports/{found['export_id']}")
    answer = await film.customer.call("GET", f"/v1/exports/{found['export_id']}/download")
    async with httpx.AsyncClient() as store:
        got = await store.get(answer.headers["location"])
    assert got.headers["content-type"] == "video/webm"
    assert len(got.content) == twin["size_bytes"]
    path = tmp_path / "video.webm"
    path.write_bytes(got.content)
    with av.open(str(path)) as media:
        assert media.streams.video[0].codec_context.name in {"vp9", "libvpx-vp9"}
        assert sum(1 for _ in media.decode(video=0)) == film.export["frames"]


async def test_a_node_at_work_makes_a_gif(
    farm: Any, film: Any, wanted: Any, tmp_path: Path
) -> None:
    await wanted("gif")
    node = await farm.enrol()
    async with node.at_work(tmp_path):
        assert (await over(film))["state"] == "Done"


async def test_what_comes_after_the_lease_is_refused_counted_and_changes_nothing(
    farm: Any, film: Any, wanted: Any
) -> None:
    rendition = await wanted("webm")
    async with maker(farm) as first, maker(farm) as second:
        lost = await first.link.claim()
        assert await second.link.claim() is None  # it is taken
        await first.link.files(lost).put(lost.result_key, film.webm)
        await farm.platform.sql(
            "UPDATE render.renditions SET lease_until = now() - interval '1 second' WHERE id = $1",
            lost.id,
        )
        claim = await second.link.claim()
        assert (lost.epoch, claim.epoch) == (1, 2)
        for late in (
            first.link.finish(lost, made_of(film), 1.0),
            first.link.beat(lost, 0.5),
            first.link.fail(lost, Failure(code="internal", message="late")),
            first.link.files(lost).put(lost.result_key, b"late"),
        ):
            with pytest.raises(StaleEpoch):
                await late
        await first.link.give_back(lost)  # which is no report
        assert (await row_of(farm, rendition))["state"] == "Claimed"
        # Nor does it help to guess the other one's epoch, or one that is to come.
        for epoch in (2, 3, 2**40):
            with pytest.raises(FarmRefused) as refused:
                await first.link.beat(replace(lost, epoch=epoch), 0.5)
            assert refused.value.code == "not_found"
        await second.link.files(claim).put(claim.result_key, film.webm)
        await second.link.finish(claim, made_of(film), 1.0)
        await second.link.finish(claim, made_of(film), 1.0)  # its answer got lost
        with pytest.raises(StaleEpoch):
            await second.link.finish(claim, made_of(film, sha256="cd" * 32), 1.0)
    row = await row_of(farm, rendition)
    assert (row["state"], row["stale_reports"]) == ("Done", 5)
    removed = await farm.platform.sql(
        "SELECT object_key, not_before > now() AS later FROM render.object_removals "
        "WHERE object_key = ANY ($1::text[]) ORDER BY object_key",
        [lost.result_key, claim.result_key],
    )
    assert [tuple(one) for one in removed] == [(lost.result_key, False), (claim.result_key, True)]


async def test_what_a_node_writes_after_its_report_reaches_nobody(
    farm: Any, film: Any, wanted: Any
) -> None:
    await wanted("webm")
    async with maker(farm) as node:
        claim = await node.link.claim()
        links = await node.client.call(
            f"{RENDITIONS}/{claim.id}/{claim.epoch}/links",
            wire.Links(put=[claim.result_key]),
            wire.PresignedLinks,
        )
        await node.link.files(claim).put(claim.result_key, film.webm)
        await node.link.finish(claim, made_of(film), 1.0)
        async with httpx.AsyncClient() as store:
            late = await store.put(links.put[claim.result_key], content=b"another video")
            assert late.status_code == 200
            found = await over(film)
            answer = await film.customer.call("GET", f"/v1/exports/{found['export_id']}/download")
            assert (await store.get(answer.headers["location"])).content == film.webm


@pytest.mark.parametrize(
    "fault",
    [
        {"frames": 59},
        {"width": 2},
        {"fps": 29.0},
        {"duration": 9.0},
        {"audio_codec": ""},
        {"sha256": "x"},
        {"frames": 2**40},
    ],
    ids=str,
)
async def test_what_is_not_of_the_video_does_not_count(
    farm: Any, film: Any, wanted: Any, fault: dict[str, Any]
) -> None:
    rendition = await wanted("webm")
    async with maker(farm) as node:
        claim = await node.link.claim()
        await node.link.files(claim).put(claim.result_key, film.webm)
        with pytest.raises(FarmRefused) as refused:
            await node.link.finish(claim, made_of(film, **fault), 1.0)
        assert (refused.value.status, refused.value.code) == (422, "validation_failed")
        assert (await row_of(farm, rendition))["state"] == "Claimed"
        await node.link.give_back(claim)


async def test_a_file_must_be_there_as_told(farm: Any, film: Any, wanted: Any) -> None:
    rendition = await wanted("webm")
    async with maker(farm) as node:
        claim = await node.link.claim()
        files = node.link.files(claim)
        size = len(film.webm)
        for lying in (None, film.webm + b"more", bytes(size), b"GIF89a" + bytes(size - 6)):
            if lying is not None:
                await files.put(claim.result_key, lying)
            with pytest.raises(FarmRefused) as refused:
                await node.link.finish(claim, made_of(film), 1.0)
            assert (refused.value.status, refused.value.code) == (409, "object_not_there")
        assert (await row_of(farm, rendition))["state"] == "Claimed"
        await node.link.give_back(claim)


async def test_the_farm_looks_at_a_rendition_itself(farm: Any, film: Any, wanted: Any) -> None:
    """What a node says it has proven is decoded: bytes as reported that are no film, and a good
    one of another film, fail the attempt and not the customer."""
    rendition = await wanted("webm")
    size, middle = len(film.webm), len(film.webm) // 2
    damaged = film.webm[:middle] + bytes(600) + film.webm[middle + 600 :]
    for content in (film.webm[:64] + bytes(size - 64), damaged):
        async with maker(farm) as node:
            claim = await node.link.claim()
            await node.link.files(claim).put(claim.result_key, content)
            told = made_of(film, sha256=hashlib.sha256(content).hexdigest())
            with pytest.raises(StaleEpoch):
                await node.link.finish(claim, told, 1.0)
            row = await row_of(farm, rendition)
            assert (row["state"], row["error_code"]) == ("Waiting", "node_result_bad")
            assert row["avoid_nodes"][-1] == node.node.id
            (crash,) = await farm.platform.sql(
                "SELECT classification, rule_code FROM render.node_crashes WHERE node_id = $1",
                node.node.id,
            )
            assert tuple(crash) == ("node", "process_died")
            await farm.platform.sql("UPDATE render.renditions SET not_before = now()")
    async with maker(farm) as node:
        claim = await node.link.claim()
        await node.link.files(claim).put(claim.result_key, film.webm)
        await node.link.finish(claim, made_of(film), 1.0)
    assert (await over(film))["state"] == "Done"


async def test_a_rendition_is_not_there_for_a_node_that_never_held_it(
    farm: Any, film: Any, wanted: Any
) -> None:
    await wanted("webm")
    async with maker(farm) as holder, maker(farm) as stranger:
        ask = RenditionAsk(formats=["gif"])
        assert await holder.client.call(RENDITIONS, ask, RenditionClaim) is None
        claim = await holder.link.claim()
        for act in ("release", "fail", "links"):
            body = {
                "release": None,
                "fail": wire.Failed(failure=Failure(code="internal", message="")),
                "links": wire.Links(get=[claim.source_object_key]),
            }[act]
            with pytest.raises(FarmRefused) as refused:
                await stranger.client.call(f"{RENDITIONS}/{claim.id}/1/{act}", body, dict)
            assert (refused.value.status, refused.value.code) == (404, "not_found"), act
        prefix = claim.result_key.rsplit("/", 1)[0]
        for links in (
            wire.Links(get=[claim.result_key]),
            wire.Links(put=[claim.source_object_key]),
            wire.Links(put=[f"{prefix}/other.webm"]),
        ):
            with pytest.raises(FarmRefused) as refused:
                await holder.client.call(f"{RENDITIONS}/{claim.id}/1/links", links, dict)
            assert refused.value.code == "object_not_of_claim"
        await holder.link.give_back(claim)
        again = await holder.link.claim()
        # Nor an attempt that is over: to who had it it is late, to others it never was.
        with pytest.raises(FarmRefused) as refused:
            await stranger.link.beat(claim, 0.5)
        assert refused.value.code == "not_found"
        with pytest.raises(StaleEpoch):
            await holder.link.beat(claim, 0.5)
        await holder.link.give_back(again)
    answer = await farm.platform.client.post(
        f"{RENDITIONS}/", json={"formats": ["gif"]}, headers=film.customer.person.headers
    )
    assert answer.status_code == 403


async def test_another_node_comes_first_after_a_failure_and_what_drains_gets_none(
    farm: Any, wanted: Any
) -> None:
    rendition = await wanted("gif")
    async with maker(farm) as bad, maker(farm) as good:
        claim = await bad.link.claim()
        await bad.link.fail(claim, Failure(code="disk_full", message="no space"))
        row = await row_of(farm, rendition)
        assert (row["state"], row["error_code"], row["avoid_nodes"]) == (
            "Waiting", "disk_full", [bad.node.id],
        )  # fmt: skip
        await farm.platform.sql("UPDATE render.renditions SET not_before = now()")
        await farm.platform.sql("UPDATE render.nodes SET rest_until = NULL")
        assert await bad.link.claim() is None  # another one is heard of
        answer = await farm.ask("POST", f"/v1/admin/nodes/{good.node.id}/drain", json={})
        assert answer.status_code < 300, answer.text
        assert await good.link.claim() is None


async def test_a_node_kept_for_one_tenant_reads_no_video_of_another(
    farm: Any, film: Any, wanted: Any
) -> None:
    rendition = await wanted("gif")
    tenant = (await row_of(farm, rendition))["tenant_id"]
    async with maker(farm) as node:
        for kept_for, gets in ((uuid4(), False), (tenant, True)):
            await farm.platform.sql(
                "UPDATE render.nodes SET only_tenant_id = $2 WHERE id = $1", node.node.id, kept_for
            )
            claim = await node.link.claim()
            assert (claim is not None) == gets
        await node.link.give_back(claim)


async def test_a_starting_node_gives_back_what_its_last_run_held(farm: Any, wanted: Any) -> None:
    await wanted("gif")
    async with maker(farm) as node, maker(farm) as other:
        claim = await node.link.claim()
        assert await other.link.claim() is None
        await node.node.hello(node.client)
        again = await other.link.claim()
        assert (again.id, again.epoch) == (claim.id, 2)
        await other.link.give_back(again)


async def test_a_large_result_goes_in_parts(farm: Any, wanted: Any, tmp_path: Path) -> None:
    await wanted("webm")
    async with maker(farm) as node:
        claim = await node.link.claim()
        source = tmp_path / "large"
        source.write_bytes(b"webm" + bytes(wire.PART_BYTES))
        assert (await node.link.files(claim).put(claim.result_key, source)).endswith("-2")
        storage = farm.platform.runtime.plugins["render"].context.infra.storage
        assert (await storage.stat(claim.result_key)).size == source.stat().st_size
        await node.link.give_back(claim)
