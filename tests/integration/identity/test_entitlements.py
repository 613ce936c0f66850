"""What a render may cost: counted and charged once, whatever repeats or comes at once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from flatrender.contracts.identity import RenderEntitlements
from flatrender.contracts.render import JobCancelled, JobCompleted, JobFailed
from flatrender.errors import DomainError
from flatrender.testing.platform import Person, Platform


@pytest.fixture(scope="session")
def port(platform: Platform) -> Any:
    return platform.runtime.port(RenderEntitlements)


async def _reserve(
    port: Any,
    person: Person,
    job: UUID | None = None,
    *,
    resolution: str = "360p",
    seconds: float = 10,
) -> Any:
    return await port.reserve(
        tenant_id=person.tenant_id,
        user_id=person.id,
        job_id=job or uuid4(),
        resolution=resolution,
        seconds=seconds,
    )


async def _account(platform: Platform, person: Person) -> tuple[int, int]:
    rows = await platform.sql(
        "SELECT balance_minor, reserved_minor FROM identity.render_charge_accounts "
        "WHERE user_id = $1",
        person.id,
    )
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


async def _adds_up(platform: Platform, person: Person) -> None:
    """The account is the sum of its ledger."""
    rows = await platform.sql(
        "SELECT coalesce(sum(delta_minor), 0)::bigint, "
        "coalesce(sum(reserved_delta_minor), 0)::bigint "
        "FROM identity.render_charge_ledger WHERE user_id = $1",
        person.id,
    )
    assert tuple(rows[0]) == await _account(platform, person)


async def _limits(platform: Platform, person: Person) -> Any:
    answer = await platform.client.get("/v1/me/limits", headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _charge(platform: Platform, person: Person, minor: int) -> None:
    """Set the free charge, with a ledger row that says so."""
    now, _reserved = await _account(platform, person)
    await platform.sql(
        "UPDATE identity.render_charge_accounts SET balance_minor = $2 WHERE user_id = $1",
        person.id,
        minor,
    )
    await platform.sql(
        "INSERT INTO identity.render_charge_ledger (tenant_id, user_id, kind, delta_minor, "
        "balance_after_minor, reference) VALUES ($1, $2, 'Adjust', $3, $4, $5)",
        person.tenant_id,
        person.id,
        minor - now,
        minor,
        f"adjust:{uuid4()}",
    )


async def test_fifty_at_once_never_pass_the_day(platform: Platform, port: Any) -> None:
    person = await platform.person()
    results = await asyncio.gather(
        *(_reserve(port, person) for _ in range(50)), return_exceptions=True
    )
    codes = Counter(r.code if isinstance(r, DomainError) else type(r).__name__ for r in results)
    assert codes == {"RenderReservation": 5, "daily_limit_reached": 45}
    assert (await _limits(platform, person))["daily_used"] == 5


async def test_the_day_ends_at_the_tenants_midnight(platform: Platform, port: Any) -> None:
    person = await platform.person()
    for _ in range(5):
        await _reserve(port, person)
    with pytest.raises(DomainError) as refused:
        await _reserve(port, person)
    error = refused.value
    assert (error.status, error.code) == (429, "daily_limit_reached")
    resets = datetime.fromisoformat(str(error.extra["resets_at"]))
    there = resets.astimezone(ZoneInfo("Asia/Tehran"))
    assert (there.hour, there.minute, there.second) == (0, 0, 0)
    left = (resets - datetime.now(UTC)).total_seconds()
    assert 0 < left <= 86_400
    assert abs(int(error.headers["Retry-After"]) - left) < 60
    told = datetime.fromisoformat((await _limits(platform, person))["resets_at"])
    assert told == resets


async def test_a_new_day_begins_unused(platform: Platform, port: Any) -> None:
    person = await platform.person()
    for _ in range(5):
        await _reserve(port, person)
    await platform.sql(
        "UPDATE identity.user_daily_usage SET day = day - 1 WHERE user_id = $1", person.id
    )
    assert (await _limits(platform, person))["daily_used"] == 0
    await _reserve(port, person)


async def test_fifty_at_once_never_pass_the_charge(platform: Platform, port: Any) -> None:
    person = await platform.person(plan="pro")
    await _charge(platform, person, 75_000)
    results = await asyncio.gather(
        *(_reserve(port, person, resolution="720p") for _ in range(50)), return_exceptions=True
    )
    codes = Counter(r.code if isinstance(r, DomainError) else type(r).__name__ for r in results)
    assert codes == {"RenderReservation": 7, "not_enough_charge": 43}
    assert {r.status for r in results if isinstance(r, DomainError)} == {402}
    assert await _account(platform, person) == (5_000, 70_000)
    await _adds_up(platform, person)
    assert (await _limits(platform, person))["daily_used"] == 7  # a refusal counts nothing


async def test_one_job_is_reserved_once_however_often(platform: Platform, port: Any) -> None:
    person = await platform.person(plan="plus")
    before, _ = await _account(platform, person)
    job = uuid4()
    results = await asyncio.gather(
        *(_reserve(port, person, job, resolution="1080p") for _ in range(20))
    )
    assert len(set(results)) == 1
    assert results[0].charge_minor == 20_000
    assert (results[0].watermark, results[0].plan_code) == (False, "plus")
    assert await _account(platform, person) == (before - 20_000, 20_000)
    assert (await _limits(platform, person))["daily_used"] == 1
    await _adds_up(platform, person)


async def test_settle_and_release_happen_once(platform: Platform, port: Any) -> None:
    person = await platform.person(plan="plus")
    before, _ = await _account(platform, person)
    kept, given, half = uuid4(), uuid4(), uuid4()
    for job in (kept, given, half):
        await _reserve(port, person, job, resolution="720p")
    tenant = person.tenant_id
    await asyncio.gather(*(port.settle(tenant_id=tenant, job_id=kept) for _ in range(10)))
    await asyncio.gather(*(port.release(tenant_id=tenant, job_id=given) for _ in range(10)))
    await asyncio.gather(
        *(
            port.release(tenant_id=tenant, job_id=half, fraction=0.5, give_back_count=False)
            for _ in range(10)
        )
    )
    assert await _account(platform, person) == (before - 10_000 - 5_000, 0)
    assert (await _limits(platform, person))["daily_used"] == 2
    await port.release(tenant_id=tenant, job_id=kept)  # settled is settled
    await port.settle(tenant_id=tenant, job_id=given)
    assert await _account(platform, person) == (before - 15_000, 0)
    await _adds_up(platform, person)


async def test_a_race_of_settle_and_release_ends_one_way(platform: Platform, port: Any) -> None:
    person = await platform.person(plan="plus")
    before, _ = await _account(platform, person)
    jobs = [uuid4() for _ in range(6)]
    for job in jobs:
        await _reserve(port, person, job, resolution="720p")
    tenant = person.tenant_id
    await asyncio.gather(
        *(
            call(tenant_id=tenant, job_id=job)
            for job in jobs
            for call in (port.settle, port.release)
        )
    )
    settled = await platform.sql(
        "SELECT count(*) FROM identity.render_reservations WHERE user_id = $1 "
        "AND state = 'Settled'",
        person.id,
    )
    assert await _account(platform, person) == (before - 10_000 * settled[0][0], 0)
    await _adds_up(platform, person)


async def test_the_plan_decides_what_may_be_rendered(platform: Platform, port: Any) -> None:
    free = await platform.person()
    with pytest.raises(DomainError) as quality:
        await _reserve(port, free, resolution="720p")
    assert (quality.value.status, quality.value.code) == (403, "quality_locked")
    assert quality.value.extra["max_resolution"] == "360p"
    with pytest.raises(DomainError) as length:
        await _reserve(port, free, seconds=121)
    assert (length.value.status, length.value.code) == (403, "duration_locked")
    assert (await _reserve(port, free)).watermark is True
    assert (await _limits(platform, free))["daily_used"] == 1


async def test_another_tenant_settles_nothing(platform: Platform, port: Any) -> None:
    person = await platform.person(plan="plus")
    other_tenant, _key = await platform.tenant()
    job = uuid4()
    await _reserve(port, person, job, resolution="720p")
    account = await _account(platform, person)
    await port.settle(tenant_id=other_tenant, job_id=job)
    await port.release(tenant_id=other_tenant, job_id=job)
    assert await _account(platform, person) == account
    with pytest.raises(DomainError) as nobody:
        await port.limits(other_tenant, person.id)
    assert nobody.value.code == "not_found"


async def test_what_stays_open_is_overdue_until_it_is_closed_or_kept(
    platform: Platform, port: Any
) -> None:
    person = await platform.person(plan="plus")
    late, kept, closed, young = jobs = [uuid4() for _ in range(4)]
    for job in jobs:
        await _reserve(port, person, job)
    # All but the youngest are an hour old.
    await platform.sql(
        "UPDATE identity.render_reservations SET expires_at = expires_at - interval '1 h 1 s' "
        "WHERE job_id = ANY ($1)",
        jobs[:3],
    )
    await port.keep([kept, closed])
    await platform.sql(
        "UPDATE identity.render_reservations SET expires_at = now() - interval '2 h' "
        "WHERE job_id = $1",
        closed,
    )
    await port.settle(tenant_id=person.tenant_id, job_id=closed)
    overdue = {one.job_id: one.tenant_id for one in await port.overdue(10_000)}
    if late not in overdue:  # the farm's own sweep came first: it found it overdue, too
        assert await _state(platform, late) == "Released"
        overdue[late] = person.tenant_id
    assert {job: overdue.get(job) for job in jobs} == {
        late: person.tenant_id,
        kept: None,
        closed: None,
        young: None,
    }
    assert [await _state(platform, job) for job in (kept, closed, young)] == [
        "Reserved",
        "Settled",
        "Reserved",
    ]


async def _state(platform: Platform, job_id: UUID) -> str:
    rows = await platform.sql(
        "SELECT state FROM identity.render_reservations WHERE job_id = $1", job_id
    )
    return str(rows[0]["state"])


@pytest.mark.parametrize(
    ("fraction", "count", "left", "used"), [(1.0, True, 0, 0), (0.25, False, 7_500, 1)]
)
async def test_the_farms_events_settle_and_give_back(
    platform: Platform, port: Any, fraction: float, count: bool, left: int, used: int
) -> None:
    person = await platform.person(plan="plus")
    before, _ = await _account(platform, person)
    done, failed, cancelled = uuid4(), uuid4(), uuid4()
    for job in (done, failed, cancelled):
        await _reserve(port, person, job, resolution="720p")
    farm = platform.runtime.plugins["render"].context.db
    events = [
        _event(JobCompleted, job_id=done, user_id=person.id),
        _event(JobFailed, job_id=failed, user_id=person.id, refund_fraction=1.0),
        _event(
            JobCancelled,
            job_id=cancelled,
            user_id=person.id,
            refund_fraction=fraction,
            give_back_count=count,
        ),
    ]
    async with farm.unit_of_work(person.tenant_id) as work:
        for event in events:
            work.emit(event)

    async def settled() -> bool:
        return await _account(platform, person) == (before - 10_000 - left, 0)

    await platform.until(settled)
    assert (await _limits(platform, person))["daily_used"] == 1 + used
    await _adds_up(platform, person)


def _event(kind: type[Any], **values: Any) -> Any:
    """Make an event of the farm; what identity does not read gets a value of its type."""
    import msgspec

    blank = {str: "", int: 1, float: 1.0, bool: False, UUID: uuid4(), datetime: datetime.now(UTC)}
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in values:
            values[field.name] = blank.get(field.type)
    return kind(**values)


async def test_a_grant_credits_its_charge_once(platform: Platform) -> None:
    person = await platform.person()
    await asyncio.gather(*(platform.grant(person.email, "plus") for _ in range(4)))
    rows = await platform.sql(
        "SELECT status, count(*) FROM identity.user_plans WHERE user_id = $1 GROUP BY 1", person.id
    )
    assert dict(rows) == {"Active": 1, "Cancelled": 3}
    granted = await platform.sql(
        "SELECT count(*), count(DISTINCT reference) FROM identity.render_charge_ledger "
        "WHERE user_id = $1 AND kind = 'Grant'",
        person.id,
    )
    assert tuple(granted[0]) == (4, 4)  # each grant its own, once
    assert await _account(platform, person) == (20_000_000, 0)
    await _adds_up(platform, person)
    days = await platform.sql(
        "SELECT sum(delta_days) FROM identity.plan_days_ledger WHERE user_id = $1", person.id
    )
    assert days[0][0] == 120


async def test_a_plan_that_ran_out_is_the_free_one_at_once(platform: Platform, port: Any) -> None:
    person = await platform.person(plan="pro")
    assert (await _limits(platform, person))["plan_code"] == "pro"
    await platform.sql(
        "UPDATE identity.user_plans SET starts_at = now() - interval '2 days', "
        "expires_at = now() - interval '1 s' WHERE user_id = $1",
        person.id,
    )
    limits = await _limits(platform, person)  # before any sweep
    assert (limits["plan_code"], limits["watermark"]) == ("free", True)
    from flatrender_identity.services.plans import PlanService

    service = platform.runtime.plugins["identity"].context.get(PlanService)
    await asyncio.gather(*(service.expire_due() for _ in range(3)))
    told = await platform.sql(
        "SELECT payload FROM identity.outbox WHERE name = 'identity.plan.expired.v1' "
        "AND payload::text LIKE '%' || $1 || '%'",
        str(person.id),
    )
    assert len(told) == 1
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert (me.json()["plan_code"], me.json()["plan_expires_at"]) == ("free", None)


async def test_a_tenant_cuts_its_days_in_its_own_zone(platform: Platform, port: Any) -> None:
    tenant_id, key = await platform.tenant()
    await platform.sql(
        "UPDATE identity.tenants SET timezone = 'Pacific/Auckland' WHERE id = $1", tenant_id
    )
    person = await platform.person(tenant_key=key)
    resets = datetime.fromisoformat((await _limits(platform, person))["resets_at"])
    assert resets.astimezone(ZoneInfo("Pacific/Auckland")).hour == 0
