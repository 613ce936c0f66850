"""``dead-letters``: what failed for good, and another try for it."""

import asyncio
from uuid import UUID

import click
import msgspec

from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.tasks.queue import Job


@click.group(name="dead-letters")
def dead_letters() -> None:
    """List and replay tasks and events that failed too often."""


@dead_letters.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Replayed ones as well.")
@click.option("--limit", default=50, show_default=True)
def list_letters(everything: bool, limit: int) -> None:
    """Show dead letters of every context, newest first."""

    async def run() -> None:
        async with Runtime(load_settings()) as runtime:
            for name, context in runtime.contexts.items():
                rows = await context.db.system_fetch(
                    "dead letters",
                    "SELECT id, kind, name, attempts, failed_at, error, replayed_at "  # noqa: S608 - own schema name
                    f"FROM {context.db.schema}.dead_letters "
                    "WHERE $1 OR replayed_at IS NULL ORDER BY failed_at DESC LIMIT $2",
                    everything,
                    limit,
                )
                for row in rows:
                    done = "  replayed" if row["replayed_at"] else ""
                    click.echo(
                        f"{row['id']}  {name}  {row['kind']} {row['name']}  "
                        f"{row['attempts']} attempts  {row['failed_at']:%Y-%m-%d %H:%M}{done}"
                    )
                    click.echo(f"    {row['error'][:200]}")

    asyncio.run(run())


@dead_letters.command()
@click.argument("letter_id", type=click.UUID)
def replay(letter_id: UUID) -> None:
    """Put one dead letter back on its queue."""

    async def run() -> bool:
        async with Runtime(load_settings()) as runtime:
            for name, context in runtime.contexts.items():
                async with context.db.system("dead letter replay") as work:
                    row = await work.fetchrow(
                        f"UPDATE {context.db.schema}.dead_letters SET replayed_at = now() "  # noqa: S608 - own schema name
                        "WHERE id = $1 RETURNING name, queue, payload",
                        letter_id,
                    )
                    if row is None:
                        continue
                    await runtime.infra.queue.enqueue(
                        Job(
                            context=name,
                            queue=row["queue"],
                            name=row["name"],
                            payload=msgspec.json.encode(row["payload"]),
                        )
                    )
                    return True
        return False

    if not asyncio.run(run()):
        raise click.ClickException(f"no dead letter {letter_id}")
    click.echo("queued again")
