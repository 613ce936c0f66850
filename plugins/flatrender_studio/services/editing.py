"""The frame around every edit: lock the project, check the version, change, count up, tell.

One edit is one transaction and one new version (ETag). Two editors never overwrite each other:
the row is locked and the version the client has seen must be the stored one.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from flatrender.contracts.studio import ProjectSaved
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound, PreconditionFailed
from flatrender.http.etag import expected_versions
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_studio.domain import Project, length
from flatrender_studio.queries import project_in

_LOCK = """
SELECT version FROM studio.saved_projects
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND deleted_at IS NULL FOR UPDATE
"""
_COUNT_UP = """
UPDATE studio.saved_projects SET version = version + :step, last_edited_at = now(),
    duration = :duration, scene_count = :scenes
WHERE tenant_id = :tenant AND id = :id
"""


def own_id(principal: Principal) -> UUID:
    """Return the caller's user id; guards have let users pass only."""
    if principal.user_id is None:
        raise NotFound()
    return principal.user_id


@asynccontextmanager
async def editing(
    context: PluginContext, principal: Principal, project_id: UUID, if_match: str | None
) -> AsyncIterator[tuple[UnitOfWork, Project]]:
    """Open an edit. Raises ``NotFound``, 428 without If-Match, 412 for another version."""
    user_id = own_id(principal)
    wanted: Sequence[int] | None = expected_versions(if_match)
    async with context.db.unit_of_work(principal.tenant_id) as work:
        locked = await work.execute(_LOCK, tenant=principal.tenant_id, user=user_id, id=project_id)
        row = locked.first()
        if row is None:
            raise NotFound()
        if wanted is not None and row.version not in wanted:
            raise PreconditionFailed(extra={"version": row.version})
        project = await project_in(work, user_id, project_id)
        if project is None:
            raise NotFound()
        yield work, project
        await finish(work, project)


async def finish(work: UnitOfWork, project: Project, *, created: bool = False) -> None:
    """Count the version up, keep the length true and tell that the project was saved."""
    after = await project_in(work, project.user_id, project.id)
    if after is None:
        raise NotFound()
    step = 0 if created else 1
    await work.execute(
        _COUNT_UP,
        step=step,
        duration=length(after.scenes, after.fps),
        scenes=len(after.scenes),
        tenant=work.tenant,
        id=project.id,
    )
    work.emit(
        ProjectSaved(
            saved_project_id=project.id,
            user_id=project.user_id,
            container_id=project.container_id,
            version=project.version + step,
            created=created,
        )
    )
