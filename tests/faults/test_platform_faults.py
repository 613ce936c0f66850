"""Servers and nodes that go away while a video is made, and come back.

After each fault the same questions: the job ended, its export is there once and is, byte for
byte, that of an undisturbed run; the reservation is settled; nothing is left open.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from asyncpg.exceptions import PostgresError

from flatrender.db import migrations
from flatrender.embedded import EmbeddedStack
from flatrender.testing.platform import run_platform
from flatrender.testing.plugin import CONTEXTS, PASSWORD
from flatrender.testing.switch import Switch
from flatrender.testing.workers import process, worker
from flatrender_render.farm.claims import LEASE_SECONDS
from flatrender_render.farm.runner import Runner

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)


async def test_a_store_that_refuses_for_a_while(
    island: Any, freezer: Any, check: Any, rich: Any
) -> None:
    customer = await rich(island.lot)
    store = urlsplit(island.environment["FLATRENDER_STORAGE_ENDPOINT"])
    async with Switch(str(store.hostname), int(store.port or 80)) as wire:
        through = {"FLATRENDER_STORAGE_ENDPOINT": f"http://127.0.0.1:{wire.port}"}
        async with worker({**island.environment, **through}) as drawing:
            ice = await freezer(drawing.pool)
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

            failed = await customer.platform.until(refused, within=180)
            assert {tuple(row) for row in failed} == {("transient", False)}
            wire.mend()
            await check(customer, job["id"])


async def test_valkey_emptied_while_frames_are_drawn(
    island: Any, freezer: Any, check: Any, rich: Any
) -> None:
    customer = await rich(island.lot)
    async with worker(island.environment) as drawing:
        ice = await freezer(drawing.pool)
        job = await customer.submit("540p")
        await customer.claimed(job["id"])
        redis = await drawing.runtime.infra.queue.redis()
        await redis.flushdb()
        ice.thaw()
        await check(customer, job["id"])


async def test_a_node_that_was_cut_off_for_longer_than_its_lease_changes_nothing(
    island: Any, again: int, check: Any, rich: Any
) -> None:
    """It stands still while its lease runs out and others do its work; then it goes on."""
    customer = await rich(island.lot)
    platform = customer.platform
    async with process(island.environment) as cut_off:
        job = await customer.submit("540p")
        piece = await customer.claimed(job["id"])
        cut_off.send_signal(signal.SIGSTOP)
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
            cut_off.send_signal(signal.SIGCONT)

            async def too_late() -> bool:
                (row,) = await platform.sql(
                    "SELECT stale_reports FROM render.frame_attempts "
                    "WHERE frame_job_id = $1 AND epoch = $2",
                    held["id"],
                    held["epoch"],
                )
                return bool(row["stale_reports"])

            await platform.until(too_late, within=180)
            assert await everything(platform, job["id"]) == before
            await check(customer, job["id"])
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
    server_environment: dict[str, str], films: Any, freezer: Any, check: Any, rich: Any
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
            ice = await freezer(platform.runtime.plugins["render"].context.get(Runner).pool)
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
