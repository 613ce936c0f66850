"""One full scan of a node outside: the project that it reads, and what it reports of it.

A scan is found by id, epoch and node together: one that a node never held does not exist for it.
See ``held``.
"""

from collections.abc import Iterator
from uuid import UUID

from msgspec.structs import replace

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.template.after_effects import BUNDLE_NAMES
from flatrender.template.project_scan import ProjectScan
from flatrender_render.farm.scan_local import LocalScanLink
from flatrender_render.farm.scan_wire import ScanFound, ScanRefused
from flatrender_render.services.held import Held, epoch_of_ours
from flatrender_render.services.scans import ScanService


class HeldScan(Held[ScanClaim]):
    """A node's scan, over or not. :meth:`of` finds it; it writes no objects."""

    def __init__(self, context: PluginContext, node_id: UUID, claim: ScanClaim) -> None:
        self._link = LocalScanLink(context, node_id)
        self._scans = context.get(ScanService)
        self._node_id = node_id
        super().__init__(context, self._link, claim)

    @classmethod
    async def of(
        cls, context: PluginContext, node_id: UUID, scan_id: UUID, epoch: int
    ) -> "HeldScan":
        """Return a node's scan. Raises ``NotFound``."""
        scans = context.get(ScanService)
        found = await scans.held(node_id, scan_id, epoch_of_ours(epoch))
        if found is None:
            raise NotFound()
        return cls(context, node_id, found[0])

    async def beat(self) -> None:
        """Prolong a lease. Raises ``ClaimOver``, as every report does."""
        await self._fenced(self._link.beat(self._claim))

    async def finish(self, report: ScanFound) -> None:
        """Take a result; the same report again is fine. Raises ``Invalid`` for one that names
        files as no bundle does."""
        result = checked(report.result)
        await self._once(
            self._link.finish(self._claim, result),
            lambda: self._scans.taken_before(self._claim, result),
        )

    async def refuse(self, report: ScanRefused) -> None:
        """Take the reasons why a file is no project."""
        await self._fenced(self._link.refuse(self._claim, report.errors))

    async def _running(self) -> bool:
        held = await self._scans.held(self._node_id, self._claim.scan_id, self._claim.epoch)
        return held is not None and held[1]

    async def _readable(self) -> set[str]:
        return {self._claim.source_object_key}


def checked(result: ProjectScan) -> ProjectScan:
    """Return a node's result as it may be stored. Raises ``Invalid``.

    Its names of files end in packages that other machines unpack: they keep a bundle's rules. (A
    body with U+0000, which jsonb does not take, was refused when it was read.)
    """
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


def _invalid(pointer: str, code: str) -> Invalid:
    refused = FieldError(
        pointer=pointer,
        code=code,
        message_fa="این گزارش نامی یا نویسه‌ای دارد که پذیرفته نمی‌شود",
        message_en="The report holds a name or a character that is not accepted",
    )
    return Invalid(errors=[refused])
