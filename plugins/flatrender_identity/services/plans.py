"""Plans of users: granting one, ending those that ran out."""

from datetime import datetime, timedelta
from uuid import UUID, uuid5

from flatrender.contracts.identity import PlanActivated, PlanExpired
from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import UnknownPlan
from flatrender_identity.services.audit import Without, audit

_EXPIRE = """
UPDATE identity.user_plans up SET status = 'Expired'
FROM identity.plans p
WHERE p.id = up.plan_id AND up.status = 'Active' AND up.expires_at <= now()
  AND up.id IN (SELECT id FROM identity.user_plans WHERE status = 'Active'
                AND expires_at <= now() ORDER BY expires_at LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING up.tenant_id, up.user_id, p.code,
    coalesce((SELECT f.storage_bytes FROM identity.plans f
              WHERE f.code = 'free' AND f.active AND f.deleted_at IS NULL
                AND f.tenant_id IN (up.tenant_id, public.default_tenant())
              ORDER BY (f.tenant_id = up.tenant_id) DESC LIMIT 1), 0) AS free_bytes
"""

#: Two grants to one person follow each other: one plan is active at a time.
_LOCK_USER = "SELECT 1 FROM identity.users WHERE tenant_id = :tenant AND id = :user FOR UPDATE"
_CANCEL = """
UPDATE identity.user_plans up SET status = 'Cancelled', cancelled_at = now()
FROM identity.plans p
WHERE up.tenant_id = :tenant AND up.user_id = :user AND up.status = 'Active' AND p.id = up.plan_id
RETURNING p.code, up.expires_at
"""


class PlanService:
    """Use cases around ``identity.user_plans``."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._clock = context.clock

    async def grant(
        self,
        tenant_id: UUID,
        user_id: UUID,
        code: str,
        *,
        days: int | None,
        reason: str,
        by: Principal | Without,
    ) -> datetime | None:
        """Put a user on a plan at once and credit its render charge; returns when it ends.
        Audited as the act of ``by``.

        ``days`` None means the plan's own period. Raises :class:`UnknownPlan`.
        """
        actor_id = by.user_id if isinstance(by, Principal) else None
        async with self._db.unit_of_work(tenant_id) as work:
            found = await work.execute(
                "SELECT id, period_days, render_charge_minor, storage_bytes FROM identity.plans "
                "WHERE code = :code AND active AND deleted_at IS NULL "
                "ORDER BY (tenant_id = :tenant) DESC LIMIT 1",
                code=code,
                tenant=tenant_id,
            )
            plan = found.first()
            if plan is None:
                raise UnknownPlan()
            await work.execute(_LOCK_USER, tenant=tenant_id, user=user_id)
            length = days or plan.period_days
            expires = self._clock.now() + timedelta(days=length) if length else None
            ended = await work.execute(_CANCEL, tenant=tenant_id, user=user_id)
            before = ended.first()
            made = await work.execute(
                "INSERT INTO identity.user_plans (id, tenant_id, user_id, plan_id, source, "
                "granted_by, reason, expires_at) VALUES (gen_random_uuid(), :tenant, :user, :plan, "
                "'Grant', :actor, :reason, :expires) RETURNING id",
                tenant=tenant_id,
                user=user_id,
                plan=plan.id,
                actor=actor_id,
                reason=reason,
                expires=expires,
            )
            user_plan_id: UUID = made.scalar_one()
            if length:
                await work.execute(
                    "INSERT INTO identity.plan_days_ledger (tenant_id, user_id, user_plan_id, "
                    "delta_days, expires_at_after, kind, reason, actor_id, reference) VALUES "
                    "(:tenant, :user, :id, :days, :expires, 'Grant', :reason, :actor, :reference)",
                    tenant=tenant_id,
                    user=user_id,
                    id=user_plan_id,
                    days=length,
                    expires=expires,
                    reason=reason,
                    actor=actor_id,
                    reference=f"grant:{user_plan_id}",
                )
            if plan.render_charge_minor:
                await self._credit(
                    work, user_id, plan.render_charge_minor, f"plan:{user_plan_id}", reason
                )
            await audit(
                work,
                by,
                action="plan.grant",
                target_type="user",
                target_id=user_id,
                before=None if before is None else _told(before.code, before.expires_at),
                after=_told(code, expires),
                reason=reason,
            )
            work.emit(
                PlanActivated(
                    user_id=user_id,
                    plan_code=code,
                    expires_at=expires,
                    storage_bytes=plan.storage_bytes,
                )
            )
        return expires

    async def expire_due(self) -> int:
        """End plans whose time is over, in bounded batches; returns how many."""
        total = 0
        while True:
            async with self._db.system("plans that ran out") as work:
                rows = await work.fetch(_EXPIRE)
                for row in rows:
                    work.emit(
                        PlanExpired(
                            user_id=row["user_id"],
                            plan_code=row["code"],
                            storage_bytes=row["free_bytes"],
                        ),
                        tenant_id=row["tenant_id"],
                    )
            total += len(rows)
            if len(rows) < 500:
                return total

    async def _credit(
        self, work: UnitOfWork, user_id: UUID, amount: int, reference: str, reason: str
    ) -> None:
        account = await work.execute(
            "INSERT INTO identity.render_charge_accounts AS a (tenant_id, user_id, balance_minor) "
            "VALUES (:tenant, :user, :amount) ON CONFLICT (tenant_id, user_id) DO UPDATE "
            "SET balance_minor = a.balance_minor + excluded.balance_minor RETURNING balance_minor",
            tenant=work.tenant,
            user=user_id,
            amount=amount,
        )
        await work.execute(
            "INSERT INTO identity.render_charge_ledger (id, tenant_id, user_id, kind, "
            "delta_minor, balance_after_minor, reference, reason) VALUES (:id, :tenant, :user, "
            "'Grant', :amount, :balance, :reference, :reason)",
            id=uuid5(user_id, reference),
            tenant=work.tenant,
            user=user_id,
            amount=amount,
            balance=account.scalar_one(),
            reference=reference,
            reason=reason,
        )


def _told(code: str, expires: datetime | None) -> dict[str, str | None]:
    return {"plan": code, "expires_at": expires.isoformat() if expires else None}
