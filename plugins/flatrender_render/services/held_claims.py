"""One frame job of a node outside: what the node reads, writes and reports of it.

A claim is found by frame job, epoch and node together: another node's does not exist. What a node
does is what its kind of work does; an assembly's acts are not a piece's. See ``held``.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectInfo
from flatrender_render.domain import Step
from flatrender_render.errors import ActNotOfClaim, ClaimOver, NotProven, ObjectNotThere
from flatrender_render.farm import claims, report_sql
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.local import LocalLink, parts_of
from flatrender_render.farm.pieces import needed_files
from flatrender_render.farm.reports import FinishedExport
from flatrender_render.farm.wire import Beat, Completed, DamageFound, Enter, Finished, Parts
from flatrender_render.media.errors import ProofFailed
from flatrender_render.services import sealing
from flatrender_render.services.held import (
    LINK_TIME,
    PICTURE_BYTES,
    Held,
    epoch_of_ours,
    most_bytes,
)
from flatrender_render.services.second_look import SecondLook, failure_of

#: Where an assembly moves its job by itself; all other moves follow from reports.
_ASSEMBLY_STEPS = frozenset({Step.UPLOADING, Step.VALIDATING})

_SAME = """
SELECT true FROM render.frame_jobs
WHERE id = $1 AND epoch = $2 AND state = 'Done' AND sha256 = $3
"""


class HeldClaim(Held[Claim]):
    """An attempt of a node, over or not. :meth:`of` finds it; reports go to the local link."""

    def __init__(self, context: PluginContext, node_id: UUID, claim: Claim) -> None:
        self._context = context
        self._link = LocalLink(context, node_id)
        super().__init__(context, self._link, claim)

    @classmethod
    async def of(
        cls, context: PluginContext, node_id: UUID, frame_job_id: UUID, epoch: int
    ) -> "HeldClaim":
        """Return a node's attempt. Raises ``NotFound``."""
        async with context.db.system("claim of a node") as work:
            claim = await claims.attempt_of(
                work, frame_job_id=frame_job_id, epoch=epoch_of_ours(epoch), node_id=node_id
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
            parts = await self._link.parts(self._claim)
        except StaleEpoch:
            raise await self._over() from None
        # The farm looks at the whole film of a machine outside: one of them need not at others.
        return Parts(parts=[replace(part, outside=False) for part in parts])

    async def complete(self, report: Completed) -> None:
        """See ``FarmLink.complete``; the same report again is fine. Raises ``ClaimOver``,
        ``NotYourObject``, ``ObjectNotThere`` and ``ActNotOfClaim``."""
        piece = report.piece
        if self._claim.kind == "assemble" or piece.frames != self._claim.frames:
            raise ActNotOfClaim()
        await self._check_written(piece.object_key, piece.bytes, most=self._most)
        await self._once(
            self._link.complete(self._claim, piece, report.preview),
            lambda: self._taken(piece.sha256),
        )

    async def finish(self, report: Finished) -> None:
        """See ``FarmLink.finish``; the same report again is fine. Raises as ``complete``, and
        ``NotProven``.

        What the job keeps are copies out of the node's reach (see ``sealing``), which the farm
        has looked at itself (see ``second_look``).
        """
        export, look = report.export, self._context.get(SecondLook)
        self._of_assembly()
        if await self._taken(export.piece.sha256):
            return
        keys = sealing.keys_of(export)
        most = dict.fromkeys(keys, PICTURE_BYTES) | {export.piece.object_key: self._most}
        seen = {key: await self._check_written(key, most=most[key]) for key in keys}
        if len(seen) < len(keys):
            raise ObjectNotThere(key=export.piece.object_key)  # one file is not two things
        if seen[export.piece.object_key].size != export.piece.bytes:
            raise ObjectNotThere(key=export.piece.object_key)
        await self._check_running()
        own = (self._claim.id, self._claim.epoch, export.piece.sha256)
        await look.once(own, lambda: self._take(look, export, seen))

    async def _take(
        self, look: SecondLook, export: FinishedExport, seen: Mapping[str, ObjectInfo]
    ) -> None:
        sealed = await sealing.seal(self._storage, self._claim, export, seen)
        try:
            try:
                await look.film(self._claim, sealed)
            except ProofFailed as error:
                await self._fenced(self._refuse(look, error))
                raise NotProven(kind=error.kind) from error
            await self._fenced(self._link.finish(self._claim, sealed))
        except (ClaimOver, NotProven):
            await self._leave(sealing.keys_of(sealed), timedelta())
            if not await self._taken(export.piece.sha256):
                raise
        await self._leave(sealing.keys_of(export), LINK_TIME * 2)

    async def _refuse(self, look: SecondLook, error: ProofFailed) -> None:
        """A film that did not pass: its pieces are made again that do not pass either, or else
        another node assembles it."""
        damages = await look.damages(self._claim, await self._link.parts(self._claim))
        if damages:
            await self._link.damaged(self._claim, damages, str(error))
        else:
            await self._link.fail(self._claim, failure_of(error))

    async def damaged(self, report: DamageFound) -> None:
        """See ``FarmLink.damaged``. Raises ``ClaimOver`` and ``ActNotOfClaim``."""
        self._of_assembly()
        told = (report.damages, report.reason)
        await self._fenced(self._link.damaged(self._claim, *told, seen=False))

    def _of_assembly(self, allowed: bool = True) -> None:
        """Refuse an act of an assembly for any other claim, and one that it never does."""
        if self._claim.kind != "assemble" or not allowed:
            raise ActNotOfClaim()

    async def _running(self) -> bool:
        own = (self._claim.id, self._claim.epoch)
        return bool(await self._db.system_fetch("attempt of a node", report_sql.OWN, *own))

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

    @property
    def _most(self) -> int:
        job = self._claim.job
        return most_bytes(job.width, job.height, self._claim.frames)

    def _writes(self, key: str) -> bool:
        claim, job = self._claim, self._claim.job
        own = f"renders/{job.tenant_id}/{job.id}/{claim.kind}-{claim.index:05d}.{claim.epoch}."
        export = f"exports/{job.tenant_id}/{job.id}/{claim.epoch}/"
        return key.startswith(own) or (claim.kind == "assemble" and key.startswith(export))

    async def _leave(self, keys: list[str], after: timedelta) -> None:
        await sealing.leave(self._context, self._claim.job.tenant_id, keys, after)

    async def _taken(self, sha256: str) -> bool:
        args = (self._claim.id, self._claim.epoch, sha256)
        return bool(await self._db.system_fetch("report again", _SAME, *args))
