"""What other contexts' events do here: with an account go its saved projects, and into a copy of
its data."""

from flatrender.contracts.identity import DataExportRequested, UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.privacy import give_part

#: Scenes, contents, colours and sound hang on the project and go with it.
_ERASE = "DELETE FROM studio.saved_projects WHERE tenant_id = :tenant AND user_id = :user"

_SECTIONS = {
    "saved_projects": "SELECT id, name, template_slug, mode, aspect, duration, scene_data, "
    "music_title, voiceover_name, created_at, last_edited_at, deleted_at "
    "FROM studio.saved_projects WHERE tenant_id = :tenant AND user_id = :user ORDER BY created_at",
    "contents": "SELECT c.* FROM studio.saved_scene_contents c JOIN studio.saved_projects p "
    "ON p.tenant_id = c.tenant_id AND p.id = c.saved_project_id "
    "WHERE p.tenant_id = :tenant AND p.user_id = :user",
}


async def erase_projects(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: its projects go, those in the trash too."""
    event: UserDeleted = told.event
    await work.execute(_ERASE, tenant=work.tenant, user=event.user_id)


async def give_copy(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A person asked for a copy of their data: give the projects with what was filled in."""
    event: DataExportRequested = told.event
    await give_part(context, work, event, _SECTIONS)


SUBSCRIPTIONS = (
    Subscription(event=UserDeleted, handler=erase_projects),
    Subscription(event=DataExportRequested, handler=give_copy),
)
