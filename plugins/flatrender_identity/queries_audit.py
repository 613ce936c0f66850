"""Reads of the audit log: SQL to Struct."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.db import ReadPool
from flatrender.http.sorting import KeysetQuery, SortColumn, SortMenu

ORDER = SortMenu(
    {"created_at": SortColumn("a.created_at", datetime, "timestamptz")},
    default="-created_at",
    tie=SortColumn("a.id", UUID, "uuid"),
)
#: Lines that have the words: so many are looked up by the index of words. Of more, a page is soon
#: found by walking through the log in its order.
MATCHES = 1_000
_MATCHING = "SELECT array_agg(id) FROM identity.search_audit($1, $2) AS id"
_ANY = "$12::text IS NULL"
_AMONG = "a.id = ANY ($12::uuid[])"
_HAVING = "a.search @@ public.search_query($12)"
#: How many parameters stand before those of a page's position.
FIRST = 13


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which lines are wanted; None is any. ``action`` is a whole one or the word before its dot,
    ``address`` an IP address or a network, ``since`` and ``until`` the ends of a half-open time."""

    actor: UUID | None = None
    actor_kind: str | None = None
    action: str | None = None
    target_type: str | None = None
    target_id: str | None = None
    request_id: str | None = None
    session: UUID | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None

    def parameters(self) -> list[object]:
        """Return the values in the order of the SQL."""
        return [getattr(self, name) for name in self.__struct_fields__]


class AuditLine(Struct, frozen=True, kw_only=True):
    """One act. ``actor_name`` and ``actor_email`` are as they are today, null where the account is
    gone; ``impersonator_id`` is who of support acted in the actor's account."""

    id: UUID
    created_at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_name: str | None
    actor_email: str | None
    impersonator_id: UUID | None
    action: str
    target_type: str
    target_id: str
    reason: str | None
    ip: str | None
    user_agent: str
    request_id: str | None
    session_id: UUID | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


_COLUMNS = """
SELECT a.id, a.created_at, a.actor_kind, a.actor_id, u.display_name, u.email, a.impersonator_id,
       a.action, a.target_type, a.target_id, a.reason, host(a.ip), a.user_agent, a.request_id,
       a.session_id, a.before, a.after
FROM identity.audit_log a
LEFT JOIN identity.users u ON u.tenant_id = a.tenant_id AND u.id = a.actor_id
WHERE a.tenant_id = $1
"""
_ONE = f"{_COLUMNS} AND a.id = $2"
_LIST = (
    _COLUMNS
    + """
  AND ($2::uuid IS NULL OR a.actor_id = $2 OR a.impersonator_id = $2)
  AND ($3::text IS NULL OR a.actor_kind = $3)
  AND ($4::text IS NULL OR a.action = $4 OR starts_with(a.action, $4 || '.'))
  AND ($5::text IS NULL OR a.target_type = $5)
  AND ($6::text IS NULL OR a.target_id = $6)
  AND ($7::text IS NULL OR a.request_id = $7)
  AND ($8::uuid IS NULL OR a.session_id = $8)
  AND ($9::text IS NULL OR a.ip <<= $9::text::inet)
  AND ($10::timestamptz IS NULL OR a.created_at >= $10)
  AND ($11::timestamptz IS NULL OR a.created_at < $11)
  AND {words}
  AND {after}
ORDER BY {order} LIMIT {limit}
"""
)


async def audit_lines(
    reads: ReadPool, tenant_id: UUID, wanted: AuditFilter, keys: KeysetQuery[Any]
) -> list[AuditLine]:
    """Return a page of a tenant's audit log (a position's parameters from ``$13`` on)."""
    words, value = await _words(reads, tenant_id, wanted.q)
    sql = _LIST.format(
        words=words, after=keys.condition, order=keys.order.order_by(), limit=int(keys.limit)
    )
    values = [*wanted.parameters()[:-1], value, *keys.values]
    return await reads.all(AuditLine, tenant_id, sql, tenant_id, *values)


async def _words(reads: ReadPool, tenant_id: UUID, q: str | None) -> tuple[str, object]:
    """Return the condition on words and its value."""
    if q is None:
        return _ANY, None
    found = await reads.value(tenant_id, _MATCHING, q, MATCHES + 1) or []
    return (_AMONG, found) if len(found) <= MATCHES else (_HAVING, q)


async def audit_line(reads: ReadPool, tenant_id: UUID, line_id: UUID) -> AuditLine | None:
    """Return one line, or None."""
    return await reads.one(AuditLine, tenant_id, _ONE, tenant_id, line_id)
