"""Scans as a machine outside meets them: signed HTTP; see ``remote``."""

from collections.abc import Sequence

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError
from flatrender.template.project_scan import ProjectScan
from flatrender_render.farm import wire
from flatrender_render.farm.remote import ANSWER_SECONDS, FarmClient, HttpReports
from flatrender_render.farm.scan_wire import SCANS, ScanFound, ScanRefused

_RESULT_SECONDS = 120.0  # a large result over a slow line


class HttpScanLink(HttpReports[ScanClaim]):
    """A ``ScanLink`` over HTTP."""

    def __init__(self, client: FarmClient, *, wait: float = wire.MAX_WAIT) -> None:
        super().__init__(client, lambda c: f"{SCANS}/{c.scan_id}/{c.epoch}", wait=wait)

    async def claim(self, engine: str) -> ScanClaim | None:
        """See ``ScanLink``. Raises ``FarmAway`` and ``FarmRefused``."""
        ask = wire.Ask(engines=[engine], wait=self._wait)
        return await self._client.call(SCANS, ask, ScanClaim, within=self._wait + ANSWER_SECONDS)

    async def beat(self, claim: ScanClaim) -> None:
        """See ``ScanLink``."""
        await self._client.call(self._path(claim, "beat"), None, dict)

    async def finish(self, claim: ScanClaim, result: ProjectScan) -> None:
        """See ``ScanLink``."""
        found = ScanFound(result=result)
        await self._client.insist(self._path(claim, "finish"), found, dict, within=_RESULT_SECONDS)

    async def refuse(self, claim: ScanClaim, errors: Sequence[FieldError]) -> None:
        """See ``ScanLink``."""
        await self._client.insist(
            self._path(claim, "refuse"), ScanRefused(errors=list(errors)), dict
        )
