"""Renditions as a worker of the pool meets them, and the server for nodes outside: SQL here.

What a report changes is written here once, for both kinds of node.
"""

from uuid import UUID

from flatrender.plugin import PluginContext
from flatrender_render.domain import BLAMED, ErrorClass
from flatrender_render.farm import conduct, failures
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.link import Failure, Files
from flatrender_render.farm.renditions import RenditionClaim, VideoGone
from flatrender_render.media.transcode import Transcoded
from flatrender_render.services.renditions import RenditionService

MAX_BLAMED = 3
MAX_ATTEMPTS = 20  # with the longest waits between them: about a day
_SHORTEST_WAIT = 0.2


class LocalRenditionLink:
    """A ``RenditionLink`` for the node ``node_id`` beside the database's clients."""

    def __init__(self, context: PluginContext, node_id: UUID) -> None:
        self._context = context
        self._node_id = node_id
        self._renditions = context.get(RenditionService)

    def files(self, claim: RenditionClaim) -> Files:
        """See ``RenditionLink``: the store itself."""
        del claim
        return self._context.infra.storage

    async def beat(self, claim: RenditionClaim, fraction: float) -> None:
        """See ``RenditionLink``."""
        if not await self._renditions.heartbeat(claim, fraction):
            raise StaleEpoch

    async def finish(
        self, claim: RenditionClaim, made: Transcoded, seconds: float, *, key: str = ""
    ) -> None:
        """See ``RenditionLink``; ``key``: where the result lies if not where the attempt put it."""
        if not await self._renditions.finish(claim, made, seconds, key or claim.result_key):
            raise StaleEpoch
        async with self._context.db.system("rendition proven") as work:
            await conduct.note_proven(work, self._node_id, 0)

    async def fail(self, claim: RenditionClaim, failure: Failure) -> None:
        """See ``RenditionLink``: the rules of frame jobs decide here as well."""
        await failures.refresh(self._context.db)
        verdict = failures.classify(failure.code, failure.message, exit_code=failure.exit_code)
        scale = self._context.infra.settings.core.time_scale
        if verdict.fail_now or failure.code == VideoGone.code:
            most = 0
        else:
            most = MAX_BLAMED if ErrorClass(verdict.error_class) in BLAMED else MAX_ATTEMPTS
        ended = await self._renditions.fail(
            claim,
            failure.code,
            failure.message,
            most=most,
            wait=max(_SHORTEST_WAIT, verdict.back_off) * scale,
            elsewhere=verdict.action in failures.ELSEWHERE,
        )
        if not ended:
            raise StaleEpoch
        async with self._context.db.system("rendition failure") as work:
            await conduct.note_other_failure(
                work, self._node_id, verdict, epoch=claim.epoch, job_id=claim.job_id, scale=scale
            )

    async def late(self, claim: RenditionClaim) -> None:
        """See ``RenditionLink``."""
        await self._renditions.count_late(claim)

    async def give_back(self, claim: RenditionClaim) -> None:
        """See ``RenditionLink``."""
        await self._renditions.give_back(claim)
