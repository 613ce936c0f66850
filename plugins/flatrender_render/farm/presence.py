"""How the farm hears of a node: its heartbeat, what it is told with it, and how that went.

One place for both kinds of node: a worker of the pool calls it directly, one outside through the
node API. Owns the node's row between its start and its end; decides nothing about work.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flatrender.db import SystemTransaction
from flatrender_render.farm import conduct, fonts, health, holdings
from flatrender_render.farm.cache import CachedPackage

HEARTBEAT_SECONDS = 5.0
OFFLINE_SECONDS = 30.0

_BEAT = """
UPDATE render.nodes
SET last_heartbeat_at = now(), busy_slots = $2, disk_free_bytes = coalesce($3, disk_free_bytes),
    disk_total_bytes = coalesce($4, disk_total_bytes),
    status = CASE WHEN status = 'Quarantined' THEN status
                  WHEN $5 OR drain_requested_at IS NOT NULL THEN 'Draining'
                  WHEN $2 > 0 THEN 'Busy' ELSE 'Idle' END
WHERE id = $1 RETURNING status
"""
#: ``$2``: what was sent more than a minute ago and never answered is sent again.
_COMMANDS = """
UPDATE render.node_commands SET state = 'Sent', sent_at = now()
WHERE id IN (SELECT id FROM render.node_commands
             WHERE node_id = $1 AND (expires_at IS NULL OR expires_at > now())
               AND (state = 'Pending'
                    OR ($2 AND state = 'Sent' AND sent_at < now() - interval '1 minute'))
             ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING id, act, arguments
"""
_RESULT = """
UPDATE render.node_commands SET state = $3, result = $4, finished_at = now()
WHERE id = $2 AND node_id = $1 AND state IN ('Pending', 'Sent') RETURNING act, arguments
"""


async def beat(
    work: SystemTransaction,
    node_id: UUID,
    vitals: health.Vitals,
    *,
    busy_slots: int,
    draining: bool = False,
    packages: Sequence[CachedPackage] | None = None,
) -> str:
    """Note that a node lives and how it is; returns its status.

    ``packages``: every template package that lies there; None: as it said before.
    """
    status: str = await work.fetchval(
        _BEAT, node_id, busy_slots, vitals.disk_free_bytes, vitals.disk_total_bytes, draining
    )
    await health.sample(work, node_id, vitals)
    if packages is not None:
        await holdings.note(work, node_id, packages)
    return status


async def commands(work: SystemTransaction, node_id: UUID, *, again: bool) -> list[Any]:
    """Return the acts that a node is to carry out, which are told with this.

    ``again`` for a node behind a line: an answer that got lost took its acts with it, so what
    nobody answered for a minute is told once more. A worker of the pool cannot lose them.
    """
    return await work.fetch(_COMMANDS, node_id, again)


async def settle(
    work: SystemTransaction, node_id: UUID, command_id: UUID, *, done: bool, result: dict[str, Any]
) -> bool:
    """Note how an act went, and what follows from it.

    A test render that passed lifts a quarantine of the farm's; a font counts once it is there.

    False when the node was told no such act, or has answered it.
    """
    state = "Done" if done else "Failed"
    row = await work.fetchrow(_RESULT, node_id, command_id, state, result)
    if row is None:
        return False
    if row["act"] == "test_render" and done:
        await conduct.recover(work, node_id)
    elif row["act"] == "install_font":
        await fonts.note_answer(work, node_id, row["arguments"], done=done, result=result)
    return True
