"""What other contexts' events do here: with an account go its saved projects."""

from flatrender.contracts.identity import UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext

#: Scenes, contents, colours and sound hang on the project and go with it.
_ERASE = "DELETE FROM studio.saved_projects WHERE tenant_id = :tenant AND user_id = :user"


async def erase_projects(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: its projects go, those in the trash too."""
    event: UserDeleted = told.event
    await work.execute(_ERASE, tenant=work.tenant, user=event.user_id)


SUBSCRIPTIONS = (Subscription(event=UserDeleted, handler=erase_projects),)
