"""What a machine outside uploaded, put where none of its links leads.

A presigned link is good for its whole life, also after the attempt that it was given for: whoever
holds it could write over a finished video. So what a finished job keeps are copies under keys that
no link was ever made for, of the very objects that were looked at (by ETag); what lies under the
attempt's own keys is removed once its last link is dead. Pieces need no copies: an assembly joins
only what has the SHA-256 of the proof, anything else is made again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from flatrender.clock import random_token
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectInfo, ObjectMissing, ObjectStore, StoreError
from flatrender_render.errors import ObjectNotThere
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.reports import FinishedExport

_LEAVE = """
INSERT INTO render.object_removals (tenant_id, object_key, not_before)
SELECT $1, key, now() + $3 FROM unnest($2::text[]) key ON CONFLICT (object_key) DO NOTHING
"""


_NAMES = ("video.mp4", "poster.jpg", "thumbnail.jpg", "sheet.png")


def keys_of(export: FinishedExport) -> list[str]:
    """Return the keys of a finished export's objects: the video, then its pictures."""
    return [
        export.piece.object_key, export.poster_key, export.thumbnail_key, export.sheet_key
    ]  # fmt: skip


async def seal(
    storage: ObjectStore, claim: Claim, export: FinishedExport, seen: Mapping[str, ObjectInfo]
) -> FinishedExport:
    """Copy an export's objects as they were ``seen``; return it with its lasting keys.

    Raises as :func:`copies`.
    """
    job = claim.job
    names = dict(zip(keys_of(export), _NAMES, strict=True))
    lasting = await copies(storage, f"exports/{job.tenant_id}/{job.id}/{claim.epoch}", names, seen)
    return replace(
        export,
        piece=replace(export.piece, object_key=lasting[export.piece.object_key]),
        poster_key=lasting[export.poster_key],
        thumbnail_key=lasting[export.thumbnail_key],
        sheet_key=lasting[export.sheet_key],
    )


async def copies(
    storage: ObjectStore, place: str, names: Mapping[str, str], seen: Mapping[str, ObjectInfo]
) -> dict[str, str]:
    """Copy objects as they were ``seen`` beside ``place``, under ``names``; return where each is.

    Raises ``ObjectNotThere`` when one is another by now, and ``StoreError``. Every call makes
    copies of its own: a second report changes nothing of the first.
    """
    beside = f"{place}-{random_token(8)}"
    lasting = {key: f"{beside}/{name}" for key, name in names.items()}

    async def copy(key: str) -> None:
        try:
            await storage.copy(key, lasting[key], etag=seen[key].etag)
        except ObjectMissing:
            raise ObjectNotThere(key=key) from None
        except StoreError as error:
            if error.retryable:
                raise
            raise ObjectNotThere(key=key) from None

    await asyncio.gather(*map(copy, lasting))
    return lasting


async def leave(
    context: PluginContext, tenant_id: UUID, keys: Sequence[str], after: timedelta
) -> None:
    """Have objects removed that nothing needs any more, ``after`` the last link to them is dead."""
    args: list[Any] = [tenant_id, list(keys), after]
    await context.db.system_fetch("uploads of a finished attempt", _LEAVE, *args)
