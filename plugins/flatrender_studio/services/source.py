"""What render asks of studio: the ``SavedProjects`` port."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from flatrender.contracts.studio import FilledRows, RenderSource, SlotColumn
from flatrender.plugin import PluginContext
from flatrender_studio.domain import compose
from flatrender_studio.errors import ProjectIncomplete
from flatrender_studio.queries import project_of
from flatrender_studio.services.frozen import freeze
from flatrender_studio.services.rows import RowService

_VERSION = """
SELECT version FROM studio.saved_projects
WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND deleted_at IS NULL
"""


class SourceService:
    """Implements :class:`flatrender.contracts.studio.SavedProjects`."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._reads = context.db.reads
        self._rows = context.get(RowService)

    async def version(self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID) -> int | None:
        """Return the version of a project, or None when it is not this user's."""
        found: int | None = await self._reads.value(
            tenant_id, _VERSION, tenant_id, user_id, saved_project_id
        )
        return found

    async def columns(
        self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID
    ) -> list[SlotColumn] | None:
        """Return the project's slots as columns of a table, or None."""
        return await self._rows.columns(tenant_id, user_id, saved_project_id)

    async def fill_rows(
        self,
        tenant_id: UUID,
        user_id: UUID,
        saved_project_id: UUID,
        rows: Sequence[Mapping[str, object]],
    ) -> FilledRows | None:
        """Lay rows over a project; see the port."""
        return await self._rows.fill_rows(tenant_id, user_id, saved_project_id, rows)

    async def render_source(
        self, tenant_id: UUID, user_id: UUID, saved_project_id: UUID, *, complete: bool = True
    ) -> RenderSource | None:
        """Freeze a project, or None when it is not this user's.

        Raises :class:`ProjectIncomplete` with a pointer for every slot that is not ready.
        """
        project = await project_of(self._reads, tenant_id, user_id, saved_project_id)
        if project is None:
            return None
        composition, errors = compose(project, complete=complete)
        if errors:
            raise ProjectIncomplete(errors=errors)
        return await freeze(self._context, tenant_id, project, composition)
