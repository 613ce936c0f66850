"""Two hosts in network namespaces: a node behind a link that is cut and healed.

The node's namespace has one wire to the host and nothing else; taking the wire down is what a
pulled plug looks like (packets vanish, no connection is reset).
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.testing.platform import FAST
from flatrender.testing.serving import Line, serve_app


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def host() -> Iterator[Any]:
    """A namespace with one wire to us: ``ours`` and ``theirs`` are its ends' addresses."""
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need root and the ip command")
    tag = secrets.token_hex(3)
    name, near, far = f"fr-{tag}", f"frn{tag}", f"frf{tag}"
    subnet = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(250)}"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.strip()}")
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _ip("addr", "add", f"{subnet}.1/24", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "addr", "add", f"{subnet}.2/24", "dev", far)
        _ip("-n", name, "link", "set", far, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield SimpleNamespace(name=name, near=near, ours=f"{subnet}.1")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no virtual wires: {error.stderr.strip()}")
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "del", near)
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", name)


@contextlib.asynccontextmanager
async def _bridge(address: str, port: int, target: str) -> AsyncIterator[None]:
    """Offer ``target`` (host:port) on our end of the wire, at the same port."""
    line = Line(target)
    server = await asyncio.start_server(line.accept, address, port)
    try:
        yield
    finally:
        line.cut()
        server.close()
        await server.wait_closed()


async def test_a_node_in_another_host_survives_its_link(
    island: Any, host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = island.lot.platform
    storage = platform.runtime.plugins["render"].context.infra.storage
    s3 = island.environment["FLATRENDER_STORAGE_ENDPOINT"].removeprefix("http://")
    s3_port = int(s3.rpartition(":")[2])
    # Links for machines outside are signed for the address at which those reach the store.
    outside = f"http://{host.ours}:{s3_port}"
    monkeypatch.setattr(storage, "_public", storage.client_for(outside))
    admin = await platform.admin()
    answer = await platform.client.post(
        "/v1/admin/nodes",
        json={"name": f"far-{uuid4().hex[:8]}"},
        headers={**admin.headers, "Idempotency-Key": uuid4().hex},
    )
    node = answer.json()
    customer = await island.lot.customer("long")
    async with serve_app(platform.app) as api:
        api_port = int(api.rpartition(":")[2])
        async with _bridge(host.ours, api_port, api), _bridge(host.ours, s3_port, s3):
            process = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", host.name,
                sys.executable, "-m", "flatrender", "node",
                "--folder", str(tmp_path), "--slots", "1",
                env={
                    **os.environ, **FAST,
                    "FLATRENDER_NODE_URL": f"http://{host.ours}:{api_port}",
                    "FLATRENDER_NODE_ID": node["id"],
                    "FLATRENDER_NODE_SECRET": node["secret"],
                },
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                job = await customer.submit()
                piece = await customer.claimed(job["id"])
                _ip("link", "set", host.near, "down")
                await platform.sql(
                    "UPDATE render.frame_jobs SET lease_until = now() - interval '1 second' "
                    "WHERE id = $1",
                    piece["id"],
                )
                await _sweep(platform)
                (row,) = await platform.sql(
                    "SELECT state FROM render.frame_jobs WHERE id = $1", piece["id"]
                )
                assert row["state"] in {"Waiting", "Done"}  # Done: it was faster than the cut
                _ip("link", "set", host.near, "up")

                async def done() -> bool:
                    (row,) = await platform.sql(
                        "SELECT step FROM render.render_jobs WHERE id = $1", UUID(job["id"])
                    )
                    return bool(row["step"] == "Done")

                await platform.until(done, within=120)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 20)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
    rows = await platform.sql(
        "SELECT count(*) AS n FROM render.exports WHERE job_id = $1", UUID(job["id"])
    )
    assert rows[0]["n"] == 1


async def _sweep(platform: Any) -> None:
    from flatrender.tasks.task import Nothing
    from flatrender_render.farm.wake import sweep

    await sweep(platform.runtime.plugins["render"].context, Nothing())
