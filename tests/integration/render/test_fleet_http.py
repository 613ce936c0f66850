"""The fleet over HTTP: lists, details, acts, crash reports; and who may not."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender_render.farm import health


@pytest.fixture(scope="module")
async def fleet(platform: Any) -> Any:
    """The app with an administrator of the farm."""
    return SimpleNamespace(platform=platform, admin=await platform.admin())


class Machine:
    """A node's row, made by hand."""

    def __init__(self, fleet: Any, node_id: UUID, name: str) -> None:
        self.fleet = fleet
        self.id = node_id
        self.name = name

    async def act(self, act: str, **body: Any) -> Any:
        return await call(self.fleet, "POST", f"/v1/admin/nodes/{self.id}/{act}", json=body)

    async def row(self, columns: str = "*") -> Any:
        rows = await self.fleet.platform.sql(
            f"SELECT {columns} FROM render.nodes WHERE id = $1", self.id
        )
        return rows[0]


async def machine(fleet: Any, **columns: Any) -> Machine:
    node_id = uuid4()
    values = {
        "id": node_id, "name": f"m-{node_id.hex}", "status": "Idle", "engines": ["none"], **columns
    }  # fmt: skip
    names = ", ".join(values)
    marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await fleet.platform.sql(
        f"INSERT INTO render.nodes ({names}) VALUES ({marks})", *values.values()
    )
    return Machine(fleet, node_id, values["name"])


async def call(fleet: Any, method: str, url: str, **more: Any) -> Any:
    headers = {**fleet.admin.headers, "Idempotency-Key": uuid4().hex}
    return await fleet.platform.client.request(method, url, headers=headers, **more)


async def test_the_list_filters_searches_sorts_and_pages(fleet: Any) -> None:
    region = f"r-{uuid4().hex}"
    few = await machine(fleet, region=region, frames_done=1)
    many = await machine(fleet, region=region, frames_done=9, status="Offline", kind="Remote")

    async def listed(**params: Any) -> list[str]:
        answer = await call(fleet, "GET", "/v1/admin/nodes", params={"q": region, **params})
        assert answer.status_code == 200, answer.text
        return [row["name"] for row in answer.json()["data"]]

    assert await listed(sort="-frames_done") == [many.name, few.name]
    assert await listed(status="Offline") == [many.name]
    assert await listed(kind="Worker") == [few.name]
    assert await listed(engine="aerender") == []
    first = await call(fleet, "GET", "/v1/admin/nodes", params={"q": region, "page_size": 1})
    assert first.json()["meta"] == {"page": 1, "page_size": 1, "total": 2, "total_pages": 2}
    wrong = await call(fleet, "GET", "/v1/admin/nodes", params={"status": "Asleep"})
    assert wrong.status_code == 422


async def test_a_detail_shows_what_the_node_went_through_and_who_did_what(fleet: Any) -> None:
    node = await machine(fleet)
    await node.act("drain", reason="new disk")
    body = (await call(fleet, "GET", f"/v1/admin/nodes/{node.id}")).json()
    assert body["node"]["status"] == "Draining"
    assert body["work"] == body["cache"] == body["fonts"] == body["crashes"] == []
    (act,) = body["acts"]
    assert (act["act"], act["state"], act["reason"]) == ("drain", "Done", "new disk")
    assert act["requested_by"] == str(fleet.admin.id)


async def test_drain_release_quarantine_and_back(fleet: Any) -> None:
    node = await machine(fleet, consecutive_failures=3)
    assert (await node.act("drain")).json()["node"]["status"] == "Draining"
    held = await node.act("quarantine", reason="burning smell")
    assert held.json()["node"]["status"] == "Quarantined"
    assert held.json()["node"]["quarantined_by"] == str(fleet.admin.id)
    assert (await node.act("drain")).json()["node"]["status"] == "Quarantined"
    free = (await node.act("release", reason="it was the coffee")).json()["node"]
    assert (free["status"], free["consecutive_failures"], free["quarantine_reason"]) == (
        "Idle", 0, None,
    )  # fmt: skip
    assert free["drain_requested_at"] is None


async def test_a_quarantine_says_why(fleet: Any) -> None:
    node = await machine(fleet)
    answer = await node.act("quarantine", reason="x")
    assert answer.status_code == 422
    assert (await node.row("status"))["status"] == "Idle"


