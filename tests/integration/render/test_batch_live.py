"""Live progress of batches over a real server: WebSocket and server-sent events."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from jsonschema import Draft202012Validator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from flatrender.http.drain import Drain
from flatrender.testing.platform import Platform
from flatrender.testing.serving import Served, serving

Json = dict[str, Any]


@pytest.fixture(scope="module")
async def served(platform: Platform) -> AsyncIterator[Served]:
    """The platform's app on a free port."""
    async with serving(platform.app, Drain()) as running:
        yield running


def at(served: Served, url: str) -> str:
    """Return a public URL of ours with this server's address in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{served.address}{parts.path}?{parts.query}"


def watch(served: Served, ticket: Json, last_id: str = "") -> Any:
    """Open the WebSocket of a ticket."""
    url = at(served, ticket["ws_url"]) + (f"&last_event_id={last_id}" if last_id else "")
    return connect(url, subprotocols=["flatrender.v1"])  # type: ignore[list-item]  # a NewType of str


async def batch_of(customer: Any, rows: int) -> Json:
    """Submit a batch of so many rows."""
    await customer.platform.sql(
        "UPDATE identity.users SET daily_render_limit = 0 WHERE id = $1", customer.person.id
    )
    answer = await customer.call(
        "POST",
        "/v1/batches",
        {
            "saved_project_id": customer.saved["id"],
            "resolution": "360p",
            "rows": [{"headline": f"سطر {n}"} for n in range(rows)],
        },
        **{"Idempotency-Key": secrets.token_hex(8)},
    )
    assert answer.status_code == 202, answer.text
    batch: Json = answer.json()
    return batch


async def ticket_of(customer: Any, batch_id: str) -> Json:
    """Return a watch ticket."""
    answer = await customer.call("POST", f"/v1/batches/{batch_id}/watch-token")
    assert answer.status_code == 201, answer.text
    ticket: Json = answer.json()
    return ticket


async def rest_of(live: Any) -> list[Json]:
    """Return every message until the server closes, without the pings of a slow machine."""
    messages = [json.loads(text) async for text in live]
    return [message for message in messages if message["type"] != "ping"]


async def published(platform: Platform) -> Draft202012Validator:
    """Return the published schema, itself checked."""
    schema = (await platform.client.get("/schemas/batch-stream.json")).json()
    Draft202012Validator.check_schema(schema)
    assert schema["examples"]
    return Draft202012Validator(schema)


def test_what_is_published_refuses_what_is_no_message() -> None:
    from flatrender_render.batch_stream_schema import batch_stream_schema

    schema = batch_stream_schema()
    validator = Draft202012Validator(schema)
    for example in schema["examples"]:
        validator.validate(example)
    good = next(e for e in schema["examples"] if e["type"] == "progress")
    for wrong in (
        {**good, "progress": 1.2},
        {**good, "state": "Done"},
        {**good, "id": "x"},
        {**good, "more": 1},
        {k: v for k, v in good.items() if k != "running"},
        {**good, "type": "progres"},
    ):
        assert not validator.is_valid(wrong), wrong


async def test_a_watcher_sees_a_batch_from_the_beginning_to_the_end(
    lot: Any, served: Served, frozen: Any
) -> None:
    customer = await lot.customer("long")
    validator = await published(customer.platform)
    batch = await batch_of(customer, 2)
    ticket = await ticket_of(customer, batch["id"])
    async with watch(served, ticket) as live, watch(served, ticket) as beside:
        assert live.subprotocol == "flatrender.v1"
        hello = json.loads(await live.recv())
        assert (hello["type"], hello["progress"], hello["total"]) == ("hello", 0.0, 2)
        assert hello["resumed"] is False
        frozen.thaw()
        messages = [hello, *await rest_of(live)]
        others = await rest_of(beside)
        assert live.close_code == beside.close_code == 1000
    for message in messages + others:
        validator.validate(message)
        assert message["batch_id"] == batch["id"]
    shown = [m["progress"] for m in messages]
    assert shown == sorted(shown)
    done = messages[-1]
    assert (done["type"], done["state"], done["done"], done["progress"]) == ("done", "Done", 2, 1)
    assert done["results_url"] == batch["results_url"]
    assert [m["type"] for m in messages].count("done") == 1
    # One audience: what both heard after they came is the same to the letter.
    told = {m["id"]: m for m in messages[1:]}
    assert others[-1] == done
    assert all(told.get(m["id"], m) == m for m in others[1:])
    async with httpx.AsyncClient(timeout=30) as client:  # who comes late hears the same end
        late = await client.get(at(served, ticket["sse_url"]))
    datas = [line[6:] for line in late.text.splitlines() if line.startswith("data: ")]
    first, last = (json.loads(data) for data in datas)
    assert (first["type"], last["type"], last["results_url"]) == (
        "hello", "done", done["results_url"],
    )  # fmt: skip
    validator.validate(first)
    validator.validate(last)


async def test_progress_is_told_while_rows_end(lot: Any, served: Served, frozen: Any) -> None:
    """Rows end one after another: each is told before the batch's end."""
    customer = await lot.customer()
    batch = await batch_of(customer, 3)
    platform = customer.platform
    async with watch(served, await ticket_of(customer, batch["id"])) as live:
        assert json.loads(await live.recv())["type"] == "hello"

        async def begun() -> Any:
            rows = await platform.sql(
                "SELECT f.job_id FROM render.frame_jobs f JOIN render.render_jobs j "
                "ON j.id = f.job_id WHERE j.batch_id = $1 AND f.state = 'Claimed' AND 3 = "
                "(SELECT count(*) FROM render.render_jobs WHERE batch_id = $1)",
                UUID(batch["id"]),
            )
            return rows[0]["job_id"] if rows else None

        await platform.sql(
            "UPDATE render.frame_jobs SET held = true WHERE job_id <> $2 AND job_id IN "
            "(SELECT job_id FROM render.batch_rows WHERE batch_id = $1)",
            UUID(batch["id"]),
            await platform.until(begun),
        )
        frozen.thaw()
        while (message := json.loads(await live.recv())).get("done", 0) < 1:
            assert message["type"] in {"progress", "ping"}
        assert message["type"] == "progress"
        assert 0.33 <= message["progress"] < 1
        await customer.call("POST", f"/v1/batches/{batch['id']}/cancel")
        rest = await rest_of(live)
    assert rest[-1]["type"] == "cancelled"
    assert (rest[-1]["done"], rest[-1]["cancelled"]) == (1, 2)


