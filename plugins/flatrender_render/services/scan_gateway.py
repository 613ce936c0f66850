"""The farm's side of full scans on nodes outside: what one may claim; see ``held_scans``."""

import asyncio
from uuid import UUID

from flatrender.contracts.render import ScanClaim
from flatrender.plugin import PluginContext
from flatrender_render.farm.long_poll import long_poll
from flatrender_render.farm.scan_local import LocalScanLink
from flatrender_render.farm.wire import Ask
from flatrender_render.services.held_scans import HeldScan


class ScanGateway:
    """Hands scans to nodes outside."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def claim(self, node_id: UUID, ask: Ask, gone: asyncio.Event) -> ScanClaim | None:
        """Return a scan, waiting for one as long as the node asked; see ``long_poll``."""
        link = LocalScanLink(self._context, node_id)

        async def take() -> ScanClaim | None:
            for engine in ask.engines:
                if (found := await link.claim(engine)) is not None:
                    return found
            return None

        return await long_poll(self._context, take, wait=ask.wait, gone=gone)

    async def held(self, node_id: UUID, scan_id: UUID, epoch: int) -> HeldScan:
        """Return a scan that a node has or had. Raises ``NotFound``."""
        return await HeldScan.of(self._context, node_id, scan_id, epoch)
