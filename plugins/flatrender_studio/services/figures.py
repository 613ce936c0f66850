"""A person's projects in numbers: the ``PersonProjects`` port."""

from uuid import UUID

from flatrender.contracts.studio import ProjectFigures
from flatrender.plugin import PluginContext

_FIGURES = """
SELECT count(*) FILTER (WHERE deleted_at IS NULL), count(*) FILTER (WHERE deleted_at IS NOT NULL),
       max(last_edited_at) FILTER (WHERE deleted_at IS NULL)
FROM studio.saved_projects WHERE tenant_id = $1 AND user_id = $2
"""


class FigureService:
    """Implements :class:`flatrender.contracts.studio.PersonProjects`."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def figures(self, tenant_id: UUID, user_id: UUID) -> ProjectFigures:
        """Return the numbers of a person's projects."""
        found = await self._db.reads.one(ProjectFigures, tenant_id, _FIGURES, tenant_id, user_id)
        if found is None:
            raise LookupError("an aggregate answers one row")
        return found
