"""The farm's side of the node API, but for claims: a node starts, lives, asks for work, stops.

What a node may do with a claim that it holds is in ``held_claims``; who it is in
``node_signatures``.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

from flatrender.contracts.render import NodeOnline
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender_render.errors import NotYourObject
from flatrender_render.farm import claims, fonts, health, holdings, presence
from flatrender_render.farm.claims import LEASE_SECONDS, Claim
from flatrender_render.farm.local import LocalLink
from flatrender_render.farm.long_poll import long_poll
from flatrender_render.farm.presence import HEARTBEAT_SECONDS
from flatrender_render.farm.wire import (
    Ask,
    AskMany,
    Command,
    CommandResult,
    Hello,
    Links,
    PresignedLinks,
    Pulse,
    PulseAnswer,
    Welcome,
)
from flatrender_render.services.held_claims import HeldClaim
from flatrender_render.services.renditions import RenditionService
from flatrender_render.services.scans import ScanService

FONT_LINK_TIME = timedelta(minutes=15)

_HELLO = """
UPDATE render.nodes
SET boot_id = $2, agent_version = $3, hostname = $4, os = $5, arch = $6, cpu_cores = $7,
    memory_bytes = nullif($8::bigint, 0), disk_total_bytes = $9, disk_free_bytes = $10, slots = $11,
    engines = $12, engine_versions = $13, region = coalesce(nullif($14, ''), region),
    busy_slots = 0, started_at = now(), last_heartbeat_at = now(), last_address = $15::inet,
    status = CASE WHEN status = 'Quarantined' THEN status
                  WHEN drain_requested_at IS NOT NULL THEN 'Draining' ELSE 'Idle' END,
    status_since = now(), status_reason = ''
WHERE id = $1
RETURNING name, cache_budget_bytes, bandwidth_limit_bps, boot_id
"""
#: What another run of the same machine had claimed is lost: nobody works on it any more.
_ORPHANS = """
UPDATE render.frame_jobs SET lease_until = now() - interval '1 second'
WHERE node_id = $1 AND state = 'Claimed'
"""
_BYE = """
UPDATE render.nodes SET status = CASE WHEN status = 'Quarantined' THEN status ELSE 'Offline' END,
       status_reason = 'stopped', status_since = now(), busy_slots = 0
WHERE id = $1
"""


class NodeGateway:
    """What a node outside says of itself and asks for."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._queues = (context.get(ScanService), context.get(RenditionService))

    async def hello(self, node_id: UUID, hello: Hello, address: str | None) -> Welcome:
        """Take what a starting node says of itself; what its last run held goes back at once."""
        await self._forget(node_id)
        async with self._db.system("node says hello") as work:
            # Frame jobs before their node, as reports do: the two orders must not meet.
            await work.execute(_ORPHANS, node_id)
            row = await work.fetchrow(
                _HELLO,
                node_id,
                hello.boot_id,
                hello.agent_version,
                hello.hostname,
                hello.os,
                hello.arch,
                hello.cpu_cores,
                hello.memory_bytes,
                hello.disk_total_bytes,
                hello.disk_free_bytes,
                hello.slots,
                list(hello.engines),
                hello.engines,
                hello.region,
                address,
            )
            await holdings.note(work, node_id, hello.packages)
            await fonts.note_faces(work, node_id, hello.faces)
            work.emit(NodeOnline(node_id=node_id, name=row["name"]), tenant_id=DEFAULT_TENANT_ID)
        scale = self._context.infra.settings.core.time_scale
        return Welcome(
            name=row["name"],
            heartbeat_seconds=HEARTBEAT_SECONDS * scale,
            lease_seconds=LEASE_SECONDS,
            cache_budget_bytes=row["cache_budget_bytes"],
            bandwidth_limit_bps=row["bandwidth_limit_bps"],
        )

    async def pulse(self, node_id: UUID, pulse: Pulse) -> PulseAnswer:
        """Note that a node lives; hand out what it should do."""
        vitals = health.Vitals(
            load_average=pulse.load_average,
            memory_used_bytes=pulse.memory_used_bytes or None,
            disk_free_bytes=pulse.disk_free_bytes,
            disk_total_bytes=pulse.disk_total_bytes or None,
        )
        async with self._db.system("node pulse") as work:
            status = await presence.beat(
                work,
                node_id,
                vitals,
                busy_slots=pulse.busy_slots,
                draining=pulse.draining,
                packages=pulse.packages,
            )
            rows = await presence.commands(work, node_id, again=True)
        commands = [Command(id=r["id"], act=r["act"], arguments=r["arguments"]) for r in rows]
        return PulseAnswer(status=status, commands=commands)

    async def command_done(self, node_id: UUID, command_id: UUID, result: CommandResult) -> None:
        """Note how an act went. Raises ``NotFound``."""
        async with self._db.system("node command") as work:
            told = await presence.settle(
                work, node_id, command_id, done=result.done, result=result.result
            )
        if not told:
            raise NotFound()

    async def bye(self, node_id: UUID) -> None:
        """Note that a node stops; what it still holds goes back at once."""
        async with self._db.system("node leaves") as work:
            await work.execute(_ORPHANS, node_id)
            await work.execute(_BYE, node_id)
            await holdings.forget(work, node_id)
            await claims.reap(work)
        await self._forget(node_id)

    async def _forget(self, node_id: UUID) -> None:
        """Let go of what else than frame jobs a node holds."""
        for queue in self._queues:
            await queue.forget(node_id)

    async def claim(self, node_id: UUID, ask: Ask, gone: asyncio.Event) -> Claim | None:
        """Return a frame job, waiting for one as long as the node asked; see ``long_poll``."""
        found = await self._claim(node_id, ask, 1, gone)
        return found[0] if found else None

    async def claim_many(self, node_id: UUID, ask: AskMany, gone: asyncio.Event) -> list[Claim]:
        """As :meth:`claim`, for several free slots: what there is when there is something."""
        return await self._claim(node_id, ask, ask.most, gone)

    async def _claim(self, node_id: UUID, ask: Ask, most: int, gone: asyncio.Event) -> list[Claim]:
        link = LocalLink(self._context, node_id)

        async def take() -> list[Claim] | None:
            found: list[Claim] = []
            for engine in ask.engines:
                if len(found) < most:
                    found += await link.claim_many(engine, most - len(found))
            return found or None

        return await long_poll(self._context, take, wait=ask.wait, gone=gone) or []

    async def held(self, node_id: UUID, frame_job_id: UUID, epoch: int) -> HeldClaim:
        """Return a claim that a node has or had. Raises ``NotFound``."""
        return await HeldClaim.of(self._context, node_id, frame_job_id, epoch)

    async def font_links(self, wanted: Links) -> PresignedLinks:
        """Return links to font files of the farm. Raises ``NotYourObject`` for anything else."""
        async with self._db.system("fonts for a node") as work:
            readable = await fonts.readable(work, wanted.get)
        for key in [*wanted.get, *wanted.put]:
            if key not in readable or key in wanted.put:
                raise NotYourObject(key=key)
        storage = self._context.infra.storage
        links = {key: storage.link(key, expires=FONT_LINK_TIME) for key in wanted.get}
        return PresignedLinks(get=links, put={})
