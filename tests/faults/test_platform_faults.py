"""Servers and nodes that go away while a video is made, and come back.

After each fault the same questions: the job ended, its export is there once and is, byte for
byte, that of an undisturbed run; the reservation is settled; nothing is left open.
"""

import asyncio
import contextlib
import gc
import hashlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from asyncpg.exceptions import PostgresError

from flatrender.db import migrations
from flatrender.embedded import EmbeddedStack
from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.tasks.service import WorkerService
from flatrender.testing.platform import FAST, run_platform
from flatrender.testing.plugin import CONTEXTS, PASSWORD
from flatrender.testing.switch import Switch
from flatrender_render.farm.claims import LEASE_SECONDS
from flatrender_render.farm.runner import Runner

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
_LEFT_OPEN = """
SELECT (SELECT count(*) FROM render.frame_jobs WHERE job_id = $1 AND state <> 'Done')
     + (SELECT count(*) FROM render.frame_jobs WHERE job_id = $1 AND lease_until IS NOT NULL)
     + (SELECT count(*) FROM render.frame_attempts WHERE job_id = $1 AND outcome = 'Running')
     + (SELECT count(*) FROM render.frame_repair_jobs WHERE job_id = $1
        AND state IN ('Waiting', 'Running'))
     + (SELECT count(*) FROM render.frame_jobs f WHERE f.job_id = $1 AND f.epoch <>
        (SELECT count(*) FROM render.frame_attempts a WHERE a.frame_job_id = f.id)) AS n
"""


@contextlib.asynccontextmanager
async def worker(environment: dict[str, str]) -> AsyncIterator[Runtime]:
    """A worker in this process, on the servers that ``environment`` names."""
    async with Runtime(load_settings({**FAST, **environment})) as runtime:
        service = WorkerService(runtime)
        running = asyncio.create_task(service.run(handle_signals=False))
        try:
            yield runtime
        finally:
            service.stop()
            await running
    del running, service, runtime
    gc.collect()


def pool_of(runtime: Runtime) -> Any:
    return runtime.plugins["render"].context.get(Runner).pool


async def bytes_of(customer: Any, job_id: str) -> str:
    """Return the digest of a job's one export, read from the store."""
    (export,) = await customer.platform.sql(
        "SELECT object_key, sha256 FROM render.exports WHERE job_id = $1", UUID(job_id)
    )
    data = await customer.platform.runtime.infra.storage.get(export["object_key"])
    digest = hashlib.sha256(data).hexdigest()
    assert digest == export["sha256"]
    return digest


async def check(customer: Any, job_id: str) -> None:
    """Ask what is asked after every fault, then make the same video undisturbed and compare."""
    assert (await customer.ended(job_id))["step"] == "Done"
    settled = await customer.reservation(job_id, "Settled")
    assert settled["released_minor"] == 0
    (left,) = await customer.platform.sql(_LEFT_OPEN, UUID(job_id))
    assert left["n"] == 0
    again = await customer.submit("540p")
    assert (await customer.ended(again["id"]))["step"] == "Done"
    await customer.reservation(again["id"], "Settled")
    assert await bytes_of(customer, again["id"]) == await bytes_of(customer, job_id)


async def rich(lot: Any) -> Any:
    """Return a customer who can pay for two videos of two ranges each."""
    customer = await lot.customer("long", plan="plus")
    await customer.give_charge(1_000_000)
    return customer


async def test_a_store_that_refuses_for_a_while(island: Any, freezer: Any) -> None:
    customer = await rich(island.lot)
    store = urlsplit(island.environment["FLATRENDER_STORAGE_ENDPOINT"])
    async with Switch(str(store.hostname), int(store.port or 80)) as wire:
        through = {"FLATRENDER_STORAGE_ENDPOINT": f"http://127.0.0.1:{wire.port}"}
        async with worker({**island.environment, **through}) as runtime:
            ice = await freezer(pool_of(runtime))
            job = await customer.submit("540p")
            await customer.claimed(job["id"])
            await wire.cut()
            ice.thaw()

            async def refused() -> Any:
                return await customer.platform.sql(
                    "SELECT error_class, blamed FROM render.frame_attempts "
                    "WHERE job_id = $1 AND outcome = 'Failed'",
                    UUID(job["id"]),
                )

            failed = await customer.platform.until(refused, within=60)
            assert {tuple(row) for row in failed} == {("transient", False)}
            wire.mend()
            await check(customer, job["id"])


async def test_valkey_emptied_while_frames_are_drawn(island: Any, freezer: Any) -> None:
    customer = await rich(island.lot)
    async with worker(island.environment) as runtime:
        ice = await freezer(pool_of(runtime))
        job = await customer.submit("540p")
        await customer.claimed(job["id"])
        redis = await runtime.infra.queue.redis()
        await redis.flushdb()
        ice.thaw()
        await check(customer, job["id"])


