"""What staff note about customers: tags, a note, how far the conversation is.

The note is HTML of an editor, sanitised before it is written. What it said before lies in the
entry's own history, which ends with the account; the audit log, which does not, says only that it
changed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import nh3
from msgspec import Struct

from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.etag import require_match
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import OutOfReach
from flatrender_identity.permissions import reaches
from flatrender_identity.queries_people import PipelineStatus
from flatrender_identity.services.audit import audit
from flatrender_identity.services.sessions import role_named

MAX_NOTE = 20_000
_INLINE = {"a", "br", "code", "em", "i", "b", "s", "strong", "u"}
_BLOCKS = {"blockquote", "h3", "h4", "li", "ol", "p", "ul"}

_ENTRY = """
SELECT coalesce(c.tags, '{}'), coalesce(c.note, ''), coalesce(c.pipeline_status, 'New'),
       c.pipeline_changed_at, c.updated_by, c.updated_at, coalesce(c.version, 0)
FROM identity.users u
LEFT JOIN identity.user_crm c ON c.tenant_id = u.tenant_id AND c.user_id = u.id
WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL
"""
_ROLE = """
SELECT role FROM identity.users WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL
"""
#: Two who write at once take turns, on the person's row: the entry may not be there yet.
_LOCK = """
SELECT role FROM identity.users
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL FOR NO KEY UPDATE
"""
_BEFORE = """
SELECT tags, note, pipeline_status, version FROM identity.user_crm
WHERE tenant_id = :tenant AND user_id = :user
"""
_WRITE = """
INSERT INTO identity.user_crm (tenant_id, user_id, tags, note, pipeline_status,
    pipeline_changed_at, updated_by)
VALUES (:tenant, :user, CAST(:tags AS text[]), :note, :status,
    CASE WHEN :status <> 'New' THEN now() END, :by)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET tags = excluded.tags, note = excluded.note,
    pipeline_status = excluded.pipeline_status, updated_by = excluded.updated_by,
    pipeline_changed_at = CASE WHEN user_crm.pipeline_status <> excluded.pipeline_status
        THEN now() ELSE user_crm.pipeline_changed_at END,
    version = user_crm.version + 1, updated_at = now()
RETURNING version, pipeline_changed_at, updated_at
"""
_HISTORY = """
INSERT INTO identity.user_crm_activities (tenant_id, user_id, kind, before, after, actor_id)
VALUES (:tenant, :user, :kind, CAST(:before AS jsonb), CAST(:after AS jsonb), :by)
"""
_FOLD = """
SELECT public.fold_text(tag) FROM unnest(CAST(:tags AS text[])) WITH ORDINALITY AS t(tag, n)
ORDER BY n
"""
_TAGS_OF = """
WITH tags AS (
  SELECT public.fold_text(tag) AS key, tag FROM identity.user_crm c, unnest(c.tags) AS tag
  WHERE c.tenant_id = $1)
