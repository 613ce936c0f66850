"""Housekeeping of the plumbing tables every context has, and of monthly partitions."""

from datetime import timedelta

from flatrender.db.context import ContextDatabase

BATCH = 5000

_PRUNE = (
    "DELETE FROM {s}.outbox WHERE id IN (SELECT id FROM {s}.outbox "
    "WHERE published_at < now() - $1::interval LIMIT $2)",
    "DELETE FROM {s}.inbox WHERE (event_id, handler) IN (SELECT event_id, handler FROM {s}.inbox "
    "WHERE handled_at < now() - $1::interval * 4 LIMIT $2)",
    "DELETE FROM {s}.idempotency_keys WHERE (tenant_id, subject, key) IN "
    "(SELECT tenant_id, subject, key FROM {s}.idempotency_keys "
    "WHERE expires_at < now() - $1::interval * 0 LIMIT $2)",
)


async def maintain(database: ContextDatabase, *, keep: timedelta) -> int:
    """Remove handled plumbing rows older than ``keep``.

    The inbox is kept four times as long as the outbox, so that a replayed event is still known.
    Returns the number of rows removed. Works in bounded batches.
    """
    removed = 0
    async with database.system("maintenance") as work:
        for statement in _PRUNE:
            tag = await work.execute(statement.format(s=database.schema), keep, BATCH)
            removed += int(tag.rsplit(" ", 1)[-1])
    return removed


async def turn_partitions(database: ContextDatabase) -> None:
    """Make the months ahead and drop those past their table's retention, of every context's tables.

    Both are the database's own functions and know all registered tables: one call through any
    context does for all.
    """
    async with database.system("partitions") as work:
        await work.fetchval("SELECT public.ensure_partitions(3)")
        await work.fetchval("SELECT public.drop_expired_partitions()")
