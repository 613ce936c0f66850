"""Fonts of the farm: which files its nodes should have, who is told, and what each one has.

After Effects takes fonts from the machine it runs on, so an administrator's upload is installed on
every node that has one. Engines that bring their fonts in the package need none of this. The rows
of ``node_fonts`` decide which node may claim a job; the files are identified by their SHA-256.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from flatrender.contracts.content import FontInstalled
from flatrender.db import SystemTransaction, UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender_render.farm.cache import Digest

ENGINE = "aerender"
MOST_FACES = 5000  # of one machine

Name = Annotated[str, Meta(max_length=200)]


class Face(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A face that a machine has, by the names in its file."""

    family: Name
    style: Name = "Regular"
    postscript: Name = ""


class FontOrder(Struct, frozen=True, kw_only=True):
    """The arguments of ``install_font``. ``bytes`` is the size; ``format`` the file's suffix."""

    family: str
    style: str
    postscript_name: str
    sha256: Digest
    bytes: int
    format: Annotated[str, Meta(pattern="^(ttf|otf|ttc)$")]
    object_key: str


#: One file for a face: what was there under the same names is installed no more.
_WITHDRAW = """
UPDATE render.font_requests SET state = 'Withdrawn'
WHERE lower(family) = lower($2) AND lower(style) = lower($3) AND id <> $1 AND state <> 'Withdrawn'
"""
_TAKE = """
INSERT INTO render.font_requests
    (id, font_id, family, style, postscript_name, object_key, sha256, size_bytes, state)
VALUES ($1, $1, $2, $3, nullif($4, ''), $5, $6, $7, 'Installing')
ON CONFLICT (id) DO UPDATE
SET family = excluded.family, style = excluded.style, postscript_name = excluded.postscript_name,
    object_key = excluded.object_key, sha256 = excluded.sha256, size_bytes = excluded.size_bytes,
    state = 'Installing'
"""
#: A node that has the bytes, or was told of them and has not answered, is told nothing.
_ORDER = """
INSERT INTO render.node_commands (node_id, act, arguments, reason, expires_at)
SELECT n.id, 'install_font',
       jsonb_build_object('family', r.family, 'style', r.style,
           'postscript_name', coalesce(r.postscript_name, ''), 'sha256', r.sha256,
           'bytes', r.size_bytes, 'format', substring(r.object_key FROM '[^.]*$'),
           'object_key', r.object_key),
       'a font of the library', now() + interval '1 day'
FROM render.nodes n CROSS JOIN render.font_requests r
WHERE n.deleted_at IS NULL AND $1 = ANY (n.engines) AND ($2::uuid IS NULL OR n.id = $2)
  AND ($3::uuid IS NULL OR r.id = $3) AND r.state IN ('Installing', 'Done')
  AND NOT EXISTS (SELECT FROM render.node_fonts f
                  WHERE f.node_id = n.id AND f.sha256 = r.sha256 AND f.state = 'Installed')
  AND NOT EXISTS (SELECT FROM render.node_commands c
                  WHERE c.node_id = n.id AND c.act = 'install_font'
                    AND c.state IN ('Pending', 'Sent') AND c.expires_at > now()
                    AND c.arguments->>'sha256' = r.sha256)
ORDER BY n.id, r.id
"""
_PENDING = """
INSERT INTO render.node_fonts (node_id, family, style, postscript_name, sha256, state, request_id)
SELECT c.node_id, r.family, r.style, r.postscript_name, r.sha256, 'Pending', r.id
FROM render.node_commands c JOIN render.font_requests r ON r.sha256 = c.arguments->>'sha256'
WHERE c.act = 'install_font' AND c.state = 'Pending' AND ($1::uuid IS NULL OR c.node_id = $1)
  AND ($2::uuid IS NULL OR r.id = $2) AND r.state IN ('Installing', 'Done')
ORDER BY c.node_id, r.family, r.style
ON CONFLICT (node_id, family, style) DO UPDATE
SET request_id = excluded.request_id,
    state = CASE WHEN render.node_fonts.state = 'Installed' THEN 'Installed' ELSE 'Pending' END
"""
_ANSWERED = """
INSERT INTO render.node_fonts AS f (node_id, family, style, postscript_name, sha256, state, error,
    request_id, installed_at, reported_at)
SELECT $1, $2, $3, nullif($4, ''), $5, CASE WHEN $6 THEN 'Installed' ELSE 'Failed' END, $7,
       (SELECT r.id FROM render.font_requests r WHERE r.sha256 = $5 AND r.state <> 'Withdrawn'
        ORDER BY r.created_at DESC LIMIT 1),
       CASE WHEN $6 THEN now() END, now()
ON CONFLICT (node_id, family, style) DO UPDATE
SET postscript_name = excluded.postscript_name, error = excluded.error,
    request_id = excluded.request_id, reported_at = now(),
    -- What failed to come does not take away what was there before.
    sha256 = CASE WHEN $6 THEN excluded.sha256 ELSE f.sha256 END,
    state = CASE WHEN $6 OR f.state <> 'Installed' THEN excluded.state ELSE f.state END,
    installed_at = coalesce(excluded.installed_at, f.installed_at)
"""
_SETTLED = """
UPDATE render.font_requests r SET state = 'Done'
WHERE r.sha256 = $1 AND r.state = 'Installing' AND NOT EXISTS (
    SELECT FROM render.nodes n
    WHERE n.deleted_at IS NULL AND $2 = ANY (n.engines) AND n.status <> 'Offline'
      AND NOT EXISTS (SELECT FROM render.node_fonts f
                      WHERE f.node_id = n.id AND f.sha256 = r.sha256 AND f.state = 'Installed'))
"""
#: A font that the farm brought is told by its names like every other: its hash stays known.
_LOST = """
DELETE FROM render.node_fonts f
WHERE f.node_id = $1 AND f.state = 'Installed' AND NOT EXISTS (
    SELECT FROM jsonb_to_recordset($2::jsonb) AS t (family text, style text)
    WHERE t.family = f.family AND t.style = f.style)
"""
_THERE = """
INSERT INTO render.node_fonts AS f
    (node_id, family, style, postscript_name, state, installed_at, reported_at)
SELECT $1, t.family, t.style, nullif(t.postscript, ''), 'Installed', now(), now()
FROM jsonb_to_recordset($2::jsonb) AS t (family text, style text, postscript text)
ORDER BY t.family, t.style
ON CONFLICT (node_id, family, style) DO UPDATE
SET postscript_name = coalesce(excluded.postscript_name, f.postscript_name),
    reported_at = now(), state = 'Installed', error = NULL,
    installed_at = coalesce(f.installed_at, now())
"""
_KEYS = """
SELECT object_key FROM render.font_requests
WHERE object_key = ANY ($1::text[]) AND state IN ('Installing', 'Done')
"""


