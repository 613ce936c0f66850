"""What a node and the farm really say to each other, held against the published schema."""

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from jsonschema import Draft202012Validator

from flatrender.http.openapi.document import openapi_document
from flatrender_render.farm.remote_renditions import HttpRenditionLink
from flatrender_render.node.agent import NodeAgent
from flatrender_render.node.settings import NodeSettings
from flatrender_render.node_schema import EXCHANGES


async def test_all_that_is_said_is_as_published(
    farm: Any, tmp_path: Path, node_traffic: Counter[str]
) -> None:
    """A video, made whole and wanted as a GIF; a rendition given back; a node that stops. That
    it is as published is looked at where every test of a node ends."""
    customer = await farm.lot.customer()
    node = await farm.enrol()
    client = node.client()
    settings = NodeSettings(
        url=f"http://{farm.address}", node_id=node.id, secret=node.secret, folder=tmp_path,
        slots=1, wait=1.0,
    )  # fmt: skip
    agent = NodeAgent(settings, client)
    running = asyncio.create_task(agent.run())
    try:
        job = await customer.ended((await customer.submit())["id"])
        path = f"/v1/exports/{job['export_id']}/renditions"

        async def want(form: str) -> None:
            key = {"Idempotency-Key": uuid4().hex}
            answer = await customer.call("POST", path, {"formats": [form]}, **key)
            assert answer.status_code == 202, answer.text

        async def made() -> bool:
            found = (await customer.get(path))["data"]
            return all(one["state"] == "Done" for one in found)

        async def heard() -> bool:
            return "renditions/{id}/{epoch}/finish" in node_traffic

        await want("gif")
        await farm.platform.until(made, within=90)
        # What it reported is done before it has read the answer.
        await farm.platform.until(heard)
    finally:
        agent.stop()
        await running
    second = await farm.enrol()
    other = second.client()
    await second.hello(other)
    link = HttpRenditionLink(other, wait=0.0)
    await want("webm")
    try:
        claim = await link.claim()
        assert claim is not None
        await link.beat(claim, 0.5)
        await link.give_back(claim)
        await second.bye(other)
    finally:
        await other.close()
        await farm.platform.sql(
            "UPDATE render.renditions SET state = 'Cancelled', lease_until = NULL "
            "WHERE job_id = $1 AND state <> 'Done'",
            UUID(job["id"]),
        )
    assert {
        "hello", "pulse", "bye", "renditions", "renditions/{id}/{epoch}/links",
        "renditions/{id}/{epoch}/finish", "renditions/{id}/{epoch}/beat",
        "renditions/{id}/{epoch}/release", "claims/{id}/{epoch}/complete",
        "claims/{id}/{epoch}/finish", "claims/{id}/{epoch}/parts",
    } <= node_traffic.keys()  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"answer": {}}, {"request": {"progress": 2}}, {"request": None}, {"call": "/v1/node/rest"}],
    ids=str,
)
async def test_what_is_no_exchange_is_refused(farm: Any, wrong: dict[str, Any]) -> None:
    schema = (await farm.platform.client.get("/schemas/node-api.json")).json()
    call = "/v1/node/renditions/{id}/{epoch}/beat"
    good = next(one for one in schema["examples"] if one["call"] == call)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, **wrong})


async def test_every_call_of_the_node_api_is_published(farm: Any) -> None:
    document = openapi_document(farm.platform.app)
    paths = {
        re.sub(r"{[a-z_]*epoch[^}]*}", "{epoch}", re.sub(r"{(?!epoch)[^}]*}", "{id}", path)).rstrip(
            "/"
        )
        for path in document["paths"]
        if path.startswith("/v1/node/")
    }
    assert paths == EXCHANGES.keys()
