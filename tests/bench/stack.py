"""Throw-away servers with the whole schema, and what every bench prints with."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import asyncpg

from flatrender.db import migrations
from flatrender.embedded import EmbeddedStack, PostgresEndpoint
from flatrender.plugin import discover
from flatrender.settings import DatabaseSettings

DATABASE = "flatrender_bench"
PASSWORD = "bench-only-password"  # of roles in a throw-away cluster on the loopback


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder of its own; PostgreSQL may run below it as another account."""
    folder = Path(tempfile.mkdtemp(prefix="flatrender-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def servers(*, s3: bool = False) -> Iterator[dict[str, str]]:
    """Run PostgreSQL and Valkey with the schema; yield the environment that finds them."""
    with temporary_folder() as root:
        stack = EmbeddedStack(root / "stack", s3=s3, ports={}, max_connections=200)
        with stack:
            endpoints = stack.endpoints()
            assert endpoints.postgres is not None
            assert endpoints.valkey is not None
            asyncio.run(_migrate(endpoints.postgres))
            found = {
                **os.environ,
                "FLATRENDER_DATABASE_HOST": endpoints.postgres.host,
                "FLATRENDER_DATABASE_PORT": str(endpoints.postgres.port),
                "FLATRENDER_DATABASE_NAME": DATABASE,
                "FLATRENDER_DATABASE_PASSWORD": PASSWORD,
                "FLATRENDER_DATABASE_MIGRATOR_USER": endpoints.postgres.superuser,
                "FLATRENDER_DATABASE_MIGRATOR_PASSWORD": endpoints.postgres.password,
                "FLATRENDER_VALKEY_URL": endpoints.valkey.url(),
                "FLATRENDER_SECURITY_SECRET_KEY": "bench-secret-key-of-a-throw-away-deployment",
                "FLATRENDER_SECURITY_PASSWORD_MEMORY_KIB": "64",
                "FLATRENDER_SECURITY_PASSWORD_PASSES": "1",
                "FLATRENDER_HTTP_CURSOR_KEY": "bench-cursor-key-of-a-throw-away-deployment",
                "FLATRENDER_HTTP_TRUSTED_PROXIES": "127.0.0.1",
                "FLATRENDER_OBSERVABILITY_LOG_LEVEL": "warning",
            }
            if endpoints.s3 is not None:
                found |= {
                    "FLATRENDER_STORAGE_ENDPOINT": endpoints.s3.endpoint,
                    "FLATRENDER_STORAGE_ACCESS_KEY": endpoints.s3.access_key,
                    "FLATRENDER_STORAGE_SECRET_KEY": endpoints.s3.secret_key,
                    "FLATRENDER_STORAGE_REGION": endpoints.s3.region,
                }
            yield found


def database_of(environment: dict[str, str]) -> DatabaseSettings:
    """Return kernel settings for the database of ``servers``."""
    return DatabaseSettings(
        host=environment["FLATRENDER_DATABASE_HOST"],
        port=int(environment["FLATRENDER_DATABASE_PORT"]),
        name=DATABASE,
        password=PASSWORD,
        migrator_user=environment["FLATRENDER_DATABASE_MIGRATOR_USER"],
        migrator_password=environment["FLATRENDER_DATABASE_MIGRATOR_PASSWORD"],
    )


async def superuser(settings: DatabaseSettings) -> asyncpg.Connection:
    """Connect as the role that owns everything."""
    connection: asyncpg.Connection = await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        database=settings.name,
        user=settings.migrator_user,
        password=settings.migrator_password,
    )
    return connection


async def _migrate(postgres: PostgresEndpoint) -> None:
    connect = {
        "host": postgres.host,
        "port": postgres.port,
        "user": postgres.superuser,
        "password": postgres.password,
    }
    connection = await asyncpg.connect(**connect, database="postgres")
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()
    await migrations.migrate(
        {**connect, "database": DATABASE}, passwords=dict.fromkeys(discover(), PASSWORD)
    )


def processor_seconds(pid: int, *, ended: bool = False) -> float:
    """Return the processor time a process has used, from Linux's /proc; NaN elsewhere.

    With ``ended`` that of its children that have ended as well.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return float("nan")
    ticks = sum(int(each) for each in fields[11 : 15 if ended else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def processes_below(pid: int) -> list[int]:
    """Return all processes that descend from ``pid``, without it; none where /proc is not."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
    found: list[int] = []
    for each, above in parents.items():
        at = above
        while at in parents and at != pid:
            at = parents[at]
        if at == pid:
            found.append(each)
    return found


def end_processes(pids: Iterable[int]) -> None:
    """Kill processes that this one started; those that have ended are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def heading(text: str) -> None:
    """Print a section's title."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print aligned columns: the first to the left, the others to the right."""
    lines = [columns, *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    for line in lines:
        first, *rest = (
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  ".join([first, *rest]).rstrip(), flush=True)


def verdict_ms(name: str, found: float, goal: float) -> str:
    """Say whether a time was within its goal, in milliseconds."""
    return f"{name}: {found:.1f} ms (goal {goal:.0f} ms: {'met' if found <= goal else 'MISSED'})"


def verdict(found: float, goal: float) -> str:
    """Say whether a ratio reaches its goal."""
    return f"goal {goal:.2f}: {'met' if found >= goal else 'MISSED'}"
