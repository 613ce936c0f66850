"""The farm's side of full scans on nodes outside: what one may claim, read and report.

A scan is found by id, epoch and node together: one that a node never held does not exist for it.
Every report is fenced; one that comes late is refused and counted.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.template.after_effects import BUNDLE_NAMES
from flatrender.template.project_scan import ProjectScan
from flatrender_render.errors import ClaimOver, NotYourObject
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.long_poll import long_poll
from flatrender_render.farm.scan_local import LocalScanLink
from flatrender_render.farm.scan_wire import ScanFailed, ScanFound, ScanRefused
from flatrender_render.farm.wire import Ask, Links, PresignedLinks
from flatrender_render.services.scans import ScanService

_LINK_TIME = timedelta(minutes=15)


class ScanGateway:
    """What nodes outside ask and report of scans, checked and passed on to the local link."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._storage = context.infra.storage
        self._scans = context.get(ScanService)

    async def claim(self, node_id: UUID, ask: Ask, gone: asyncio.Event) -> ScanClaim | None:
        """Return a scan, waiting for one as long as the node asked; see ``long_poll``."""
        link = LocalScanLink(self._context, node_id)

        async def take() -> ScanClaim | None:
            for engine in ask.engines:
                if (found := await link.claim(engine)) is not None:
                    return found
            return None

        return await long_poll(self._context, take, wait=ask.wait, gone=gone)

    async def beat(self, node_id: UUID, scan_id: UUID, epoch: int) -> None:
        """Prolong a lease. Raises ``NotFound`` and ``ClaimOver``, as every report does."""
        claim, _ = await self._held(node_id, scan_id, epoch)
        link = LocalScanLink(self._context, node_id)
        await self._fenced(link, claim, link.beat(claim))

    async def finish(self, node_id: UUID, scan_id: UUID, epoch: int, report: ScanFound) -> None:
        """Take a result; the same report again is fine. Raises ``Invalid`` for one that names
        files as no bundle does."""
        claim, _ = await self._held(node_id, scan_id, epoch)
        result = checked(report.result)
        link = LocalScanLink(self._context, node_id)
        try:
            await link.finish(claim, result)
        except StaleEpoch:
            if not await self._scans.taken_before(claim, result):
                raise await self._over(link, claim) from None

    async def refuse(self, node_id: UUID, scan_id: UUID, epoch: int, report: ScanRefused) -> None:
        """Take the reasons why a file is no project."""
        claim, _ = await self._held(node_id, scan_id, epoch)
        link = LocalScanLink(self._context, node_id)
        if _has_nul(report):
            raise _invalid("/errors", "contains_nul")
        await self._fenced(link, claim, link.refuse(claim, report.errors))

    async def fail(self, node_id: UUID, scan_id: UUID, epoch: int, report: ScanFailed) -> None:
        """Take a failed attempt."""
        claim, _ = await self._held(node_id, scan_id, epoch)
        link = LocalScanLink(self._context, node_id)
        if _has_nul(report):
            raise _invalid("/failure", "contains_nul")
        await self._fenced(link, claim, link.fail(claim, report.failure))

    async def give_back(self, node_id: UUID, scan_id: UUID, epoch: int) -> None:
        """Take a claim back unharmed."""
        claim, _ = await self._held(node_id, scan_id, epoch)
        await self._scans.give_back(claim)

    async def links(
        self, node_id: UUID, scan_id: UUID, epoch: int, wanted: Links
    ) -> PresignedLinks:
        """Return a link to read the project while the claim lasts. Raises ``NotYourObject``."""
        claim, running = await self._held(node_id, scan_id, epoch)
        for key in [*wanted.put, *(k for k in wanted.get if k != claim.source_object_key)]:
            raise NotYourObject(key=key)
        if not running:
            raise await self._over(LocalScanLink(self._context, node_id), claim)
        storage = self._storage
        return PresignedLinks(
            get={key: storage.link(key, expires=_LINK_TIME) for key in wanted.get}, put={}
        )

    async def _held(self, node_id: UUID, scan_id: UUID, epoch: int) -> tuple[ScanClaim, bool]:
        # A number that no column holds is no epoch of ours.
        found = await self._scans.held(node_id, scan_id, epoch) if 0 <= epoch < 2**31 else None
        if found is None:
            raise NotFound()
        return found

    async def _fenced(self, link: LocalScanLink, claim: ScanClaim, report: Awaitable[None]) -> None:
        try:
            await report
        except StaleEpoch:
            raise await self._over(link, claim) from None

    async def _over(self, link: LocalScanLink, claim: ScanClaim) -> ClaimOver:
        await link.late(claim)
        return ClaimOver()


def checked(result: ProjectScan) -> ProjectScan:
    """Return a node's result as it may be stored. Raises ``Invalid``.

    Its names of files end in packages that other machines unpack: they keep a bundle's rules.
    """
    if _has_nul(result):
        raise _invalid("/result", "contains_nul")
    for place, name in _files(result):
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or BUNDLE_NAMES.problem(name) is not None:
            raise _invalid(place, "name_unsafe")
    return replace(result, kind="full")


def _files(result: ProjectScan) -> Iterator[tuple[str, str]]:
    yield "/result/project", result.project
    for number, item in enumerate(result.footage):
        if item.bundled is not None:
            yield f"/result/footage/{number}/bundled", item.bundled


def _has_nul(report: object) -> bool:
    """Return whether any text holds U+0000, which PostgreSQL's jsonb does not take."""
    waiting = [msgspec.to_builtins(report)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str) and "\0" in value:
            return True
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False


def _invalid(pointer: str, code: str) -> Invalid:
    refused = FieldError(
        pointer=pointer,
        code=code,
        message_fa="این گزارش نامی یا نویسه‌ای دارد که پذیرفته نمی‌شود",
        message_en="The report holds a name or a character that is not accepted",
    )
    return Invalid(errors=[refused])
