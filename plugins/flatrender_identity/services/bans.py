"""Bans: nobody acts with the account any longer, and signing in answers as a wrong password does.

Sessions die with the commit; links, codes and half-finished sign-ins of before are void, and keys
that the person made are revoked. A ban with an end lifts by itself.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flatrender.contracts.identity import ApiKeyRevoked, UserBanned
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.tasks.task import Nothing, Task
from flatrender_identity.errors import NotBanned
from flatrender_identity.services.audit import audit
from flatrender_identity.services.reach import Cli, keep_an_admin, reach
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import end_all

BATCH = 200
#: Longer is for good, and then without an end.
LONGEST = timedelta(days=3660)

_BAN = """
UPDATE identity.users SET status = 'Banned', banned_at = now(), banned_until = :until,
    ban_reason = :reason, banned_by = :by, session_epoch = session_epoch + 1
WHERE tenant_id = :tenant AND id = :user
"""
_LIFT = """
UPDATE identity.users SET status = 'Active', banned_at = NULL, banned_until = NULL,
    ban_reason = NULL, banned_by = NULL
WHERE tenant_id = :tenant AND id = :user AND status = 'Banned'
"""
_LIFT_DUE = _LIFT + " AND banned_until <= now() RETURNING id"
_DUE = """
SELECT tenant_id, id FROM identity.users
WHERE status = 'Banned' AND banned_until <= now() ORDER BY banned_until LIMIT $1
"""
_VOID = (
    "UPDATE identity.one_time_tokens SET consumed_at = now() "
    "WHERE tenant_id = :tenant AND user_id = :user AND consumed_at IS NULL",
    "UPDATE identity.mfa_challenges SET consumed_at = now() "
    "WHERE tenant_id = :tenant AND user_id = :user AND consumed_at IS NULL",
    "UPDATE identity.oauth_states SET consumed_at = now() "
    "WHERE tenant_id = :tenant AND link_user_id = :user AND consumed_at IS NULL",
)
_KEYS = """
UPDATE identity.tenant_api_keys SET revoked_at = now(), revoked_by = :by
WHERE tenant_id = :tenant AND created_by = :user AND revoked_at IS NULL RETURNING id
"""


class BanService:
    """Use cases of bans."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._clock = context.clock
        self._gate = context.infra.security.gate

    async def ban(
        self,
        by: Principal | Cli,
        tenant_id: UUID,
        user_id: UUID,
        *,
        reason: str,
        until: datetime | None,
    ) -> None:
        """Ban somebody, for good or until a moment; banning again changes reason and end.

        Raises ``NotFound``, :class:`NotOneself`, :class:`OutOfReach`, :class:`LastAdmin`,
        ``Invalid`` for an end that is over or too far.
        """
        now = self._clock.now()
        if until is not None and not now < until <= now + LONGEST:
            raise Invalid(errors=[_END])
        actor = None if by == "cli" else by.user_id
        async with self._db.unit_of_work(tenant_id) as work:
            if by == "cli":  # staff never reach an administrator
                await keep_an_admin(work, user_id)
            row = await reach(work, by, user_id)
            scope: dict[str, Any] = {"tenant": tenant_id, "user": user_id}
            await work.execute(_BAN, until=until, reason=reason, by=actor, **scope)
            dead = await end_all(work, user_id, reason="banned")
            for statement in _VOID:
                await work.execute(statement, **scope)
            keys = [key.id for key in await work.execute(_KEYS, by=actor, **scope)]
            for key_id in keys:
                work.emit(ApiKeyRevoked(key_id=key_id), user_id=actor)
            work.emit(UserBanned(user_id=user_id, reason=reason, until=until), user_id=user_id)
            shown = {"reason": reason}
            if until is not None:
                shown["until"] = f"{until:%Y-%m-%d %H:%M} UTC"
            await record(work, user_id, "banned", detail=shown)
            await tell_owner(work, user_id, "banned" if until is None else "banned_until", shown)
            await audit(
                work,
                by,
                action="user.ban",
                target_type="user",
                target_id=user_id,
                before=_state(row.status, row.ban_reason, row.banned_until),
                after={**_state("Banned", reason, until), "revoked_keys": keys},
                reason=reason,
            )
        if dead:
            await self._gate.revoke(*dead)

    async def lift(
        self, by: Principal | Cli, tenant_id: UUID, user_id: UUID, *, reason: str
    ) -> None:
        """Let somebody in again; sessions of before stay dead.

        Raises ``NotFound``, :class:`NotOneself`, :class:`OutOfReach`, :class:`NotBanned`.
        """
        async with self._db.unit_of_work(tenant_id) as work:
            row = await reach(work, by, user_id)
            if row.status != "Banned":
                raise NotBanned()
            await work.execute(_LIFT, tenant=tenant_id, user=user_id)
            await record(work, user_id, "unbanned")
            await tell_owner(work, user_id, "unbanned")
            await audit(
                work,
                by,
                action="user.unban",
                target_type="user",
                target_id=user_id,
                before=_state(row.status, row.ban_reason, row.banned_until),
                after={"status": "Active"},
                reason=reason,
            )

    async def lift_due(self) -> int:
        """Lift the bans whose end has come; returns how many."""
        rows = await self._db.system_fetch("bans that end", _DUE, BATCH)
        return sum([await self._lift_one(row["tenant_id"], row["id"]) for row in rows])

    async def _lift_one(self, tenant_id: UUID, user_id: UUID) -> bool:
        async with self._db.unit_of_work(tenant_id) as work:
            lifted = await work.execute(_LIFT_DUE, tenant=tenant_id, user=user_id)
            if lifted.first() is None:  # another worker was faster, or it was made longer
                return False
            await _tell_end(work, user_id)
        return True


async def _tell_end(work: UnitOfWork, user_id: UUID) -> None:
    await record(work, user_id, "unbanned")
    await tell_owner(work, user_id, "unbanned")
    await audit(
        work,
        "system",
        action="user.unban",
        target_type="user",
        target_id=user_id,
        before={"status": "Banned"},
        after={"status": "Active"},
        reason="its end has come",
    )


def _state(status: str, reason: str | None, until: datetime | None) -> dict[str, Any]:
    return {"status": status, "reason": reason, "until": until.isoformat() if until else None}


_END = FieldError(
    pointer="/until",
    code="until_invalid",
    message_fa="پایان باید در آینده و تا ده سال دیگر باشد",
    message_en="The end must lie in the future, at most ten years away",
)


async def lift_bans(context: PluginContext, _payload: Nothing) -> None:
    """Lift the bans whose end has come."""
    await context.get(BanService).lift_due()


LIFT_BANS = Task(name="identity.lift_bans", queue="cleanup", handler=lift_bans)
