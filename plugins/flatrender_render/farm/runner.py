"""A worker of the pool as a node: claims by SQL what the performer does."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from flatrender.plugin import PluginContext
from flatrender_render.engines import available_engines, available_scanners
from flatrender_render.farm import claims
from flatrender_render.farm.fence import give_back
from flatrender_render.farm.install import install_font
from flatrender_render.farm.local import LocalLink
from flatrender_render.farm.node import Node
from flatrender_render.farm.performer import Performer
from flatrender_render.farm.rendition_local import LocalRenditionLink
from flatrender_render.farm.renditions import BEAT_SECONDS, do_rendition
from flatrender_render.farm.scan_local import LocalScanLink
from flatrender_render.farm.scans import do_scan
from flatrender_render.farm.selftest import prove_machine
from flatrender_render.farm.together import Together
from flatrender_render.services.renditions import RenditionService


class Runner(Performer):
    """Does frame jobs in this process for the farm whose database it is connected to."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._node = context.get(Node)
        folder = Path(context.infra.settings.core.data_dir).resolve() / "node"
        budget = context.infra.settings.worker.cache_budget_bytes
        super().__init__(folder, self._node.slots, budget=budget)
        self._tests = folder / "tests"
        self._node.acts["test_render"] = self._test_render
        self._node.acts["close_ae"] = self._close_ae
        self._node.acts["install_font"] = self._install_font
        self._node.cache = self.cache
        self._slots: dict[str, Together] = {}

    async def _test_render(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return await prove_machine(self.pool, self._tests)

    async def _close_ae(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        return await self.close_after_effects()

    async def _install_font(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await install_font(arguments, self._context.infra.storage)

    async def work(self, engine: str) -> None:
        """Claim and do frame jobs of ``engine`` until none is left for this node.

        Does nothing where the engine cannot draw: the sweep wakes a worker that can.
        """
        if engine not in available_engines():
            return
        link = LocalLink(self._context, await self._node.identity())
        slots = self._slots.get(engine)
        if slots is None:
            slots = Together(partial(link.claim_many, engine), partial(give_back, link))
            self._slots[engine] = slots
        while not self.leaving:
            claim = await slots.ask()
            if claim is None:
                if await claims.kept(self._context.db, engine):
                    # For a node that has the template. The wake was ours, so look once more.
                    await asyncio.sleep(claims.KEPT_SECONDS)
                    claim = await slots.ask()
                if claim is None:
                    return
            self._node.busy += 1
            try:
                await self.do(link, claim)
            finally:
                self._node.busy -= 1

    async def scan(self, engine: str) -> None:
        """Claim and read designers' projects until none is left for this node."""
        if engine not in available_scanners():
            return
        link = LocalScanLink(self._context, await self._node.identity())
        while not self.leaving:
            claim = await link.claim(engine)
            if claim is None:
                return
            self._node.busy += 1
            try:
                await do_scan(self, link, claim, engine)
            finally:
                self._node.busy -= 1

    async def make(self, rendition_id: UUID) -> None:
        """Claim and make a rendition, if it waits and this node may."""
        node_id = await self._node.identity()
        claim = await self._context.get(RenditionService).claim(node_id, rendition_id=rendition_id)
        if claim is None:
            return
        every = BEAT_SECONDS * self._context.infra.settings.core.time_scale
        self._node.busy += 1
        try:
            link = LocalRenditionLink(self._context, node_id)
            await do_rendition(self, link, claim, every=every)
        finally:
            self._node.busy -= 1
