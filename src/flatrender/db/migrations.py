"""The migration runner: numbered SQL files, a ledger with checksums, one truth with psql.

Each file and its ledger row commit together, under an advisory lock, so parallel starts are
safe. A file whose text differs from what the ledger recorded is refused: a released migration
is never edited. A database that psql built has the objects and no ledger; every file is safe to
apply again, so the runner applies and records it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
from msgspec import Struct

LOCK_KEY = 0x666C6174  # "flat": one migration at a time per database
_FILE = re.compile(r"^(\d{2,4})_([a-z0-9_]+)\.sql$")
_LEDGER = """
CREATE TABLE IF NOT EXISTS public.flatrender_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT current_user
)
"""


class MigrationError(Exception):
    """The schema cannot be brought up to date; the message says why and what to do."""


class Migration(Struct, frozen=True):
    """One file. ``sha256`` is over its bytes."""

    number: int
    name: str
    sql: str
    sha256: str
    path: str


class MigrationStatus(Struct, frozen=True):
    """One line of ``flatrender migrate --status``; state is applied, pending or edited."""

    number: int
    name: str
    state: str
    applied_at: str


def migrations_directory() -> Path:
    """Return the folder of SQL files: the wheel's data, else the repository's.

    Raises :class:`MigrationError` when neither is there.
    """
    here = Path(__file__).resolve()
    for candidate in (here.parents[1] / "_data" / "migrations", here.parents[3] / "migrations"):
        if candidate.is_dir():
            return candidate
    raise MigrationError("no migrations folder was found beside the installed package")


def load_migrations(directories: Sequence[Path]) -> list[Migration]:
    """Read every ``NN_name.sql`` in number order.

    Raises :class:`MigrationError` on a badly named file or a number used twice.
    """
    found: dict[int, Migration] = {}
    for directory in directories:
        for path in sorted(directory.glob("*.sql")):
            match = _FILE.match(path.name)
            if match is None:
                raise MigrationError(f"{path.name}: a migration is named NN_lower_case.sql")
            number = int(match[1])
            if number in found:
                raise MigrationError(f"{path.name}: number {number} is {found[number].path} too")
            data = path.read_bytes()
            found[number] = Migration(
                number=number,
                name=path.stem,
                sql=data.decode("utf-8"),
                sha256=hashlib.sha256(data).hexdigest(),
                path=path.name,
            )
    return [found[number] for number in sorted(found)]


async def migrate(
    connect: Mapping[str, Any],
    *,
    directories: Sequence[Path] | None = None,
    passwords: Mapping[str, str] | None = None,
    months_ahead: int = 3,
) -> list[str]:
    """Apply what is pending and return the names applied.

    ``connect`` are asyncpg arguments of a role that may create roles and schemas.
    ``passwords`` maps contexts to the password of their two roles; it reaches the SQL as
    ``flatrender.<context>_password`` settings and never its text. Raises
    :class:`MigrationError`.
    """
    migrations = load_migrations(directories or [migrations_directory()])
    connection = await asyncpg.connect(**connect)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        for context, password in (passwords or {}).items():
            for suffix in ("password", "system_password"):
                await connection.execute(
                    "SELECT set_config($1, $2, false)", f"flatrender.{context}_{suffix}", password
                )
        await connection.execute(_LEDGER)
        recorded = await _ledger(connection)
        _refuse_edited(migrations, recorded)
        applied = []
        for migration in migrations:
            if migration.number in recorded:
                continue
            await _apply(connection, migration)
            applied.append(migration.name)
        if passwords and not applied:
            await _refresh_passwords(connection, passwords)
        await connection.execute("SELECT public.ensure_partitions($1)", months_ahead)
        return applied
    finally:
        await connection.close()


async def status(
    connect: Mapping[str, Any], *, directories: Sequence[Path] | None = None
) -> list[MigrationStatus]:
    """Compare the files with the ledger without changing anything."""
    migrations = load_migrations(directories or [migrations_directory()])
    connection = await asyncpg.connect(**connect)
    try:
        exists = await connection.fetchval("SELECT to_regclass('public.flatrender_migrations')")
        recorded = await _ledger(connection) if exists else {}
    finally:
        await connection.close()
    lines = []
    for migration in migrations:
        row = recorded.get(migration.number)
        state = "pending" if row is None else "applied" if row[1] == migration.sha256 else "edited"
        lines.append(
            MigrationStatus(
                number=migration.number,
                name=migration.name,
                state=state,
                applied_at=row[2].isoformat(timespec="seconds") if row else "",
            )
        )
    return lines


async def _ledger(connection: Any) -> dict[int, tuple[str, str, Any]]:
    rows = await connection.fetch(
        "SELECT number, name, sha256, applied_at FROM public.flatrender_migrations"
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _refuse_edited(
    migrations: Sequence[Migration], recorded: Mapping[int, tuple[str, str, Any]]
) -> None:
    edited = [
        m.path for m in migrations if m.number in recorded and recorded[m.number][1] != m.sha256
    ]
    if edited:
        raise MigrationError(
            f"{', '.join(edited)}: edited after being applied; restore the file and put the "
            "change into a new migration"
        )


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            # One simple-query string: the same way psql -1 sends a file.
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO public.flatrender_migrations (number, name, sha256) VALUES ($1,$2,$3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.exceptions.PostgresError as error:
        place = ""
        position = getattr(error, "position", None)
        if position:
            line = migration.sql[: int(position)].count("\n") + 1
            place = f" line {line}"
        raise MigrationError(f"{migration.path}{place}: {error}") from error


async def _refresh_passwords(connection: Any, passwords: Mapping[str, str]) -> None:
    """Give existing roles the configured passwords (a new deployment secret, a clone)."""
    for context, password in passwords.items():
        for role in (f"flatrender_{context}", f"flatrender_{context}_system"):
            statement = await connection.fetchval(
                "SELECT format('ALTER ROLE %I PASSWORD %L', rolname, $2::text) "
                "FROM pg_roles WHERE rolname = $1",
                role,
                password,
            )
            if statement:
                await connection.execute(statement)
