"""Pieces of videos leave the store when nothing needs them any more, and never before."""

from typing import Any
from uuid import UUID

import pytest

from flatrender.storage import ObjectMissing
from flatrender_render.farm import expiry, leftovers, reports
from flatrender_render.farm.failures import classify

_PIECES = """
SELECT kind, object_key FROM render.frame_jobs
WHERE job_id = $1 AND kind IN ('video', 'audio') AND object_key IS NOT NULL
"""
_AGED = """
UPDATE render.render_jobs SET finished_at = finished_at - $2::interval WHERE id = $1
"""
_AGED_PIECES = """
UPDATE render.frame_jobs SET finished_at = finished_at - $2::interval WHERE job_id = $1
"""


async def keys_of(customer: Any, job: Any) -> list[str]:
    """Return where the pieces of a job lie."""
    rows = await customer.platform.sql(_PIECES, UUID(job["id"]))
    return [row["object_key"] for row in rows]


async def lying(customer: Any, keys: list[str]) -> list[str]:
    """Return which of these objects are in the store."""
    found = []
    for key in keys:
        try:
            await customer.platform.runtime.infra.storage.stat(key)
        except ObjectMissing:
            continue
        found.append(key)
    return found


async def tidied(customer: Any) -> None:
    """Give up what is due and take it out of the store."""
    context = customer.platform.runtime.plugins["render"].context
    async with context.db.system("test") as work:
        await leftovers.give_up(work)
    await expiry.remove_objects(context, limit=10_000)


async def aged(customer: Any, job: Any, by: str) -> None:
    """Let a job have ended so long ago."""
    for statement in (_AGED, _AGED_PIECES):
        await customer.platform.sql(
            statement.replace("$2::interval", f"interval '{by}'"), UUID(job["id"])
        )


async def half_done(lot: Any) -> tuple[Any, Any, list[str]]:
    """A job that has drawn and goes no further, and the keys of its pieces."""
    customer = await lot.customer("long")
    job = await customer.submit()
    await customer.hold(job["id"], "audio")
    await customer.drawn(job["id"], 1)
    return customer, job, await keys_of(customer, job)


async def test_the_pieces_of_a_video_go_and_the_video_stays(lot: Any) -> None:
    customer = await lot.customer()
    job = await customer.ended((await customer.submit())["id"])
    keys = await keys_of(customer, job)
    assert len(keys) == 2
    # What an attempt that came to nothing wrote has a key that follows from its epoch.
    await customer.platform.sql(
        "UPDATE render.frame_jobs SET epoch = epoch + 1 WHERE job_id = $1", UUID(job["id"])
    )
    late = [key.replace(".1.", ".2.") for key in keys]
    for key in late:
        await customer.platform.runtime.infra.storage.put(key, b"late")
    await tidied(customer)
    assert await lying(customer, keys + late) == keys + late  # an hour it keeps them
    await aged(customer, job, "61 minutes")
    await tidied(customer)
    assert await lying(customer, keys + late) == []
    for part in ("download", "poster", "thumbnail", "contact-sheet"):
        answer = await customer.call("GET", f"/v1/exports/{job['export_id']}/{part}")
        assert answer.status_code == 302, part
    (row,) = await customer.platform.sql(
        "SELECT object_key, poster_object_key, thumbnail_object_key, contact_sheet_object_key "
        "FROM render.exports WHERE job_id = $1",
        UUID(job["id"]),
    )
    assert len(await lying(customer, list(row))) == 4


async def test_a_failed_job_keeps_its_pieces_for_a_retry_and_makes_them_anew_later(
    lot: Any,
) -> None:
    customer, job, keys = await half_done(lot)
    context = customer.platform.runtime.plugins["render"].context
    async with context.db.system("test") as work:
        assert await reports.fail_job(work, UUID(job["id"]), classify("job_too_old", "test"))
    await customer.reservation(job["id"], "Released")
    await aged(customer, job, "6 days")
    await tidied(customer)
    assert await lying(customer, keys) == keys
    await aged(customer, job, "25 hours")
    await tidied(customer)
    assert await lying(customer, keys) == []
    answer = await customer.call("POST", f"/v1/renders/{job['id']}/retry")
    assert answer.status_code < 300, answer.text
    await customer.hold(job["id"], "audio", held=False)
    assert (await customer.ended(job["id"]))["step"] == "Done"
    again = await keys_of(customer, job)
    assert not set(again) & set(keys)
    repairs = await customer.platform.sql(
        "SELECT id FROM render.frame_repair_jobs WHERE job_id = $1", UUID(job["id"])
    )
    assert repairs == []
    # Its second life leaves pieces as well.
    await aged(customer, job, "61 minutes")
    await customer.platform.sql(
        "UPDATE render.render_jobs SET pieces_removed_at = finished_at - interval '1 day' "
        "WHERE id = $1",
        UUID(job["id"]),
    )
    await tidied(customer)
    assert await lying(customer, again) == []


@pytest.mark.parametrize("erased", [False, True])
async def test_what_was_made_of_an_erased_persons_words_does_not_wait(
    lot: Any, erased: bool
) -> None:
    customer, job, keys = await half_done(lot)
    assert (await customer.call("POST", f"/v1/renders/{job['id']}/cancel")).status_code < 300
    if erased:
        await customer.platform.sql(
            "UPDATE render.render_jobs SET composition = '{}' WHERE id = $1", UUID(job["id"])
        )
    await tidied(customer)
    assert await lying(customer, keys) == ([] if erased else keys)