async def test_a_watcher_that_comes_back_does_not_go_back(
    lot: Any, served: Served, frozen: Any
) -> None:
    customer = await lot.customer()
    batch = await batch_of(customer, 2)
    ticket = await ticket_of(customer, batch["id"])
    async with watch(served, ticket, "1600000000000-4200") as live:
        hello = json.loads(await live.recv())
        assert (hello["progress"], hello["resumed"]) == (0.42, True)
        # The counts are told all the same; the bar waits until the rows have come that far.
        held = json.loads(await live.recv())
        assert (held["type"], held["progress"]) == ("progress", 0.42)
        frozen.thaw()
        rest = await rest_of(live)
    assert min(m["progress"] for m in rest) >= 0.42
    assert rest[-1]["type"] == "done"


async def test_a_retry_after_the_end_begins_anew(lot: Any, served: Served, frozen: Any) -> None:
    """What was seen before the retry, a finished bar, says nothing of the rows rendered again."""
    customer = await lot.customer()
    batch = await batch_of(customer, 2)
    async with watch(served, await ticket_of(customer, batch["id"]), "1600000000000-10000") as live:
        hello = json.loads(await live.recv())
        assert (hello["progress"], hello["resumed"]) == (0.0, True)
        frozen.thaw()
        assert (await rest_of(live))[-1]["type"] == "done"


async def test_a_batch_is_watched_by_its_owner_only(lot: Any, served: Served) -> None:
    customer = await lot.customer()
    platform = customer.platform
    batch = await batch_of(customer, 1)
    url = f"/v1/batches/{batch['id']}/watch-token"
    stranger = await platform.person()
    _, key = await platform.tenant()
    elsewhere = await platform.person(tenant_key=key)
    missing = await customer.call("POST", f"/v1/batches/{UUID(int=7)}/watch-token")
    for person in (stranger, elsewhere):
        answer = await platform.client.post(url, headers=person.headers)
        assert answer.status_code == 404
        assert answer.json()["code"] == missing.json()["code"] == "not_found"
    assert (await platform.client.post(url)).status_code == 401

    # A stranger's ticket that names this batch (a job's token does): the rows decide.
    from flatrender.contracts.identity import TokenIssuer

    issuer = platform.runtime.plugins["render"].context.port(TokenIssuer)
    stream = f"/v1/batches/{batch['id']}/stream"
    for person in (stranger, elsewhere):
        token = await issuer.watch(
            tenant_id=person.tenant_id, user_id=person.id, job_id=UUID(batch["id"]), seconds=60
        )
        answered = await connect_and_close(served, f"/ws/v1/batch/{batch['id']}?token={token}")
        assert answered == 4403
    ticket = await ticket_of(customer, batch["id"])
    other = await batch_of(customer, 1)
    wrong = f"/ws/v1/batch/{other['id']}?token={ticket['token']}"
    assert await connect_and_close(served, wrong) == 4403
    assert await connect_and_close(served, f"/ws/v1/batch/{other['id']}?token=x") == 4401
    assert (await platform.client.get(stream)).status_code == 401


async def connect_and_close(served: Served, path: str) -> int:
    """Return the close code of a socket that gets nothing."""
    async with connect(
        f"ws://{served.address}{path}",
        subprotocols=["flatrender.v1"],  # type: ignore[list-item]  # a NewType of str
    ) as live:
        try:
            text = await live.recv()
        except ConnectionClosed:
            return int(live.close_code or 0)
        pytest.fail(f"told {text!r}")


async def test_a_batch_that_failed_says_so(lot: Any, served: Served) -> None:
    customer = await lot.customer()
    batch = await batch_of(customer, 1)
    platform = customer.platform
    validator = await published(platform)
    async with watch(served, await ticket_of(customer, batch["id"])) as live:
        assert json.loads(await live.recv())["type"] == "hello"
        await platform.sql(
            "UPDATE render.batches SET state = 'Failed', failed = 1 WHERE id = $1",
            UUID(batch["id"]),
        )
        last = (await rest_of(live))[-1]
    validator.validate(last)
    assert (last["type"], last["state"]) == ("failed", "Failed")
