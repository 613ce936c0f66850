"""A person's files in numbers: the ``PersonStorage`` port."""

from uuid import UUID

from flatrender.contracts.files import StorageFigures
from flatrender.plugin import PluginContext
from flatrender_files.services.uploads import DEFAULT_LIMIT

_FIGURES = """
SELECT f.files, f.in_trash, coalesce(q.used_bytes, 0), coalesce(q.reserved_bytes, 0),
       coalesce(q.limit_bytes, $3::bigint)
FROM (SELECT count(*) FILTER (WHERE trashed_at IS NULL) AS files,
             count(*) FILTER (WHERE trashed_at IS NOT NULL) AS in_trash
      FROM file_mgr.files
      WHERE tenant_id = $1 AND user_id = $2 AND state = 'Ready' AND deleted_at IS NULL) f
LEFT JOIN file_mgr.quotas q ON q.tenant_id = $1 AND q.user_id = $2
"""


class FigureService:
    """Implements :class:`flatrender.contracts.files.PersonStorage`."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def figures(self, tenant_id: UUID, user_id: UUID) -> StorageFigures:
        """Return the numbers of a person's files; before the first upload the limit is the
        default one."""
        found = await self._db.reads.one(
            StorageFigures, tenant_id, _FIGURES, tenant_id, user_id, DEFAULT_LIMIT
        )
        if found is None:
            raise LookupError("an aggregate answers one row")
        return found
