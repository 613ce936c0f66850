"""Which packages renders still need: the ``RenderPackages`` port."""

from collections.abc import Sequence

from flatrender.plugin import PluginContext

#: A failed render may be tried again unless its rule says no, and so may failed rows of a batch.
_USED = """
SELECT package_object_key FROM render.render_jobs
WHERE package_object_key = ANY ($1::text[]) AND step NOT IN ('Done', 'Cancelled')
  AND (step <> 'Failed' OR coalesce(retryable, true))
UNION
SELECT source->>'package_object_key' FROM render.batches
WHERE source->>'package_object_key' = ANY ($1::text[]) AND (state = 'Running' OR failed > 0)
UNION
SELECT package_object_key FROM render.snapshots
WHERE package_object_key = ANY ($1::text[]) AND state IN ('Waiting', 'Claimed')
UNION
SELECT source_object_key FROM render.scan_jobs WHERE source_object_key = ANY ($1::text[])
"""


class PackageUses:
    """Implements :class:`flatrender.contracts.render.RenderPackages`."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def used(self, keys: Sequence[str]) -> set[str]:
        """Return those object keys that a render, batch, snapshot or scan of any tenant needs."""
        rows = await self._db.system_fetch("packages of renders", _USED, list(keys))
        return {row[0] for row in rows}
