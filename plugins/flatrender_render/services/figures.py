"""A person's renders in numbers: the ``PersonJobs`` port."""

from uuid import UUID

from flatrender.contracts.render import JobFigures
from flatrender.plugin import PluginContext

_FIGURES = """
SELECT j.jobs, j.jobs - j.done - j.failed - j.cancelled, j.done, j.failed, j.cancelled,
       j.last_submitted_at, e.exports, e.export_bytes
FROM (SELECT count(*) AS jobs, count(*) FILTER (WHERE step = 'Done') AS done,
             count(*) FILTER (WHERE step = 'Failed') AS failed,
             count(*) FILTER (WHERE step = 'Cancelled') AS cancelled,
             max(submitted_at) AS last_submitted_at
      FROM render.render_jobs WHERE tenant_id = $1 AND user_id = $2) j,
     (SELECT count(*) AS exports, coalesce(sum(size_bytes), 0)::bigint AS export_bytes
      FROM render.exports WHERE tenant_id = $1 AND user_id = $2 AND deleted_at IS NULL) e
"""


class FigureService:
    """Implements :class:`flatrender.contracts.render.PersonJobs`."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def figures(self, tenant_id: UUID, user_id: UUID) -> JobFigures:
        """Return the numbers of a person's jobs and exports."""
        found = await self._db.reads.one(JobFigures, tenant_id, _FIGURES, tenant_id, user_id)
        if found is None:
            raise LookupError("an aggregate answers one row")
        return found
