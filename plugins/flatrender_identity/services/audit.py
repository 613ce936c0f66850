"""The audit log: who did what to what, before and after, from where and why. Rows are only added:
the context's roles hold no right to change or delete one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from flatrender.db import UnitOfWork
from flatrender.http.context import client_address, request_id
from flatrender.security.principal import Principal
from flatrender_identity.services.security_log import inet

_INSERT = """
INSERT INTO identity.audit_log (tenant_id, actor_kind, actor_id, action, target_type, target_id,
    before, after, reason, request_id, ip)
VALUES (:tenant, :kind, :actor, :action, :type, :target, CAST(:before AS jsonb),
    CAST(:after AS jsonb), :reason, :request, CAST(:ip AS inet))
"""


async def audit(
    work: UnitOfWork,
    principal: Principal,
    *,
    action: str,
    target_type: str,
    target_id: UUID,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
) -> None:
    """Write one line inside the act's transaction. ``action`` is ``object.verb``."""
    await work.execute(
        _INSERT,
        tenant=work.tenant,
        kind=principal.kind,
        actor=principal.user_id or principal.key_id,
        action=action,
        type=target_type,
        target=str(target_id),
        before=msgspec.json.encode(before).decode() if before is not None else None,
        after=msgspec.json.encode(after).decode() if after is not None else None,
        reason=reason or None,
        request=request_id(),
        ip=inet(client_address()),
    )