async def installed(context: PluginContext, _work: UnitOfWork, told: Delivered) -> None:
    """Have an administrator's font installed on every node that takes fonts.

    Only fonts of the farm's own tenant: a font of the same name changes what other people's
    videos look like.
    """
    event: FontInstalled = told.event
    if event.source != "Upload" or told.envelope.tenant_id != DEFAULT_TENANT_ID:
        return
    async with context.db.system("font of the farm") as work:
        await work.execute(_WITHDRAW, event.font_id, event.family, event.style)
        await work.execute(
            _TAKE,
            event.font_id,
            event.family,
            event.style,
            event.postscript_name,
            event.object_key,
            event.sha256,
            event.size_bytes,
        )
        await order(work, font_id=event.font_id)


async def order(
    work: SystemTransaction, *, node_id: UUID | None = None, font_id: UUID | None = None
) -> None:
    """Tell nodes (or one) to install what they lack of the farm's fonts (or of one)."""
    await work.execute(_ORDER, ENGINE, node_id, font_id)
    await work.execute(_PENDING, node_id, font_id)


async def note_faces(work: SystemTransaction, node_id: UUID, faces: Sequence[Face]) -> None:
    """Take which faces a starting node has, then tell it which it should install."""
    told = {(face.family, face.style): face for face in faces}
    rows = msgspec.to_builtins(list(told.values()))
    await work.execute(_LOST, node_id, rows)
    await work.execute(_THERE, node_id, rows)
    await order(work, node_id=node_id)


async def note_answer(
    work: SystemTransaction, node_id: UUID, arguments: Any, *, done: bool, result: dict[str, Any]
) -> None:
    """Take how installing a font went on a node. The names are the farm's, not the node's."""
    font = msgspec.convert(arguments, FontOrder)
    error = None if done else str(result.get("error", ""))[:500]
    await work.execute(
        _ANSWERED, node_id, font.family, font.style, font.postscript_name, font.sha256, done, error
    )
    if done:
        await work.execute(_SETTLED, font.sha256, ENGINE)


async def readable(work: SystemTransaction, keys: Sequence[str]) -> set[str]:
    """Return which of these objects are fonts of the farm, that every node may read."""
    return {row["object_key"] for row in await work.fetch(_KEYS, list(keys))}


SUBSCRIPTIONS = (Subscription(event=FontInstalled, handler=installed),)
