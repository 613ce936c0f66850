"""Live progress: the messages of ``flatrender.v1`` and how they reach whoever watches.

Workers announce over the hub; nothing that matters depends on it. A watcher first gets ``hello``
with the state in the database, then what is announced, at most one ``progress`` per 500 ms and
never going backwards.
"""

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from flatrender.plugin import PluginContext

SUBPROTOCOL = "flatrender.v1"
PROGRESS_SECONDS = 0.5
PREVIEW_SECONDS = 2.0


def channel(job_id: UUID) -> str:
    """Return the hub channel of a job."""
    return f"render:{job_id}"


async def announce(context: "PluginContext", job_id: UUID, message: dict[str, Any]) -> None:
    """Tell the watchers of a job; ``message`` has a ``type``."""
    await context.infra.hub.publish(channel(job_id), {**message, "job_id": str(job_id)})
