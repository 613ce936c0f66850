"""Content's background work: drawing the pictures of a template, reading projects."""

from uuid import UUID

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.tasks.task import RetryLater, Task
from flatrender_content.services.previews import PreviewService


class DrawPreviews(Struct, frozen=True, kw_only=True):
    """Draw the posters and snapshots of one version of a template."""

    tenant_id: UUID
    container_id: UUID
    version_id: UUID


async def draw_previews(context: PluginContext, payload: DrawPreviews) -> None:
    """Draw and store what lists and editors show of a template."""
    # Imported here: the service's own import names this task.
    await context.get(PreviewService).draw(
        payload.tenant_id, payload.container_id, payload.version_id
    )


DRAW_PREVIEWS = Task(
    name="content.draw_previews",
    queue="default",
    handler=draw_previews,
    payload=DrawPreviews,
    timeout=900,
)


class ReadProject(Struct, frozen=True, kw_only=True):
    """Read one After Effects project on the server."""

    tenant_id: UUID
    scan_id: UUID


async def read_project(context: PluginContext, payload: ReadProject) -> None:
    """Read a quick scan; one that another process reads is looked at again later."""
    from flatrender.contracts.render import ScanJobs
    from flatrender_content.services.scans import LEASE_SECONDS, TemplateScanService

    if await context.get(TemplateScanService).read(payload.tenant_id, payload.scan_id):
        return
    state = await context.port(ScanJobs).get(payload.tenant_id, payload.scan_id)
    if state is not None and state.state == "Running":
        raise RetryLater(LEASE_SECONDS, counts=False)


READ_PROJECT = Task(
    name="content.read_project",
    queue="quick",
    handler=read_project,
    payload=ReadProject,
    timeout=240,
    max_attempts=4,
)
TASKS = (DRAW_PREVIEWS, READ_PROJECT)
