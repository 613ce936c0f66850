"""Which packages saved projects are made of: the ``ProjectPackages`` port."""

from collections.abc import Sequence

from flatrender.plugin import PluginContext

#: A project in the trash can be restored: it counts until its row is gone.
_USED = """
SELECT DISTINCT package_object_key FROM studio.saved_projects
WHERE package_object_key = ANY ($1::text[])
"""


class PackageUses:
    """Implements :class:`flatrender.contracts.studio.ProjectPackages`."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def used(self, keys: Sequence[str]) -> set[str]:
        """Return those object keys that a saved project of any tenant refers to."""
        rows = await self._db.system_fetch("packages of saved projects", _USED, list(keys))
        return {row[0] for row in rows}
