"""One rendition of a node outside: the video that it reads, the file that it writes and reports.

A rendition is found by id, epoch and node together: one that a node never held does not exist for
it. What its node has proven is held against the video before it counts: the file lies in the
store, begins as its format does, is as long, as large and as loud as the video makes it, and the
farm itself has decoded it and found the video in it; what is kept is a copy that no link leads to.
See ``held``, ``sealing`` and ``second_look``.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectInfo
from flatrender_render.errors import ClaimOver, NotProven
from flatrender_render.farm.long_poll import long_poll
from flatrender_render.farm.rendition_local import LocalRenditionLink
from flatrender_render.farm.rendition_wire import RenditionAsk, RenditionBeat, RenditionMade
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.media.errors import ProofFailed
from flatrender_render.media.transcode import Format, Transcoded
from flatrender_render.services import sealing
from flatrender_render.services.held import LINK_TIME, Held, epoch_of_ours, most_bytes
from flatrender_render.services.renditions import RenditionService, Source
from flatrender_render.services.second_look import SecondLook, failure_of

_GIF_FASTEST = 15.0  # pictures a second


class RenditionGateway:
    """Hands renditions to nodes outside."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._renditions = context.get(RenditionService)

    async def claim(
        self, node_id: UUID, ask: RenditionAsk, gone: asyncio.Event
    ) -> RenditionClaim | None:
        """Return a rendition, waiting for one as long as the node asked; see ``long_poll``."""

        async def take() -> RenditionClaim | None:
            return await self._renditions.claim(node_id, formats=ask.formats)

        return await long_poll(self._context, take, wait=ask.wait, gone=gone)

    async def held(self, node_id: UUID, rendition_id: UUID, epoch: int) -> "HeldRendition":
        """Return a rendition that a node has or had. Raises ``NotFound``."""
        found = await self._renditions.held(node_id, rendition_id, epoch_of_ours(epoch))
        if found is None:
            raise NotFound()
        claim, source, _ = found
        return HeldRendition(self._context, node_id, claim, source)


class HeldRendition(Held[RenditionClaim]):
    """A node's rendition, over or not."""

    def __init__(
        self, context: PluginContext, node_id: UUID, claim: RenditionClaim, source: Source
    ) -> None:
        self._context = context
        self._link = LocalRenditionLink(context, node_id)
        self._renditions = context.get(RenditionService)
        self._node_id = node_id
        self._source = source
        super().__init__(context, self._link, claim)

    async def beat(self, beat: RenditionBeat) -> None:
        """Prolong a lease. Raises ``ClaimOver``, as every report does."""
        await self._fenced(self._link.beat(self._claim, beat.progress))

    async def finish(self, report: RenditionMade) -> None:
        """Take a result; the same report again is fine. Raises ``Invalid`` for one that is not
        what the video makes, ``ObjectNotThere`` for a file that is not there as told, and
        ``NotProven``."""
        differs = difference(self._claim.format, self._source, report)
        if differs:
            raise Invalid(
                errors=[
                    FieldError(
                        pointer=f"/{differs}",
                        code="not_of_the_video",
                        message_fa="این با ویدیوی اصلی نمی‌خواند",
                        message_en="This is not what the video makes",
                    )
                ]
            )
        if await self._taken(report):
            return
        await self._check_running()
        info = await self._check_written(self._claim.result_key, report.size, most=self._most)
        look = self._context.get(SecondLook)
        own = (self._claim.id, self._claim.epoch, report.sha256)
        await look.once(own, lambda: self._take(look, report, info))

    async def _take(self, look: SecondLook, report: RenditionMade, info: ObjectInfo) -> None:
        claim, key = self._claim, self._claim.result_key
        # What is kept is a copy out of the node's reach.
        names = {key: f"video.{claim.format}"}
        place = key.rpartition("/")[0]
        lasting = (await sealing.copies(self._storage, place, names, {key: info}))[key]
        try:
            try:
                await look.rendition(claim, lasting, report)
            except ProofFailed as error:
                await self._fenced(self._link.fail(claim, failure_of(error)))
                raise NotProven(kind=error.kind) from error
            await self._fenced(self._link.finish(claim, report, report.seconds, key=lasting))
        except (ClaimOver, NotProven):
            await sealing.leave(self._context, claim.tenant_id, [lasting], timedelta())
            if not await self._taken(report):
                raise
        await sealing.leave(self._context, claim.tenant_id, [key], LINK_TIME * 2)

    async def _taken(self, report: RenditionMade) -> bool:
        return await self._renditions.taken_before(self._claim, report)

    async def _running(self) -> bool:
        claim = self._claim
        held = await self._renditions.held(self._node_id, claim.id, claim.epoch)
        return held is not None and held[2]

    async def _readable(self) -> set[str]:
        return {self._claim.source_object_key}

    @property
    def _most(self) -> int:
        return most_bytes(self._source.width, self._source.height, self._source.frames)

    def _writes(self, key: str) -> bool:
        return key == self._claim.result_key


def difference(form: Format, source: Source, made: Transcoded) -> str | None:
    """Return the name of what cannot come from the video in this format, or None.

    A WebM has every frame at the video's size and its sound; a GIF is silent, never larger and
    never faster. Both are as long as the video, to a frame of theirs.
    """
    if form == "webm":
        exact = {
            "width": source.width,
            "height": source.height,
            "frames": source.frames,
            "fps": source.fps,
            "audio_codec": "opus" if source.sound else "",
        }
        wrong = [name for name, value in exact.items() if getattr(made, name) != value]
    else:
        most = {"width": source.width, "height": source.height, "frames": source.frames + 1}
        wrong = [name for name, value in most.items() if not 1 <= getattr(made, name) <= value]
        if not 0 < made.fps <= min(_GIF_FASTEST, source.fps):
            wrong.append("fps")
        if made.audio_codec:
            wrong.append("audio_codec")
    if not wrong and abs(made.duration - source.frames / source.fps) > 1.5 / made.fps:
        wrong.append("duration")
    return wrong[0] if wrong else None
