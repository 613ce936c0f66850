"""Sessions: open, refresh, end. One row a session; refresh tokens are derived, not stored."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.context import client_address
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal, Role
from flatrender.security.secrets import derive_key, root_secrets
from flatrender_identity.domain import RefreshToken, issue_refresh, judge_refresh, read_refresh
from flatrender_identity.errors import InvalidRefreshToken
from flatrender_identity.policy import read_policy
from flatrender_identity.services.audit import audit
from flatrender_identity.services.keys import KeyService
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import inet, record, tell_owner

_INSERT = """
INSERT INTO identity.sessions (id, tenant_id, user_id, amr, mfa_at, user_epoch, user_agent,
    device_name, ip, last_ip, idle_expires_at, absolute_expires_at)
VALUES (:id, :tenant, :user, CAST(:amr AS text[]), :mfa_at, :epoch, :agent, :device,
    CAST(:ip AS inet), CAST(:ip AS inet), now() + CAST(:idle AS interval),
    now() + CAST(:absolute AS interval))
"""
_SEEN = """
UPDATE identity.users SET last_login_at = now(), last_login_ip = CAST(:ip AS inet),
    login_count = login_count + 1, password_hash = coalesce(:rehash, password_hash)
WHERE tenant_id = :tenant AND id = :user
RETURNING login_count > 1 AND NOT EXISTS (
    SELECT FROM identity.sessions s WHERE s.tenant_id = :tenant AND s.user_id = :user
      AND s.id <> :session AND s.user_agent = :agent) AS from_a_new_device
"""
#: Support may act for as long as its own account may, in the role that it had, and as the session
#: is not ended from which it began: one that ended in that very moment has ended nothing here.
_SUPPORT = """(s.impersonator_id IS NULL OR EXISTS (
    SELECT FROM identity.users a
    JOIN identity.sessions o ON o.tenant_id = a.tenant_id AND o.user_id = a.id
      AND o.id = s.impersonator_session_id AND o.revoked_at IS NULL
    WHERE a.tenant_id = s.tenant_id AND a.id = s.impersonator_id
      AND a.status = 'Active' AND a.deleted_at IS NULL
      AND a.session_epoch = s.impersonator_epoch))"""
_LOCK = f"""
SELECT s.tenant_id, s.user_id, s.counter, s.rotated_at, s.revoked_at, s.mfa_at,
       s.idle_expires_at > now() AND s.absolute_expires_at > now() AS in_time,
       s.idle_expires_at - now() AS idle_left, s.absolute_expires_at - now() AS absolute_left,
       u.role, t.policy, u.status = 'Active' AND u.deleted_at IS NULL
         AND u.session_epoch = s.user_epoch AND t.status = 'Active'
         AND {_SUPPORT} AS active, s.impersonator_id, now() AS now
FROM identity.sessions s
JOIN identity.users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
JOIN identity.tenants t ON t.id = s.tenant_id
WHERE s.id = $1 FOR UPDATE OF s
"""  # noqa: S608 - a constant
_ROTATE = """
UPDATE identity.sessions SET counter = counter + 1, rotated_at = now(), last_seen_at = now(),
    last_ip = $2::inet, idle_expires_at = least(now() + $3::interval, absolute_expires_at)
WHERE id = $1
"""
_KILL = """
UPDATE identity.sessions SET revoked_at = now(), revoked_reason = $2
WHERE (id = $1 OR impersonator_session_id = $1) AND revoked_at IS NULL RETURNING id
"""
#: What support opened from a session that has ended.
_END_SUPPORT = """
UPDATE identity.sessions SET revoked_at = now(), revoked_reason = 'support signed out'
WHERE tenant_id = :tenant AND impersonator_session_id = :id AND revoked_at IS NULL RETURNING id
"""
_END_ALL = """
UPDATE identity.sessions SET revoked_at = now(), revoked_reason = :reason
WHERE tenant_id = :tenant AND (user_id = :user OR impersonator_id = :user)
  AND revoked_at IS NULL AND id IS DISTINCT FROM CAST(:but AS uuid)
RETURNING id
"""
_LIVE = f"""
SELECT EXISTS (
    SELECT FROM identity.sessions s
    JOIN identity.users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    JOIN identity.tenants t ON t.id = s.tenant_id
    WHERE s.id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > now()
      AND s.absolute_expires_at > now() AND u.status = 'Active' AND u.deleted_at IS NULL
      AND u.session_epoch = s.user_epoch AND t.status = 'Active' AND {_SUPPORT})
