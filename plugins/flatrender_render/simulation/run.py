"""One simulation from an empty database to its tally."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from flatrender.db import migrations
from flatrender.db.connect import init_connection, role_of
from flatrender.embedded import EmbeddedStack
from flatrender_render.simulation.load import Load
from flatrender_render.simulation.plan import ENGINE, Chance, Plan
from flatrender_render.simulation.tally import Tally
from flatrender_render.simulation.world import World

_DATABASE = "simulation"


async def run_simulation(
    plan: Plan, url: str | None = None, told: Callable[[int], None] = lambda _done: None
) -> tuple[Tally, dict[str, int]]:
    """Simulate ``plan``; returns its counts, and what must be 0.

    ``url`` names an empty, migrated database and somebody who owns it; without one, a PostgreSQL
    is started for this and removed. Raises ``FarmInUse`` and ``EmbeddedError``.
    """
    async with _database(url) as dsn:
        opened = [await asyncpg.connect(dsn) for _ in range(1 + plan.connections)]
        keeper, *connections = opened
        try:
            chance = Chance(plan)
            load = Load(plan, chance, datetime.now(UTC))
            await load.write(keeper)
            for connection in connections:
                await init_connection(connection)
                await connection.execute(f"SET ROLE {role_of('render', system=True)}")
            tally = await World(plan, chance, load, connections, keeper).run(told)
            return tally, await tally.faults(keeper, ENGINE)
        finally:
            await asyncio.gather(*(connection.close() for connection in opened))


@contextlib.asynccontextmanager
async def _database(url: str | None) -> AsyncIterator[str]:
    if url is not None:
        yield url
        return
    folder = await asyncio.to_thread(_temporary)
    stack = EmbeddedStack(folder / "stack", valkey=False, s3=False, ports={}, durable=False)
    try:
        async with stack:
            server = stack.endpoints().postgres
            if server is None:
                raise LookupError("a stack without PostgreSQL")
            root = await asyncpg.connect(server.dsn())
            try:
                await root.execute(f"CREATE DATABASE {_DATABASE}")
            finally:
                await root.close()
            await migrations.migrate(
                {
                    "host": server.host,
                    "port": server.port,
                    "user": server.superuser,
                    "password": server.password,
                    "database": _DATABASE,
                }
            )
            yield server.dsn(_DATABASE)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, True)


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="flatrender-simulation-"))
    folder.chmod(0o711)  # PostgreSQL may run below it as another account
    return folder
