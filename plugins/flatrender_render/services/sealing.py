"""What a machine outside uploaded, put where none of its links leads.

A presigned link is good for its whole life, also after the attempt that it was given for: whoever
holds it could write over a finished video. So what a finished job keeps are copies under keys that
no link was ever made for, of the very objects that were looked at (by ETag); what lies under the
attempt's own keys is removed once its last link is dead. Pieces need no copies: an assembly joins
only what has the SHA-256 of the proof, anything else is made again.

Browsers are shown what is kept. A copy begins as its kind does and has its type; what the uploader
said of it stays behind.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from flatrender.clock import random_token
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectInfo, ObjectMissing, ObjectStore, StoreError
from flatrender_render.errors import ObjectNotThere
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.renditions import CONTENT_TYPES
from flatrender_render.farm.reports import FinishedExport

_LEAVE = """
INSERT INTO render.object_removals (tenant_id, object_key, not_before)
SELECT $1, key, now() + $3 FROM unnest($2::text[]) key ON CONFLICT (object_key) DO NOTHING
"""


class _Kind(Struct, frozen=True):
    """What a browser is told of a kind of file, and which bytes its beginning holds."""

    content_type: str
    begins: bytes
    at: int = 0
    holds: bytes = b""


#: ISO 14496-12 (4.3), RFC 8794 with WebM's DocType, GIF89a (17), JPEG (B.1), PNG (5.2); by suffix.
_KINDS = {
    "mp4": _Kind(CONTENT_TYPES["mp4"], b"ftyp", at=4),
    "webm": _Kind(CONTENT_TYPES["webm"], b"\x1a\x45\xdf\xa3", holds=b"webm"),
    "gif": _Kind(CONTENT_TYPES["gif"], b"GIF89a"),
    "jpg": _Kind("image/jpeg", b"\xff\xd8\xff"),
    "png": _Kind("image/png", b"\x89PNG\r\n\x1a\n"),
}
_HEAD = 64
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

    Raises ``ObjectNotThere`` when one is another by now or does not begin as its name says, and
    ``StoreError``; then no copy stays. Every call makes copies of its own: a second report changes
    nothing of the first.
    """
    beside = f"{place}-{random_token(8)}"
    lasting = {key: f"{beside}/{name}" for key, name in names.items()}

    async def copy(key: str) -> None:
        kind = _KINDS[names[key].rpartition(".")[2]]
        try:
            await storage.copy(
                key, lasting[key], etag=seen[key].etag, content_type=kind.content_type
            )
        except ObjectMissing:
            raise ObjectNotThere(key=key) from None
        except StoreError as error:
            if error.retryable:
                raise
            raise ObjectNotThere(key=key) from None
        head = await storage.get(lasting[key], length=min(_HEAD, seen[key].size))
        if not head.startswith(kind.begins, kind.at) or kind.holds not in head:
            raise ObjectNotThere(key=key)

    for outcome in await asyncio.gather(*map(copy, lasting), return_exceptions=True):
        if outcome is not None:
            await asyncio.gather(*map(storage.delete, lasting.values()), return_exceptions=True)
            raise outcome
    return lasting


async def leave(
    context: PluginContext, tenant_id: UUID, keys: Sequence[str], after: timedelta
) -> None:
    """Have objects removed that nothing needs any more, ``after`` the last link to them is dead."""
    args: list[Any] = [tenant_id, list(keys), after]
    await context.db.system_fetch("uploads of a finished attempt", _LEAVE, *args)
