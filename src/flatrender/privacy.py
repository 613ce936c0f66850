"""What becomes of a person's data in every context: a copy for its owner, and its end.

A context names its own rows about a person as SQL, with ``:tenant`` and ``:user``; no part of it
comes from outside. Each answers ``DataExportRequested`` by those rows as JSON in the object store,
and tells that it has; identity puts the parts together. Each forgets on ``UserDeleted``.
"""

from collections.abc import Mapping

import msgspec

from flatrender.contracts.identity import DataExportGiven, DataExportRequested, UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext


async def rows_of(
    work: UnitOfWork, sections: Mapping[str, str], user_id: object
) -> dict[str, object]:
    """Return the rows of each section, a SELECT."""
    told: dict[str, object] = {}
    for name, select in sections.items():
        found = await work.execute(
            f"SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM ({select}) t",  # noqa: S608 - constants
            tenant=work.tenant,
            user=user_id,
        )
        told[name] = found.scalar_one()
    return told


def gives_copy(sections: Mapping[str, str], *, strict: bool = True) -> Subscription:
    """Return the subscription that stores this context's rows and tells where, after commit."""

    async def give_copy(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
        asked: DataExportRequested = told.event
        key = f"data-exports/{asked.export_id}/{context.name}.json"
        body = msgspec.json.encode(await rows_of(work, sections, asked.user_id))
        await context.infra.storage.put(key, body, content_type="application/json")
        work.emit(
            DataExportGiven(
                export_id=asked.export_id,
                user_id=asked.user_id,
                context=context.name,
                object_key=key,
            )
        )

    return Subscription(event=DataExportRequested, handler=give_copy, strict=strict)


def forgets(*statements: str, strict: bool = True) -> Subscription:
    """Return the subscription that runs ``statements`` when a person's account has ended."""

    async def erase_person(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
        ended: UserDeleted = told.event
        for statement in statements:
            await work.execute(statement, tenant=work.tenant, user=ended.user_id)

    return Subscription(event=UserDeleted, handler=erase_person, strict=strict)
