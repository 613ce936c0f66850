"""One claim of a node outside: what the node reads, writes and reports of it.

A claim is found by frame job, epoch and node together: another node's does not exist. Its node
reads the files of that claim only and writes below that attempt's keys only; every report is
fenced by the epoch, and links are given only while the attempt lasts: what was proven stays as it
was proven. What a node does is what its kind of work does; an assembly's acts are not a piece's.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectMissing, StoreError
from flatrender_render.domain import Step
from flatrender_render.errors import ActNotOfClaim, ClaimOver, NotYourObject, ObjectNotThere
from flatrender_render.farm import claims, report_sql
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.local import LocalLink, parts_of
from flatrender_render.farm.pieces import needed_files
from flatrender_render.farm.wire import (
    PART_BYTES,
    Beat,
    Completed,
    DamageFound,
    Enter,
    Failed,
    Finished,
    Links,
    Parts,
    PresignedLinks,
    Stored,
    UploadEnd,
    UploadParts,
    UploadStart,
)

_LINK_TIME = timedelta(minutes=15)
_LARGEST_EPOCH = 2**31 - 1
#: Where an assembly moves its job by itself; all other moves follow from reports.
_ASSEMBLY_STEPS = frozenset({Step.UPLOADING, Step.VALIDATING})

_SAME = """
SELECT true FROM render.frame_jobs
WHERE id = $1 AND epoch = $2 AND state = 'Done' AND sha256 = $3
"""


class HeldClaim:
    """An attempt of a node, over or not. :meth:`of` finds it; reports go to the local link."""

    def __init__(self, context: PluginContext, node_id: UUID, claim: Claim) -> None:
        self._db = context.db
        self._storage = context.infra.storage
        self._link = LocalLink(context, node_id)
        self._claim = claim

    @classmethod
    async def of(
        cls, context: PluginContext, node_id: UUID, frame_job_id: UUID, epoch: int
    ) -> "HeldClaim":
        """Return a node's attempt. Raises ``NotFound``."""
        if not 0 <= epoch <= _LARGEST_EPOCH:  # no number of ours, and none that a column holds
            raise NotFound()
        async with context.db.system("claim of a node") as work:
            claim = await claims.attempt_of(
                work, frame_job_id=frame_job_id, epoch=epoch, node_id=node_id
            )
        if claim is None:
            raise NotFound()
        return cls(context, node_id, claim)

    async def begin(self) -> None:
        """See ``FarmLink.begin``."""
        await self._link.begin(self._claim)

    async def beat(self, beat: Beat) -> None:
        """See ``FarmLink.beat``. Raises ``ClaimOver``."""
        await self._fenced(self._link.beat(self._claim, beat.frames, beat.preview))

    async def enter(self, enter: Enter) -> None:
        """See ``FarmLink.enter``. Raises ``ClaimOver`` and ``ActNotOfClaim``."""
        self._of_assembly(enter.step in _ASSEMBLY_STEPS)
        await self._fenced(self._link.enter(self._claim, enter.step))

    async def parts(self) -> Parts:
        """See ``FarmLink.parts``. Raises ``ClaimOver`` and ``ActNotOfClaim``."""
        self._of_assembly()
        try:
            return Parts(parts=await self._link.parts(self._claim))
        except StaleEpoch:
            raise await self._over() from None

    async def complete(self, report: Completed) -> None:
        """See ``FarmLink.complete``; the same report again is fine. Raises ``ClaimOver``,
        ``NotYourObject``, ``ObjectNotThere`` and ``ActNotOfClaim``."""
        piece = report.piece
        if self._claim.kind == "assemble" or piece.frames != self._claim.frames:
            raise ActNotOfClaim()
        await self._check_written(piece.object_key, piece.bytes)
        await self._once(
            piece.sha256, lambda: self._link.complete(self._claim, piece, report.preview)
        )

    async def finish(self, report: Finished) -> None:
        """See ``FarmLink.finish``; the same report again is fine. Raises as ``complete``."""
        export = report.export
        self._of_assembly()
        await self._check_written(export.piece.object_key, export.piece.bytes)
        for key in (export.poster_key, export.thumbnail_key, export.sheet_key):
            await self._check_written(key, None)
        await self._once(export.piece.sha256, lambda: self._link.finish(self._claim, export))

    async def fail(self, report: Failed) -> None:
        """See ``FarmLink.fail``. Raises ``ClaimOver``."""
        await self._fenced(self._link.fail(self._claim, report.failure))

    async def damaged(self, report: DamageFound) -> None:
        """See ``FarmLink.damaged``. Raises ``ClaimOver`` and ``ActNotOfClaim``."""
        self._of_assembly()
        await self._fenced(self._link.damaged(self._claim, report.damages, report.reason))

    async def give_back(self) -> None:
        """See ``FarmLink.give_back``."""
        await self._link.give_back(self._claim)

    async def links(self, wanted: Links) -> PresignedLinks:
        """Return presigned links for objects of this claim. Raises ``NotYourObject`` and
        ``ClaimOver``."""
        readable = await self._readable() if wanted.get else set[str]()
        for key in wanted.get:
            if key not in readable:
                raise NotYourObject(key=key)
        for key in wanted.put:
            _check_place(self._claim, key)
        await self._check_running()
        storage = self._storage
        return PresignedLinks(
            get={key: storage.link(key, expires=_LINK_TIME) for key in wanted.get},
            put={key: storage.upload_link(key, expires=_LINK_TIME) for key in wanted.put},
        )

    async def start_upload(self, start: UploadStart) -> UploadParts:
        """Begin an upload in parts. Raises ``NotYourObject`` and ``ClaimOver``."""
        _check_place(self._claim, start.key)
        await self._check_running()
        upload_id = await self._storage.start_parts(start.key, content_type=start.content_type)
        count = -(-start.size // PART_BYTES)
        urls = [
            self._storage.part_link(start.key, upload_id, number, expires=timedelta(hours=12))
            for number in range(1, count + 1)
        ]
        return UploadParts(upload_id=upload_id, part_bytes=PART_BYTES, urls=urls)

    async def end_upload(self, end: UploadEnd) -> Stored:
        """Put an upload's parts together. Raises ``NotYourObject``, ``ClaimOver`` and, when the
        store knows no such upload or parts, ``ObjectNotThere``."""
        _check_place(self._claim, end.key)
        await self._check_running()
        try:
            etag = await self._storage.join_parts(end.key, end.upload_id, end.etags)
        except StoreError as error:
            if error.retryable:
                raise
            raise ObjectNotThere(key=end.key) from None
        return Stored(etag=etag)

    def _of_assembly(self, allowed: bool = True) -> None:
        """Refuse an act of an assembly for any other claim, and one that it never does."""
        if self._claim.kind != "assemble" or not allowed:
            raise ActNotOfClaim()

    async def _check_running(self) -> None:
        """Raise ``ClaimOver`` unless the attempt is the frame job's present one."""
        own = (self._claim.id, self._claim.epoch)
        if not await self._db.system_fetch("attempt of a node", report_sql.OWN, *own):
            raise await self._over()

    async def _readable(self) -> set[str]:
        """Return every object that the work of a claim reads."""
        keys = set(needed_files(self._claim).values())
        keys |= {
            clip.source.removeprefix("object:")
            for clip in self._claim.job.composition.audio
            if clip.source.startswith("object:")
        }
        if self._claim.kind == "assemble":
            async with self._db.system("segments of a job") as work:
                keys |= {part.object_key for part in await parts_of(work, self._claim.job.id)}
        return keys

    async def _check_written(self, key: str, size: int | None) -> None:
        """Refuse an object that the attempt may not write, or that is not there as told."""
        _check_place(self._claim, key)
        try:
            info = await self._storage.stat(key)
        except ObjectMissing:
            raise ObjectNotThere(key=key) from None
        if size is not None and info.size != size:
            raise ObjectNotThere(key=key)

    async def _fenced(self, report: Awaitable[None]) -> None:
        try:
            await report
        except StaleEpoch:
            raise await self._over() from None

    async def _once(self, sha256: str, report: Callable[[], Awaitable[None]]) -> None:
        """Take a report; one that was taken before, and whose answer got lost, is fine."""
        try:
            await report()
        except StaleEpoch:
            args = (self._claim.id, self._claim.epoch, sha256)
            if not await self._db.system_fetch("report again", _SAME, *args):
                raise await self._over() from None

    async def _over(self) -> ClaimOver:
        async with self._db.system("farm stale report") as work:
            await claims.count_stale(work, self._claim.id, self._claim.epoch)
        return ClaimOver()


def _check_place(claim: Claim, key: str) -> None:
    """Raise ``NotYourObject`` unless the key is one of this very attempt."""
    job = claim.job
    own = f"renders/{job.tenant_id}/{job.id}/{claim.kind}-{claim.index:05d}.{claim.epoch}."
    export = f"exports/{job.tenant_id}/{job.id}/{claim.epoch}/"
    plain = key.isascii() and all(c.isalnum() or c in "-_./" for c in key) and ".." not in key
    allowed = key.startswith(own) or (claim.kind == "assemble" and key.startswith(export))
    if not (plain and allowed):
        raise NotYourObject(key=key)
