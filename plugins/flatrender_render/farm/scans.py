"""Full scans of designers' projects on a node of either kind: claimed, read, reported.

The seam (:class:`ScanLink`) is to scans what ``link.FarmLink`` is to frame jobs: a worker of the
pool answers it by SQL, a machine outside over HTTP. While a scan runs its lease is prolonged; when
the fence is gone (cancelled, or the lease ran out) the work stops and its result goes nowhere.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError
from flatrender.template.project_scan import ProjectScan
from flatrender_render.engines.scan_work import ScanProject
from flatrender_render.farm.link import Failure, Files
from flatrender_render.farm.performer import Performer

LEASE_SECONDS = 60.0
BEAT_SECONDS = 1.0  # bounds how late a cancel is heard


class ScanLink(Protocol):
    """What a node says of scans. Every report is fenced: ``StaleEpoch`` means stop."""

    async def claim(self, engine: str) -> ScanClaim | None:
        """Take the oldest scan for ``engine``, or ``None``."""
        ...

    def files(self, claim: ScanClaim) -> Files:
        """Return the way to the project's file."""
        ...

    async def beat(self, claim: ScanClaim) -> None:
        """Prolong the lease. Raises ``StaleEpoch``."""
        ...

    async def finish(self, claim: ScanClaim, result: ProjectScan) -> None:
        """Report what was found. Raises ``StaleEpoch``."""
        ...

    async def refuse(self, claim: ScanClaim, errors: Sequence[FieldError]) -> None:
        """Report that the file is no project, with every reason. Raises ``StaleEpoch``."""
        ...

    async def fail(self, claim: ScanClaim, failure: Failure) -> None:
        """Report a failed attempt; the farm's rules decide what follows. Raises ``StaleEpoch``."""
        ...

    async def late(self, claim: ScanClaim) -> None:
        """Note that a result of a claim that is over was thrown away."""
        ...

    async def give_back(self, claim: ScanClaim) -> None:
        """Return a claim unharmed: this node stops."""
        ...


async def do_scan(performer: Performer, link: ScanLink, claim: ScanClaim, engine: str) -> None:
    """Do one claimed scan to its end, whatever that is, among the performer's other work."""

    async def work(stop: asyncio.Event) -> None:
        wanted = {claim.source_sha256: claim.source_object_key}
        async with performer.cache.hold(wanted, link.files(claim)) as files:
            scan = ScanProject(
                engine=engine,
                package=str(files[claim.source_sha256]),
                package_sha256=claim.source_sha256,
                name=claim.source_name,
            )
            answer = await performer.pool.scan(scan, stop)
        if answer.scan is not None:
            await link.finish(claim, answer.scan)
        else:
            await link.refuse(claim, answer.errors)

    await performer.attempt(
        link,
        claim,
        work,
        beat=lambda: link.beat(claim),
        every=BEAT_SECONDS,
        package_sha256=claim.source_sha256,
        scan_id=str(claim.scan_id),
        epoch=claim.epoch,
    )
