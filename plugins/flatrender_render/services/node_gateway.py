"""The farm's side of the node API: who a node is, what it may claim, read, write and report.

A node reaches nothing but its own claims: a report is looked up by frame job, epoch and node; it
reads the files of that claim only and writes below that attempt's keys only.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Request

from flatrender.contracts.render import NodeOnline
from flatrender.errors import NotFound, Unauthorized
from flatrender.plugin import PluginContext
from flatrender.security.errors import InvalidSignature
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal
from flatrender.security.secrets import DecryptionError, Place, Secret
from flatrender.security.signatures import request_target
from flatrender.storage import ObjectMissing
from flatrender_render.errors import ClaimOver, NotYourObject, ObjectNotThere
from flatrender_render.farm import claims, conduct, health
from flatrender_render.farm.claims import LEASE_SECONDS, Claim, StaleEpoch
from flatrender_render.farm.local import LocalLink, parts_of
from flatrender_render.farm.node import HEARTBEAT_SECONDS
from flatrender_render.farm.pieces import needed_files
from flatrender_render.farm.wake import WORK_CHANNEL
from flatrender_render.farm.wire import (
    MAX_WAIT,
    PART_BYTES,
    Ask,
    Beat,
    Command,
    CommandResult,
    Completed,
    DamageFound,
    Enter,
    Failed,
    Finished,
    Hello,
    Links,
    Parts,
    PresignedLinks,
    Pulse,
    PulseAnswer,
    Stored,
    UploadEnd,
    UploadParts,
    UploadStart,
    Welcome,
)

_LOOK_SECONDS = 2.0
_LINK_TIME = timedelta(minutes=15)

_NODE = """
SELECT id, secret_enc, previous_secret_enc,
       previous_secret_until IS NOT NULL AND previous_secret_until > now() AS previous_good
FROM render.nodes WHERE id = $1 AND kind = 'Remote' AND deleted_at IS NULL
"""
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
_PULSE = """
UPDATE render.nodes
SET last_heartbeat_at = now(), busy_slots = $2, disk_free_bytes = $3,
    disk_total_bytes = coalesce(nullif($4::bigint, 0), disk_total_bytes),
    status = CASE WHEN status = 'Quarantined' THEN status
                  WHEN $5 OR drain_requested_at IS NOT NULL THEN 'Draining'
                  WHEN $2 > 0 THEN 'Busy' ELSE 'Idle' END
