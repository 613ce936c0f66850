"""The node that this worker process is: registered when it takes up work, alive by heartbeat."""

import asyncio
import os
import platform
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from flatrender import __version__
from flatrender.clock import uuid7
from flatrender.contracts.render import NodeOnline
from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender_render.engines import available_engines
from flatrender_render.farm import fonts, health, holdings, presence
from flatrender_render.farm.cache import ContentCache
from flatrender_render.farm.install import faces_here
from flatrender_render.farm.presence import HEARTBEAT_SECONDS, OFFLINE_SECONDS

log = structlog.get_logger(__name__)

_REGISTER = """
INSERT INTO render.nodes (id, name, kind, status, hostname, os, arch, cpu_cores, engines,
    engine_versions, agent_version, slots, cache_budget_bytes, boot_id, last_heartbeat_at,
    started_at)
VALUES ($1, $2, 'Worker', 'Idle', $3, $4, $5, $6, $7, $8, $9, $10, $11, $1, now(), now())
"""
_LEAVE = """
UPDATE render.nodes SET status = 'Offline', status_reason = 'stopped', status_since = now(),
    busy_slots = 0, deleted_at = now()
WHERE id = $1
"""
#: What lay on a node that went silent may be gone with it; one that comes back tells it again.
_SILENT = """
WITH silent AS (
    UPDATE render.nodes SET status = 'Offline', status_reason = 'silent', status_since = now(),
        busy_slots = 0
    WHERE status NOT IN ('Offline', 'Quarantined') AND deleted_at IS NULL
      AND last_heartbeat_at < now() - make_interval(secs => $1)
    RETURNING id)
DELETE FROM render.node_template_cache c USING silent s WHERE c.node_id = s.id
"""


#: Carries out an act of an administrator or of the farm; returns what is kept with it.
Act = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Node:
    """This process as a node of the farm."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._id: UUID | None = None
        self._lock = asyncio.Lock()
        self._beating: asyncio.Task[None] | None = None
        self.busy = 0
        self.acts: dict[str, Act] = {}
        self.cache: ContentCache | None = None  # the runner's, once there is one
        self._doing: set[asyncio.Task[None]] = set()

    @property
    def slots(self) -> int:
        """How many frame jobs run here at once."""
        return self._context.infra.settings.worker.render_slots or os.cpu_count() or 1

    @property
    def registered(self) -> bool:
        """Whether the farm knows this node."""
        return self._id is not None

    async def identity(self) -> UUID:
        """Return this node's id, registering it on first use."""
        async with self._lock:
            if self._id is None:
                node_id = uuid7()
                name = f"{socket.gethostname()}-{os.getpid()}-{node_id.hex[-6:]}"
                installed = available_engines()
                faces = await faces_here(installed)
                async with self._context.db.system("node registers") as work:
                    await work.execute(
                        _REGISTER,
                        node_id,
                        name,
                        socket.gethostname(),
                        platform.system(),
                        platform.machine(),
                        os.cpu_count() or 1,
                        list(installed),
                        {key: found.version for key, found in installed.items()},
                        __version__,
                        self.slots,
                        self._context.infra.settings.worker.cache_budget_bytes,
                    )
                    work.emit(NodeOnline(node_id=node_id, name=name), tenant_id=DEFAULT_TENANT_ID)
                    await fonts.note_faces(work, node_id, faces)
                self._id = node_id
                self._beating = asyncio.create_task(self._beat(node_id), name="node-heartbeat")
            return self._id

    async def leave(self) -> None:
        """Tell the farm that this node stops."""
        if self._beating is not None:
            self._beating.cancel()
        for doing in self._doing:
            doing.cancel()
        if self._id is not None:
            async with self._context.db.system("node leaves") as work:
                await work.execute(_LEAVE, self._id)
                await holdings.forget(work, self._id)
            self._id = None

    async def _beat(self, node_id: UUID) -> None:
        scale = self._context.infra.settings.core.time_scale
        folder = Path(self._context.infra.settings.core.data_dir)
        while True:
            cache = self.cache
            if cache is None:
                await asyncio.sleep(HEARTBEAT_SECONDS * scale)
            else:
                await cache.until_changed(HEARTBEAT_SECONDS * scale)
            packages = None
            try:
                packages = await cache.news() if cache else None
                vitals = await asyncio.to_thread(health.vitals_here, folder)
                async with self._context.db.system("node heartbeat") as work:
                    await presence.beat(
                        work, node_id, vitals, busy_slots=self.busy, packages=packages
                    )
                    commands = await presence.commands(work, node_id, again=False)
                for row in commands:  # beside the heartbeat: an act may take its time
                    act = self._carry_out(node_id, row)
                    doing = asyncio.create_task(act, name=f"act-{row['act']}")
                    self._doing.add(doing)
                    doing.add_done_callback(self._doing.discard)
            except Exception as error:  # noqa: BLE001 - the database may be away; leases decide
                log.warning("heartbeat_failed", error=repr(error))
                if cache is not None and packages is not None:
                    cache.unheard()

    async def _carry_out(self, node_id: UUID, command: Any) -> None:
        act = self.acts.get(command["act"])
        try:
            if act is None:
                raise LookupError(f"this node knows no act {command['act']!r}")
            done, result = True, await act(command["arguments"])
        except Exception as error:  # noqa: BLE001 - the operator reads what went wrong
            done, result = False, {"error": str(error) or repr(error)}
        log.info("act", act=command["act"], done=done)
        async with self._context.db.system("node command") as work:
            await presence.settle(work, node_id, command["id"], done=done, result=result)


async def mark_silent(context: PluginContext) -> None:
    """Set nodes offline that have not been heard for 30 s."""
    scale = context.infra.settings.core.time_scale
    async with context.db.system("silent nodes") as work:
        await work.execute(_SILENT, OFFLINE_SECONDS * max(scale, 0.2))
