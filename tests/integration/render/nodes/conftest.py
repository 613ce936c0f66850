"""Machines outside, for tests: enrolled by an administrator, at work or spoken by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flatrender.clock import uuid7
from flatrender.security.secrets import Secret
from flatrender.tasks.task import Nothing
from flatrender.testing.serving import serve_app
from flatrender_render.farm import wire
from flatrender_render.farm.remote import FarmClient, FarmRefused, HttpLink
from flatrender_render.farm.wake import sweep
from flatrender_render.node.agent import NodeAgent
from flatrender_render.node.settings import NodeSettings


class Enrolled:
    """A node's credentials and a client that speaks with them."""

    def __init__(self, farm: "Farm", body: Any) -> None:
        self.farm = farm
        self.id = UUID(body["id"])
        self.name = body["name"]
        self.secret = Secret(body["secret"])

    def client(self, address: str | None = None) -> FarmClient:
        """Return a client of this node's."""
        return FarmClient(f"http://{address or self.farm.address}", self.id, self.secret)

    async def hello(self, client: FarmClient, **more: Any) -> None:
        """Join the farm."""
        hello = wire.Hello(
            boot_id=uuid7(),
            agent_version="1",
            hostname="test",
            os="Linux",
            arch="x86_64",
            cpu_cores=2,
            memory_bytes=1,
            disk_total_bytes=1,
            disk_free_bytes=1,
            **{"slots": 1, "engines": {"lottie": "1"}, **more},
        )
        await client.call(f"{wire.API}/hello", hello, wire.Welcome)

    async def pulse(self, client: FarmClient, **more: Any) -> wire.PulseAnswer:
        """Say that the node lives, as it does every few seconds."""
        pulse = wire.Pulse(**{"busy_slots": 0, "disk_free_bytes": 1, **more})
        answer = await client.call(f"{wire.API}/pulse", pulse, wire.PulseAnswer)
        assert answer is not None
        return answer

    async def bye(self, client: FarmClient) -> None:
        """Leave the farm."""
        await client.call(f"{wire.API}/bye", None, dict)

    @contextlib.asynccontextmanager
    async def joined(self, **more: Any) -> AsyncIterator[FarmClient]:
        """A client of a node that has said hello."""
        client = self.client()
        try:
            await self.hello(client, **more)
            yield client
        finally:
            with contextlib.suppress(FarmRefused):  # it may have been removed
                await self.bye(client)
            await client.close()

    @contextlib.asynccontextmanager
    async def at_work(
        self, folder: Path, address: str | None = None, agent: NodeAgent | None = None
    ) -> AsyncIterator[NodeAgent]:
        """Run a node while the block lasts: one of this name, or ``agent``."""
        settings = NodeSettings(
            url=f"http://{address or self.farm.address}",
            node_id=self.id,
            secret=self.secret,
            folder=folder,
            slots=1,
            wait=1.0,
        )
        agent = agent or NodeAgent(settings)
        running = asyncio.create_task(agent.run())
        try:
            yield agent
        finally:
            agent.stop()
            await running


class Farm:
    """The island's app on a port, with no worker of its own, and its administrator."""

    def __init__(self, lot: Any, address: str, admin: Any) -> None:
        self.lot = lot
        self.platform = lot.platform
        self.address = address
        self.admin = admin

    async def enrol(self, **more: Any) -> Enrolled:
        """Enrol a node as an administrator does."""
        answer = await self.ask(
            "POST", "/v1/admin/nodes", json={"name": f"outside-{uuid4().hex[:8]}", **more}
        )
        assert answer.status_code == 201, answer.text
        return self.known(answer.json())

    def known(self, body: Any) -> Enrolled:
        """Return a node by the credentials that an answer holds."""
        return Enrolled(self, body)

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Call as the administrator."""
        headers = {**self.admin.headers, "Idempotency-Key": uuid4().hex}
        answer: httpx.Response = await self.platform.client.request(
            method, url, headers=headers, **more
        )
        return answer

    async def upload(self, data: bytes, name: str = "font.ttf") -> str:
        """Upload a font as the administrator does; return the file's id."""
        answer = await self.ask(
            "POST",
            "/v1/uploads",
            json={
                "name": name,
                "content_type": "font/ttf",
                "purpose": "font",
                "size_bytes": len(data),
            },
        )
        assert answer.status_code == 201, answer.text
        form = answer.json()
        async with httpx.AsyncClient(timeout=30) as store:
            sent = await store.post(
                form["url"],
                data=form["fields"],
                files={"file": ("font", data, form["fields"].get("Content-Type"))},
            )
        assert sent.status_code in {200, 201, 204}, sent.text
        done = await self.ask("POST", f"/v1/uploads/{form['upload_id']}/complete")
        assert done.status_code == 201, done.text
        return str(done.json()["id"])

    async def sweep(self) -> None:
        """Do what the farm's sweep does every few seconds."""
        await sweep(self.platform.runtime.plugins["render"].context, Nothing())

    @contextlib.asynccontextmanager
    async def holding(self, film: str = "short") -> AsyncIterator[Any]:
        """A node that has claimed the first piece of a job, spoken by hand."""
        await self.lot.forget_work()
        customer = await self.lot.customer(film)
        node = await self.enrol()
        client = node.client()
        await node.hello(client)
        job = await customer.submit()
        await customer.hold(job["id"], "audio")
        link = HttpLink(client, wait=5.0)
        claim = await link.claim("lottie")
        assert claim is not None
        assert str(claim.job.id) == job["id"]
        try:
            yield SimpleNamespace(
                customer=customer, node=node, client=client, link=link, claim=claim, job=job
            )
        finally:
            await client.close()
            await customer.call("POST", f"/v1/renders/{job['id']}/cancel")


@pytest.fixture(scope="module")
async def farm(island: Any) -> AsyncIterator[Farm]:
    """See :class:`Farm`."""
    await island.lot.forget_work()
    async with serve_app(island.lot.platform.app) as address:
        yield Farm(island.lot, address, await island.lot.platform.admin())


@pytest.fixture(scope="module")
async def live_farm(lot: Any) -> AsyncIterator[Farm]:
    """As ``farm``, with a worker that delivers events (and is a node itself)."""
    async with serve_app(lot.platform.app) as address:
        yield Farm(lot, address, await lot.platform.admin())