async def test_a_node_that_was_cut_off_for_longer_than_its_lease_changes_nothing(
    island: Any, again: int
) -> None:
    """It stands still while its lease runs out and others do its work; then it goes on."""
    customer = await rich(island.lot)
    platform = customer.platform
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "flatrender",
        "worker",
        env={**os.environ, **FAST, **island.environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        job = await customer.submit("540p")
        piece = await customer.claimed(job["id"])
        process.send_signal(signal.SIGSTOP)
        (held,) = await platform.sql(
            "SELECT id, epoch FROM render.frame_jobs WHERE job_id = $1 AND state = 'Claimed'",
            UUID(job["id"]),
        )
        await platform.sql(
            "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' WHERE id = $1",
            held["id"],
        )
        async with worker(island.environment):
            assert (await customer.ended(job["id"]))["step"] == "Done"
            await customer.reservation(job["id"], "Settled")
            before = await everything(platform, job["id"])
            process.send_signal(signal.SIGCONT)

            async def too_late() -> bool:
                (row,) = await platform.sql(
                    "SELECT stale_reports FROM render.frame_attempts "
                    "WHERE frame_job_id = $1 AND epoch = $2",
                    held["id"],
                    held["epoch"],
                )
                return bool(row["stale_reports"])

            await platform.until(too_late, within=60)
            assert await everything(platform, job["id"]) == before
            await check(customer, job["id"])
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        await process.wait()
    assert piece["job_id"] == UUID(job["id"])


async def test_locks_of_a_process_that_stands_still_end_before_its_lease(island: Any) -> None:
    """The reaper passes over rows that are locked: nobody may lock them for good."""
    contexts = [plugin.context for plugin in island.lot.platform.runtime.plugins.values()]
    assert contexts
    for context in contexts:
        async with context.db.system("how long may a transaction stand still") as work:
            allowed = await work.fetchval(
                "SELECT setting::int FROM pg_settings "
                "WHERE name = 'idle_in_transaction_session_timeout'"
            )
        assert 0 < allowed < 1000 * LEASE_SECONDS


async def everything(platform: Any, job_id: str) -> list[dict[str, Any]]:
    """Return the rows of a job and its results."""
    found: list[dict[str, Any]] = []
    for table, column in (("render_jobs", "id"), ("frame_jobs", "job_id"), ("exports", "job_id")):
        rows = await platform.sql(
            f"SELECT * FROM render.{table} WHERE {column} = $1 ORDER BY id",
            UUID(job_id),
        )
        found += [dict(row) for row in rows]
    return found


async def test_postgresql_restarted_while_frames_are_drawn(
    server_environment: dict[str, str], films: Any, freezer: Any
) -> None:
    """Once in an orderly way, once as after a crash, in the middle of one video."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="flatrender-restart-"))
    await asyncio.to_thread(folder.chmod, 0o711)
    stack = EmbeddedStack(folder / "stack", valkey=False, s3=False, ports={})
    async with stack:
        server = stack.endpoints().postgres
        assert server is not None
        root = await asyncpg.connect(server.dsn())
        await root.execute("CREATE DATABASE restarted")
        await root.close()
        await migrations.migrate(
            {
                "host": server.host,
                "port": server.port,
                "user": server.superuser,
                "password": server.password,
                "database": "restarted",
            },
            passwords=dict.fromkeys(CONTEXTS, PASSWORD),
        )
        environment = {
            **server_environment,
            "FLATRENDER_DATABASE_HOST": server.host,
            "FLATRENDER_DATABASE_PORT": str(server.port),
            "FLATRENDER_DATABASE_NAME": "restarted",
            "FLATRENDER_DATABASE_MIGRATOR_USER": server.superuser,
            "FLATRENDER_DATABASE_MIGRATOR_PASSWORD": server.password,
            "FLATRENDER_VALKEY_PREFIX": server_environment["FLATRENDER_VALKEY_PREFIX"] + "restart",
        }
        async with run_platform(environment) as platform:
            lot = await films(platform)
            customer = await rich(lot)
            ice = await freezer(pool_of(platform.runtime))
            job = await customer.submit("540p")
            await customer.claimed(job["id"])
            await stack.stop_async()  # SIGINT: fast
            await stack.start_async()
            ice.thaw()

            async def one_done() -> bool:
                with contextlib.suppress(OSError, PostgresError):
                    rows = await platform.sql(
                        "SELECT FROM render.frame_jobs WHERE job_id = $1 AND state = 'Done'",
                        UUID(job["id"]),
                    )
                    return bool(rows)
                return False

            await platform.until(one_done, within=90)
            os.kill(stack.processes()["PostgreSQL"], signal.SIGQUIT)  # immediate
            await stack.stop_async()
            await stack.start_async()
            await check(customer, job["id"])
    await asyncio.to_thread(stack.folder.discard)