async def test_a_node_outside_is_told_and_a_worker_is_not_restarted(fleet: Any) -> None:
    outside = await machine(fleet, kind="Remote", engines=["aerender"])
    worker = await machine(fleet, engines=["lottie"])
    drawing = await machine(fleet, engines=["aerender"])
    assert (await drawing.act("close-ae")).status_code == 200, "it has an After Effects"
    for act in ("restart", "close-ae"):
        assert (await outside.act(act)).status_code == 200
        refused = await worker.act(act)
        assert (refused.status_code, refused.json()["code"]) == (409, "act_not_for_node")
    rows = await fleet.platform.sql(
        "SELECT act, state FROM render.node_commands WHERE node_id = $1 ORDER BY created_at",
        outside.id,
    )
    assert [(r["act"], r["state"]) for r in rows] == [
        ("restart", "Pending"), ("close_ae", "Pending"),
    ]  # fmt: skip


async def test_a_crash_is_listed_and_seen_once(fleet: Any) -> None:
    node = await machine(fleet)
    await fleet.platform.sql(
        "INSERT INTO render.node_crashes (node_id, kind, classification, message) "
        "VALUES ($1, 'worker_crashed', 'node', 'signal 9')",
        node.id,
    )
    asked = {"node_id": str(node.id), "acknowledged": False}
    (crash,) = (await call(fleet, "GET", "/v1/admin/crashes", params=asked)).json()["data"]
    assert (crash["node_name"], crash["message"]) == (node.name, "signal 9")
    url = f"/v1/admin/crashes/{crash['id']}/acknowledge"
    seen = (await call(fleet, "POST", url)).json()
    again = (await call(fleet, "POST", url)).json()
    assert seen["acknowledged_by"] == str(fleet.admin.id)
    assert again["acknowledged_at"] == seen["acknowledged_at"]
    assert (await call(fleet, "GET", "/v1/admin/crashes", params=asked)).json()["data"] == []


async def test_who_does_not_run_the_farm_sees_nothing(fleet: Any) -> None:
    node = await machine(fleet)
    person = await fleet.platform.person()
    for url in ("/v1/admin/nodes", f"/v1/admin/nodes/{node.id}", "/v1/admin/crashes"):
        answer = await fleet.platform.client.get(url, headers=person.headers)
        assert answer.status_code in {403, 404}, url
    answer = await fleet.platform.client.post(
        f"/v1/admin/nodes/{node.id}/drain", json={}, headers=person.headers
    )
    assert answer.status_code in {403, 404}
    assert (await node.row("status"))["status"] == "Idle"


async def test_an_unknown_node_is_not_found(fleet: Any) -> None:
    for act in ("drain", "release", "restart", "test-render"):
        answer = await call(fleet, "POST", f"/v1/admin/nodes/{uuid4()}/{act}", json={})
        assert answer.status_code == 404
    assert (await call(fleet, "GET", f"/v1/admin/nodes/{uuid4()}")).status_code == 404
    assert (
        await call(fleet, "POST", f"/v1/admin/crashes/{uuid4()}/acknowledge")
    ).status_code == 404


async def test_health_is_sampled_at_most_once_a_minute_and_charted(fleet: Any) -> None:
    node = await machine(fleet, frames_done=5)
    database = fleet.platform.runtime.plugins["render"].context.db
    for load in (1.0, 9.0):
        async with database.system("test") as work:
            await health.sample(work, node.id, health.Vitals(load_average=load, disk_free_bytes=7))
    await fleet.platform.sql(
        "INSERT INTO render.node_health_logs (node_id, recorded_at, status, load_average, "
        "frames_done) SELECT $1, date_trunc('minute', now()) - m * interval '10 seconds' "
        "- interval '5 minutes', 'Busy', m, m FROM generate_series(1, 5) m",
        node.id,
    )
    url = f"/v1/admin/nodes/{node.id}/health"
    body = (await call(fleet, "GET", url)).json()
    earlier, newest = body["points"]
    assert (newest["samples"], newest["load_average"], newest["disk_free_bytes"]) == (1, 1.0, 7)
    assert (earlier["samples"], earlier["load_average"], earlier["frames"]) == (5, 3.0, 4)
    hourly = (await call(fleet, "GET", url, params={"bucket": "hour"})).json()["points"]
    assert sum(point["samples"] for point in hourly) == 6
    detail = (await call(fleet, "GET", f"/v1/admin/nodes/{node.id}")).json()
    assert detail["health"]["load_average"] == 1.0
    assert (await call(fleet, "GET", url, params={"hours": 0})).status_code == 422
    assert (await call(fleet, "GET", f"/v1/admin/nodes/{uuid4()}/health")).status_code == 404
