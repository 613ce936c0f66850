"""Reservations whose end nobody was told of: closed by what became of their jobs, once."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from flatrender.contracts.identity import RenderEntitlements
from flatrender.testing.platform import Person, Platform
from flatrender_render.domain import TERMINAL
from flatrender_render.farm.accounts import settle_overdue


async def _job(
    platform: Platform, person: Person, step: str | None, **columns: Any
) -> tuple[UUID, Any]:
    """Set aside 10 s of 720p and insert the job (or none) as it would stand, an hour ago."""
    port = platform.runtime.port(RenderEntitlements)
    job_id = uuid4()
    await port.reserve(
        tenant_id=person.tenant_id,
        user_id=person.id,
        job_id=job_id,
        resolution="720p",
        seconds=10,
    )
    if step is not None:
        await platform.sql(
            "INSERT INTO render.render_jobs (id, tenant_id, user_id, saved_project_id, engine, "
            "package_object_key, package_sha256, composition, composition_sha256, resolution, "
            "aspect, width, height, fps, duration, watermark, total_frames, reservation_state, "
            "step, finished_at, refund_fraction, cancelled_by) "
            "VALUES ($1, $2, $3, $3, 'nobodys', 'k', $4, '{}', $4, '720p', '16:9', 1280, 720, 30, "
            "10, false, 300, 'Reserved', $5, $6, $7, $8)",
            job_id,
            person.tenant_id,
            person.id,
            "a" * 64,
            step,
            datetime.now(UTC) if step in TERMINAL else None,
            columns.get("fraction"),
            columns.get("by"),
        )
    await platform.sql(
        "UPDATE identity.render_reservations SET expires_at = now() - interval '1 s' "
        "WHERE job_id = $1",
        job_id,
    )
    return job_id, port


async def _sweeps(platform: Platform, times: int = 3) -> None:
    farm = platform.runtime.plugins["render"].context
    await asyncio.gather(*(settle_overdue(farm) for _ in range(times)))


async def test_what_became_of_the_job_decides_once(platform: Platform) -> None:
    cases: list[tuple[str | None, dict[str, Any], str, int, bool]] = [
        (None, {}, "Released", 10_000, True),  # died before the job was written
        ("Done", {}, "Settled", 0, False),
        ("Failed", {"fraction": 1.0}, "Released", 10_000, True),
        ("Cancelled", {"fraction": 0.25, "by": "user"}, "Released", 2_500, False),
        ("Cancelled", {"fraction": 0.25, "by": "admin"}, "Released", 2_500, True),
    ]
    person = await platform.person(plan="plus")
    jobs = [await _job(platform, person, step, **more) for step, more, *_ in cases]
    await _sweeps(platform)
    rows = await platform.sql(
        "SELECT job_id, state, released_minor, count_given_back "
        "FROM identity.render_reservations WHERE user_id = $1",
        person.id,
    )
    found = {row["job_id"]: tuple(row)[1:] for row in rows}
    assert [found[job_id] for job_id, _port in jobs] == [case[2:] for case in cases]
    (account,) = await platform.sql(
        "SELECT a.balance_minor, a.reserved_minor, sum(l.delta_minor) AS booked, "
        "sum(l.reserved_delta_minor) AS held FROM identity.render_charge_accounts a "
        "JOIN identity.render_charge_ledger l ON l.user_id = a.user_id "
        "WHERE a.user_id = $1 GROUP BY 1, 2",
        person.id,
    )
    # Five times 10,000 taken; 10,000 + 10,000 + 2,500 + 2,500 came back, once.
    assert account["balance_minor"] == 5_000_000 - 50_000 + 25_000 == account["booked"]
    assert account["reserved_minor"] == 0 == account["held"]
    (day,) = await platform.sql(
        "SELECT renders FROM identity.user_daily_usage WHERE user_id = $1", person.id
    )
    assert day["renders"] == 2


async def test_a_living_job_keeps_what_it_took(platform: Platform) -> None:
    person = await platform.person(plan="plus")
    living, port = await _job(platform, person, "Rendering")
    await _sweeps(platform)
    (row,) = await platform.sql(
        "SELECT state, expires_at > now() + interval '59 minutes' AS later "
        "FROM identity.render_reservations WHERE job_id = $1",
        living,
    )
    assert tuple(row) == ("Reserved", True)
    assert living not in {one.job_id for one in await port.overdue(10_000)}


async def test_a_job_of_another_tenant_decides_nothing(platform: Platform) -> None:
    """The same id in another tenant is not this reservation's job."""
    person = await platform.person(plan="plus")
    job_id, _port = await _job(platform, person, "Done")
    other, _key = await platform.tenant()
    await platform.sql("UPDATE render.render_jobs SET tenant_id = $2 WHERE id = $1", job_id, other)
    await _sweeps(platform)
    (row,) = await platform.sql(
        "SELECT state FROM identity.render_reservations WHERE job_id = $1", job_id
    )
    assert row["state"] == "Released"
