"""The audit log: who did what to what, before and after, from where and why. Rows are only added,
in the transaction of the act; no role can change or delete one.

What people do to their own account is in its security log, which ends with the account; here are
acts of staff, of the operator, of the platform itself, and of support in somebody's account.
"""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec

from flatrender.db import SystemTransaction, UnitOfWork
from flatrender.http.context import client_address, request_id, user_agent
from flatrender.observability.redaction import MASK, is_secret_name, redact_text
from flatrender.security.principal import Principal
from flatrender_identity.services.security_log import inet

#: Who acts where no credential does: the operator's command line, the platform itself.
Without = Literal["cli", "system"]
Values = Mapping[str, Any]

_NAMES = (
    *("tenant_id", "actor_kind", "actor_id", "impersonator_id", "action", "target_type"),
    *("target_id", "before", "after", "reason", "request_id", "session_id", "ip", "user_agent"),
)
_CASTS = {"before": "jsonb", "after": "jsonb", "ip": "inet"}
_COLUMNS = ", ".join(_NAMES)
_INSERT = (
    f"INSERT INTO identity.audit_log ({_COLUMNS}) VALUES ("  # noqa: S608 - constants
    + ", ".join(f"CAST(:{n} AS {_CASTS[n]})" if n in _CASTS else f":{n}" for n in _NAMES)
    + ")"
)
_INSERT_SYSTEM = (
    f"INSERT INTO identity.audit_log ({_COLUMNS}) VALUES ("  # noqa: S608 - constants
    + ", ".join(f"${i}::{_CASTS[n]}" if n in _CASTS else f"${i}" for i, n in enumerate(_NAMES, 1))
    + ")"
)
#: What may stand where a secret would: whether there is one, and whether it changed.
_STATES = frozenset({"", "changed", "kept", "set", "removed"})


async def audit(
    work: UnitOfWork,
    principal: Principal | Without,
    *,
    action: str,
    target_type: str,
    target_id: UUID | str,
    before: Values | None = None,
    after: Values | None = None,
    reason: str = "",
) -> None:
    """Write one line inside the act's transaction. ``action`` is ``object.verb``."""
    row = _row(principal, work.tenant, action, (target_type, target_id), before, after, reason)
    for name in ("before", "after"):
        row[name] = None if row[name] is None else msgspec.json.encode(row[name]).decode()
    await work.execute(_INSERT, **row)


async def audit_across(
    work: SystemTransaction,
    principal: Principal | Without,
    tenant_id: UUID,
    *,
    action: str,
    target_type: str,
    target_id: UUID | str,
    before: Values | None = None,
    after: Values | None = None,
    reason: str = "",
) -> None:
    """Write one line of a tenant's inside a transaction that crosses tenants."""
    row = _row(principal, tenant_id, action, (target_type, target_id), before, after, reason)
    await work.execute(_INSERT_SYSTEM, *(row[name] for name in _NAMES))


def _row(  # noqa: PLR0917 - what a line consists of
    principal: Principal | Without,
    tenant_id: UUID,
    action: str,
    target: tuple[str, UUID | str],
    before: Values | None,
    after: Values | None,
    reason: str,
) -> dict[str, Any]:
    who = principal if isinstance(principal, Principal) else None
    return {
        "tenant_id": tenant_id,
        "actor_kind": who.kind if who else principal,
        "actor_id": (who.user_id or who.key_id) if who else None,
        "impersonator_id": who.impersonator_id if who else None,
        "action": action,
        "target_type": target[0],
        "target_id": str(target[1]),
        "before": None if before is None else without_secrets(before),
        "after": None if after is None else without_secrets(after),
        "reason": redact_text(reason) or None,
        "request_id": request_id() if who else None,
        "session_id": who.session_id if who else None,
        "ip": inet(client_address()) if who else None,
        "user_agent": user_agent() if who else "",
    }


def without_secrets(value: Any, name: str = "") -> Any:
    """Return values of a line with everything masked that has a secret's name or shape: a net,
    below the rule that acts hand over none."""
    if isinstance(value, Mapping):
        return {str(key): without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [without_secrets(item, name) for item in value]
    if isinstance(value, str):
        if is_secret_name(name) and value not in _STATES and set(value) - set("•*"):
            return MASK
        return redact_text(value)
    return value
