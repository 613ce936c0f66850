"""Renditions as a machine outside meets them: signed HTTP; see ``remote``."""

from msgspec.structs import asdict

from flatrender_render.farm import wire
from flatrender_render.farm.remote import ANSWER_SECONDS, LOOK_SECONDS, FarmClient, HttpReports
from flatrender_render.farm.rendition_wire import (
    RENDITIONS,
    RenditionAsk,
    RenditionBeat,
    RenditionMade,
)
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.media.transcode import FORMATS, Transcoded


class HttpRenditionLink(HttpReports[RenditionClaim]):
    """A ``RenditionLink`` over HTTP."""

    def __init__(self, client: FarmClient, *, wait: float = wire.MAX_WAIT) -> None:
        super().__init__(client, lambda c: f"{RENDITIONS}/{c.id}/{c.epoch}", wait=wait)

    async def claim(self) -> RenditionClaim | None:
        """Take the next rendition, or ``None``. Raises ``FarmAway`` and ``FarmRefused``."""
        ask = RenditionAsk(formats=list(FORMATS), wait=self._wait)
        within = self._wait + ANSWER_SECONDS
        return await self._client.call(RENDITIONS, ask, RenditionClaim, within=within)

    async def beat(self, claim: RenditionClaim, fraction: float) -> None:
        """See ``RenditionLink``."""
        await self._client.call(self._path(claim, "beat"), RenditionBeat(progress=fraction), dict)

    async def finish(self, claim: RenditionClaim, made: Transcoded, seconds: float) -> None:
        """See ``RenditionLink``."""
        report = RenditionMade(**asdict(made), seconds=seconds)
        await self._client.insist(self._path(claim, "finish"), report, dict, within=LOOK_SECONDS)
