"""What is here of a person: their videos and what those were made of. It goes with the account,
and its list into a copy of their data.

Jobs stay as the farm's history, without a name; the sweep of ended exports takes the objects.
"""

from flatrender.contracts.identity import DataExportRequested, UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.privacy import give_part

_ERASE = (
    "UPDATE render.exports SET expires_at = now(), name = '' "
    "WHERE tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL",
    # What a video was made of is the person's words and pictures.
    "UPDATE render.render_jobs SET project_name = '', "
    "composition = CASE WHEN finished_at IS NULL THEN composition ELSE '{}' END "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "UPDATE render.batches SET name = '', source_object_key = NULL "
    "WHERE tenant_id = :tenant AND user_id = :user",
)

_SECTIONS = {
    "renders": "SELECT id, project_name, resolution, aspect, duration, step, submitted_at, "
    "finished_at FROM render.render_jobs WHERE tenant_id = :tenant AND user_id = :user "
    "ORDER BY submitted_at",
    "videos": "SELECT id, name, format, resolution, duration, size_bytes, created_at, expires_at "
    "FROM render.exports WHERE tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL "
    "ORDER BY created_at",
}


async def erase_videos(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: its videos end now."""
    event: UserDeleted = told.event
    for statement in _ERASE:
        await work.execute(statement, tenant=work.tenant, user=event.user_id)


async def give_copy(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A person asked for a copy of their data: give the list of renders and videos."""
    event: DataExportRequested = told.event
    await give_part(context, work, event, _SECTIONS)


SUBSCRIPTIONS = (
    Subscription(event=UserDeleted, handler=erase_videos),
    Subscription(event=DataExportRequested, handler=give_copy),
)