WHERE id = $1 RETURNING status
"""
_COMMANDS = """
UPDATE render.node_commands SET state = 'Sent', sent_at = now()
WHERE id IN (SELECT id FROM render.node_commands
             WHERE node_id = $1 AND (expires_at IS NULL OR expires_at > now())
               AND (state = 'Pending'
                    OR (state = 'Sent' AND sent_at < now() - interval '1 minute'))
             ORDER BY created_at LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING id, act, arguments
"""
_RESULT = """
UPDATE render.node_commands SET state = $3, result = $4, finished_at = now()
WHERE id = $2 AND node_id = $1 AND state IN ('Pending', 'Sent') RETURNING act
"""
_OWN = """
SELECT f.id, f.kind, f.index, f.first_frame, f.last_frame, a.epoch, a.attempt, f.job_id
FROM render.frame_attempts a JOIN render.frame_jobs f ON f.id = a.frame_job_id
WHERE a.frame_job_id = $1 AND a.epoch = $2 AND a.node_id = $3
"""
_SAME = """
SELECT true FROM render.frame_jobs
WHERE id = $1 AND epoch = $2 AND state = 'Done' AND sha256 = $3
"""


def secret_place(node_id: UUID, column: str) -> Place:
    """Return where a node's signing secret lies, for the encryptor."""
    return Place(context="render", table="nodes", column=column, row=node_id)


class NodeSignatures:
    """Knows a node by its signature (the port behind ``X-Node-Signature``)."""

    header = "x-node-signature"

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._verifier = context.infra.security.signatures()

    async def authenticate(self, request: Request[Any, Any, Any]) -> Principal:
        """Return the node's principal. Raises ``Unauthorized`` and its kinds."""
        try:
            node_id = UUID(request.headers.get("x-node-id", ""))
        except ValueError:
            raise Unauthorized() from None
        rows = await self._context.db.system_fetch("node signature", _NODE, node_id)
        if not rows or rows[0]["secret_enc"] is None:
            raise InvalidSignature()
        row = rows[0]
        kept = [("secret_enc", row["secret_enc"])]
        if row["previous_good"] and row["previous_secret_enc"] is not None:
            kept.append(("secret_enc", row["previous_secret_enc"]))
        body = await request.body()
        for number, (column, sealed) in enumerate(kept, 1):
            try:
                await self._verifier.verify(
                    signer=f"node:{node_id}",
                    secret=self._open(sealed, node_id, column),
                    timestamp=request.headers.get("x-node-timestamp", ""),
                    signature=request.headers.get(self.header, ""),
                    method=request.method,
                    target=request_target(request.scope),
                    body=body,
                )
            except InvalidSignature:
                if number == len(kept):
                    raise
            else:
                break
        return Principal(kind="node", tenant_id=DEFAULT_TENANT_ID, key_id=node_id)

    def _open(self, sealed: bytes, node_id: UUID, column: str) -> Secret:
        try:
            place = secret_place(node_id, column)
            return self._context.infra.encryptor.decrypt(sealed.decode(), place)
        except DecryptionError as error:
            raise InvalidSignature() from error


class NodeGateway:
    """What a node outside asks and reports, checked and passed on to the local link."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._storage = context.infra.storage

    async def hello(self, node_id: UUID, hello: Hello, address: str | None) -> Welcome:
        """Take what a starting node says of itself; what its last run held goes back at once."""
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
        async with self._db.system("node pulse") as work:
            status = await work.fetchval(
                _PULSE,
                node_id,
                pulse.busy_slots,
                pulse.disk_free_bytes,
                pulse.disk_total_bytes,
                pulse.draining,
            )
            rows = await work.fetch(_COMMANDS, node_id)
            await health.sample(
                work,
                node_id,
                health.Vitals(
                    load_average=pulse.load_average,
                    memory_used_bytes=pulse.memory_used_bytes or None,
                    disk_free_bytes=pulse.disk_free_bytes,
                    disk_total_bytes=pulse.disk_total_bytes or None,
                ),
            )
        commands = [Command(id=r["id"], act=r["act"], arguments=r["arguments"]) for r in rows]
        return PulseAnswer(status=status, commands=commands)

    async def command_done(self, node_id: UUID, command_id: UUID, result: CommandResult) -> None:
        """Note how an act went. Raises ``NotFound``."""
        async with self._db.system("node command") as work:
            state = "Done" if result.done else "Failed"
            act = await work.fetchval(_RESULT, node_id, command_id, state, result.result)
            if act is None:
                raise NotFound()
            if act == "test_render" and result.done:
                await conduct.recover(work, node_id)

    async def bye(self, node_id: UUID) -> None:
        """Note that a node stops; what it still holds goes back at once."""
        async with self._db.system("node leaves") as work:
            await work.execute(_ORPHANS, node_id)
            await work.execute(_BYE, node_id)
            await claims.reap(work)

    async def claim(self, node_id: UUID, ask: Ask, gone: asyncio.Event) -> Claim | None:
        """Return a frame job, waiting for one as long as the node asked.

        ``gone`` is set when the caller has hung up: nobody would do what is claimed for it.
        """
        link = LocalLink(self._context, node_id)
        deadline = asyncio.get_running_loop().time() + min(ask.wait, MAX_WAIT)
        async with self._context.infra.hub.listen(WORK_CHANNEL) as work:
            while not gone.is_set():
                for engine in ask.engines:
                    found = await link.claim(engine)
                    if found is not None:
                        return found
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0 or self._context.infra.drain.begun:
                    return None
                await work.next_message(min(left, _LOOK_SECONDS))
        return None

    async def begin(self, node_id: UUID, frame_job_id: UUID, epoch: int) -> None:
        """See ``FarmLink.begin``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        await self._link(node_id).begin(claim)

    async def beat(self, node_id: UUID, frame_job_id: UUID, epoch: int, beat: Beat) -> None:
        """See ``FarmLink.beat``. Raises ``ClaimOver``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        link = self._link(node_id)
        await self._fenced(claim, link.beat(claim, beat.frames, beat.preview))

    async def enter(self, node_id: UUID, frame_job_id: UUID, epoch: int, enter: Enter) -> None:
        """See ``FarmLink.enter``. Raises ``ClaimOver``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        await self._fenced(claim, self._link(node_id).enter(claim, enter.step))

    async def parts(self, node_id: UUID, frame_job_id: UUID, epoch: int) -> Parts:
        """See ``FarmLink.parts``. Raises ``ClaimOver``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        try:
            return Parts(parts=await self._link(node_id).parts(claim))
        except StaleEpoch:
            raise await self._over(claim) from None

    async def complete(
        self, node_id: UUID, frame_job_id: UUID, epoch: int, report: Completed
    ) -> None:
        """See ``FarmLink.complete``; the same report again is fine. Raises ``ClaimOver``,
        ``NotYourObject`` and ``ObjectNotThere``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        piece = report.piece
        await self._check_written(claim, piece.object_key, piece.bytes)
        link = self._link(node_id)
        await self._once(claim, piece.sha256, lambda: link.complete(claim, piece, report.preview))

    async def finish(self, node_id: UUID, frame_job_id: UUID, epoch: int, report: Finished) -> None:
        """See ``FarmLink.finish``; the same report again is fine. Raises as ``complete``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        export = report.export
        await self._check_written(claim, export.piece.object_key, export.piece.bytes)
        for key in (export.poster_key, export.thumbnail_key, export.sheet_key):
            await self._check_written(claim, key, None)
        link = self._link(node_id)
        await self._once(claim, export.piece.sha256, lambda: link.finish(claim, export))

    async def fail(self, node_id: UUID, frame_job_id: UUID, epoch: int, report: Failed) -> None:
        """See ``FarmLink.fail``. Raises ``ClaimOver``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        await self._fenced(claim, self._link(node_id).fail(claim, report.failure))

    async def damaged(
        self, node_id: UUID, frame_job_id: UUID, epoch: int, report: DamageFound
    ) -> None:
        """See ``FarmLink.damaged``. Raises ``ClaimOver``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        link = self._link(node_id)
        await self._fenced(claim, link.damaged(claim, report.damages, report.reason))

    async def give_back(self, node_id: UUID, frame_job_id: UUID, epoch: int) -> None:
        """See ``FarmLink.give_back``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        await self._link(node_id).give_back(claim)

    async def links(
        self, node_id: UUID, frame_job_id: UUID, epoch: int, wanted: Links
    ) -> PresignedLinks:
        """Return presigned links for objects of this claim. Raises ``NotYourObject``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        readable = await self._readable(claim) if wanted.get else set[str]()
        for key in wanted.get:
            if key not in readable:
                raise NotYourObject(key=key)
        for key in wanted.put:
            _check_place(claim, key)
        storage = self._storage
        return PresignedLinks(
            get={key: storage.link(key, expires=_LINK_TIME) for key in wanted.get},
            put={key: storage.upload_link(key, expires=_LINK_TIME) for key in wanted.put},
        )

    async def start_upload(
        self, node_id: UUID, frame_job_id: UUID, epoch: int, start: UploadStart
    ) -> UploadParts:
        """Begin an upload in parts. Raises ``NotYourObject``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        _check_place(claim, start.key)
        upload_id = await self._storage.start_parts(start.key, content_type=start.content_type)
        count = -(-start.size // PART_BYTES)
        urls = [
            self._storage.part_link(start.key, upload_id, number, expires=timedelta(hours=12))
            for number in range(1, count + 1)
        ]
        return UploadParts(upload_id=upload_id, part_bytes=PART_BYTES, urls=urls)

    async def end_upload(
        self, node_id: UUID, frame_job_id: UUID, epoch: int, end: UploadEnd
    ) -> Stored:
        """Put an upload's parts together. Raises ``NotYourObject``."""
        claim = await self._own(node_id, frame_job_id, epoch)
        _check_place(claim, end.key)
        return Stored(etag=await self._storage.join_parts(end.key, end.upload_id, end.etags))

    def _link(self, node_id: UUID) -> LocalLink:
        return LocalLink(self._context, node_id)

    async def _own(self, node_id: UUID, frame_job_id: UUID, epoch: int) -> Claim:
        """Return an attempt of this node, over or not. Raises ``NotFound``."""
        async with self._db.system("claim of a node") as work:
            row = await work.fetchrow(_OWN, frame_job_id, epoch, node_id)
            if row is None:
                raise NotFound()
            job = await claims.job_of(work, row["job_id"])
        return Claim(
            id=row["id"],
            kind=row["kind"],
            index=row["index"],
            first_frame=row["first_frame"],
            last_frame=row["last_frame"],
            epoch=row["epoch"],
            attempt=row["attempt"],
            job=job,
        )

    async def _readable(self, claim: Claim) -> set[str]:
        """Return every object that the work of a claim reads."""
        keys = set(needed_files(claim).values())
        keys |= {
            clip.source.removeprefix("object:")
            for clip in claim.job.composition.audio
            if clip.source.startswith("object:")
        }
        if claim.kind == "assemble":
            async with self._db.system("segments of a job") as work:
                keys |= {part.object_key for part in await parts_of(work, claim.job.id)}
        return keys

    async def _check_written(self, claim: Claim, key: str, size: int | None) -> None:
        """Refuse an object that the attempt may not write, or that is not there as told."""
        _check_place(claim, key)
        try:
            info = await self._storage.stat(key)
        except ObjectMissing:
            raise ObjectNotThere(key=key) from None
        if size is not None and info.size != size:
            raise ObjectNotThere(key=key)

    async def _fenced(self, claim: Claim, report: Awaitable[None]) -> None:
        try:
            await report
        except StaleEpoch:
            raise await self._over(claim) from None

    async def _once(self, claim: Claim, sha256: str, report: Callable[[], Awaitable[None]]) -> None:
        """Take a report; one that was taken before, and whose answer got lost, is fine."""
        try:
            await report()
        except StaleEpoch:
            args = (claim.id, claim.epoch, sha256)
            if not await self._db.system_fetch("report again", _SAME, *args):
                raise await self._over(claim) from None

    async def _over(self, claim: Claim) -> ClaimOver:
        async with self._db.system("farm stale report") as work:
            await claims.count_stale(work, claim.id, claim.epoch)
        return ClaimOver()


def _check_place(claim: Claim, key: str) -> None:
    """Raise ``NotYourObject`` unless the key is one of this very attempt."""
    job = claim.job
    own = f"renders/{job.tenant_id}/{job.id}/{claim.kind}-{claim.index:05d}.{claim.epoch}."
    export = f"exports/{job.tenant_id}/{job.id}/{claim.epoch}/"
    plain = all(c.isalnum() or c in "-_./" for c in key) and ".." not in key
    allowed = key.startswith(own) or (claim.kind == "assemble" and key.startswith(export))
    if not (plain and allowed):
        raise NotYourObject(key=key)
