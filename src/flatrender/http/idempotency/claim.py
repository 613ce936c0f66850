"""The claim that the present request holds, for the unit of work that must commit under it."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from msgspec import Struct

from flatrender.http.idempotency.errors import ClaimLost
from flatrender.http.idempotency.store import Entry


class Claim(Struct, frozen=True, kw_only=True):
    """A claimed key of one context."""

    context: str
    entry: Entry
    fence: datetime


current_claim: ContextVar[Claim | None] = ContextVar("current_claim", default=None)

#: Marks the act as done inside the transaction that does it. Named parameters, ``{schema}``.
SETTLE_SQL = """
UPDATE {schema}.idempotency_keys SET state = 'done'
WHERE tenant_id = :tenant_id AND subject = :subject AND key = :key AND locked_until = :fence
"""


async def settle(context: str, schema: str, execute: Callable[..., Awaitable[Any]]) -> None:
    """Tie a transaction of ``context`` to the request's key, just before its commit.

    ``execute(sql, **parameters)`` runs inside that transaction and returns an object with
    ``rowcount`` (``UnitOfWork.execute`` does). Without a claim, or one of another context,
    nothing happens. Raises :class:`ClaimLost` when another request has taken over: the
    transaction must roll back.
    """
    claim = current_claim.get()
    if claim is None or claim.context != context:
        return
    result = await execute(
        SETTLE_SQL.format(schema=schema),
        tenant_id=claim.entry.tenant_id,
        subject=claim.entry.subject,
        key=claim.entry.key,
        fence=claim.fence,
    )
    if result.rowcount != 1:
        raise ClaimLost
