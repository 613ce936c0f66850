"""The record of who did what to the farm: one row for an act, in the transaction of the act.

Rows are only ever added; the database refuses anything else, whoever asks. Never holds a secret.
A change of a share and a version of a rule are recorded in their own tables; ``services.farm_acts``
reads all of it as one list.
"""

import ipaddress
from typing import Any, Literal
from uuid import UUID

from flatrender.clock import uuid7
from flatrender.db import SystemTransaction
from flatrender.http.context import current_request

ActorKind = Literal["user", "cli", "farm"]
Target = Literal["node", "rule", "font"]

_RECORD = """
INSERT INTO render.farm_acts (id, actor_kind, actor_id, act, target_type, target_id, target_name,
                              before, after, reason, request_id, ip)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


def origin() -> tuple[str | None, str | None]:
    """Return the present request's id and its caller's address; None outside of any request."""
    request = current_request.get()
    if request is None:
        return None, None
    try:
        return request.request_id, str(ipaddress.ip_address(request.client))
    except ValueError:  # a socket without an address
        return request.request_id, None


async def record(
    work: SystemTransaction,
    act: str,
    target: Target,
    target_id: UUID | str,
    *,
    by: UUID | None,
    name: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Record an act of an administrator, or of the operator's command line (``by`` None)."""
    kind: ActorKind = "cli" if by is None else "user"
    await work.execute(
        _RECORD, uuid7(), kind, by, act, target, str(target_id), name, before, after, reason,
        *origin(),
    )  # fmt: skip


async def record_own(
    work: SystemTransaction, act: str, node_id: UUID, *, name: str, reason: str
) -> None:
    """Record what the farm itself did to a node."""
    await work.execute(
        _RECORD, uuid7(), "farm", None, act, "node", str(node_id), name, None, None, reason,
        None, None,
    )  # fmt: skip
