"""The migration runner on PostgreSQL 18 and 15: a ledger, no edited files, one at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from flatrender.db.migrations import (
    MigrationError,
    load_migrations,
    migrate,
    migrations_directory,
    status,
)

_PARTITIONS = (
    "CREATE OR REPLACE FUNCTION public.ensure_partitions(m int) RETURNS int "
    "LANGUAGE sql AS 'SELECT 0';"
)


@pytest.fixture(scope="module", params=["18", "15"])
def server(request: pytest.FixtureRequest) -> Any:
    """A server of each end of the supported range."""
    return request.getfixturevalue("pg15" if request.param == "15" else "postgres")


@pytest.fixture
async def connect(server: Any, worker_number: int) -> AsyncIterator[dict[str, Any]]:
    """Arguments for an empty database of this test's own."""
    name = f"runner_w{worker_number}"
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield {
        "host": server.host,
        "port": server.port,
        "user": server.superuser,
        "password": server.password,
        "database": name,
    }
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two small migrations."""
    (tmp_path / "01_first.sql").write_text(f"{_PARTITIONS} CREATE TABLE one (id int);")
    (tmp_path / "02_second.sql").write_text("CREATE TABLE two (id int);")
    return tmp_path


async def _states(connect: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    return [(line.name, line.state) for line in await status(connect, directories=[folder])]


async def test_files_are_applied_once_and_recorded(connect: dict[str, Any], folder: Path) -> None:
    assert [s for _, s in await _states(connect, folder)] == ["pending", "pending"]
    assert await migrate(connect, directories=[folder]) == ["01_first", "02_second"]
    assert await migrate(connect, directories=[folder]) == []
    (folder / "10_third.sql").write_text("ALTER TABLE two ADD COLUMN note text;")
    assert await _states(connect, folder) == [
        ("01_first", "applied"), ("02_second", "applied"), ("10_third", "pending"),
    ]  # fmt: skip
    assert await migrate(connect, directories=[folder]) == ["10_third"]


async def test_an_edited_file_is_refused(connect: dict[str, Any], folder: Path) -> None:
    await migrate(connect, directories=[folder])
    (folder / "02_second.sql").write_text("CREATE TABLE two (id bigint);")
    (folder / "03_new.sql").write_text("CREATE TABLE three (id int);")
    with pytest.raises(MigrationError, match=r"02_second\.sql: edited after being applied"):
        await migrate(connect, directories=[folder])
    assert [s for _, s in await _states(connect, folder)] == ["applied", "edited", "pending"]


async def test_a_file_that_fails_leaves_nothing_of_itself(
    connect: dict[str, Any], folder: Path
) -> None:
    (folder / "02_second.sql").write_text("CREATE TABLE two (id int);\nSELECT nonsense;\n")
    with pytest.raises(MigrationError, match=r"02_second\.sql line 2: .*nonsense"):
        await migrate(connect, directories=[folder])
    connection = await asyncpg.connect(**connect)
    assert await connection.fetchval("SELECT to_regclass('two')") is None
    assert await connection.fetchval("SELECT count(*) FROM flatrender_migrations") == 1
    await connection.close()


async def test_parallel_runs_apply_each_file_once(connect: dict[str, Any], folder: Path) -> None:
    done = await asyncio.gather(*(migrate(connect, directories=[folder]) for _ in range(5)))
    assert sorted(name for names in done for name in names) == ["01_first", "02_second"]


async def test_our_own_files_apply_and_may_be_applied_by_psql_before(
    connect: dict[str, Any],
) -> None:
    """A database that psql built has everything and no ledger: the runner records it."""
    applied = await migrate(connect)
    assert applied == [m.name for m in load_migrations([migrations_directory()])]
    connection = await asyncpg.connect(**connect)
    await connection.execute("DROP TABLE public.flatrender_migrations")
    await connection.close()
    assert await migrate(connect) == applied
    assert {line.state for line in await status(connect)} == {"applied"}


@pytest.mark.parametrize(
    ("names", "problem"),
    [(["1_short.sql"], "is named NN_lower_case"), (["07_a.sql", "007_b.sql"], "number 7 is")],
)
def test_bad_names_are_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=problem):
        load_migrations([tmp_path])
