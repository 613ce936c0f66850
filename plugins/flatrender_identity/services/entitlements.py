"""What a plan allows and a render costs: ``RenderEntitlements`` and ``UploadEntitlements``.

Reserve, settle and release are idempotent by job id. The day's count and the charge are taken in
one transaction with the reservation, so no crash can take without a record of it.
"""

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.contracts.identity import (
    OpenReservation,
    RenderLimits,
    RenderReservation,
    UploadLimits,
)
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender_identity.domain import allows, day_ends, local_day, refund, render_charge
from flatrender_identity.errors import (
    DailyLimitReached,
    NotEnoughCharge,
    QualityLocked,
    VideoTooLong,
)
from flatrender_identity.services.entitlement_sql import (
    COUNT,
    KEEP,
    LEDGER,
    LEDGER_RESERVED,
    ONE_AT_A_TIME,
    OVERDUE,
    PLAN,
    RESERVE,
)

#: After this the farm is asked what became of a job whose reservation is still open.
OVERDUE_SECONDS = 3600.0


class _Plan(Struct, frozen=True, kw_only=True):
    """The plan a user is on now, with what it allows."""

    id: UUID
    code: str
    resolutions: list[str]
    max_resolution: str
    watermark: bool
    max_video_seconds: int | None
    priority: int
    farm_weight: float
    export_days: int | None
    max_active_jobs: int | None
    storage_bytes: int
    max_upload_bytes: int | None
    max_batch_rows: int
    daily_limit: int
    timezone: str
    tenant_weight: float
    balance_minor: int
    currency: str
    now: datetime

    @property
    def today(self) -> date:
        return local_day(self.now, self.timezone)


