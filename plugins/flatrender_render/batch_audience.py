"""Everybody who watches one batch in this process: one look at the database for all of them.

Rows tell that they ended (``nudge``); how far the running ones are is looked up, at most twice a
second and ever more seldom while nothing changes, so that a thousand watchers cost what one does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from flatrender.clock import Clock
from flatrender.realtime import Hub
from flatrender_render.audience import QUIET_SECONDS, Room
from flatrender_render.batch_schemas import Batch
from flatrender_render.live import PROGRESS_SECONDS, SUBPROTOCOL

if TYPE_CHECKING:
    from flatrender.plugin import PluginContext

log = structlog.get_logger(__name__)

#: Reads the batch as it is now.
Look = Callable[[], Awaitable[Batch]]

#: ``type`` of the last message by the batch's state.
ENDINGS = {"Done": "done", "Failed": "failed", "Cancelled": "cancelled"}


def batch_channel(batch_id: UUID) -> str:
    """Return the hub channel of a batch."""
    return f"render-batch:{batch_id}"


async def nudge(context: "PluginContext", batch_id: UUID) -> None:
    """Say that a batch changed. What the watchers are told they get from the database."""
    await context.infra.hub.publish(batch_channel(batch_id), {})


def message_of(batch: Batch, kind: str, **more: object) -> dict[str, Any]:
    """Return a message of a batch's stream."""
    counts = {
        name: getattr(batch, name)
        for name in ("state", "total", "waiting", "running", "done", "failed", "cancelled")
    }
    return {
        "type": kind,
        "batch_id": str(batch.id),
        "progress": batch.progress,
        **counts,
        **more,
    }


def hello_of(batch: Batch, floor: float | None) -> dict[str, Any]:
    """Return the first message. ``floor``: how far it was when the watcher lost the stream."""
    if floor is not None and batch.state == "Running" and floor >= 1.0:
        floor = 0.0  # rows are rendered again: that end was another one
    return message_of(
        batch,
        "hello",
        progress=max(batch.progress, floor or 0.0),
        resumed=floor is not None,
        protocol=SUBPROTOCOL,
    )


def ending_of(batch: Batch) -> dict[str, Any] | None:
    """Return the last message, None while the batch goes on."""
    kind = ENDINGS.get(batch.state)
    return None if kind is None else message_of(batch, kind, results_url=batch.results_url)


class BatchRoom(Room):
    """One batch's audience: what changed, never backwards."""

    def __init__(self, hub: Hub, clock: Clock, batch_id: UUID, look: Look) -> None:
        self._look = look
        self._best = 0.0
        self._shown: dict[str, Any] | None = None
        super().__init__(hub, clock, batch_id)

    def seen(self, hello: dict[str, Any]) -> None:
        """Take what somebody was told on coming: nobody hears less afterwards."""
        self._best = max(self._best, float(hello["progress"]))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        earliest, pause, due = 0.0, PROGRESS_SECONDS, False
        async with self._hub.listen(batch_channel(self._key), limit=64) as listener:
            self.ready.set()
            while self.last is None:
                wait = max(0.0, earliest - loop.time()) if due else pause
                if await listener.next_message(wait) is not None:
                    due = True
                    if loop.time() < earliest:
                        continue  # one look for all that is said until then
                pause = PROGRESS_SECONDS if await self._show() else min(pause * 2, QUIET_SECONDS)
                earliest, due = loop.time() + PROGRESS_SECONDS, False

    async def _show(self) -> bool:
        """Look, and tell what is new. Returns whether anything was."""
        try:
            batch = await self._look()
        except Exception as error:  # noqa: BLE001 - the database may be away; looked at again soon
            log.warning("batch_not_read", batch_id=str(self._key), error=repr(error))
            return False
        if (end := ending_of(batch)) is not None:
            self._tell(end)
            return True
        # A retry of failed rows begins them anew; the bar waits where it is.
        self._best = max(self._best, batch.progress)
        message = message_of(batch, "progress", progress=self._best)
        if message == self._shown:
            return False
        self._shown = message
        self._tell(message)
        return True
