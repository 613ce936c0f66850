"""A farm whose nodes have an emulated After Effects, and an administrator who brings projects."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aerender import setup as emulator  # the folder above has made it known

import flatrender
from flatrender.clock import uuid7
from flatrender.security.secrets import Secret
from flatrender.testing.platform import Person, Platform, run_platform
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.serving import serve_app
from flatrender_render.engines import engines
from flatrender_render.farm import wire
from flatrender_render.farm.remote import FarmClient
from flatrender_render.farm.remote_scans import HttpScanLink
from flatrender_render.node.agent import NodeAgent
from flatrender_render.node.settings import NodeSettings

Json = dict[str, Any]
FONTS = Path(flatrender.__file__).parent / "fonts"


class ScanShop:
    """A platform without a worker, its app on a port, an administrator, an After Effects."""

    def __init__(self, platform: Platform, address: str, admin: Person, ae: Any) -> None:
        self.platform = platform
        self.address = address
        self.admin = admin
        self.ae = ae

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """Call as the administrator."""
        headers = {**self.admin.headers, "Idempotency-Key": uuid4().hex, **more.pop("headers", {})}
        return await self.platform.client.request(method, path, headers=headers, **more)

    async def draft(self) -> str:
        """Make a draft of mode Fix and return the path of its template."""
        body = {"slug": f"t-{uuid4().hex}", "name": {"fa": "قالب", "en": "Template"}, "mode": "Fix"}
        answer = await self.call("POST", "/v1/admin/templates/", json=body)
        assert answer.status_code == 201, answer.text
        return f"/v1/admin/templates/{answer.json()['id']}"

    async def ask(self, base: str, data: bytes, kind: str = "full") -> Json:
        """Bring a project and ask for a scan."""
        answer = await self.call(
            "POST",
            f"{base}/scans",
            content=data,
            params={"name": "job.zip", "kind": kind},
            headers={"Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 202, answer.text
        scan: Json = answer.json()
        return scan | {"path": f"{base}/scans/{scan['id']}"}

    async def until(self, scan: Json, *states: str) -> Json:
        """Return a scan once it is in one of these states."""

        async def look() -> Json | None:
            found: Json = (await self.call("GET", scan["path"])).json()
            return found if found["state"] in states else None

        found: Json = await self.platform.until(look, within=180)
        return found

    async def ended(self, scan: Json) -> Json:
        """Return a scan once it is over."""
        return await self.until(scan, "Done", "Failed", "Cancelled")

    async def row(self, scan: Json) -> Json:
        """Return a scan's row, its JSON read."""
        rows = await self.platform.sql(
            "SELECT * FROM render.scan_jobs WHERE id = $1", UUID(scan["id"])
        )
        found = dict(rows[0])
        return found | {key: json.loads(found[key] or "null") for key in ("result", "errors")}

    async def lapse(self, scan: Json) -> None:
        """Let the lease of a scan run out."""
        await self.platform.sql(
            "UPDATE render.scan_jobs SET lease_until = now() - interval '1 second' WHERE id = $1",
            UUID(scan["id"]),
        )

    async def preview(self, scan: Json) -> tuple[Json, str]:
        """Return what applying would do, and the tag of the graph."""
        answer = await self.call("GET", f"{scan['path']}/preview")
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["ETag"]

    async def apply(self, scan: Json) -> Json:
        """Apply all of a scan."""
        _, tag = await self.preview(scan)
        answer = await self.call(
            "POST", f"{scan['path']}/apply", json={}, headers={"If-Match": tag}
        )
        assert answer.status_code == 200, answer.text
        done: Json = answer.json()
        return done

    async def enrol(self) -> NodeSettings:
        """Enrol a node as an administrator does."""
        name = f"outside-{uuid4().hex[:8]}"
        answer = await self.call("POST", "/v1/admin/nodes", json={"name": name})
        assert answer.status_code == 201, answer.text
        body = answer.json()
        folder = Path(self.ae.home.parent, name)
        return NodeSettings(
            url=f"http://{self.address}",
            node_id=UUID(body["id"]),
            secret=Secret(body["secret"]),
            folder=folder,
            slots=1,
            wait=1.0,
        )

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[NodeAgent]:
        """A node outside that works while the block lasts."""
        agent = NodeAgent(await self.enrol())
        running = asyncio.create_task(agent.run())
        try:
            yield agent
        finally:
            agent.stop()
            await running

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator[HttpScanLink]:
        """A node outside that is spoken by hand."""
        settings = await self.enrol()
        client = FarmClient(settings.url, settings.node_id, settings.secret)
        hello = wire.Hello(
            boot_id=uuid7(), agent_version="1", hostname="test", os="Windows", arch="x86_64",
            cpu_cores=2, memory_bytes=1, disk_total_bytes=1, disk_free_bytes=1, slots=1,
            engines={"aerender": "24+1"},
        )  # fmt: skip
        await client.call(f"{wire.API}/hello", hello, wire.Welcome)
        try:
            yield HttpScanLink(client, wait=0.0)
        finally:
            await client.call(f"{wire.API}/bye", None, dict)
            await client.close()


@pytest.fixture(scope="module")
async def shop(
    server_environment: dict[str, str],
    clone_database: Callable[[], TestDatabase],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[ScanShop]:
    """See :class:`ScanShop`."""
    folder = tmp_path_factory.mktemp("shop")
    ae = emulator.Installation(folder)
    environment = {
        **server_environment,
        "FLATRENDER_DATABASE_NAME": clone_database().name,
        "FLATRENDER_VALKEY_PREFIX": server_environment["FLATRENDER_VALKEY_PREFIX"] + "shop",
        "FLATRENDER_DATA_DIR": str(folder / "data"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATRENDER_AERENDER", str(ae.aerender))  # render processes read it there
        patch.setenv("FLATRENDER_AERENDER_SCRATCH", str(folder / "scratch"))
        patch.setenv("FLATRENDER_AERENDER_FONT_FOLDERS", str(FONTS))
        engines.cache_clear()
        async with (
            run_platform(environment, worker=False) as platform,
            serve_app(platform.app) as address,
        ):
            yield ScanShop(platform, address, await platform.admin(), ae)
    engines.cache_clear()
