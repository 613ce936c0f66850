"""A person's copy of their own data: how a context adds its part.

Each context answers ``DataExportRequested`` by its own rows about the person, as JSON in the
object store, and tells that it has. Identity puts the parts together.
"""

from collections.abc import Mapping

import msgspec

from flatrender.contracts.identity import DataExportGiven, DataExportRequested
from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext


async def rows_of(
    work: UnitOfWork, sections: Mapping[str, str], user_id: object
) -> dict[str, object]:
    """Return the rows of each section. A section is a SELECT of the caller's own, with ``:tenant``
    and ``:user``; no part of it comes from outside."""
    told: dict[str, object] = {}
    for name, select in sections.items():
        found = await work.execute(
            f"SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM ({select}) t",  # noqa: S608 - constants
            tenant=work.tenant,
            user=user_id,
        )
        told[name] = found.scalar_one()
    return told


async def give_part(
    context: PluginContext,
    work: UnitOfWork,
    asked: DataExportRequested,
    sections: Mapping[str, str],
) -> None:
    """Store this context's rows about the person and tell where, after commit."""
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
