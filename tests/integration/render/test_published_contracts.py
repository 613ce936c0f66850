"""What is published against what is sent: stream messages, events, failure rules."""

import json
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from flatrender.events.published import asyncapi
from flatrender.plugin import discover


async def schema_of(platform: Any, name: str) -> Any:
    """Return a published schema, itself checked."""
    answer = await platform.client.get(f"/schemas/{name}.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/schema+json")
    schema = answer.json()
    Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("name", ["render-stream", "failure-rules", "node-api"])
async def test_examples_are_what_their_schema_says(platform: Any, name: str) -> None:
    schema = await schema_of(platform, name)
    assert schema["examples"]
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)


async def test_what_is_no_message_is_refused(platform: Any) -> None:
    schema = await schema_of(platform, "render-stream")
    good = next(e for e in schema["examples"] if e["type"] == "progress")
    validator = Draft202012Validator(schema)
    for wrong in (
        {**good, "progress": 1.2},
        {**good, "step": "Resting"},
        {**good, "id": "x"},
        {**good, "more": 1},
        {**good, "preview_b64": "data:image/png;base64,AAAA"},
        {k: v for k, v in good.items() if k != "eta_seconds"},
        {**good, "type": "progres"},
    ):
        assert not validator.is_valid(wrong), wrong


async def test_every_message_of_a_real_render_is_as_published(lot: Any, frozen: Any) -> None:
    customer = await lot.customer("long")
    platform = customer.platform
    validator = Draft202012Validator(await schema_of(platform, "render-stream"))
    job = await customer.submit()
    ticket = (await customer.call("POST", f"/v1/renders/{job['id']}/watch-token")).json()
    streams = import_streams(platform)
    claims = await streams.open_ticket(ticket["token"], UUID(job["id"]))
    seen = []
    async for one in streams.messages(claims):
        message = json.loads(one.text)
        validator.validate(message)
        assert one.sse == (
            f"id: {message['id']}\nevent: {message['type']}\ndata: {one.text}\n\n".encode()
        )
        seen.append(message["type"])
        frozen.thaw()
    assert {"hello", "progress", "step_change", "done"} <= set(seen)

    cancelled = await customer.submit()
    await customer.call("POST", f"/v1/renders/{cancelled['id']}/cancel")
    ticket = (await customer.call("POST", f"/v1/renders/{cancelled['id']}/watch-token")).json()
    claims = await streams.open_ticket(ticket["token"], UUID(cancelled["id"]))
    last = [json.loads(one.text) async for one in streams.messages(claims)]
    for message in last:
        validator.validate(message)
    assert last[-1]["type"] == "cancelled"


def import_streams(platform: Any) -> Any:
    """Return the app's stream service."""
    from flatrender_render.services.streams import StreamService

    return platform.runtime.plugins["render"].context.get(StreamService)


async def test_every_event_that_was_sent_is_as_published(lot: Any) -> None:
    customer = await lot.customer()
    await customer.ended((await customer.submit())["id"])
    document = asyncapi(discover())
    resources = {"components": document["components"]}
    kinds = {m["name"]: m["payload"] for m in document["components"]["messages"].values()}
    sent: set[str] = set()
    for schema in ("render", "studio", "identity", "content"):
        rows = await customer.platform.sql(
            f"SELECT name, payload FROM {schema}.outbox WHERE kind = 'event'"
        )
        for row in rows:
            validator = Draft202012Validator({**kinds[row["name"]], **resources})
            validator.validate(json.loads(row["payload"]))
            sent.add(row["name"])
    assert {"render.job.queued.v1", "render.job.started.v1", "render.job.completed.v1"} <= sent


async def test_the_rules_that_administrators_read_are_as_published(lot: Any) -> None:
    platform = lot.platform
    admin = await platform.admin()
    answer = await platform.client.get("/v1/admin/failure-rules", headers=admin.headers)
    rules = answer.json()["data"]
    assert len(rules) > 20
    Draft202012Validator(await schema_of(platform, "failure-rules")).validate(rules)
