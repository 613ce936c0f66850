"""What every claimed piece of work does about its fence, whatever the work and the kind of node.

A heartbeat prolongs the lease while the work goes on; a report behind the fence is noted and
thrown away; what cannot be given back is left to its lease.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from flatrender_render.farm.claims import StaleEpoch

log = structlog.get_logger(__name__)

C_contra = TypeVar("C_contra", contravariant=True)
C = TypeVar("C")


class Returning(Protocol[C_contra]):
    """What links of every kind of claim have in common."""

    async def late(self, claim: C_contra) -> None:
        """Note that a result of a claim that is over was thrown away."""
        ...

    async def give_back(self, claim: C_contra) -> None:
        """Return a claim unharmed: this node stops."""
        ...


@contextlib.asynccontextmanager
async def lease_kept(
    beat: Callable[[], Awaitable[None]], *, every: float
) -> AsyncIterator[asyncio.Event]:
    """Prolong a lease every so many seconds; the event is set when the fence is gone."""
    stop = asyncio.Event()
    beating = asyncio.create_task(_beat(beat, every, stop))
    try:
        yield stop
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating


async def _beat(beat: Callable[[], Awaitable[None]], every: float, stop: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await beat()
        except StaleEpoch:
            stop.set()
            return
        except Exception as error:  # noqa: BLE001 - the farm may be away; the lease decides
            log.warning("heartbeat_failed", error=repr(error))


async def fenced(link: Returning[C], claim: C, report: Awaitable[None]) -> None:
    """Report; what comes behind the fence is noted."""
    try:
        await report
    except StaleEpoch:
        await link.late(claim)


async def give_back(link: Returning[C], claim: C) -> None:
    """Return a claim unharmed, if that can be told."""
    with contextlib.suppress(Exception):  # when this fails, the lease runs out
        await link.give_back(claim)
