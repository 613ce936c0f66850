"""Renders that support asks for in a customer's account: they stay known as such after it left. A
person's picture counts what their work came to."""

import secrets
from typing import Any
from uuid import UUID

from flatrender.testing.packages import picture
from flatrender.testing.platform import Person, Platform
from flatrender_render.farm import reports
from flatrender_render.farm.failures import classify


async def _support(platform: Platform, owner: Person, admin: Person) -> dict[str, str]:
    """Return the headers of support acting in an account."""
    begun = await platform.client.post(
        f"/v1/users/{owner.id}/impersonation",
        json={"reason": "a render that does not come"},
        headers=admin.headers,
    )
    assert begun.status_code == 201, begun.text
    return {"Authorization": f"Bearer {begun.json()['access_token']}"}


async def _ask(platform: Platform, headers: dict[str, str], path: str, body: Any = None) -> Any:
    answer = await platform.client.post(
        path, json=body, headers={**headers, "Idempotency-Key": secrets.token_hex(8)}
    )
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


async def _marks(platform: Platform, job_id: str, count: int = 1) -> list[str | None]:
    """Return how so many mails about a job are marked, in the order of their writing."""

    async def look() -> Any:
        rows = await platform.sql(
            "SELECT d.params->>'by_support' AS mark FROM notification.deliveries d "
            "JOIN notification.notifications n ON n.id = d.notification_id "
            "WHERE n.data->>'job_id' = $1 AND d.channel = 'Email' ORDER BY d.id",
            job_id,
        )
        return [row["mark"] for row in rows] if len(rows) == count else None

    marks: list[str | None] = await platform.until(look)
    return marks


async def _asked_by(platform: Platform, job_id: str) -> UUID | None:
    rows = await platform.sql(
        "SELECT support_id FROM render.render_jobs WHERE id = $1", UUID(job_id)
    )
    found: UUID | None = rows[0]["support_id"]
    return found


async def test_a_mail_about_a_render_says_who_began_it_after_support_left(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer, admin = await lot.customer("short"), await platform.admin()
    support = await _support(platform, customer.person, admin)
    wanted = {"saved_project_id": customer.saved["id"], "resolution": "360p"}
    theirs = await _ask(platform, support, "/v1/renders", wanted)
    left = await platform.client.post("/v1/auth/logout", headers=support)
    assert left.status_code == 204
    own = await customer.submit()
    frozen.thaw()
    for job in (theirs, own):
        assert (await customer.ended(job["id"]))["step"] == "Done"
    assert await _marks(platform, theirs["id"]) == ["begun"]
    assert await _marks(platform, own["id"]) == [None]
    assert await _asked_by(platform, theirs["id"]) == admin.id
    assert await _asked_by(platform, own["id"]) is None


async def test_a_retry_and_the_rows_of_a_table_belong_to_who_asked_for_them(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer, admin = await lot.customer("short"), await platform.admin()
    await platform.sql(
        "UPDATE identity.users SET daily_render_limit = 0 WHERE id = $1", customer.person.id
    )
    support = await _support(platform, customer.person, admin)

    async def fail(job_id: str) -> None:
        context = platform.runtime.plugins["render"].context
        async with context.db.system("a test's failure") as work:
            assert await reports.fail_job(work, UUID(job_id), classify("engine_failed", "x"))

    job = (await customer.submit())["id"]
    await fail(job)
    await _marks(platform, job)  # marked: support acts meanwhile
    await _ask(platform, support, f"/v1/renders/{job}/retry")
    left = await platform.client.post("/v1/auth/logout", headers=support)
    assert left.status_code == 204
    assert await _asked_by(platform, job) == admin.id
    await fail(job)
    assert await _marks(platform, job, 2) == ["1", "begun"]
    await _ask(platform, admin.headers, f"/v1/admin/renders/{job}/retry")
    assert await _asked_by(platform, job) == admin.id  # the farm's staff change nothing of that
    await fail(job)
    assert await _marks(platform, job, 3) == ["1", "begun", "begun"]
    await _ask(platform, customer.person.headers, f"/v1/renders/{job}/retry")
    assert await _asked_by(platform, job) is None
    await fail(job)
    assert await _marks(platform, job, 4) == ["1", "begun", "begun", None]

    support = await _support(platform, customer.person, admin)
    body = {
        "saved_project_id": customer.saved["id"],
        "resolution": "360p",
        "rows": [{"headline": "یک"}, {"headline": "دو"}],
    }
    batch = await _ask(platform, support, "/v1/batches", body)

    async def made() -> Any:
        rows = await platform.sql(
            "SELECT r.support_id AS asked, j.support_id AS made FROM render.batch_rows r "
            "JOIN render.render_jobs j ON j.id = r.job_id WHERE r.batch_id = $1",
            UUID(batch["id"]),
        )
        return rows if len(rows) == 2 else None

    assert {tuple(row) for row in await platform.until(made)} == {(admin.id, admin.id)}
    await customer.call("POST", f"/v1/batches/{batch['id']}/cancel")


async def test_a_persons_picture_counts_their_work(lot: Any, platform: Platform) -> None:
    admin, person = await platform.admin(), await platform.person()

    async def work() -> Any:
        seen = await platform.client.get(f"/v1/users/{person.id}", headers=admin.headers)
        assert seen.status_code == 200, seen.text
        return seen.json()["work"]

    empty = await work()
    assert empty["projects"] == {"projects": 0, "in_trash": 0, "last_edited_at": None}
    assert empty["jobs"] == {
        "jobs": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0,
        "last_submitted_at": None, "exports": 0, "export_bytes": 0,
    }  # fmt: skip
    storage = empty["storage"]
    assert storage.pop("limit_bytes") > 0
    assert storage == {"files": 0, "in_trash": 0, "used_bytes": 0, "reserved_bytes": 0}

    customer = await lot.customer("short", person=person)
    thrown = await lot.customer("short", person=person)
    gone = await thrown.call("DELETE", f"/v1/saved-projects/{thrown.saved['id']}")
    assert gone.status_code == 204, gone.text
    trashed, _kept = [await customer.upload(picture(size)) for size in (140, 150)]
    gone = await customer.call("DELETE", f"/v1/files/{trashed}")
    assert gone.status_code == 204, gone.text
    job = await customer.ended((await customer.submit())["id"])
    export = await customer.get(f"/v1/exports/{job['export_id']}")

    told = await work()
    assert (told["projects"]["projects"], told["projects"]["in_trash"]) == (1, 1)
    assert told["projects"]["last_edited_at"]
    jobs = told["jobs"]
    assert (jobs["jobs"], jobs["done"], jobs["running"]) == (1, 1, 0)
    assert (jobs["exports"], jobs["export_bytes"]) == (1, export["size_bytes"])
    assert (told["storage"]["files"], told["storage"]["in_trash"]) == (1, 1)
    quota = await customer.get("/v1/files/quota")
    for name in ("used_bytes", "reserved_bytes", "limit_bytes"):
        assert told["storage"][name] == quota[name]
    other = await platform.person()  # nobody else's picture has any of it
    seen = await platform.client.get(f"/v1/users/{other.id}", headers=admin.headers)
    assert seen.json()["work"] == empty | {"storage": seen.json()["work"]["storage"]}
    assert seen.json()["work"]["storage"]["files"] == 0