SELECT min(tag), count(*), count(*) OVER () FROM tags
WHERE starts_with(key, public.fold_text($2)) GROUP BY key
ORDER BY count(*) DESC, key LIMIT $3 OFFSET $4
"""


class CrmEntry(Struct, frozen=True, kw_only=True):
    """What staff know of a customer. ``version`` 0: nobody wrote anything yet."""

    tags: list[str]
    note: str
    pipeline_status: PipelineStatus
    pipeline_changed_at: datetime | None
    updated_by: UUID | None
    updated_at: datetime | None
    version: int


class TagCount(Struct, frozen=True, kw_only=True):
    """A tag, in one of its spellings, and how many customers have it."""

    tag: str
    users: int


class _Counted(Struct, frozen=True):
    tag: str
    users: int
    total: int


class CrmService:
    """Use cases of a customer's entry."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def read(self, principal: Principal, user_id: UUID) -> CrmEntry:
        """Return the entry of somebody. Raises ``NotFound``, :class:`OutOfReach`: colleagues' are
        for administrators."""
        tenant_id = principal.tenant_id
        _check_reach(principal, await self._db.reads.value(tenant_id, _ROLE, tenant_id, user_id))
        found = await self._db.reads.one(CrmEntry, tenant_id, _ENTRY, tenant_id, user_id)
        if found is None:
            raise NotFound()
        return found

    async def write(
        self,
        principal: Principal,
        user_id: UUID,
        if_match: str | None,
        *,
        tags: Sequence[str],
        note: str,
        status: PipelineStatus,
    ) -> CrmEntry:
        """Replace the entry of the version that ``if_match`` names.

        Raises ``NotFound``, :class:`OutOfReach`, ``PreconditionRequired``,
        ``PreconditionFailed``, ``Invalid``.
        """
        clean = clean_note(note)
        scope: dict[str, Any] = {"tenant": principal.tenant_id, "user": user_id}
        async with self._db.unit_of_work(principal.tenant_id) as work:
            found = await work.execute(_LOCK, **scope)
            _check_reach(principal, found.scalar_one_or_none())
            row = (await work.execute(_BEFORE, **scope)).first()
            require_match(if_match, row.version if row else 0)
            before = _told(row.tags, row.note, row.pipeline_status) if row else _told([], "", "New")
            after = _told(await _distinct(work, tags), clean, status)
            written = await work.execute(
                _WRITE, **scope, tags=after["tags"], note=clean, status=status, by=principal.user_id
            )
            made = written.one()
            changed = [name for name in after if before[name] != after[name]]
            for name in changed:
                await work.execute(
                    _HISTORY,
                    **scope,
                    kind=_KINDS[name],
                    before=msgspec.json.encode({name: before[name]}).decode(),
                    after=msgspec.json.encode({name: after[name]}).decode(),
                    by=principal.user_id,
                )
            if changed:
                await audit(
                    work,
                    principal,
                    action="user.crm.change",
                    target_type="user",
                    target_id=user_id,
                    before=_shown(before, changed),
                    after=_shown(after, changed),
                )
        return CrmEntry(
            tags=after["tags"],
            note=clean,
            pipeline_status=status,
            pipeline_changed_at=made.pipeline_changed_at,
            updated_by=principal.user_id,
            updated_at=made.updated_at,
            version=made.version,
        )

    async def tags(self, tenant_id: UUID, q: str, page: PageParams) -> Page[TagCount]:
        """Return the tags in use that begin with ``q``, the most used first."""
        rows = await self._db.reads.all(
            _Counted, tenant_id, _TAGS_OF, tenant_id, q, page.limit, page.offset
        )
        total = rows[0].total if rows else 0
        return page.of([TagCount(tag=row.tag, users=row.users) for row in rows], total)


_KINDS = {"tags": "TagChange", "note": "Note", "pipeline_status": "StatusChange"}


def clean_note(note: str) -> str:
    """Return the HTML that may be shown to staff. Raises ``Invalid`` when it is too long."""
    clean = nh3.clean(
        note,
        tags=_INLINE | _BLOCKS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
    )
    if len(clean) > MAX_NOTE:  # what is escaped grows
        raise Invalid(
            errors=[
                FieldError(
                    pointer="/note",
                    code="too_long",
                    message_fa=f"حداکثر {MAX_NOTE} نویسه",
                    message_en=f"At most {MAX_NOTE} characters",
                )
            ]
        )
    return clean


async def _distinct(work: UnitOfWork, tags: Sequence[str]) -> list[str]:
    """Return the tags without those that say the same as an earlier one. Raises ``Invalid``."""
    named = [" ".join(tag.split()) for tag in tags]
    keys = (await work.execute(_FOLD, tags=named)).scalars().all()
    if "" in keys:
        raise Invalid(
            errors=[
                FieldError(
                    pointer=f"/tags/{keys.index('')}",
                    code="tag_empty",
                    message_fa="برچسب باید حرف یا رقم داشته باشد",
                    message_en="A tag needs letters or digits",
                )
            ]
        )
    first: dict[str, str] = {}
    for key, tag in zip(keys, named, strict=True):
        first.setdefault(key, tag)
    return list(first.values())


def _check_reach(principal: Principal, role: str | None) -> None:
    if role is None:
        raise NotFound()
    if not reaches(principal.role, role_named(role)):
        raise OutOfReach()


def _told(tags: Sequence[str], note: str, status: str) -> dict[str, Any]:
    return {"tags": list(tags), "note": note, "pipeline_status": status}


def _shown(entry: dict[str, Any], changed: Sequence[str]) -> dict[str, Any]:
    """Return what the audit log may keep for good."""
    return {name: "changed" if name == "note" else entry[name] for name in changed}
