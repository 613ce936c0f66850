"""The doctor: looks at a deployment from where it runs and says what is wrong and what to do.

Owns questions and verdicts; changes nothing but one object of its own in the store, which it
removes. Every server is asked at the same time and with a time limit, so that one that hangs
costs seconds and hides nothing else. Verdicts are pure functions of what was found.
"""

import asyncio

from flatrender.doctor.database import examine_database
from flatrender.doctor.finding import Finding, Level, error, ok, warning
from flatrender.doctor.local import examine_local
from flatrender.doctor.machine import examine_machine, examine_settings
from flatrender.doctor.stores import examine_store, examine_valkey
from flatrender.settings import Settings

__all__ = ["Finding", "Level", "error", "examine", "ok", "warning"]


async def examine(settings: Settings) -> list[Finding]:
    """Return every finding, in the order a person should read them; never raises for a fault."""
    servers = await asyncio.gather(
        examine_database(settings), examine_valkey(settings), examine_store(settings)
    )
    machine = await asyncio.to_thread(examine_machine, settings)
    own = [*machine, *examine_settings(settings), *examine_local(settings)]
    return [*own, *(f for group in servers for f in group)]
