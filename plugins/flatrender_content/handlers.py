"""What other contexts' events do here: a template that is picked becomes more popular."""

from flatrender.contracts.studio import ProjectSaved
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext

_USED = "UPDATE content.project_containers SET use_count = use_count + 1 WHERE id = $1"


async def count_use(context: PluginContext, _work: UnitOfWork, told: Delivered) -> None:
    """Count a new saved project for its template.

    The template may be another tenant's, so the system role counts; a crash between its commit
    and the inbox's would count once too often, which popularity can bear.
    """
    event: ProjectSaved = told.event
    if event.created:
        async with context.db.system("use of a template") as work:
            await work.execute(_USED, event.container_id)


SUBSCRIPTIONS = (Subscription(event=ProjectSaved, handler=count_use, strict=False),)
