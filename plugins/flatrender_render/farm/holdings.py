"""Which template packages lie on which node: the rows that claims look at.

A node tells all it has, so a telling that got lost is made good by the next. The rows are a hint
for the claim and a picture for people; the node's own cache is the truth.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from flatrender.db import SystemTransaction
from flatrender_render.farm.cache import CachedPackage

_GONE = """
DELETE FROM render.node_template_cache
WHERE node_id = $1 AND NOT (package_sha256 = ANY ($2::text[]))
"""
#: In order of their names: two tellings of a node must not meet crosswise.
_HERE = """
INSERT INTO render.node_template_cache AS c
    (node_id, package_sha256, size_bytes, state, pins, hits, last_used_at, verified_at)
SELECT $1, t.sha256, t.bytes, 'Ready', t.pins, t.hits, now() - make_interval(secs => t.unused),
       now() - make_interval(secs => t.verified)
FROM jsonb_to_recordset($2::jsonb) AS t
    (sha256 text, bytes bigint, pins int, hits bigint, unused float8, verified float8)
ORDER BY t.sha256
ON CONFLICT (node_id, package_sha256) DO UPDATE
SET size_bytes = excluded.size_bytes, state = excluded.state, pins = excluded.pins,
    hits = excluded.hits, last_used_at = excluded.last_used_at,
    verified_at = coalesce(excluded.verified_at, c.verified_at)
"""
_FORGET = """
WITH fonts AS (DELETE FROM render.node_fonts WHERE node_id = $1)
DELETE FROM render.node_template_cache WHERE node_id = $1
"""


async def note(work: SystemTransaction, node_id: UUID, packages: Sequence[CachedPackage]) -> None:
    """Take what a node says it has: all of it, and nothing else."""
    told = {package.sha256: package for package in packages}
    await work.execute(_GONE, node_id, list(told))
    if told:
        await work.execute(_HERE, node_id, msgspec.to_builtins(list(told.values())))


async def forget(work: SystemTransaction, node_id: UUID) -> None:
    """Forget what lies on a node that has left the farm: it tells all again when it comes back."""
    await work.execute(_FORGET, node_id)
