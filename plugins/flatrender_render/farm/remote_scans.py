"""Scans as a machine outside meets them: signed HTTP; see ``remote``."""

from collections.abc import Sequence

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError
from flatrender.template.project_scan import ProjectScan
from flatrender_render.farm import wire
from flatrender_render.farm.link import Failure, Files
from flatrender_render.farm.remote import ANSWER_SECONDS, FarmClient, HttpFiles
from flatrender_render.farm.scan_wire import SCANS, ScanFailed, ScanFound, ScanRefused

_RESULT_SECONDS = 120.0  # a large result over a slow line


class HttpScanLink:
    """A ``ScanLink`` over HTTP; ``wait`` is how long a claim is waited for, in seconds."""

    def __init__(self, client: FarmClient, *, wait: float = wire.MAX_WAIT) -> None:
        self._client = client
        self._wait = wait

    async def claim(self, engine: str) -> ScanClaim | None:
        """See ``ScanLink``. Raises ``FarmAway`` and ``FarmRefused``."""
        ask = wire.Ask(engines=[engine], wait=self._wait)
        return await self._client.call(SCANS, ask, ScanClaim, within=self._wait + ANSWER_SECONDS)

    def files(self, claim: ScanClaim) -> Files:
        """See ``ScanLink``."""
        return HttpFiles(self._client, _path(claim, ""))

    async def beat(self, claim: ScanClaim) -> None:
        """See ``ScanLink``."""
        await self._client.call(_path(claim, "beat"), None, dict)

    async def finish(self, claim: ScanClaim, result: ProjectScan) -> None:
        """See ``ScanLink``."""
        found = ScanFound(result=result)
        await self._client.insist(_path(claim, "finish"), found, dict, within=_RESULT_SECONDS)

    async def refuse(self, claim: ScanClaim, errors: Sequence[FieldError]) -> None:
        """See ``ScanLink``."""
        await self._client.insist(_path(claim, "refuse"), ScanRefused(errors=list(errors)), dict)

    async def fail(self, claim: ScanClaim, failure: Failure) -> None:
        """See ``ScanLink``."""
        await self._client.insist(_path(claim, "fail"), ScanFailed(failure=failure), dict)

    async def late(self, claim: ScanClaim) -> None:
        """See ``ScanLink``: the server counted the report when it refused it."""

    async def give_back(self, claim: ScanClaim) -> None:
        """See ``ScanLink``."""
        await self._client.call(_path(claim, "release"), None, dict)


def _path(claim: ScanClaim, act: str) -> str:
    return f"{SCANS}/{claim.scan_id}/{claim.epoch}/{act}"