"""  # noqa: S608 - a constant
#: A session of support ends unused after this long.
SUPPORT_IDLE = timedelta(minutes=15)


class Tokens(Struct, frozen=True, kw_only=True):
    """What a client holds of a session. Lives in seconds. ``by_support``: it is support's."""

    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    tenant_id: UUID
    user_id: UUID
    session_id: UUID
    by_support: bool = False


class SessionService:
    """Implements :class:`flatrender.security.ports.SessionLedger` and the use cases of sessions."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        settings = context.infra.settings.security
        self._key = derive_key(root_secrets(settings)[0], "refresh")
        self._sliding = timedelta(seconds=settings.refresh_sliding_seconds)
        self._absolute = timedelta(seconds=settings.refresh_absolute_seconds)

    async def session_live(self, session_id: UUID) -> bool:
        """True while the session may act."""
        rows = await self._db.system_fetch("session liveness", _LIVE, session_id)
        return bool(rows[0][0])

    async def open(
        self,
        tenant_id: UUID,
        user_id: UUID,
        *,
        role: Role,
        epoch: int,
        amr: list[str],
        user_agent: str,
        device: str | None,
        rehash: str | None = None,
        mfa_at: datetime | None = None,
    ) -> Tokens:
        """Open a session and return its tokens."""
        session_id = uuid7()
        address = inet(client_address())
        policy = await self._context.get(PolicyService).of(tenant_id)
        idle, absolute = policy.idle(self._sliding), policy.lifetime(self._absolute)
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(
                _INSERT,
                id=session_id,
                tenant=tenant_id,
                user=user_id,
                amr=amr,
                mfa_at=mfa_at,
                epoch=epoch,
                agent=user_agent[:400],
                device=device,
                ip=address,
                idle=min(idle, absolute),
                absolute=absolute,
            )
            seen = await work.execute(
                _SEEN,
                ip=address,
                rehash=rehash,
                tenant=tenant_id,
                user=user_id,
                session=session_id,
                agent=user_agent[:400],
            )
            if seen.scalar_one():
                shown = {"device": user_agent[:120], "address": address or ""}
                await tell_owner(work, user_id, "new_sign_in", shown)
            dead: list[UUID] = []
            if policy.single_session:
                dead = await end_all(work, user_id, reason="signed in elsewhere", but=session_id)
            await record(
                work,
                user_id,
                "signed_in",
                session_id=session_id,
                user_agent=user_agent,
                detail={"methods": amr},
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)
        return await self.tokens(
            tenant_id,
            user_id,
            session_id,
            role=role,
            counter=0,
            mfa_at=mfa_at,
            left=min(idle, absolute),
            mfa_required=policy.require_mfa,
        )

    def session_of(self, token: str) -> UUID | None:
        """Return the session that a refresh token of ours names, alive or not; else None."""
        presented = read_refresh(self._key, token)
        return None if presented is None else presented.session_id

    async def refresh(self, token: str) -> Tokens:
        """Rotate a refresh token; the session dies when an old one comes back.

        Raises :class:`InvalidRefreshToken`.
        """
        presented = read_refresh(self._key, token)
        if presented is None:
            raise InvalidRefreshToken()
        async with self._db.system("refresh: the token names the session") as work:
            row = await work.fetchrow(_LOCK, presented.session_id)
            if row is None or row["revoked_at"] or not row["in_time"] or not row["active"]:
                raise InvalidRefreshToken()
            verdict = judge_refresh(
                presented.counter, row["counter"], row["rotated_at"], row["now"]
            )
            dead = []
            if verdict.action == "kill":
                dead = await work.fetch(_KILL, presented.session_id, "refresh token used twice")
            policy = read_policy(row["policy"])
            sliding = policy.idle(self._sliding) if row["impersonator_id"] is None else SUPPORT_IDLE
            if verdict.action == "rotate":
                await work.execute(_ROTATE, presented.session_id, inet(client_address()), sliding)
        if verdict.action == "kill":
            await self._context.infra.security.gate.revoke(*(one["id"] for one in dead))
            await self._tell_theft(row["tenant_id"], row["user_id"], presented.session_id)
            raise InvalidRefreshToken()
        counter = row["counter"] + (1 if verdict.action == "rotate" else 0)
        return await self.tokens(
            row["tenant_id"],
            row["user_id"],
            presented.session_id,
            role=role_named(row["role"]),
            counter=counter,
            mfa_at=row["mfa_at"],
            left=min(
                sliding if verdict.action == "rotate" else row["idle_left"],
                row["absolute_left"],
            ),
            mfa_required=policy.require_mfa and row["impersonator_id"] is None,
            impersonator_id=row["impersonator_id"],
        )

    async def log_out(self, principal: Principal) -> None:
        """End the caller's own session; the very next call with its token fails."""
        if principal.session_id is None:
            raise NotFound()
        await self.end(principal, principal.session_id, reason="logout")

    async def end(self, principal: Principal, session_id: UUID, *, reason: str) -> None:
        """End one of the caller's sessions. Raises ``NotFound`` for anybody else's."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            ended = await work.execute(
                "UPDATE identity.sessions SET revoked_at = coalesce(revoked_at, now()), "
                "revoked_reason = coalesce(revoked_reason, :reason) "
                "WHERE tenant_id = :tenant AND user_id = :user AND id = :id "
                "RETURNING impersonator_id",
                reason=reason,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=session_id,
            )
            row = ended.first()
            if row is None:
                raise NotFound()
            opened = await work.execute(_END_SUPPORT, tenant=principal.tenant_id, id=session_id)
            dead = [session_id, *(one.id for one in opened)]
            if row.impersonator_id is not None:
                await audit(
                    work,
                    principal,
                    action="impersonation.end",
                    target_type="user",
                    target_id=principal.user_id or "",
                    before={"session_id": str(session_id)},
                )
            if principal.user_id is not None:
                kind = "signed_out" if reason == "logout" else "session_ended"
                if row.impersonator_id is not None:
                    kind = "support_ended"
                await record(work, principal.user_id, kind, session_id=session_id)
        await self._context.infra.security.gate.revoke(*dead)

    async def strengthen(self, principal: Principal, mfa_at: datetime, *, method: str) -> Tokens:
        """Note a second factor in the caller's session and return fresh tokens."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            changed = await work.execute(
                "UPDATE identity.sessions SET mfa_at = :mfa_at, counter = counter + 1, "
                "rotated_at = now(), amr = array_append(array_remove(amr, :method), :method) "
                "WHERE tenant_id = :tenant AND user_id = :user AND id = :id "
                "AND revoked_at IS NULL RETURNING counter, "
                "least(idle_expires_at, absolute_expires_at) - now() AS remaining",
                mfa_at=mfa_at,
                method=method,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=principal.session_id,
            )
            row = changed.first()
        if row is None or principal.user_id is None or principal.session_id is None:
            raise NotFound()
        return await self.tokens(
            principal.tenant_id,
            principal.user_id,
            principal.session_id,
            role=principal.role,
            counter=row.counter,
            mfa_at=mfa_at,
            left=row.remaining,
        )

    async def _tell_theft(self, tenant_id: UUID, user_id: UUID, session_id: UUID) -> None:
        """Tell the owner that a token came back that somebody had used already."""
        async with self._db.unit_of_work(tenant_id) as work:
            await record(work, user_id, "refresh_reused", session_id=session_id)
            await tell_owner(work, user_id, "session_stolen")

    async def tokens(
        self,
        tenant_id: UUID,
        user_id: UUID,
        session_id: UUID,
        *,
        role: Role,
        counter: int,
        mfa_at: datetime | None,
        left: timedelta,
        mfa_required: bool = False,
        impersonator_id: UUID | None = None,
    ) -> Tokens:
        """Return a session's tokens, ``left`` before it ends at the latest; the access token names
        who of support acts."""
        signer = await self._context.get(KeyService).signer()
        access, seconds = signer.access(
            user_id=user_id,
            tenant_id=tenant_id,
            role=role,
            session_id=session_id,
            mfa_at=int(mfa_at.timestamp()) if mfa_at else 0,
            mfa_required=mfa_required,
            impersonator_id=impersonator_id,
            most=int(left.total_seconds()),
        )
        return Tokens(
            access_token=access,
            refresh_token=issue_refresh(self._key, RefreshToken(session_id, counter)),
            expires_in=seconds,
            refresh_expires_in=int(left.total_seconds()),
            tenant_id=tenant_id,
            user_id=user_id,
            session_id=session_id,
            by_support=impersonator_id is not None,
        )


async def end_all(
    work: UnitOfWork, user_id: UUID, *, reason: str, but: UUID | None = None
) -> list[UUID]:
    """End the account's live sessions (``but`` one) inside ``work``; returns which, for the gate
    to be told after commit."""
    ended = await work.execute(_END_ALL, reason=reason, tenant=work.tenant, user=user_id, but=but)
    return [row.id for row in ended]


def role_named(text: str) -> Role:
    """Return the role; an unknown one has no powers."""
    if text == "admin":
        return "admin"
    return "moderator" if text == "moderator" else "user"
