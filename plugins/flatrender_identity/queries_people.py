"""The list of a tenant's people: what it can be narrowed by, ordered by, and its SQL."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from flatrender.db import ReadPool
from flatrender.http.sorting import KeysetQuery, Order, SortColumn, SortMenu

Verified = Literal["email", "mobile", "none"]
Status = Literal["Active", "Banned", "Deactivated"]
PipelineStatus = Literal[
    "New", "Contacted", "Qualified", "Negotiating", "Customer", "Churned", "Lost"
]
#: Where who never signed in stands in an order: its columns are never NULL.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_LOGIN = "coalesce(u.last_login_at, TIMESTAMPTZ '1970-01-01 00:00:00+00')"
ORDER = SortMenu(
    {
        "created_at": SortColumn("u.created_at", datetime, "timestamptz"),
        "last_login_at": SortColumn(_LOGIN, datetime, "timestamptz"),
        "display_name": SortColumn("u.display_name", str, "text"),
    },
    default="-created_at",
    tie=SortColumn("u.id", UUID, "uuid"),
    max_keys=1,
)
_ACTIVE_PLAN = """
SELECT FROM identity.user_plans up {join}WHERE up.tenant_id = u.tenant_id AND up.user_id = u.id
AND up.status = 'Active' AND (up.expires_at IS NULL OR up.expires_at > now()){code}
"""
_PAGE = """
WITH hits AS MATERIALIZED (
  SELECT u.* FROM identity.users u
  WHERE u.tenant_id = $1 AND u.deleted_at IS NULL{wanted} AND {after}
  ORDER BY {order} LIMIT $2
)
SELECT u.id, u.email, u.email_verified_at IS NOT NULL, u.mobile, u.mobile_verified_at IS NOT NULL,
       u.display_name, u.company, u.role, u.status, u.banned_until, u.mfa_enabled,
       coalesce(p.code, 'free'), up.expires_at, coalesce(c.pipeline_status, 'New'),
       coalesce(c.tags, '{{}}'), u.created_at, u.last_login_at, u.login_count
FROM hits u
LEFT JOIN identity.user_plans up ON up.tenant_id = u.tenant_id AND up.user_id = u.id
     AND up.status = 'Active' AND (up.expires_at IS NULL OR up.expires_at > now())
LEFT JOIN identity.plans p ON p.id = up.plan_id
LEFT JOIN identity.user_crm c ON c.tenant_id = u.tenant_id AND c.user_id = u.id
ORDER BY {order}
"""


class PeopleFilter(Struct, frozen=True, kw_only=True):
    """Which people are wanted; None: any. ``created_to`` is the first moment that is too late.
    ``customers_and``: customers only, and this one."""

    q: str | None = None
    role: str | None = None
    status: Status | None = None
    verified: Verified | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    plan: str | None = None
    tag: str | None = None
    pipeline_status: PipelineStatus | None = None
    customers_and: UUID | None = None


class PersonLine(Struct, frozen=True, kw_only=True):
    """Somebody in the list. ``plan_code`` is the plan in force; times are UTC."""

    id: UUID
    email: str | None
    email_verified: bool
    mobile: str | None
    mobile_verified: bool
    display_name: str
    company: str | None
    role: str
    status: str
    banned_until: datetime | None
    mfa_enabled: bool
    plan_code: str
    plan_expires_at: datetime | None
    pipeline_status: str
    tags: list[str]
    created_at: datetime
    last_login_at: datetime | None
    login_count: int


_VALUES: dict[str, Callable[[PersonLine], Any]] = {
    "u.created_at": lambda line: line.created_at,
    "u.display_name": lambda line: line.display_name,
    "u.id": lambda line: line.id,
    _LOGIN: lambda line: line.last_login_at or _NEVER,
}
_VERIFIED: dict[str, str] = {
    "email": "u.email_verified_at IS NOT NULL",
    "mobile": "u.mobile_verified_at IS NOT NULL",
    "none": "u.email_verified_at IS NULL AND u.mobile_verified_at IS NULL",
}


def conditions(wanted: PeopleFilter, *, first: int) -> tuple[str, list[Any]]:
    """Return the SQL of a filter, each condition with AND before it, and its parameters from
    ``$first`` on."""
    told: list[str] = []
    values: list[Any] = []

    def add(sql: str, value: Any) -> None:
        values.append(value)
        told.append(sql.format(n=f"${first + len(values) - 1}"))

    if wanted.q is not None:
        add("u.id IN (SELECT identity.search_users({n}))", wanted.q)
    if wanted.tag is not None:
        add("u.id IN (SELECT identity.users_tagged({n}))", wanted.tag)
    if wanted.role is not None:
        add("u.role = {n}", wanted.role)
    if wanted.customers_and is not None:
        add("(u.role = 'user' OR u.id = {n})", wanted.customers_and)
    if wanted.status is not None:
        add("u.status = {n}", wanted.status)
        if wanted.status != "Active":
            told.append("u.status <> 'Active'")  # what the partial index is for
    if wanted.verified is not None:
        told.append(_VERIFIED[wanted.verified])
    if wanted.created_from is not None:
        add("u.created_at >= {n}", wanted.created_from)
    if wanted.created_to is not None:
        add("u.created_at < {n}", wanted.created_to)
    if wanted.plan is not None:
        join = "JOIN identity.plans p ON p.id = up.plan_id "
        on_it = _ACTIVE_PLAN.format(join=join, code=" AND p.code = {n}")
        none = _ACTIVE_PLAN.format(join="", code="")
        free = f" OR NOT EXISTS ({none})" if wanted.plan == "free" else ""
        add(f"(EXISTS ({on_it}){free})", wanted.plan)
    if wanted.pipeline_status is not None:
        entry = "SELECT FROM identity.user_crm c WHERE c.tenant_id = u.tenant_id AND "
        same = "c.user_id = u.id"
        if wanted.pipeline_status == "New":  # of whom nobody wrote anything, too
            told.append(f"NOT EXISTS ({entry}{same} AND c.pipeline_status <> 'New')")
        else:
            add(f"EXISTS ({entry}{same} AND c.pipeline_status = {{n}})", wanted.pipeline_status)
    return "".join(f" AND {sql}" for sql in told), values


def page_sql(wanted: str, order: Order, after: str) -> str:
    """Return the statement of one page: ``$1`` tenant, ``$2`` limit."""
    return _PAGE.format(wanted=wanted, order=order.order_by(), after=after)


def place_of(order: Order) -> Callable[[PersonLine], list[Any]]:
    """Return what gives a line's place in an order."""
    return lambda line: [_VALUES[term.column.sql](line) for term in order.terms]


async def people_of(
    reads: ReadPool,
    tenant_id: UUID,
    wanted: tuple[str, list[Any]],
    keys: KeysetQuery[PersonLine],
) -> list[PersonLine]:
    """Return people behind a keyset position, whose parameters follow those of ``wanted``."""
    sql, values = wanted
    return await reads.all(
        PersonLine,
        tenant_id,
        page_sql(sql, keys.order, keys.condition),
        tenant_id,
        keys.limit,
        *values,
        *keys.values,
    )
