"""Machines outside: enrolled, signed, fenced; cut off and back again; they see only their own."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flatrender.security.signatures import sign_request
from flatrender.storage import ObjectTooLong
from flatrender.testing.platform import FAST, Person
from flatrender.testing.serving import Line
from flatrender_render.farm import wire
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.pieces import needed_files
from flatrender_render.farm.remote import FarmClient, FarmRefused, HttpLink
from flatrender_render.farm.reports import Piece
from flatrender_render.farm.wake import WORK_CHANNEL


async def test_a_node_outside_makes_a_whole_video(farm: Any, tmp_path: Path) -> None:
    customer = await farm.lot.customer("long")
    node = await farm.enrol()
    async with node.at_work(tmp_path):
        job = await customer.submit()
        ended = await customer.ended(job["id"])
    assert ended["step"] == "Done"
    rows = await farm.platform.sql(
        "SELECT DISTINCT node_id FROM render.frame_attempts WHERE job_id = $1", UUID(job["id"])
    )
    assert [row["node_id"] for row in rows] == [node.id]
    export = await customer.get(f"/v1/exports/{ended['export_id']}")
    assert export["frames"] == ended["total_frames"]


async def test_the_command_runs_a_node_and_gives_back_what_it_holds(
    farm: Any, tmp_path: Path
) -> None:
    customer = await farm.lot.customer("long")
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
        job = await customer.submit()
        piece = await customer.claimed(job["id"])
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    (row,) = await farm.platform.sql(
        "SELECT state FROM render.frame_jobs WHERE id = $1", piece["id"]
    )
    assert row["state"] in {"Waiting", "Done"}
    async with node.at_work(tmp_path):
        assert (await customer.ended(job["id"]))["step"] == "Done"


async def test_a_node_that_was_cut_off_goes_on_by_itself(farm: Any, tmp_path: Path) -> None:
    customer = await farm.lot.customer("long")
    node = await farm.enrol()
    async with Line(farm.address) as line, node.at_work(tmp_path, line.address):
        job = await customer.submit()
        piece = await customer.claimed(job["id"])
        line.cut()
        # Longer than its lease, by the database's clock: the work is given to whoever comes.
        await farm.platform.sql(
            "UPDATE render.frame_jobs SET lease_until = now() WHERE id = $1", piece["id"]
        )
        await farm.sweep()
        line.heal()
        assert (await customer.ended(job["id"]))["step"] == "Done"
    outcomes = await farm.platform.sql(
        "SELECT outcome FROM render.frame_attempts WHERE frame_job_id = $1 ORDER BY epoch",
        piece["id"],
    )
    assert [row["outcome"] for row in outcomes] == ["Lost", "Done"]
    exports = await farm.platform.sql(
        "SELECT count(*) AS n FROM render.exports WHERE job_id = $1", UUID(job["id"])
    )
    assert exports[0]["n"] == 1


def _piece(key: str, size: int = 3) -> Piece:
    return Piece(object_key=key, sha256="0" * 64, frames=60, packets=60, bytes=size)


async def test_a_late_report_answers_409_is_counted_and_changes_nothing(farm: Any) -> None:
    async with farm.holding() as held:
        claim = held.claim
        await held.link.files(claim).put(claim.object_key("mp4"), b"abc")
        await farm.platform.sql(
            "UPDATE render.frame_jobs SET epoch = epoch + 1 WHERE id = $1", claim.id
        )
        for report in (
            held.link.beat(claim, 5, None),
            held.link.complete(claim, _piece(claim.object_key("mp4")), None),
        ):
            with pytest.raises(StaleEpoch):
                await report
        (row,) = await farm.platform.sql(
            "SELECT f.state, f.done_frames, a.stale_reports FROM render.frame_jobs f "
            "JOIN render.frame_attempts a ON a.frame_job_id = f.id AND a.epoch = $2 "
            "WHERE f.id = $1",
            claim.id,
            claim.epoch,
        )
        assert (row["state"], row["done_frames"], row["stale_reports"]) == ("Claimed", 0, 2)


async def test_the_same_report_again_is_fine(farm: Any) -> None:
    async with farm.holding() as held:
        key = held.claim.object_key("mp4")
        await held.link.files(held.claim).put(key, b"abc")
        await held.link.complete(held.claim, _piece(key), None)
        await held.link.complete(held.claim, _piece(key), None)


async def test_a_node_reaches_nothing_but_its_claim(farm: Any) -> None:
    async with farm.holding() as held, farm.holding() as other:
        claim, files = held.claim, held.link.files(held.claim)
        own = claim.object_key("mp4")
        foreign = other.claim.object_key("mp4")
        earlier = own.replace(f".{claim.epoch}.", f".{claim.epoch + 1}.")
        for key in (foreign, earlier, f"{own}/../../x", "exports/x", ""):
            with pytest.raises(FarmRefused) as refused:
                await files.put(key, b"abc")
            assert refused.value.code in {"object_not_of_claim", "validation_failed"}
        with pytest.raises(FarmRefused) as refused:
            await files.download(foreign, Path("nowhere"))
        assert refused.value.code == "object_not_of_claim"
        with pytest.raises(FarmRefused) as refused:  # another node's claim: not there at all
            await HttpLink(other.client).beat(claim, 1, None)
        assert (refused.value.status, refused.value.code) == (404, "not_found")


async def test_a_node_takes_no_more_of_an_object_than_it_should_have(
    farm: Any, tmp_path: Path
) -> None:
    async with farm.holding() as held:
        files, (key, *_) = held.link.files(held.claim), needed_files(held.claim).values()
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        await files.download(key, whole)
        size = whole.stat().st_size
        with pytest.raises(ObjectTooLong):
            await files.download(key, cut, most=size - 1)
        assert cut.stat().st_size < size
        await files.download(key, cut, most=size)
        assert cut.read_bytes() == whole.read_bytes()


async def test_a_piece_must_be_in_the_store_as_told(farm: Any) -> None:
    async with farm.holding() as held:
        key = held.claim.object_key("mp4")
        with pytest.raises(FarmRefused) as refused:
            await held.link.complete(held.claim, _piece(key), None)
        assert refused.value.code == "object_not_there"
        await held.link.files(held.claim).put(key, b"abc")
        with pytest.raises(FarmRefused) as refused:
            await held.link.complete(held.claim, _piece(key, size=4), None)
        assert refused.value.code == "object_not_there"


async def test_a_large_file_goes_in_parts_and_only_what_was_cut_off_goes_again(
    farm: Any, tmp_path: Path
) -> None:
    async with farm.holding() as held:
        data = os.urandom(1024) * (2 * wire.PART_BYTES // 1024 + 500)
        source, back = tmp_path / "in", tmp_path / "out"
        source.write_bytes(data)
        key = held.claim.object_key("mp4")
        plan = await held.client.call(
            f"{wire.API}/claims/{held.claim.id}/{held.claim.epoch}/uploads",
            wire.UploadStart(key=key, size=len(data)),
            wire.UploadParts,
        )
        assert plan is not None
        assert len(plan.urls) == 3
        etag = await held.link.files(held.claim).put(key, source)
        assert etag.endswith("-3")
        storage = farm.platform.runtime.plugins["render"].context.infra.storage
        await storage.download(key, back)
        assert back.read_bytes() == data


async def test_bandwidth_is_capped(farm: Any) -> None:
    async with farm.holding() as held:
        held.client.bandwidth.limit = 8 * 400_000
        begun = time.monotonic()
        for _ in range(2):  # the second waits until the line is free again
            await held.link.files(held.claim).put(held.claim.object_key("mp4"), b"x" * 200_000)
        assert time.monotonic() - begun >= 0.5


async def _send(farm: Any, node: Any, *, headers: dict[str, str] | None = None) -> httpx.Response:
    target, body = f"{wire.API}/pulse", b'{"busy_slots":0,"disk_free_bytes":1}'
    stamp = int(time.time())
    signed = {
        "content-type": "application/json",
        "x-node-id": str(node.id),
        "x-node-timestamp": str(stamp),
        "x-node-signature": sign_request(node.secret, stamp, "POST", target, body),
        **(headers or {}),
    }
    found: httpx.Response = await farm.platform.client.post(target, content=body, headers=signed)
    return found


async def test_signatures_hold_once_and_only_as_sent(farm: Any) -> None:
    node, stranger = await farm.enrol(), await farm.enrol()
    assert (await _send(farm, node)).status_code == 200
    again = await _send(farm, node)
    old = str(int(time.time()) - 400)
    for answer, code in (
        (again, "signature_replayed"),
        (await _send(farm, node, headers={"x-node-timestamp": old}), "invalid_signature"),
        (await _send(farm, node, headers={"x-node-id": str(stranger.id)}), "invalid_signature"),
        (await _send(farm, node, headers={"x-node-id": str(uuid4())}), "invalid_signature"),
        (await _send(farm, node, headers={"x-node-signature": "0" * 64}), "invalid_signature"),
        (await _send(farm, node, headers={"x-node-id": "me"}), "unauthorized"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, code), answer.text


async def test_a_node_whose_clock_is_off_learns_the_farms(farm: Any) -> None:
    node = await farm.enrol()
    client = FarmClient(
        f"http://{farm.address}", node.id, node.secret, now=lambda: time.time() - 1_000
    )
    pulse = wire.Pulse(busy_slots=0, disk_free_bytes=1)
    answer = await client.call(f"{wire.API}/pulse", pulse, wire.PulseAnswer)
    assert answer is not None
    await client.close()


async def test_a_rotated_secret_and_the_former_one_hold_a_removed_node_does_not(farm: Any) -> None:
    node = await farm.enrol()
    url = f"/v1/admin/nodes/{node.id}"
    rotated = await farm.platform.client.post(f"{url}/secret", headers=farm.admin.headers)
    assert rotated.status_code == 201
    fresh = farm.known(rotated.json())
    assert (await _send(farm, node)).status_code == 200
    assert (await _send(farm, fresh)).status_code == 200
    rotated = await farm.platform.client.post(f"{url}/secret", headers=farm.admin.headers)
    assert (await _send(farm, node)).json()["code"] == "invalid_signature"  # it had leaked
    node, fresh = fresh, farm.known(rotated.json())
    assert (await _send(farm, fresh)).status_code == 200
    await farm.platform.sql(
        "UPDATE render.nodes SET previous_secret_until = now() WHERE id = $1", node.id
    )
    assert (await _send(farm, node)).json()["code"] == "invalid_signature"
    gone = await farm.platform.client.delete(url, headers=farm.admin.headers)
    assert gone.status_code == 204
    assert (await _send(farm, fresh)).status_code == 401


async def test_only_administrators_of_the_farm_enrol_nodes(farm: Any) -> None:
    person: Person = await farm.platform.person()
    for headers, status in ((person.headers, 403), ({}, 401)):
        answer = await farm.platform.client.post(
            "/v1/admin/nodes", json={"name": "x"}, headers=headers
        )
        assert answer.status_code == status
    node = await farm.enrol()
    taken = await farm.platform.client.post(
        "/v1/admin/nodes", json={"name": node.name.upper()}, headers=farm.admin.headers
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "node_name_taken")
    (row,) = await farm.platform.sql("SELECT secret_enc FROM render.nodes WHERE id = $1", node.id)
    assert node.secret.reveal().encode() not in row["secret_enc"]


async def test_a_starting_node_gives_back_what_its_last_run_held(farm: Any) -> None:
    async with farm.holding() as held:
        await held.node.hello(held.client)
        await farm.sweep()
        (row,) = await farm.platform.sql(
            "SELECT state FROM render.frame_jobs WHERE id = $1", held.claim.id
        )
        assert row["state"] == "Waiting"


async def test_a_draining_node_gets_no_work_and_carries_out_commands(
    farm: Any, tmp_path: Path
) -> None:
    node = await farm.enrol()
    await farm.platform.sql(
        "INSERT INTO render.node_commands (node_id, act) VALUES ($1, 'drain'), ($1, 'update')",
        node.id,
    )
    async with node.at_work(tmp_path):

        async def carried_out() -> Any:
            rows = await farm.platform.sql(
                "SELECT act, state, result FROM render.node_commands WHERE node_id = $1 "
                "AND state IN ('Done', 'Failed') ORDER BY act",
                node.id,
            )
            return rows if len(rows) == 2 else None

        rows = await farm.platform.until(carried_out)
    assert [(row["act"], row["state"]) for row in rows] == [("drain", "Done"), ("update", "Failed")]
    client = node.client()
    await farm.platform.sql("UPDATE render.nodes SET status = 'Draining' WHERE id = $1", node.id)
    customer = await farm.lot.customer()
    job = await customer.submit()
    assert await HttpLink(client, wait=0.0).claim("lottie") is None
    await farm.platform.sql("UPDATE render.nodes SET status = 'Idle' WHERE id = $1", node.id)
    found = await HttpLink(client, wait=0.0).claim("lottie")
    assert found is not None
    await client.close()
    await customer.call("POST", f"/v1/renders/{job['id']}/cancel")


async def test_who_has_hung_up_is_given_no_work(farm: Any) -> None:
    gone, there = await farm.enrol(), await farm.enrol()
    leaving, staying = gone.client(), there.client()
    await gone.hello(leaving)
    await there.hello(staying)
    asking = asyncio.create_task(HttpLink(leaving, wait=20.0).claim("lottie"))
    for _ in range(3):  # by then the farm has taken the question
        await leaving.call(
            f"{wire.API}/pulse", wire.Pulse(busy_slots=0, disk_free_bytes=1), wire.PulseAnswer
        )
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    customer = await farm.lot.customer()
    job = await customer.submit()
    await customer.hold(job["id"], "audio")
    context = farm.platform.runtime.plugins["render"].context
    await context.infra.hub.publish(WORK_CHANNEL, {})
    for _ in range(3):  # time enough for the one that is gone to take it
        await staying.call(
            f"{wire.API}/pulse", wire.Pulse(busy_slots=0, disk_free_bytes=1), wire.PulseAnswer
        )
    claim = await HttpLink(staying, wait=5.0).claim("lottie")
    assert claim is not None
    assert str(claim.job.id) == job["id"]
    await leaving.close()
    await staying.close()
    await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
