"""Content's background work: drawing the pictures of a template."""

from uuid import UUID

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.tasks.task import Task
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
TASKS = (DRAW_PREVIEWS,)