class EntitlementService:
    """Implements the entitlement ports of :mod:`flatrender.contracts.identity`."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def limits(self, tenant_id: UUID, user_id: UUID) -> RenderLimits:
        """Return what the user may render now. Raises ``NotFound`` for an unknown user."""
        async with self._db.unit_of_work(tenant_id) as work:
            plan = await self._plan(work, user_id)
            used = await work.execute(
                "SELECT renders FROM identity.user_daily_usage "
                "WHERE tenant_id = :tenant AND user_id = :user AND day = :day",
                tenant=tenant_id,
                user=user_id,
                day=plan.today,
            )
            row = used.first()
        return RenderLimits(
            plan_code=plan.code,
            resolutions=plan.resolutions,
            max_resolution=plan.max_resolution,
            watermark=plan.watermark,
            daily_limit=plan.daily_limit,
            daily_used=row[0] if row else 0,
            resets_at=day_ends(plan.now, plan.timezone),
            charge_minor=plan.balance_minor,
            currency=plan.currency,
            max_batch_rows=plan.max_batch_rows,
        )

    async def upload_limits(self, tenant_id: UUID, user_id: UUID) -> UploadLimits:
        """Return what one upload may weigh. Raises ``NotFound`` for an unknown user."""
        async with self._db.unit_of_work(tenant_id) as work:
            plan = await self._plan(work, user_id)
        return UploadLimits(plan_code=plan.code, max_upload_bytes=plan.max_upload_bytes)

    async def reserve(
        self, *, tenant_id: UUID, user_id: UUID, job_id: UUID, resolution: str, seconds: float
    ) -> RenderReservation:
        """Count and set aside; see the port for what is raised."""
        return await self._reserve(tenant_id, user_id, [job_id], resolution, seconds, reason="")

    async def reserve_many(
        self,
        *,
        tenant_id: UUID,
        user_id: UUID,
        job_ids: Sequence[UUID],
        resolution: str,
        seconds: float,
    ) -> RenderReservation:
        """Count and set aside many jobs in one transaction; see the port for what is raised."""
        return await self._reserve(tenant_id, user_id, job_ids, resolution, seconds, reason="batch")

    async def _reserve(
        self,
        tenant_id: UUID,
        user_id: UUID,
        job_ids: Sequence[UUID],
        resolution: str,
        seconds: float,
        *,
        reason: str,
    ) -> RenderReservation:
        """Count and set aside jobs that cost the same; the answer speaks of the first."""
        first, count = job_ids[0], len(job_ids)
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(ONE_AT_A_TIME, job=str(first))
            if earlier := await self._existing(work, user_id, first):
                return earlier
            plan = await self._plan(work, user_id)
            self._check(plan, resolution, seconds)
            charge = await self._price(work, resolution, seconds)
            await self._take_count(work, user_id, plan, seconds * count, count)
            if charge:
                balance = await self._take(work, user_id, charge * count)
                await work.execute(
                    LEDGER_RESERVED,
                    tenant=tenant_id,
                    user=user_id,
                    charge=charge,
                    balance=balance,
                    count=count,
                    jobs=list(job_ids),
                    reason=reason,
                )
            weight = plan.farm_weight * plan.tenant_weight
            await work.execute(
                RESERVE,
                jobs=list(job_ids),
                tenant=tenant_id,
                user=user_id,
                day=plan.today,
                resolution=resolution,
                seconds=seconds,
                charge=charge,
                watermark=plan.watermark,
                plan=plan.id,
                code=plan.code,
                priority=plan.priority,
                weight=weight,
                overdue=OVERDUE_SECONDS,
            )
        return RenderReservation(
            job_id=first,
            charge_minor=charge,
            currency=plan.currency,
            watermark=plan.watermark,
            plan_code=plan.code,
            priority=plan.priority,
            weight=weight,
            export_days=plan.export_days,
            max_active_jobs=plan.max_active_jobs,
        )

    async def settle(self, *, tenant_id: UUID, job_id: UUID) -> None:
        """Turn the reservation into a charge; a second call changes nothing."""
        async with self._db.unit_of_work(tenant_id) as work:
            await self.settle_in(work, job_id)

    async def settle_in(self, work: UnitOfWork, job_id: UUID) -> None:
        """As :meth:`settle`, inside an open transaction."""
        row = await self._close(work, job_id, "Settled")
        if row is None or row.charge_minor == 0:
            return
        await self._book(work, row, kind="Settle", back=0)

    async def release(
        self, *, tenant_id: UUID, job_id: UUID, fraction: float = 1.0, give_back_count: bool = True
    ) -> None:
        """Give back ``fraction`` of the charge; a second call changes nothing."""
        async with self._db.unit_of_work(tenant_id) as work:
            await self.release_in(work, job_id, fraction=fraction, give_back_count=give_back_count)

    async def release_in(
        self, work: UnitOfWork, job_id: UUID, *, fraction: float, give_back_count: bool
    ) -> None:
        """As :meth:`release`, inside an open transaction."""
        row = await self._close(work, job_id, "Released")
        if row is None:
            return
        back = refund(row.charge_minor, fraction)
        if row.charge_minor:
            await self._book(work, row, kind="Release", back=back)
        await work.execute(
            "UPDATE identity.render_reservations SET released_minor = :back, "
            "count_given_back = :count WHERE tenant_id = :tenant AND job_id = :job",
            back=back,
            count=give_back_count,
            tenant=work.tenant,
            job=job_id,
        )
        if give_back_count:
            await work.execute(
                "UPDATE identity.user_daily_usage SET renders = greatest(0, renders - 1), "
                "seconds = greatest(0, seconds - :seconds) "
                "WHERE tenant_id = :tenant AND user_id = :user AND day = :day",
                seconds=row.seconds,
                tenant=work.tenant,
                user=row.user_id,
                day=row.day,
            )

    async def overdue(self, limit: int) -> list[OpenReservation]:
        """Return open reservations past their time, the oldest first."""
        rows = await self._db.system_fetch("overdue reservations", OVERDUE, limit)
        return [OpenReservation(tenant_id=row[0], job_id=row[1]) for row in rows]

    async def keep(self, job_ids: Sequence[UUID]) -> None:
        """Give reservations of jobs that still live more time."""
        async with self._db.system("reservations of living jobs") as work:
            await work.execute(KEEP, list(job_ids), OVERDUE_SECONDS)

    async def _plan(self, work: UnitOfWork, user_id: UUID) -> _Plan:
        found = await work.execute(PLAN, tenant=work.tenant, user=user_id)
        row = found.mappings().first()
        if row is None:
            raise NotFound()
        return _Plan(**row)

    async def _existing(
        self, work: UnitOfWork, user_id: UUID, job_id: UUID
    ) -> RenderReservation | None:
        found = await work.execute(
            "SELECT r.charge_minor, r.currency, r.watermark, r.plan_code, r.priority, r.weight, "
            "p.export_days, p.max_active_jobs FROM identity.render_reservations r "
            "LEFT JOIN identity.plans p ON p.id = r.plan_id "
            "WHERE r.tenant_id = :tenant AND r.user_id = :user AND r.job_id = :job",
            tenant=work.tenant,
            user=user_id,
            job=job_id,
        )
        row = found.mappings().first()
        return RenderReservation(job_id=job_id, **row) if row else None

    def _check(self, plan: _Plan, resolution: str, seconds: float) -> None:
        if not allows(plan.resolutions, resolution):
            raise QualityLocked(
                resolution=resolution,
                max_resolution=plan.max_resolution,
                extra={"max_resolution": plan.max_resolution, "plan_code": plan.code},
            )
        if plan.max_video_seconds is not None and seconds > plan.max_video_seconds:
            raise VideoTooLong(limit=plan.max_video_seconds)

    async def _price(self, work: UnitOfWork, resolution: str, seconds: float) -> int:
        found = await work.execute(
            "SELECT charge_per_second_minor, minimum_minor FROM identity.render_prices "
            "WHERE resolution = :resolution ORDER BY (tenant_id = :tenant) DESC LIMIT 1",
            resolution=resolution,
            tenant=work.tenant,
        )
        row = found.first()
        return render_charge(seconds, row[0], row[1]) if row else 0

    async def _take_count(
        self, work: UnitOfWork, user_id: UUID, plan: _Plan, seconds: float, count: int
    ) -> None:
        counted = await work.execute(
            COUNT,
            tenant=work.tenant,
            user=user_id,
            day=plan.today,
            seconds=seconds,
            count=count,
            limit=plan.daily_limit,
        )
        if counted.first() is None:
            resets = day_ends(plan.now, plan.timezone)
            wait = max(1, math.ceil((resets - plan.now).total_seconds()))
            used = await work.execute(
                "SELECT renders FROM identity.user_daily_usage "
                "WHERE tenant_id = :tenant AND user_id = :user AND day = :day",
                tenant=work.tenant,
                user=user_id,
                day=plan.today,
            )
            row = used.first()
            raise DailyLimitReached(
                headers={"Retry-After": str(wait)},
                extra={"resets_at": resets.isoformat()},
                used=row[0] if row else 0,
                limit=plan.daily_limit,
            )

    async def _take(self, work: UnitOfWork, user_id: UUID, charge: int) -> int:
        """Move charge from the balance to what is reserved; returns the balance after it."""
        taken = await work.execute(
            "UPDATE identity.render_charge_accounts SET balance_minor = balance_minor - :charge, "
            "reserved_minor = reserved_minor + :charge WHERE tenant_id = :tenant "
            "AND user_id = :user AND balance_minor >= :charge RETURNING balance_minor",
            charge=charge,
            tenant=work.tenant,
            user=user_id,
        )
        row = taken.first()
        if row is None:
            found = await work.execute(
                "SELECT balance_minor FROM identity.render_charge_accounts "
                "WHERE tenant_id = :tenant AND user_id = :user",
                tenant=work.tenant,
                user=user_id,
            )
            left = found.first()
            raise NotEnoughCharge(needed=charge, balance=left[0] if left else 0)
        balance: int = row[0]
        return balance

    async def _close(self, work: UnitOfWork, job_id: UUID, state: str) -> Any:
        """Move a reservation out of Reserved; None when somebody did so before."""
        column = "settled_at" if state == "Settled" else "released_at"
        closed = await work.execute(
            f"UPDATE identity.render_reservations SET state = :state, {column} = now() "  # noqa: S608 - one of two own column names
            "WHERE tenant_id = :tenant AND job_id = :job AND state = 'Reserved' "
            "RETURNING job_id, user_id, charge_minor, day, seconds",
            state=state,
            tenant=work.tenant,
            job=job_id,
        )
        return closed.first()

    async def _book(self, work: UnitOfWork, row: Any, *, kind: str, back: int) -> None:
        account = await work.execute(
            "UPDATE identity.render_charge_accounts SET reserved_minor = reserved_minor - :charge, "
            "balance_minor = balance_minor + :back WHERE tenant_id = :tenant AND user_id = :user "
            "RETURNING balance_minor",
            charge=row.charge_minor,
            back=back,
            tenant=work.tenant,
            user=row.user_id,
        )
        await work.execute(
            LEDGER,
            tenant=work.tenant,
            user=row.user_id,
            kind=kind,
            delta=back,
            reserved=-row.charge_minor,
            balance=account.scalar_one(),
            reference=f"{kind.lower()}:{row.job_id}",
            job=row.job_id,
            reason="",
        )
